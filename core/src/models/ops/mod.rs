//! Operations of our own, each with its gradient and its truth on the CPU, for what burn computes in many passes over
//! an activation: norms and the activations behind them, softmax, and attention.
//!
//! Each is a trait of backends ([`burn::backend::backend_extension`]): loops for burn-flex, kernels for CubeCL's
//! backends, and a gradient for autodiff that keeps as little as it can.

mod attention;
mod batch_norm;
#[cfg(any(test, feature = "cuda"))]
mod convolution;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cubes;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod kernels;
#[cfg(feature = "flex")]
mod numbers;
mod rows;
#[cfg(all(test, feature = "flex"))]
mod testing;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::FloatDType;

pub(super) use attention::attend;
pub(super) use batch_norm::{Clip, batch_norm, batch_norm_add};
#[cfg(feature = "cuda")]
pub(super) use convolution::convolve;
pub(super) use rows::layer_norm;

/// A tensor in another type, or as it is.
fn cast<B: Backend>(x: FloatTensor<B>, dtype: FloatDType) -> FloatTensor<B> {
    if x.dtype() == dtype.into() { x } else { B::float_cast(x, dtype) }
}
