//! AdamW's update of a parameter in one launch, for GPUs on which burn fuses nothing: it composes the update of fourteen
//! operations, and launching them is what a small student's step waits for.

mod cube;
mod kernels;
#[cfg(all(test, feature = "flex"))]
mod tests;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

/// What is the same for all numbers of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWStep {
    /// Shares of the moments that stay.
    pub betas: [f32; 2],
    /// What the moments are divided by.
    pub corrections: [f32; 2],
    /// What a weight is multiplied by: 1 without decay.
    pub keep: f32,
    /// Learning rate.
    pub lr: f32,
    /// What is added to the root of the second moment.
    pub epsilon: f32,
}

/// What GPUs update with. All tensors have one shape and are in f32.
#[backend_extension(Cube: cfg(feature = "wgpu"))]
pub(crate) trait AdamWOps: Backend {
    /// New weight, first and second moment; the moments before are not read where there were none.
    fn adamw(
        weight: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        first: FloatTensor<Self>,
        second: FloatTensor<Self>,
        has_moments: bool,
        step: AdamWStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// A parameter on a GPU after a step, and its moments; `moments` are none before the first.
pub fn adamw_step<const D: usize>(
    weight: Tensor<D>,
    grad: Tensor<D>,
    moments: Option<[Tensor<D>; 2]>,
    step: AdamWStep,
) -> (Tensor<D>, [Tensor<D>; 2]) {
    let has_moments = moments.is_some();
    // Something to bind where there is nothing to read.
    let [first, second] = moments.unwrap_or_else(|| [grad.clone(), grad.clone()]).map(Tensor::into_dispatch);
    let (weight, grad) = (weight.into_dispatch(), grad.into_dispatch());
    let (weight, first, second) = Dispatch::adamw(weight, grad, first, second, has_moments, step);
    (Tensor::from_dispatch(weight), [first, second].map(Tensor::from_dispatch))
}
