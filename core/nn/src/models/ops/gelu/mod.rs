//! GELU: on the CPU in f32 by a kernel of our own (`ferkd-kernels`), everywhere else burn's.

#[cfg(feature = "flex")]
mod autodiff;
#[cfg(feature = "flex")]
mod flex;
#[cfg(all(test, feature = "flex"))]
mod tests;

use burn::tensor::Tensor;
#[cfg(feature = "flex")]
use {
    burn::backend::tensor::FloatTensor,
    burn::backend::{Backend, Dispatch, backend_extension},
    burn::tensor::DType,
};

#[cfg(feature = "flex")]
use crate::device::is_flex;

/// What activates, on the CPU alone.
#[cfg(feature = "flex")]
#[backend_extension(Autodiff, Flex: cfg(feature = "flex"))]
pub(crate) trait GeluOps: Backend {
    /// GELU of each number, in f32.
    fn gelu_of(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The gradient of `x` from that of the output.
    fn gelu_to_x(grad: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// GELU of each number, of any shape.
pub(crate) fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if x.dtype() == DType::F32 && is_flex(&x.device()) {
        return Tensor::from_dispatch(Dispatch::gelu_of(x.into_dispatch()));
    }
    burn::tensor::activation::gelu(x)
}
