//! Files of `torch.save`: today's ZIP container and the older sequence of pickles. Read as plain values; nothing
//! that a file says is executed (see the module `pickle`).

mod file;
mod find;
mod globals;
mod legacy;
mod tensors;
mod write;
mod zip;

#[cfg(test)]
pub(crate) mod tests;

use crate::pickle::Allowed;
use ferkd_method::error::{Error, Result};
pub use file::TorchFile;
pub use tensors::{TorchWeights, weights};
pub use write::{StoredTensor, state_dict};

/// Whether bytes look like a file of `torch.save`, and not like safetensors.
pub fn is_torch(bytes: &[u8]) -> bool {
    // Safetensors begin with a length, which can be any bytes, and a brace.
    let safetensors = bytes.get(8) == Some(&b'{');
    !safetensors && (zip::is_zip(bytes) || legacy::is_legacy(bytes))
}

impl<'a> TorchFile<'a> {
    /// Reads a file; `origin` is what errors call it.
    ///
    /// # Errors
    /// No file of `torch.save`, a damaged one, or one that asks for a name that is not allowed.
    pub fn read(bytes: &'a [u8], origin: &str, allowed: Allowed) -> Result<Self> {
        if zip::is_zip(bytes) {
            return zip::read(bytes, origin, allowed);
        }
        if legacy::is_legacy(bytes) {
            return legacy::read(bytes, origin, allowed);
        }
        if let Some(foreign) = crate::foreign::recognise(bytes) {
            return Err(Error::damaged(origin, foreign.problem()).remedy(foreign.remedy));
        }
        Err(Error::damaged(origin, "no file that torch.save wrote").remedy(allowed.remedy))
    }
}
