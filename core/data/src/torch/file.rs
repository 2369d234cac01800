//! What both containers give.

use std::collections::BTreeMap;

use crate::pickle::{Allowed, Pickle};
use ferkd_method::error::Error;

/// A file of `torch.save`.
#[derive(Debug)]
pub struct TorchFile<'a> {
    /// The object that was saved.
    pub pickle: Pickle<'a>,
    /// Numbers that lie beside it, by key.
    pub(super) storages: BTreeMap<String, &'a [u8]>,
}

/// How large an object without its numbers may be; those of the largest models take under a megabyte.
pub(super) const MAX_PICKLE_BYTES: usize = 256 << 20;

/// An error about a file.
pub(super) fn damaged(origin: &str, allowed: Allowed, problem: impl Into<String>) -> Error {
    Error::damaged(origin, problem).remedy(allowed.remedy)
}
