//! `ferkd label`.

use std::path::PathBuf;

use ferkd::Result;
use ferkd::labelling::{LabelConfig, label};

use crate::cli::overrides::Overrides;
use crate::cli::terminal::{Terminal, duration};
use crate::cli::{Output, STOP};

/// Run a teacher over regions of images and write a label store.
///
/// Draws M regions of every image, shows each to the teacher, and keeps the top K of its answer: 16 bytes a
/// region. Interrupted at any moment, the same command goes on where it stopped.
///
/// Example: ferkd label photos --teacher efficientnet-lite0 --regions 50 --out photos-labels
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Images: a folder of class folders (or the parent of train/), or one flat folder.
    images: PathBuf,
    /// Teacher: efficientnet-lite0 or digits (both ship with the program), a safetensors file, or a run folder.
    #[arg(long, default_value = "efficientnet-lite0")]
    teacher: String,
    /// Folder of the store.
    #[arg(long)]
    out: PathBuf,
    /// TOML file with settings; flags win over it. Can be given several times.
    #[arg(long)]
    config: Vec<PathBuf>,
    #[command(flatten)]
    settings: Overrides<LabelConfig>,
}

impl Args {
    pub fn run(self) -> Result<Output> {
        let config = self.settings.resolve(&self.config)?;
        let mut terminal = Terminal::new();
        let summary =
            label(&self.images, &self.teacher, &self.out, &config, &STOP, &mut |e| terminal.hear(e))?;
        let text = format!(
            "{}: {} regions of {} images, {} classes, {} bytes a region\nlabelled {} regions in {} ({:.1} regions/s)\nnext: ferkd mine {}",
            self.out.display(),
            summary.regions,
            summary.images,
            summary.classes,
            summary.bytes_per_region,
            summary.labelled_regions,
            duration(summary.time_s),
            summary.regions_per_s,
            self.out.display(),
        );
        Output::new(text, &summary)
    }
}
