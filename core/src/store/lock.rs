//! The lock of a folder's only writer: the operating system drops it even when the writer is killed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::LOCK;
use crate::error::{Error, ErrorKind, IoContext, Result};

/// Held while somebody writes; the file goes with it.
#[derive(Debug)]
pub(crate) struct WriterLock {
    file: File,
    path: PathBuf,
}

impl WriterLock {
    /// Takes the lock of `folder`: a store's, or a sweep's.
    ///
    /// # Errors
    /// Another writer has it ([`ErrorKind::Busy`]), or the system refuses.
    pub(crate) fn acquire(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK);
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).at(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(busy(&path)),
                Err(TryLockError::Error(error)) => return Err(Error::io(&path, error)),
            }
            // Between opening and locking, the former writer may have removed the file: its lock is worthless.
            if same_file(&file, &path) {
                return Ok(Self { file, path });
            }
        }
    }

    /// Checks that nobody writes in `folder` at this moment, without leaving a trace.
    ///
    /// # Errors
    /// Somebody does ([`ErrorKind::Busy`]).
    pub(super) fn check_free(folder: &Path) -> Result<()> {
        let path = folder.join(LOCK);
        match File::open(&path).map(|file| file.try_lock_shared()) {
            Ok(Err(TryLockError::WouldBlock)) => Err(busy(&path)),
            _ => Ok(()),
        }
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        // Left behind, the file does no harm: it is not locked.
        let _ = fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

fn busy(path: &Path) -> Error {
    let error = Error::new(ErrorKind::Busy, path.display().to_string(), "somebody else is writing there");
    error.remedy("wait until they are done, or name another folder")
}

#[cfg(unix)]
fn same_file(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (file.metadata(), fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

#[cfg(not(unix))]
fn same_file(_file: &File, path: &Path) -> bool {
    path.exists()
}
