//! A restricted pickle reader: Python's serialisation, read as plain values. It executes nothing.
//!
//! A pickle is a program for a stack machine, and Python runs whatever functions it names. Here a name that the
//! caller did not allow is an error, and an allowed one is only *noted*: a call becomes an [`Node::Object`] that
//! says which constructor was called with which values, for the caller to look at. Nothing recurses and nothing
//! is copied: values live in one list and point at each other by number, so that cycles and values that are
//! shared a billion times cost no more than the bytes that describe them.
//!
//! Source: CPython's `pickletools.py`, protocols 0 to 5. Out-of-band buffers and extension codes are refused.

mod cursor;
mod machine;
pub mod numpy;
mod text;
mod values;

#[cfg(test)]
mod tests;

use ferkd_method::error::Result;
use machine::Machine;
pub use values::{Allowed, Id, Node, Pickle};

/// Reads the pickle at the front of `bytes`; `origin` is what errors call it. Also gives the number of bytes that
/// it takes.
///
/// # Errors
/// A name that is not allowed, an operation that no file of NumPy or PyTorch holds, or bytes that are no pickle.
pub fn read<'a>(bytes: &'a [u8], origin: &str, allowed: Allowed) -> Result<(Pickle<'a>, usize)> {
    Machine::new(bytes, origin, allowed).run()
}
