//! The search for images that cannot be decoded: all are decoded once before the first is labelled, because the
//! list of a store's images, and with it every image's place, is fixed from the beginning.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rayon::prelude::*;

use ferkd_data::events::{Event, Listener};
use ferkd_data::images::ImageList;
use ferkd_data::pixels::OrientationRule;
use ferkd_data::store::{SkipSearch, Skipped, SkippedImage};
use ferkd_method::error::{Error, ErrorKind, Result};

/// Images that are decoded between two writes of what was found.
const GROUP: u64 = 256;

/// Finds the images that cannot be decoded; goes on where an earlier search in the store `folder` stopped.
///
/// # Errors
/// Whatever [`SkipSearch::open`] refuses, an image that cannot be reached (that is no fault of its own), and
/// [`ErrorKind::Interrupted`] when `stop` was set.
pub(super) fn search(
    images: &ImageList,
    folder: &Path,
    orientation: OrientationRule,
    stop: &AtomicBool,
    listen: Listener,
) -> Result<Skipped> {
    let mut search = SkipSearch::open(folder, images.digest())?;
    let (total, before) = (images.len() as u64, search.checked());
    if before >= total {
        return Ok(search.finish());
    }
    let (begun, job) = (Instant::now(), "looking for broken images".to_owned());
    listen(&Event::Started { job: job.clone(), total, unit: "images".into(), done: before });
    while search.checked() < total {
        if stop.load(Ordering::Relaxed) {
            return Err(stopped(folder));
        }
        let group = search.checked()..(search.checked() + GROUP).min(total);
        let look = |i: u64| match images.decode(i as usize, orientation) {
            Err(error) if error.kind() == ErrorKind::Damaged => Ok(Some(SkippedImage {
                name: images.name(i as usize).to_owned(),
                problem: error.problem().to_owned(),
            })),
            other => other.map(|_| None),
        };
        let found: Vec<Option<SkippedImage>> =
            group.clone().into_par_iter().map(look).collect::<Result<_>>()?;
        search.note(group.end - group.start, found.into_iter().flatten())?;
        let done = search.checked();
        let units_per_s = (done - before) as f64 / begun.elapsed().as_secs_f64();
        let eta_s = (total - done) as f64 / units_per_s;
        listen(&Event::Progress { done, total, units_per_s, eta_s });
    }
    listen(&Event::Done { job, time_s: begun.elapsed().as_secs_f64() });
    Ok(search.finish())
}

/// What to say when the user has asked to stop.
pub(super) fn stopped(folder: &Path) -> Error {
    Error::new(ErrorKind::Interrupted, folder.display().to_string(), "labelling was stopped")
        .remedy("run the same command again: it goes on where it stopped")
}
