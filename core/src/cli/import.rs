//! `ferkd import`.

use std::path::PathBuf;

use clap::Subcommand;
use ferkd_data::import::fkd::{FkdConfig, FkdSummary, import};
use ferkd_method::Result;

use crate::cli::notices::Notices;
use crate::cli::output::Output;
use crate::cli::overrides::Overrides;
use crate::cli::stop::STOP;
use crate::cli::terminal::{Terminal, duration};

/// Import labels that others made into a label store.
///
/// What they hold is checked first, file by file: the good ones are imported, the others are
/// named. The store can be mined, calibrated and trained on as any other. Nothing that a file
/// says is executed.
///
/// Example: ferkd import fkd FKD_soft_label --images imagenet --out fkd-labels
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    #[command(subcommand)]
    source: Source,
}

#[derive(Debug, Subcommand)]
enum Source {
    Fkd(Fkd),
}

/// FKD's official label files, one an image.
///
/// They lie in train/<class folder>/<image name up to the first dot>.tar. Hard, smoothing, marginal
/// (top K) and full labels are read, in 32 or 16 bits, with their boxes and flips. All files must
/// hold the same kind of label for the same number of regions. EXIF orientation is ignored, as
/// FKD's loader does. A label file or image that is missing or broken is named and left out; the
/// command then leaves with 1, or with 0 where --skip-bad is given. Interrupted, the same command
/// goes on.
///
/// Example: ferkd import fkd FKD_soft_label --images imagenet --out fkd-labels
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
struct Fkd {
    /// Folder of the label files, or the parent of train/.
    labels: PathBuf,
    /// The images that were labelled: a folder of class folders (or the parent of train/).
    #[arg(long)]
    images: PathBuf,
    /// Folder of the store.
    #[arg(long)]
    out: PathBuf,
    /// Leave with 0 even if some files were refused.
    #[arg(long)]
    skip_bad: bool,
    /// TOML file with settings; flags win over it. Can be given several times.
    #[arg(long)]
    config: Vec<PathBuf>,
    #[command(flatten)]
    settings: Overrides<FkdConfig>,
}

/// How many refused files the text shows.
const SHOWN: usize = 20;

impl Args {
    pub fn run(self) -> Result<Output> {
        match self.source {
            Source::Fkd(args) => args.run(),
        }
    }
}

impl Fkd {
    fn run(self) -> Result<Output> {
        let config = self.settings.resolve(&self.config)?;
        let mut terminal = Terminal::new();
        let mut notices = Notices::default();
        let summary = import(&self.labels, &self.images, &self.out, &config, &STOP, &mut |event| {
            notices.hear(event);
            terminal.hear(event);
        })?;
        let mut output = notices.put(Output::new(self.text(&summary), &summary)?);
        output.code = u8::from(summary.refused_count > 0 && !self.skip_bad);
        Ok(output)
    }

    fn text(&self, summary: &FkdSummary) -> String {
        let mut text = format!(
            "{}: {} regions of {} images, {} classes, {} bytes a region\nimported {} images in {}\n",
            self.out.display(),
            summary.regions,
            summary.images,
            summary.classes,
            summary.bytes_per_region,
            summary.imported_images,
            duration(summary.time_s),
        );
        if summary.refused_count > 0 {
            text += &format!("refused {}:\n", summary.refused_count);
            for refused in summary.refused.iter().take(SHOWN) {
                text += &format!("  {}: {}\n", refused.name, refused.problem);
            }
            if summary.refused_count > SHOWN as u64 {
                text += &format!("  and {} more; --json lists them\n", summary.refused_count - SHOWN as u64);
            }
        }
        text + &format!("next: ferkd mine {}", self.out.display())
    }
}
