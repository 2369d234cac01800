//! The core's errors as Python's.

use ferkd_method::error::{Error, ErrorKind};
use pyo3::PyErr;
use pyo3::exceptions::{
    PyFileNotFoundError, PyKeyboardInterrupt, PyOSError, PyPermissionError, PyValueError,
};

/// `OSError` where the system refused or someone else writes there (`FileNotFoundError` or `PermissionError` where that
/// is why), `ValueError` otherwise, with the core's text: the file or field, what is wrong, and what to do.
pub fn raised(error: Error) -> PyErr {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::Io | ErrorKind::Busy => match error.io_kind() {
            Some(std::io::ErrorKind::NotFound) => PyFileNotFoundError::new_err(text),
            Some(std::io::ErrorKind::PermissionDenied) => PyPermissionError::new_err(text),
            _ => PyOSError::new_err(text),
        },
        ErrorKind::Interrupted => PyKeyboardInterrupt::new_err(text),
        _ => PyValueError::new_err(text),
    }
}

/// The same of settings, which keyword arguments name with `_` where files and flags have `-`.
pub fn raised_of_settings(error: Error) -> PyErr {
    match error.kind() {
        ErrorKind::Usage => PyValueError::new_err(with_underscores(&error.to_string())),
        _ => raised(error),
    }
}

/// A text in which words of small letters that `-` joins are joined by `_`, in its subject and in quotes.
fn with_underscores(text: &str) -> String {
    let (subject, rest) = text.split_once(": ").unwrap_or(("", text));
    let joined = |text: &str| {
        let is_key =
            text.split('-').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase()));
        if is_key { text.replace('-', "_") } else { text.to_owned() }
    };
    let subject = subject.split(", ").map(joined).collect::<Vec<_>>().join(", ");
    let parts = rest.split('`').enumerate();
    let rest = parts.map(|(at, part)| if at % 2 == 1 { joined(part) } else { part.to_owned() });
    let rest = rest.collect::<Vec<_>>().join("`");
    if subject.is_empty() { rest } else { format!("{subject}: {rest}") }
}
