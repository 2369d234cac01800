//! The core's errors as Python's.

use ferkd_method::error::{Error, ErrorKind};
use pyo3::PyErr;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyValueError};

/// `OSError` where the system refused or someone else writes there, `ValueError` otherwise, with the core's text: the
/// file or field, what is wrong, and what to do.
pub fn raised(error: Error) -> PyErr {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::Io | ErrorKind::Busy => PyOSError::new_err(text),
        ErrorKind::Interrupted => PyKeyboardInterrupt::new_err(text),
        _ => PyValueError::new_err(text),
    }
}
