//! FerKD's devices, networks and weights, on burn.
//!
//! - [`device`]: the device that computes, chosen when the program runs.
//! - [`models`]: students and teachers, under the parameter names of torchvision, timm and EfficientNet-PyTorch.
//! - [`weights`]: parameters on the host, in safetensors and PyTorch files.
//! - [`classifier`]: a trained network with all that it takes to use it; [`model_card`]: what its file says of it.
//! - [`config_file`], [`labels_file`]: what lies beside other people's weights; [`onnx_file`]: what an ONNX file says.
//! - [`preprocessing`]: what a network wants to see, and who says so.
//! - [`memory`]: what a training step takes, counted before anything is computed.
#![warn(missing_docs, clippy::print_stdout, clippy::print_stderr)]

pub mod classifier;
pub mod config_file;
pub mod device;
pub mod inference;
pub mod labels_file;
pub mod memory;
pub mod model_card;
pub mod models;
pub mod onnx_file;
#[cfg(feature = "onnx")]
mod onnx_model;
pub mod preprocessing;
mod seal;
pub mod weights;
