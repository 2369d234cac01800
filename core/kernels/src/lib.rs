//! FerKD's training kernels on the CPU: convolutions, norms and pools over plain slices, with channels last.
//!
//! No tensors and no framework: [`ConvShape`] says what is convolved, and three functions compute it: [`forward`],
//! [`data_gradient`] and [`weight_gradient`]; [`norm`] has what a batch norm and its activation
//! take, [`max_pool`] and [`max_pool_gradient`] are a stem's, [`gelu`] and [`softmax`]
//! are a transformer's. For inference, [`Prepared`] packs weights once and finishes
//! an output in the same pass. Pictures are slices of shape (N, height, width, channels), weights of
//! (outputs, channels / groups, height, width), as PyTorch and burn keep them; all in f32.
//!
//! # How it is computed
//! - A dense convolution and its data gradient are one *indirect* product (`product.rs`): for each kernel position
//!   (a *tap*) a table says where the input row of each output pixel begins, so that no window is ever copied out.
//!   Weights are packed on every call, which is cheap beside the product.
//! - The weight gradient is a sum of outer products over pixels (`outer.rs`).
//! - Where each channel has a filter of its own (`depthwise.rs`) sums stay in registers for several pixels of a row.
//! - With few input channels a row of a window is one run of memory (`runs.rs`): a stem's three channels would leave
//!   the vector units idle.
//!
//! # What can be relied on
//! - **Results do not depend on the number of threads**: a sum is never split by how many there are.
//! - The instruction set (AVX2, AVX-512, NEON, wasm's simd128, or none) is chosen when the program runs. Sums are taken
//!   with fused multiply-adds where there are any, so that another processor may round otherwise.
//! - Tables depend on shapes alone and are kept (`plan.rs`); buffers are reused (`scratch.rs`).
//!
//! Source: ours; the indirect product follows Dukhan, "The Indirect Convolution Algorithm" (2019).
#![warn(missing_docs)]

mod conv;
mod depthwise;
mod gelu;
mod layout;
pub mod norm;
mod outer;
mod pack;
mod pixels;
mod plan;
mod pointer;
mod pool;
mod prepared;
mod product;
mod runs;
mod scratch;
mod shape;
mod simd;
mod softmax;
mod table;

pub use conv::{data_gradient, forward, weight_gradient};
pub use gelu::{gelu, gelu_gradient, gelu_into};
pub use layout::channels_last;
pub use pool::{PoolShape, max_pool, max_pool_gradient};
pub use prepared::Prepared;
pub use scratch::release_buffers;
pub use shape::ConvShape;
pub use softmax::softmax;

/// Lets everything that asks `pulp` for vectors have wasm's simd128: for a page, once at its start.
///
/// A wasm module is compiled whole or not at all, so that a browser without simd128 would not have come so far; where a
/// program is not told so, `pulp` computes number by number.
#[cfg(target_family = "wasm")]
pub fn use_wasm_vectors() {
    pulp::wasm::enable_simd128();
}
