//! The search for images that cannot be decoded, kept in the folder of the store that is to be written.

use std::fs;
use std::path::{Path, PathBuf};

use super::file_names::{LOCK, SKIPPED, WRITING};
use super::files::{read_checksums, read_small};
use super::skipped::{Skipped, SkippedImage};
use super::writer::check_is_ours;
use crate::atomic;
use crate::digest::sha256;
use crate::lock::FolderLock;
use ferkd_method::error::{Error, IoContext, Result};

/// A search in progress; no one else writes the store meanwhile.
pub struct SkipSearch {
    path: PathBuf,
    found: Skipped,
    _lock: FolderLock,
}

impl SkipSearch {
    /// Begins a search through the list whose hash is `listed_sha256`, or goes on with the one that is there.
    ///
    /// # Errors
    /// A folder that is not a store, another writer, or a search through another list.
    pub fn open(folder: impl AsRef<Path>, listed_sha256: String) -> Result<Self> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).at(folder)?;
        let lock = FolderLock::acquire(folder, LOCK, WRITING)?;
        check_is_ours(folder)?;
        let path = folder.join(SKIPPED);
        let recorded = read_checksums(folder)?.get(SKIPPED).map(str::to_owned);
        let found = match read_small(folder, SKIPPED)? {
            // A damaged one that the store has recorded is found again: the same images give the same bytes.
            Some(bytes) if recorded.is_some_and(|sum| sum != sha256(&bytes)) => None,
            Some(bytes) => Some(Skipped::parse(&bytes, &path.display().to_string())?),
            None => None,
        };
        let found = found.unwrap_or_else(|| Skipped::new(listed_sha256.clone()));
        if found.listed_sha256 != listed_sha256 {
            let problem = "it was made for other images: some have come, gone or been renamed since";
            return Err(Error::mismatch(path.display().to_string(), problem)
                .remedy("label into another folder, or bring the images back"));
        }
        Ok(Self { path, found, _lock: lock })
    }

    /// How many images have been decoded.
    pub fn checked(&self) -> u64 {
        self.found.checked
    }

    /// Keeps what was found among the next `count` images.
    ///
    /// # Errors
    /// The system refuses.
    pub fn note(&mut self, count: u64, images: impl IntoIterator<Item = SkippedImage>) -> Result<()> {
        self.found.checked += count;
        self.found.images.extend(images);
        atomic::write(&self.path, &self.found.to_bytes())
    }

    /// What was found.
    pub fn finish(self) -> Skipped {
        self.found
    }
}
