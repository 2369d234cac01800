//! Parts of `cargo xtask` that tests use too.

pub mod onnx_runtime;
pub mod serve;
pub mod soft_cuda;
pub mod wheel;
