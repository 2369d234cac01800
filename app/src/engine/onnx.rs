//! What computes networks in ONNX files, as the engine asks it: in the same program, or in a worker of a page. The
//! networks are not ours, and neither are their answers: whoever computes them says what is wrong, and does not panic.

use std::future::Future;
use std::pin::Pin;

use ferkd_method::Result;

use super::OnnxBytes;

/// What comes later, on the thread that asks.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// Opens ONNX files.
pub trait OnnxRuntime {
    /// Opens a file, and tries it on one image of shape (1, 3, side, side).
    ///
    /// # Errors
    /// A file that cannot be loaded, an operator that is not known, what cannot be computed; the file is named.
    fn open(&mut self, bytes: OnnxBytes, side: u32) -> Later<'_, Box<dyn OnnxNetwork>>;
}

/// A network in an ONNX file.
pub trait OnnxNetwork {
    /// Number of its classes C.
    fn classes(&self) -> usize;

    /// Logits, row by row, of images of shape (N, 3, side, side).
    ///
    /// # Errors
    /// What cannot be computed.
    fn logits(&mut self, images: Vec<f32>, side: u32) -> Later<'_, Vec<f32>>;
}
