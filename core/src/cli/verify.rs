//! `ferkd verify`.

use std::path::PathBuf;

use ferkd::Result;
use ferkd::store::{forget_shards, verify};

use crate::cli::Output;

/// Check every file and every record of a label store.
///
/// Names what is damaged and exits with 1. With --forget the damaged shards are removed, so that `ferkd label`
/// redoes these alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The store.
    store: PathBuf,
    /// Remove damaged shards.
    #[arg(long)]
    forget: bool,
}

impl Args {
    pub fn run(self) -> Result<Output> {
        let report = verify(&self.store, std::thread::available_parallelism().map_or(1, usize::from))?;
        let mut text =
            format!("{} files, {} images, {} regions checked\n", report.files, report.images, report.regions);
        for damage in &report.damages {
            text += &format!("damaged: {}: {}\n", damage.file, damage.problem);
        }
        let shards = report.redo.clone();
        if self.forget && !shards.is_empty() {
            forget_shards(&self.store, &shards)?;
            text += &format!("removed {} shards: run the same `ferkd label` command again\n", shards.len());
        } else if !shards.is_empty() {
            text += &format!(
                "{} shards must be redone: `ferkd verify --forget`, then `ferkd label` again\n",
                shards.len()
            );
        }
        if report.is_sound() {
            text += "the store is sound\n";
        }
        let mut output = Output::new(text, &report)?;
        output.code = u8::from(!report.is_sound());
        Ok(output)
    }
}
