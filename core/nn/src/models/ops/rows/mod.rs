//! Layer norm (Ba et al. 2016) and softmax: what is done to every row of a tensor by itself.
//!
//! burn composes a layer norm of operations on whole tensors, each of them kept or made again, and a softmax likewise.
//! Here each is one operation: a row is read, and written in the type that the next layer computes in. A layer norm
//! keeps its input and two numbers a row; a softmax keeps what it made.

mod autodiff;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
#[cfg(feature = "flex")]
mod flex;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod kernels;
#[cfg(all(test, feature = "flex"))]
mod tests;

#[cfg(feature = "flex")]
pub(in crate::models) use flex::normalise_row;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{FloatDType, Tensor};

/// What each backend computes rows with: the last axis of tensors of any shape.
///
/// Gamma and beta have shape (C) and are in f32, as is what is computed with.
#[backend_extension(
    Autodiff,
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Flex: cfg(feature = "flex"),
    Fusion: cfg(feature = "cuda")
)]
pub(crate) trait RowOps: Backend {
    /// `(x - mean) / sqrt(variance + epsilon) * gamma + beta` in `dtype`, and the statistics that it took, shape
    /// (rows, 2): mean and `1 / sqrt(variance + epsilon)` of each row.
    #[fusion(meta = specs::layer_norm)]
    fn layer_norm_rows(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dtype: FloatDType,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// Gradients of `x`, in its type, of gamma and of beta.
    #[fusion(meta = specs::layer_norm_backward)]
    fn layer_norm_rows_backward(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// `softmax(x * scale)` of each row, in the type of `x`.
    #[fusion(dtype = x, shape = x)]
    fn softmax_rows(x: FloatTensor<Self>, scale: f64) -> FloatTensor<Self>;

    /// The gradient of what a softmax was taken of: `scale * y * (grad - sum(grad * y))`, `y` being what it made.
    #[fusion(dtype = y, shape = y)]
    fn softmax_rows_backward(grad: FloatTensor<Self>, y: FloatTensor<Self>, scale: f64) -> FloatTensor<Self>;

    /// A layer norm.
    #[fusion(default)]
    fn normalise_rows(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        dtype: FloatDType,
    ) -> FloatTensor<Self> {
        Self::layer_norm_rows(x, gamma, beta, epsilon, dtype).0
    }
}

/// What comes out, before it is computed.
#[cfg(feature = "cuda")]
mod specs {
    use burn::backend::fusion::custom::TensorSpec;
    use burn::tensor::{DType, FloatDType, Shape};

    pub(super) fn layer_norm(
        x: &TensorSpec,
        gamma: &TensorSpec,
        _: &TensorSpec,
        _: &f64,
        dtype: &FloatDType,
    ) -> (TensorSpec, TensorSpec) {
        let rows = x.shape.num_elements() / gamma.shape.num_elements().max(1);
        let dtype = DType::from(*dtype);
        (TensorSpec::new(x.shape.clone(), dtype), TensorSpec::new(Shape::new([rows, 2]), DType::F32))
    }

    pub(super) fn layer_norm_backward(
        _: &TensorSpec,
        x: &TensorSpec,
        _: &TensorSpec,
        gamma: &TensorSpec,
    ) -> (TensorSpec, TensorSpec, TensorSpec) {
        (x.clone(), gamma.clone(), gamma.clone())
    }
}

/// A layer norm of `x`, shape (..., C), of any type; what comes out is in `dtype`. Gamma and beta have shape (C).
pub(crate) fn layer_norm<const D: usize>(
    x: Tensor<D>,
    [gamma, beta]: [Tensor<1>; 2],
    epsilon: f64,
    dtype: FloatDType,
) -> Tensor<D> {
    let (x, gamma, beta) = (x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
    Tensor::from_dispatch(Dispatch::normalise_rows(x, gamma, beta, epsilon, dtype))
}
