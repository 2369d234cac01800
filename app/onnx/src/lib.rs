//! Classifiers in ONNX files without ONNX Runtime: images of shape (N, 3, side, side) to logits of shape (N, C),
//! computed on the CPU by [rten](https://docs.rs/rten).
//!
//! It is compiled twice: into the window, and as a WebAssembly module of its own, which a page loads in a worker when
//! the reader opens such a file. It knows neither burn nor an interface, and no more than the [`OPERATORS`] that
//! classifiers are made of: the module has a limit of size (`cargo xtask web --release` weighs it).
#![warn(missing_docs)]

mod network;
mod operators;
mod problem;
#[cfg(test)]
mod tests;

pub use network::Network;
pub use operators::OPERATORS;
pub use problem::Problem;
