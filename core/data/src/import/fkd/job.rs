//! An import under way: what both of its passes read.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::label_file::LabelFile;
use super::pairing;
use crate::classes::ClassSpace;
use crate::events::Event;
use crate::images::list::ImageList;
use ferkd_method::error::{Error, ErrorKind, IoContext, Result};

/// Images that are read at once; between two of these groups an interrupt is heard.
pub(super) const GROUP: usize = 128;

/// A label file of 500 regions and all of 100,000 classes would be as large.
const MAX_LABEL_BYTES: u64 = 256 << 20;

/// What is imported, and from where.
pub(super) struct Import<'a> {
    pub(super) labels: PathBuf,
    pub(super) images: ImageList,
    pub(super) classes: ClassSpace,
    /// Class of each class folder.
    pub(super) folders: Vec<u32>,
    pub(super) out: &'a Path,
    pub(super) stop: &'a AtomicBool,
}

impl Import<'_> {
    pub(super) fn check_stop(&self) -> Result<()> {
        if !self.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let error =
            Error::new(ErrorKind::Interrupted, self.out.display().to_string(), "the import was stopped");
        Err(error.remedy("run the same command again: it goes on where it stopped"))
    }

    /// The label file of the image called `name`.
    pub(super) fn label_file(&self, name: &str) -> Result<LabelFile> {
        let path = self.labels.join(pairing::label_name(name));
        let len = std::fs::metadata(&path).at(&path)?.len();
        if len > MAX_LABEL_BYTES {
            return Err(Error::damaged(&path, format!("{len} bytes are too many for one image's labels"))
                .remedy("leave it out"));
        }
        let bytes = std::fs::read(&path).at(&path)?;
        LabelFile::read(&bytes, &path.display().to_string(), self.classes.len())
    }
}

/// How far a pass has come: `done` of `total` images, `now` of them since it began.
pub(super) fn progress(done: u64, total: u64, now: u64, begun: Instant) -> Event {
    let units_per_s = now as f64 / begun.elapsed().as_secs_f64();
    Event::Progress { done, total, units_per_s, eta_s: (total - done) as f64 / units_per_s }
}
