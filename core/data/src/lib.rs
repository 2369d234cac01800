//! FerKD's data, without a tensor library: images, the label store, batches on the host, and the import of other
//! people's files.
//!
//! - [`images`]: folders, tar archives, images in memory; [`pixels`]: decode by content, crop, resize, normalise.
//! - [`store`]: the teacher's labels of every region, read in place, any region in O(1).
//! - [`mine`]: counts, shares and histograms of a store; [`census`]: the same in slices, for dragged thresholds.
//! - [`batches`]: the regions of a step, a pure function of the settings and the step.
//! - [`import`]: FKD's label files; [`torch`]: PyTorch's files as plain tensors. Nothing in them is executed.
//! - [`protobuf`]: messages as ONNX and [`tensorboard`] write them.
#![warn(missing_docs, clippy::print_stdout, clippy::print_stderr)]

pub mod atomic;
pub mod batches;
pub mod census;
pub mod classes;
pub mod config;
pub mod digest;
pub mod digits;
pub mod events;
pub mod foreign;
pub mod images;
#[cfg(not(target_family = "wasm"))]
pub mod import;
#[cfg(not(target_family = "wasm"))]
pub mod lock;
pub mod mine;
pub mod number_of;
#[cfg_attr(target_family = "wasm", allow(dead_code, reason = "only what is imported reads arrays"))]
mod pickle;
pub mod pixels;
pub mod prefixes;
pub mod protobuf;
pub mod scenes;
pub mod store;
pub mod tensor;
pub mod tensorboard;
#[cfg(not(target_family = "wasm"))]
pub mod threads;
pub mod torch;
