//! `ferkd export`.

use std::path::{Path, PathBuf};

use ferkd_data::atomic;
use ferkd_method::Error;
use ferkd_method::Result;
use ferkd_method::error::IoContext;
use ferkd_nn::classifier::Classifier;
use ferkd_nn::device;
use ferkd_nn::weights::{Precision, StateDict};

use crate::cli::output::Output;

/// Write a student for other programs: safetensors with torchvision's or timm's key names, a PyTorch file, or ONNX.
///
/// Writes the weights alone, without the optimizer's state. In Python:
///   safetensors  model.load_state_dict(safetensors.torch.load_file(FILE))
///   --torch      model.load_state_dict(torch.load(FILE, weights_only=True))
///   --onnx       onnxruntime.InferenceSession(FILE).run(None, {"images": images})
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run folder, or a safetensors file of one.
    run: PathBuf,
    /// File to write [default: student.safetensors, .pth or .onnx in the run folder, or beside the file].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write a state dictionary as `torch.save` does; it says nothing of classes and normalisation.
    #[arg(long, conflicts_with = "onnx")]
    torch: bool,
    /// Write an ONNX file (opset 17): `images`, shape (batch, 3, side, side), to `logits`.
    #[arg(long, conflicts_with = "f16")]
    onnx: bool,
    /// Write 16-bit floats: half the size. Tensors with a number beyond 65504, which 16 bits cannot hold, stay in 32.
    #[arg(long)]
    f16: bool,
}

/// What an export is written as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Safetensors,
    Torch,
    Onnx,
}

impl Format {
    const ALL: [Self; 3] = [Self::Safetensors, Self::Torch, Self::Onnx];

    /// What it is called in `--json`.
    fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Torch => "torch",
            Self::Onnx => "onnx",
        }
    }

    /// Endings of its files, the usual one first.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Safetensors => &["safetensors"],
            Self::Torch => &["pth", "pt", "bin", "ckpt"],
            Self::Onnx => &["onnx"],
        }
    }

    /// How it is asked for.
    fn remedy(self) -> &'static str {
        match self {
            Self::Safetensors => "leave --torch and --onnx out",
            Self::Torch => "give --torch",
            Self::Onnx => "give --onnx",
        }
    }
}

impl Args {
    pub fn run(self) -> Result<Output> {
        let format = match (self.torch, self.onnx) {
            (true, _) => Format::Torch,
            (_, true) => Format::Onnx,
            _ => Format::Safetensors,
        };
        // A shipped teacher has no run to export: only what is on disk is meant.
        std::fs::metadata(&self.run).at(&self.run)?;
        let model = Classifier::load(&self.run.to_string_lossy(), &device::open("flex")?)?;
        let folder = if self.run.is_dir() { Some(&*self.run) } else { self.run.parent() };
        let usual = format!("student.{}", format.endings()[0]);
        let out = self.out.unwrap_or_else(|| folder.unwrap_or(Path::new("")).join(usual));
        if out.is_dir() {
            return Err(Error::usage(out.display().to_string(), "it is a folder").remedy("name a file"));
        }
        check_place(&out, &self.run, format)?;
        let (Some(network), Some(card)) = (model.model(), model.card()) else {
            return Err(Error::usage(self.run.display().to_string(), "it is an ONNX file already")
                .remedy("name a run folder of `ferkd train`, or a weights file"));
        };
        let mut dict = StateDict::of(network)?;
        card.put(&mut dict);
        let precision = if self.f16 { Precision::F16 } else { Precision::F32 };
        match format {
            Format::Safetensors => {
                // transformers reads no file without it.
                dict.metadata.insert("format".into(), "pt".into());
                dict.write(&out, precision)?;
            }
            Format::Torch => atomic::write(&out, &dict.to_torch(precision)?)?,
            Format::Onnx => {
                let (side, classes) = (card.side as usize, card.classes.len());
                atomic::write(&out, &network.to_onnx(side, classes, &dict.metadata)?)?;
            }
        }
        let wide: Vec<&str> = if self.f16 { dict.beyond_f16().collect() } else { Vec::new() };
        let bytes = std::fs::metadata(&out).at(&out)?.len();
        let mut text =
            format!("{}: {} tensors, {bytes} bytes, {}", out.display(), dict.tensors.len(), card.spec.arch);
        if !wide.is_empty() {
            text += &format!(
                "\n{} of them stay in 32 bits, because 16 cannot hold a number of theirs: {}",
                wide.len(),
                wide.join(", ")
            );
        }
        let json = serde_json::json!({
            "path": out, "format": format.name(), "tensors": dict.tensors.len(), "bytes": bytes,
            "spec": card.spec, "f32_tensors": wide,
        });
        Output::new(text, &json)
    }
}

/// Endings of weights files of other programs: who loads one by its ending could not.
const OTHERS: [&str; 2] = ["pkl", "npz"];

/// Checks that an export is called what it is, and replaces no checkpoint: a run goes on from its last one.
fn check_place(out: &Path, run: &Path, format: Format) -> Result<()> {
    let ending = out.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    if let Some(ending) = ending {
        let meant = Format::ALL.into_iter().find(|format| format.endings().contains(&&*ending));
        let usual = format.endings()[0];
        let problem = format!("the name says .{ending}, and a {} file would be written", format.name());
        let wrong = |remedy: String| Err(Error::usage(out.display().to_string(), problem).remedy(remedy));
        match meant {
            Some(meant) if meant != format => {
                return wrong(format!("{}, or name a file that ends in .{usual}", meant.remedy()));
            }
            None if OTHERS.contains(&&*ending) => {
                return wrong(format!("name a file that ends in .{usual}"));
            }
            _ => {}
        }
    }
    let whole = |path: &Path| std::fs::canonicalize(path).ok();
    let Some(there) = whole(out) else { return Ok(()) };
    let checkpoints = whole(&run.join("checkpoints"));
    if Some(&there) == whole(run).as_ref() || there.parent() == checkpoints.as_deref() {
        return Err(Error::usage(out.display().to_string(), "the export would replace what it is made from")
            .remedy("name another file with --out"));
    }
    Ok(())
}
