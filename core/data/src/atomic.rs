//! Files that are either whole or not there: written beside their place, synced, renamed, the folder synced.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ferkd_method::error::{IoContext, Result};

/// Ending of a file that is still being written.
pub const TEMPORARY: &str = ".part";

/// Writes `bytes` to `path`, replacing what is there: after a crash at any moment the file has its old content
/// or the new one, never a mixture.
///
/// One writer per path at a time is taken for granted: the temporary file is `path` with `.part` behind it.
///
/// # Errors
/// Whatever the operating system refuses. The temporary file is removed where that is still possible.
pub fn write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    let temporary = temporary(path);
    let done = put(&temporary, bytes).at(&temporary).and_then(|()| replace(&temporary, path).at(path));
    if done.is_err() && !fault::armed() {
        // The error that led here matters more than one while cleaning up.
        let _ = fs::remove_file(&temporary);
    }
    done
}

/// Makes renames and removals in `folder` last through a power cut, where the system knows how to.
///
/// # Errors
/// The folder cannot be opened or synced.
pub fn sync_folder(folder: impl AsRef<Path>) -> Result<()> {
    let folder = folder.as_ref();
    sync(folder).at(folder)
}

/// Where [`write`] keeps the unfinished bytes of `path`.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(TEMPORARY);
    name.into()
}

fn put(temporary: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(temporary)?;
    let allowed = fault::allowed(bytes.len());
    file.write_all(&bytes[..allowed])?;
    fault::step(allowed < bytes.len())?;
    file.sync_all()
}

fn replace(temporary: &Path, path: &Path) -> io::Result<()> {
    fault::step(false)?;
    fs::rename(temporary, path)?;
    fault::step(false)?;
    sync(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network file systems cannot sync a folder; they keep renames by other means.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        done => done,
    }
}

#[cfg(not(unix))]
fn sync(_folder: &Path) -> io::Result<()> {
    Ok(())
}

/// A crash that tests place at any byte or step of [`write`]; nothing at all in a real build.
#[cfg(not(test))]
mod fault {
    pub(super) fn armed() -> bool {
        false
    }

    pub(super) fn allowed(len: usize) -> usize {
        len
    }

    pub(super) fn step(_now: bool) -> std::io::Result<()> {
        Ok(())
    }
}

/// A crash that tests place at any byte or step of [`write`].
#[cfg(test)]
pub(crate) mod fault {
    use std::cell::Cell;

    thread_local!(static LEFT: Cell<Option<u64>> = const { Cell::new(None) });

    /// Crashes this thread's writes after `steps` bytes and steps; `None` never does.
    pub(crate) fn crash_after(steps: Option<u64>) {
        LEFT.set(steps);
    }

    /// Whether a crash is set, or has happened.
    pub(crate) fn armed() -> bool {
        LEFT.get().is_some()
    }

    pub(super) fn allowed(len: usize) -> usize {
        let Some(left) = LEFT.get() else { return len };
        let allowed = left.min(len as u64);
        LEFT.set(Some(left - allowed));
        allowed as usize
    }

    pub(super) fn step(now: bool) -> std::io::Result<()> {
        match LEFT.get() {
            None => Ok(()),
            Some(left) if left > 0 && !now => {
                LEFT.set(Some(left - 1));
                Ok(())
            }
            Some(_) => Err(std::io::Error::other("the test's crash")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_leaves_the_old_bytes_or_the_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let (mut kept, mut replaced) = (0, 0);
        for steps in 0..12 {
            write(&path, b"old").unwrap();
            fault::crash_after(Some(steps));
            let done = write(&path, b"newer");
            fault::crash_after(None);
            let content = fs::read(&path).unwrap();
            match &content[..] {
                b"old" => kept += 1,
                b"newer" => replaced += 1,
                other => panic!("{other:?}"),
            }
            assert!(done.is_err() || content == b"newer");
        }
        assert!(kept > 3 && replaced > 3, "{kept} {replaced}");
    }

    #[test]
    fn nothing_is_left_beside_the_file() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path().join("a"), b"1").unwrap();
        assert!(write(folder.path().join("no/such/folder"), b"1").is_err());
        fs::create_dir(folder.path().join("b")).unwrap();
        assert!(write(folder.path().join("b"), b"1").is_err());
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a", "b"]);
    }
}
