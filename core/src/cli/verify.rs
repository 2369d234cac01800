//! `ferkd verify`.

use std::path::PathBuf;

use ferkd_data::store::{forget_shards, holds_parts, merge, verify};
use ferkd_method::{Error, Result};

use crate::cli::Output;

/// Check every file and every record of a label store; merge its parts before, if it is in parts.
///
/// Names what is damaged and exits with 1. With --forget the damaged shards are removed, so that
/// `ferkd label` redoes these alone.
///
/// Parts that `ferkd label --part` wrote into STORE become one store, the same bytes as if it had
/// been labelled in one go, once all are there. Parts that lie elsewhere are copied: ferkd verify
/// FOLDER FOLDER ... --merge STORE
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// The store; with --merge, the folders with its parts.
    #[arg(required = true, value_name = "STORE")]
    stores: Vec<PathBuf>,
    /// Remove damaged shards.
    #[arg(long)]
    forget: bool,
    /// Store to merge copies of the parts into.
    #[arg(long, value_name = "STORE")]
    merge: Option<PathBuf>,
}

impl Args {
    pub fn run(self) -> Result<Output> {
        let (store, others) = match (&self.merge, &self.stores[..]) {
            (Some(store), others) => (store, others),
            (None, [store]) => (store, &[][..]),
            (None, _) => {
                return Err(Error::usage("STORE", format!("{} of them are given", self.stores.len()))
                    .remedy("name one, or the store that they are parts of with --merge"));
            }
        };
        let parts = match others.is_empty() && !holds_parts(store)? {
            true => 0,
            false => merge(store, others)?,
        };
        let report = verify(store, rayon::current_num_threads())?;
        let mut text =
            format!("{} files, {} images, {} regions checked\n", report.files, report.images, report.regions);
        if parts > 0 {
            text = format!("{parts} parts are merged into {}\n{text}", store.display());
        }
        for damage in &report.damages {
            text += &format!("damaged: {}: {}\n", damage.file, damage.problem);
        }
        let shards = report.redo.clone();
        if self.forget && !shards.is_empty() {
            forget_shards(store, &shards)?;
            text += &format!("removed {} shards: run the same `ferkd label` command again\n", shards.len());
        } else if !shards.is_empty() {
            text += &format!(
                "{} shards must be redone: `ferkd verify {} --forget`, then `ferkd label` again\n",
                shards.len(),
                store.display()
            );
        }
        if report.is_sound() {
            text += "the store is sound\n";
        }
        let mut output = Output::new(text, &report)?;
        output.json["merged_parts"] = parts.into();
        output.code = u8::from(!report.is_sound());
        Ok(output)
    }
}
