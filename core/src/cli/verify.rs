//! `ferkd verify`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use ferkd_data::events::Event;
use ferkd_data::images::{ImageList, Split};
use ferkd_data::store::{Few, ImagesReport, Store, forget_shards, holds_parts, merge, verify};
use ferkd_method::{Error, Result};

use crate::cli::output::Output;
use crate::cli::terminal::Terminal;

/// Check every file and every record of a label store; merge its parts before, if it is in parts.
///
/// Names what is damaged and exits with 1. With --forget the damaged shards are removed, so that
/// `ferkd label` redoes these alone.
///
/// With --images it also compares every image in a folder with the one that was labelled: names,
/// sizes and bytes. It names those that are missing, were added, have another name or have changed.
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
    /// Images that the store was made from, to compare with it: all of them are read.
    #[arg(long, value_name = "FOLDER")]
    images: Option<PathBuf>,
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
        let images = match self.images.as_deref().filter(|_| report.is_sound()) {
            Some(images) => Some(compare(store, images, &mut text)?),
            None => None,
        };
        let mut output = Output::new(text, &report)?;
        output.json["compared_images"] =
            serde_json::to_value(&images).map_err(|e| Error::mismatch("output", e.to_string()))?;
        output.json["merged_parts"] = parts.into();
        output.code = u8::from(!report.is_sound() || images.is_some_and(|images| !images.is_same()));
        Ok(output)
    }
}

/// Compares the images in `folder` with a store, and says what it found.
fn compare(store: &Path, folder: &Path, text: &mut String) -> Result<ImagesReport> {
    let store = Store::open(store)?;
    let images = ImageList::open(folder, Split::Train)?;
    let mut terminal = Terminal::new();
    let job = "comparing images".to_owned();
    let begun = Instant::now();
    terminal.hear(&Event::Started { job: job.clone(), total: store.len(), unit: "images".into(), done: 0 });
    let report = store.compare_images(&images, &mut |done, total| {
        let units_per_s = done as f64 / begun.elapsed().as_secs_f64().max(1e-9);
        let eta_s = total.saturating_sub(done) as f64 / units_per_s;
        terminal.hear(&Event::Progress { done, total, units_per_s, eta_s });
    })?;
    terminal.hear(&Event::Done { job, time_s: begun.elapsed().as_secs_f64() });
    let root = images.root();
    for changed in &report.changed.first {
        *text += &format!("changed: {}: {}\n", changed.name, changed.problem);
    }
    more(text, &report.changed);
    for renamed in &report.renamed.first {
        *text += &format!("renamed: {renamed}\n");
    }
    more(text, &report.renamed);
    for name in &report.missing.first {
        *text += &format!("missing: {name}\n");
    }
    more(text, &report.missing);
    for name in &report.added.first {
        *text += &format!("added: {name}\n");
    }
    more(text, &report.added);
    *text += &match report.is_same() {
        true => format!("{root}: the {} images that were labelled, byte by byte\n", report.compared),
        false => format!(
            "{root}: not the images that were labelled: {} of {} changed, {} renamed, {} missing, {} added\n",
            report.changed.count,
            report.compared,
            report.renamed.count,
            report.missing.count,
            report.added.count
        ),
    };
    Ok(report)
}

/// Says how many more there are than are listed.
fn more<T>(text: &mut String, few: &Few<T>) {
    let more = few.count - few.first.len() as u64;
    if more > 0 {
        *text += &format!("... and {more} more\n");
    }
}
