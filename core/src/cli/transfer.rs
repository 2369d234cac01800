//! `ferkd transfer`.

use std::path::PathBuf;

use ferkd_method::{Error, Result};
use ferkd_train::tensorboard::Board;
use ferkd_train::train;
use ferkd_train::transfer::{check, starting_point};

use crate::cli::output::Output;
use crate::cli::stop::STOP;
use crate::cli::terminal::Terminal;
use crate::cli::train::{RunArgs, dry_run, report};

/// Take a trained network to an image folder's own classes: fine-tune all of it, or its last layer
/// alone.
///
/// The last layer is drawn again for the folder's classes; the rest begins with the weights of
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
    /// Train the last layer alone, on frozen features (a linear probe).
    #[arg(long)]
    probe: bool,
    #[command(flatten)]
    run: RunArgs,
}

impl Args {
    /// Whether the thread that calls it computes all of a step.
    pub fn computes(&self) -> bool {
        self.run.computes()
    }

    pub fn run(self) -> Result<Output> {
        let mut start = starting_point(&self.from, self.probe)?;
        start.images = self.folder;
        let base = toml::Table::try_from(&start).map_err(|e| Error::usage("transfer", e.to_string()))?;
        let config = self.run.config(vec![("transfer".into(), base)])?;
        check(&config, &start)?;
        let RunArgs { run, resume, .. } = &self.run;
        if self.run.dry_run {
            return dry_run(config, run, *resume);
        }
        let mut terminal = Terminal::new();
        let mut board = Board::new(run, self.run.tensorboard);
        let summary = train(&config, run, *resume, &STOP, &mut |event| {
            for event in std::iter::once(event).chain(&board.hear(event)) {
                terminal.hear(event);
            }
        })?;
        report(run, &summary)
    }
}
