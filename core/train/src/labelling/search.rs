//! The search for images that cannot be decoded: all are decoded once before the first is labelled, because the
//! list of a store's images, and with it every image's place, is fixed from the beginning.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::image_check::find_broken;
use ferkd_data::events::Listener;
use ferkd_data::images::ImageList;
use ferkd_data::pixels::OrientationRule;
use ferkd_data::store::{SkipSearch, Skipped};
use ferkd_method::error::{Error, ErrorKind, Result};

/// Finds the images that cannot be decoded; goes on where an earlier search in the store `folder` stopped.
///
/// # Errors
/// Whatever [`SkipSearch::open`] and [`find_broken`] refuse.
pub(super) fn search(
    images: &ImageList,
    folder: &Path,
    orientation: OrientationRule,
    stop: &AtomicBool,
    listen: Listener,
) -> Result<Skipped> {
    let mut search = SkipSearch::open(folder, images.digest())?;
    let before = search.checked();
    find_broken(images, before, orientation, stop, listen, &mut |count, broken| search.note(count, broken))
        .map_err(|error| if error.kind() == ErrorKind::Interrupted { stopped(folder) } else { error })?;
    Ok(search.finish())
}

/// What to say when the user has asked to stop.
pub(super) fn stopped(folder: &Path) -> Error {
    Error::new(ErrorKind::Interrupted, folder.display().to_string(), "labelling was stopped")
        .remedy("run the same command again: it goes on where it stopped")
}
