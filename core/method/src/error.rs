//! One error type for the library: what it is about, what is wrong, and what to do.

use std::fmt;
use std::path::Path;

/// Result with the crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of trouble an [`Error`] is; programs choose their exit code by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request itself is wrong: an unknown key, a value out of range.
    Usage,
    /// The operating system refused: no such file, no space, no permission.
    Io,
    /// A file is not what it should be: truncated, foreign, a checksum that differs.
    Damaged,
    /// Two inputs do not belong together: other classes, another teacher, another image list.
    Mismatch,
    /// A computation left the numbers it may take: NaN, infinity.
    Numeric,
    /// Someone else is writing there.
    Busy,
    /// The user asked to stop; what was done so far is saved.
    Interrupted,
    /// It is on its way: ask again a little later. No failure, and nothing to tell the user as one.
    Pending,
}

/// An error that names its subject (a file, a field), the problem and the remedy.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    subject: String,
    problem: String,
    remedy: Option<String>,
    io: Option<std::io::ErrorKind>,
}

impl Error {
    /// A new error about `subject` (a file or a field).
    pub fn new(kind: ErrorKind, subject: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { kind, subject: subject.into(), problem: problem.into(), remedy: None, io: None }
    }

    /// The request itself is wrong.
    pub fn usage(subject: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, subject, problem)
    }

    /// The file at `path` is not what it should be.
    pub fn damaged(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Self::new(ErrorKind::Damaged, path.as_ref().display().to_string(), problem)
    }

    /// Two inputs do not belong together.
    pub fn mismatch(subject: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(ErrorKind::Mismatch, subject, problem)
    }

    /// `subject` is on its way: the same call succeeds a little later.
    pub fn pending(subject: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(ErrorKind::Pending, subject, problem)
    }

    /// An image's class is not known, and `needs` cannot do without it; [`about`](Self::about) names the image.
    pub fn unknown_class(needs: &str) -> Self {
        Self::mismatch("image", format!("its class is not known, which {needs} needs")).remedy(
            "put the images into class folders, or use what needs no class: --supervision fkd, --confidence max",
        )
    }

    /// Whether what was asked for is on its way, and nothing is wrong.
    pub fn is_pending(&self) -> bool {
        self.kind == ErrorKind::Pending
    }

    /// The operating system refused an operation on `path`.
    pub fn io(path: impl AsRef<Path>, error: std::io::Error) -> Self {
        let path = path.as_ref().display().to_string();
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => Some("check the path"),
            std::io::ErrorKind::PermissionDenied => Some("check the permissions, or name another folder"),
            std::io::ErrorKind::StorageFull
            | std::io::ErrorKind::QuotaExceeded
            | std::io::ErrorKind::FileTooLarge => {
                Some("free some space and start the same command again: finished work is kept")
            }
            std::io::ErrorKind::ReadOnlyFilesystem => Some("name a folder that can be written to"),
            std::io::ErrorKind::AlreadyExists
            | std::io::ErrorKind::NotADirectory
            | std::io::ErrorKind::IsADirectory => {
                Some("a file is where a folder should be, or the other way round: name another path")
            }
            _ => None,
        };
        // Errors that do not come from the system have a text of their own.
        let problem = match (error.kind(), error.raw_os_error()) {
            (std::io::ErrorKind::NotFound, None) => "there is no such file".to_owned(),
            _ => error.to_string(),
        };
        let new = Self { io: Some(error.kind()), ..Self::new(ErrorKind::Io, path, problem) };
        match remedy {
            Some(remedy) => new.remedy(remedy),
            None => new,
        }
    }

    /// Says what the user can do about it.
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same about another file or field.
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = subject.into();
        self
    }

    /// What kind of trouble this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the operating system answered, where it refused.
    pub fn io_kind(&self) -> Option<std::io::ErrorKind> {
        self.io
    }

    /// What is wrong, without the subject and the remedy.
    pub fn problem(&self) -> &str {
        &self.problem
    }

    /// The file or field the error is about.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.problem)?;
        match &self.remedy {
            Some(remedy) => write!(f, " ({remedy})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// Attaches a path to an I/O result.
pub trait IoContext<T> {
    /// Turns the I/O error into an [`Error`] that names `path`.
    fn at(self, path: impl AsRef<Path>) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn at(self, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|error| Error::io(path, error))
    }
}

/// Checks a setting that is a share or a probability.
///
/// # Errors
/// A number outside of 0..=1, or none.
pub fn check_share(key: &str, value: f32) -> Result<()> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(Error::usage(key, format!("invalid value {value}: expected a number in 0..=1")))
}
