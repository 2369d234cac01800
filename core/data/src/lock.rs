//! The lock of a folder's only writer.
//!
//! Where the file system knows locks, the operating system drops it even when the writer is killed. Some do not (Lustre
//! mounted without `flock`, some NFS and FUSE): there a file says who writes, and stays behind where that one is killed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::atomic;
use ferkd_method::error::{Error, ErrorKind, IoContext, Result};

/// What the file that says who writes has behind the lock's name.
const HELD: &str = ".held";

/// Held while someone writes; the file goes with it.
#[derive(Debug)]
pub struct FolderLock {
    /// The locked file; none where the file system knows no locks.
    file: Option<File>,
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
            match try_lock(&file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(busy(&path, work)),
                Err(TryLockError::Error(error)) if knows_no_locks(&error) => return Self::hold(&path, work),
                Err(TryLockError::Error(error)) => return Err(Error::io(&path, error)),
            }
            // Between opening and locking, the former writer may have removed the file: its lock is worthless.
            if same_file(&file, &path) {
                // On a file system that knows locks here and not on another machine, that one's writer counts too.
                check_not_held(&path, work)?;
                return Ok(Self { file: Some(file), path });
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
            _ => check_not_held(&path, work),
        }
    }

    /// Creates the file that says who writes. Linking a whole file is atomic on every file system, network ones too.
    fn hold(path: &Path, work: &str) -> Result<Self> {
        let held = held(path);
        let mine = path.with_file_name(format!(
            "{}.{}{}",
            held.file_name().unwrap_or_default().to_string_lossy(),
            std::process::id(),
            atomic::TEMPORARY
        ));
        fs::write(&mine, format!("{}\n{}\n", host(), std::process::id())).at(&mine)?;
        let linked = match fs::hard_link(&mine, &held) {
            // Where there are no links either, creating a file that must not exist is the next best.
            Err(error) if knows_no_links(&error) => fs::read(&mine).and_then(|text| create_new(&held, &text)),
            linked => linked,
        };
        let _ = fs::remove_file(&mine);
        match linked {
            Ok(()) => Ok(Self { file: None, path: held }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                check_not_held(path, work)?;
                Err(busy(path, work))
            }
            Err(error) => Err(Error::io(&held, error)),
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // Left behind, a lock's file does no harm: it is not locked.
        let _ = fs::remove_file(&self.path);
        match &self.file {
            Some(file) => drop(file.unlock()),
            // The file that could not be locked.
            None => drop(fs::remove_file(self.path.with_extension(""))),
        }
    }
}

/// The file that says who writes, beside a lock's file.
fn held(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(HELD);
    name.into()
}

fn create_new(path: &Path, text: &[u8]) -> io::Result<()> {
    use std::io::Write;
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text)
}

/// Checks that no file says that someone writes.
fn check_not_held(path: &Path, work: &str) -> Result<()> {
    let held = held(path);
    let text = match fs::read_to_string(&held) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        text => text.unwrap_or_default(),
    };
    let mut lines = text.lines();
    let (on, process) = (lines.next().unwrap_or("an unknown machine"), lines.next().unwrap_or("unknown"));
    let is_gone = on == host() && cfg!(target_os = "linux") && !Path::new("/proc").join(process).exists();
    let problem = match is_gone {
        true => format!("process {process} of this machine was {work} and did not end well: it is gone"),
        false => format!("process {process} on {on} is {work}, or was killed there"),
    };
    let remedy = format!(
        "this file system knows no locks, so that the file has to go by hand: once no one writes there, `rm {}`",
        held.display()
    );
    Err(Error::new(ErrorKind::Busy, held.display().to_string(), problem).remedy(remedy))
}

/// What this machine is called.
fn host() -> String {
    let name =
        fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname"));
    let name = name.ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_else(|| "a machine without a name".into())
}

/// Whether a file system refuses locks because it knows none: ENOSYS, EOPNOTSUPP, and ENOLCK of NFS without its lock
/// service.
fn knows_no_locks(error: &io::Error) -> bool {
    const ENOLCK: i32 = if cfg!(target_os = "linux") { 37 } else { 77 };
    error.kind() == io::ErrorKind::Unsupported || cfg!(unix) && error.raw_os_error() == Some(ENOLCK)
}

/// Whether a file system refuses a hard link because it knows none.
fn knows_no_links(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied)
}

fn try_lock(file: &File) -> std::result::Result<(), TryLockError> {
    #[cfg(test)]
    if tests::KNOWS_NO_LOCKS.get() {
        return Err(TryLockError::Error(io::ErrorKind::Unsupported.into()));
    }
    file.try_lock()
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

#[cfg(test)]
mod tests {
    use super::*;

    thread_local! {
        /// Whether the file system is one that knows no locks.
        pub(super) static KNOWS_NO_LOCKS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
    }

    #[test]
    fn a_file_system_without_locks_has_one_writer_too() {
        KNOWS_NO_LOCKS.set(true);
        let folder = tempfile::tempdir().unwrap();
        let files = || fs::read_dir(folder.path()).unwrap().count();
        let lock = FolderLock::acquire(folder.path(), "writer.lock", "writing here").unwrap();
        for second in [
            FolderLock::acquire(folder.path(), "writer.lock", "writing here").map(drop),
            FolderLock::check_free(folder.path(), "writer.lock", "writing here"),
        ] {
            let error = second.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Busy);
            let text = error.to_string();
            assert!(text.contains(&format!("process {} on", std::process::id())), "{text}");
            assert!(text.contains("knows no locks") && text.contains("writer.lock.held`"), "{text}");
        }
        // A machine that knows locks sees it as well.
        KNOWS_NO_LOCKS.set(false);
        assert!(FolderLock::acquire(folder.path(), "writer.lock", "writing here").is_err());
        KNOWS_NO_LOCKS.set(true);
        drop(lock);
        assert_eq!(files(), 0, "nothing is left behind");
        FolderLock::check_free(folder.path(), "writer.lock", "writing here").unwrap();
        drop(FolderLock::acquire(folder.path(), "writer.lock", "writing here").unwrap());
        KNOWS_NO_LOCKS.set(false);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_killed_writer_of_this_machine_is_said_to_be_gone() {
        let folder = tempfile::tempdir().unwrap();
        // No process has the largest number there is.
        fs::write(folder.path().join("writer.lock.held"), format!("{}\n4194305\n", host())).unwrap();
        let error =
            FolderLock::check_free(folder.path(), "writer.lock", "writing here").unwrap_err().to_string();
        assert!(error.contains("it is gone") && error.contains("rm "), "{error}");
    }

    #[test]
    fn other_errors_of_a_lock_stay_errors() {
        assert!(knows_no_locks(&io::ErrorKind::Unsupported.into()));
        assert!(!knows_no_locks(&io::ErrorKind::PermissionDenied.into()));
        #[cfg(target_os = "linux")]
        assert!(
            knows_no_locks(&io::Error::from_raw_os_error(37))
                && knows_no_locks(&io::Error::from_raw_os_error(38))
        );
    }
}
