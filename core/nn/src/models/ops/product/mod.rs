//! Matrix products: on the CPU in f32 by the kernels that convolve, on WebGPU in a page by a kernel of our own, everywhere
//! else by burn's. Burn's for WebGPU, with all that they may be tuned to, would be a tenth of a page's program, and a page's
//! networks are small.

mod autodiff;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
#[cfg(all(feature = "wgpu", any(target_family = "wasm", test)))]
mod direct;
#[cfg(feature = "flex")]
mod flex;
#[cfg(all(feature = "wgpu", any(target_family = "wasm", test)))]
mod kernels;
#[cfg(all(test, feature = "flex"))]
mod tests;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

/// What each backend multiplies matrices with.
#[backend_extension(
    Autodiff,
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Flex: cfg(feature = "flex"),
    Fusion: cfg(feature = "cuda")
)]
pub(crate) trait ProductOps: Backend {
    /// The products of matrices of shapes (..., rows, inner) and (..., inner, columns), which have the same axes before
    /// these, two at most, and the same type.
    #[fusion(default)]
    fn product(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(a, b)
    }

    /// The gradient of `a`, from that of the product.
    #[fusion(default)]
    fn product_to_a(grad: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::product(grad, transposed::<Self>(b))
    }

    /// The gradient of `b`, from that of the product.
    #[fusion(default)]
    fn product_to_b(grad: FloatTensor<Self>, a: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::product(transposed::<Self>(a), grad)
    }
}

/// Rows and columns swapped.
fn transposed<B: Backend>(matrices: FloatTensor<B>) -> FloatTensor<B> {
    let rank = matrices.shape().num_dims();
    B::float_swap_dims(matrices, rank - 2, rank - 1)
}

/// Rows of `x`, shape (..., inputs), times a matrix of shape (inputs, outputs), and a bias of the same type.
pub(crate) fn affine<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    let mut shape = x.dims();
    let [inputs, outputs] = weight.dims();
    let x = x.reshape([shape.iter().product::<usize>() / inputs, inputs]);
    let y = Tensor::<2>::from_dispatch(Dispatch::product(x.into_dispatch(), weight.into_dispatch()));
    let y = match bias {
        Some(bias) => y + bias.reshape([1, outputs]),
        None => y,
    };
    shape[D - 1] = outputs;
    y.reshape(shape)
}
