//! The lock of a folder's only writer: the operating system drops it even when the writer is killed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use ferkd_method::error::{Error, ErrorKind, IoContext, Result};

/// Held while someone writes; the file goes with it.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
    path: PathBuf,
}

impl FolderLock {
    /// Takes the lock `name` in `folder`; `work` says what no one else may do there meanwhile.
    ///
    /// # Errors
    /// Another writer has it ([`ErrorKind::Busy`]), or the system refuses.
    pub fn acquire(folder: &Path, name: &str, work: &str) -> Result<Self> {
        let path = folder.join(name);
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).at(&path)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(busy(&path, work)),
                Err(TryLockError::Error(error)) => return Err(Error::io(&path, error)),
            }
            // Between opening and locking, the former writer may have removed the file: its lock is worthless.
            if same_file(&file, &path) {
                return Ok(Self { file, path });
            }
        }
    }

    /// Checks that no one holds the lock `name` of `folder` at this moment, without leaving a trace.
    ///
    /// # Errors
    /// Someone does ([`ErrorKind::Busy`]).
    pub fn check_free(folder: &Path, name: &str, work: &str) -> Result<()> {
        let path = folder.join(name);
        match File::open(&path).map(|file| file.try_lock_shared()) {
            Ok(Err(TryLockError::WouldBlock)) => Err(busy(&path, work)),
            _ => Ok(()),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Left behind, the file does no harm: it is not locked.
        let _ = fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

fn busy(path: &Path, work: &str) -> Error {
    let error = Error::new(ErrorKind::Busy, path.display().to_string(), format!("someone else is {work}"));
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
