//! `ferkd export`.

use std::path::{Path, PathBuf};

use ferkd_method::Error;
use ferkd_method::Result;
use ferkd_method::error::IoContext;
use ferkd_nn::classifier::Classifier;
use ferkd_nn::device;
use ferkd_nn::weights::{Precision, StateDict};

use crate::cli::output::Output;

/// Hand a student on: safetensors with torchvision's or timm's key names.
///
/// Writes the weights alone, without the optimizer's state; torchvision loads them with
/// `model.load_state_dict(safetensors.torch.load_file(FILE), strict=False)` (only
/// num_batches_tracked is absent).
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run folder, or a safetensors file of one.
    run: PathBuf,
    /// File to write [default: student.safetensors in the run folder, or beside the file].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write 16-bit floats: half the size. Tensors with a number beyond 65504, which 16 bits cannot hold, stay in 32.
    #[arg(long)]
    f16: bool,
}

impl Args {
    pub fn run(self) -> Result<Output> {
        // A shipped teacher has no run to export: only what is on disk is meant.
        std::fs::metadata(&self.run).at(&self.run)?;
        let model = Classifier::load(&self.run.to_string_lossy(), &device::open("flex")?)?;
        let folder = if self.run.is_dir() { Some(&*self.run) } else { self.run.parent() };
        let out = self.out.unwrap_or_else(|| folder.unwrap_or(Path::new("")).join("student.safetensors"));
        if out.is_dir() {
            return Err(Error::usage(out.display().to_string(), "it is a folder").remedy("name a file"));
        }
        check_place(&out, &self.run)?;
        let mut dict = StateDict::of(&model.model)?;
        model.card.put(&mut dict);
        let precision = if self.f16 { Precision::F16 } else { Precision::F32 };
        dict.write(&out, precision)?;
        let wide: Vec<&str> = if self.f16 { dict.beyond_f16().collect() } else { Vec::new() };
        let bytes = std::fs::metadata(&out).at(&out)?.len();
        let mut text = format!(
            "{}: {} tensors, {bytes} bytes, {}",
            out.display(),
            dict.tensors.len(),
            model.card.spec.arch
        );
        if !wide.is_empty() {
            text += &format!(
                "\n{} of them stay in 32 bits, because 16 cannot hold a number of theirs: {}",
                wide.len(),
                wide.join(", ")
            );
        }
        let json = serde_json::json!({
            "path": out, "tensors": dict.tensors.len(), "bytes": bytes, "spec": model.card.spec,
            "f32_tensors": wide,
        });
        Output::new(text, &json)
    }
}

/// Endings of weights files that are no safetensors: who loads one by its ending could not.
const OTHERS: [&str; 7] = ["pth", "pt", "bin", "ckpt", "pkl", "onnx", "npz"];

/// Checks that an export is called what it is, and replaces no checkpoint: a run goes on from its last one.
fn check_place(out: &Path, run: &Path) -> Result<()> {
    let ending = out.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    if let Some(ending) = ending.filter(|ending| OTHERS.contains(&&**ending)) {
        let problem = format!("an export is a safetensors file, and this name says .{ending}");
        return Err(Error::usage(out.display().to_string(), problem).remedy(
            "name a file that ends in .safetensors; `safetensors.torch.load_file` reads it in Python",
        ));
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
