//! `ferkd label`.

use std::path::PathBuf;

use ferkd_data::store::SKIPPED;
use ferkd_method::Result;
use ferkd_train::labelling::{LabelConfig, label};

use crate::cli::notices::Notices;
use crate::cli::output::Output;
use crate::cli::overrides::Overrides;
use crate::cli::stop::STOP;
use crate::cli::terminal::{Terminal, duration};

/// Most broken images that are listed on the terminal.
const SHOWN: usize = 20;

/// Run a teacher over regions of images and write a label store.
///
/// Draws M regions of every image, shows each to the teacher, and keeps the top K of its answer: 16
/// bytes a region. Interrupted at any moment, the same command goes on where it stopped.
///
/// Several machines share the work by --part 1/4 ... --part 4/4: each writes a folder of its own
/// within --out, and `ferkd verify` merges them. Images that cannot be decoded are an error, or are
/// passed over with --skip-bad.
///
/// Example: ferkd label photos --teacher efficientnet-lite0 --regions 50 --out photos-labels
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Images: a folder of class folders (or the parent of train/, in any of its usual names), one flat folder, or tar
    /// archives of either.
    images: PathBuf,
    /// Teacher: efficientnet-lite0 or digits (both ship with the program), a safetensors, PyTorch or ONNX file, a run folder, or a folder of the Hugging Face hub.
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
        let mut notices = Notices::default();
        let summary = label(&self.images, &self.teacher, &self.out, &config, &STOP, &mut |event| {
            notices.hear(event);
            terminal.hear(event);
        })?;
        let out = self.out.display();
        let mut text = format!(
            "{out}: {} regions of {} images, {} classes, {} bytes a region\nlabelled {} regions in {} ({:.1} regions/s)\n",
            summary.regions,
            summary.images,
            summary.classes,
            summary.bytes_per_region,
            summary.labelled_regions,
            duration(summary.time_s),
            summary.regions_per_s,
        );
        if summary.skipped_images > 0 {
            text += &format!("{} images cannot be decoded and were passed over\n", summary.skipped_images);
            for image in summary.skipped.iter().take(SHOWN) {
                text += &format!("  {}: {}\n", image.name, image.problem);
            }
            if summary.skipped.len() > SHOWN {
                text += "  ...\n";
            }
            text += &format!("  all of them: {SKIPPED} in the store\n");
        }
        text += &match summary.part {
            Some(part) => format!("part {part} is done; next, when all are: ferkd verify {out}"),
            None => format!("next: ferkd mine {out}"),
        };
        Output::new(text, &summary).map(|output| notices.put(output))
    }
}
