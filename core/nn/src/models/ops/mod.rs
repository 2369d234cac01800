//! Operations of our own, each with its gradient and its truth on the CPU, for what burn computes in many passes over
//! an activation: norms and the activations behind them, softmax, and attention; and what the CPU computes by kernels of
//! our own: convolutions, products, pools and GELU. AdamW is one launch a parameter where burn fuses nothing.
//!
//! Each is a trait of backends ([`burn::backend::backend_extension`]): loops for burn-flex, kernels for CubeCL's
//! backends, and a gradient for autodiff that keeps as little as it can.

pub(crate) mod activation;
#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
mod adamw;
mod attention;
mod batch_norm;
mod cast;
#[cfg(feature = "flex")]
mod channels_last;
mod convolution;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cubes;
#[cfg(feature = "flex")]
mod elements;
mod gelu;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod kernels;
mod max_pool;
mod product;
mod rows;
#[cfg(all(test, feature = "flex"))]
mod testing;

#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
pub use adamw::{AdamWStep, adamw_step};
pub(super) use attention::attend;
pub use batch_norm::{BatchParts, with_batch_parts};
pub(super) use batch_norm::{batch_norm, batch_norm_add};
pub(super) use convolution::convolve;
pub(super) use gelu::gelu;
pub(super) use max_pool::max_pool;
pub(super) use product::affine;
pub(super) use rows::layer_norm;
#[cfg(feature = "flex")]
pub(super) use rows::normalise_row;
