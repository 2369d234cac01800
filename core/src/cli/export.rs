//! `ferkd export`.

use std::path::PathBuf;

use ferkd::Result;
use ferkd::classifier::Classifier;
use ferkd::weights::{Precision, StateDict};
use ferkd::{Error, device};

use crate::cli::Output;

/// Hand a student on: safetensors with torchvision's key names.
///
/// Writes the weights alone, without the optimizer's state; torchvision loads them with
/// `model.load_state_dict(safetensors.torch.load_file(FILE), strict=False)` (only num_batches_tracked is absent).
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run folder, or a safetensors file of one.
    run: String,
    /// File to write.
    #[arg(long)]
    out: PathBuf,
    /// Write 16-bit floats: half the size.
    #[arg(long)]
    f16: bool,
}

impl Args {
    pub fn run(self) -> Result<Output> {
        let model = Classifier::load(&self.run, &device::open("flex")?)?;
        if self.out.is_dir() {
            return Err(Error::usage(self.out.display().to_string(), "it is a folder").remedy("name a file"));
        }
        let mut dict = StateDict::of(&model.model);
        model.card.put(&mut dict);
        let precision = if self.f16 { Precision::F16 } else { Precision::F32 };
        dict.write(&self.out, precision)?;
        let bytes = std::fs::metadata(&self.out).map(|m| m.len()).unwrap_or_default();
        let text = format!(
            "{}: {} tensors, {bytes} bytes, {}",
            self.out.display(),
            dict.tensors.len(),
            model.card.spec.arch
        );
        let json = serde_json::json!({
            "path": self.out, "tensors": dict.tensors.len(), "bytes": bytes, "spec": model.card.spec,
        });
        Output::new(text, &json)
    }
}
