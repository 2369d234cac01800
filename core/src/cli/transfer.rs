//! `ferkd transfer`.

use std::path::PathBuf;

use ferkd::train::transfer::{check, starting_point};
use ferkd::train::{TrainConfig, train};
use ferkd::{Error, Result};

use crate::cli::overrides::Overrides;
use crate::cli::terminal::Terminal;
use crate::cli::train::{dry_run, report};
use crate::cli::{Output, STOP};

/// Take a trained network to an image folder's own classes: fine-tune all of it, or its last layer
/// alone.
///
/// The last layer is drawn anew for the folder's classes; the rest begins with the weights of
/// --from. Everything that `ferkd train` takes can be set; the short schedule that is set here is a
/// start (`--dry-run` shows it). Another --side is possible: a transformer's positions are resized.
///
/// Example: ferkd transfer --from runs/first flowers --run runs/flowers --epochs 50
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Run folder (its best checkpoint), weights file, or shipped teacher to begin with.
    #[arg(long)]
    from: PathBuf,
    /// Images in class folders, or the parent of train/ and val/.
    #[arg(value_name = "IMAGES")]
    folder: PathBuf,
    /// Folder of the run.
    #[arg(long)]
    run: PathBuf,
    /// Train the last layer alone, on frozen features (a linear probe).
    #[arg(long)]
    probe: bool,
    /// TOML file with settings; flags win over it. Can be given several times.
    #[arg(long)]
    config: Vec<PathBuf>,
    /// Go on with the run that is there.
    #[arg(long)]
    resume: bool,
    /// Say what would be done, and stop.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: Overrides<TrainConfig>,
}

impl Args {
    pub fn run(self) -> Result<Output> {
        let mut start = starting_point(&self.from, self.probe)?;
        start.images = self.folder;
        let base = toml::Table::try_from(&start).map_err(|e| Error::usage("transfer", e.to_string()))?;
        let config = self.settings.resolve_over(vec![("transfer".into(), base)], &self.config)?;
        check(&config, &start)?;
        if self.dry_run {
            return dry_run(config);
        }
        let mut terminal = Terminal::new();
        let summary = train(&config, &self.run, self.resume, &STOP, &mut |e| terminal.hear(e))?;
        report(&self.run, &summary)
    }
}
