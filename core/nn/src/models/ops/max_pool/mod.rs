//! Max pools on the CPU by kernels of our own (`ferkd-kernels`), which read and write pictures as convolutions and norms
//! leave them, with channels last; everywhere else by burn's.

#[cfg(feature = "flex")]
mod autodiff;
#[cfg(feature = "flex")]
mod flex;
#[cfg(all(test, feature = "flex"))]
mod tests;

use burn::nn::pool::MaxPool2d;
use burn::tensor::Tensor;
#[cfg(feature = "flex")]
use {
    burn::backend::tensor::FloatTensor,
    burn::backend::{Backend, Dispatch, backend_extension},
    burn::tensor::DType,
    ferkd_kernels::PoolShape,
};

#[cfg(feature = "flex")]
use crate::device::is_flex;
#[cfg(feature = "flex")]
use crate::models::padding::padding;

/// What pools, on the CPU alone.
#[cfg(feature = "flex")]
#[backend_extension(Autodiff, Flex: cfg(feature = "flex"))]
pub(crate) trait MaxPoolOps: Backend {
    /// The greatest numbers of windows: pictures of shape (N, channels, height, width), in f32.
    fn max_pool(x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self>;

    /// The gradient of `x` from that of the output.
    fn max_pool_to_x(grad: FloatTensor<Self>, x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self>;
}

/// A max pool of `x`, shape (N, channels, height, width).
pub(crate) fn max_pool(pool: &MaxPool2d, x: Tensor<4>) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(shape) = shape(pool, &x) {
        return Tensor::from_dispatch(Dispatch::max_pool(x.into_dispatch(), shape));
    }
    pool.forward(x)
}

/// What is pooled, where kernels of our own can.
#[cfg(feature = "flex")]
fn shape(pool: &MaxPool2d, x: &Tensor<4>) -> Option<PoolShape> {
    let [batch, channels, height, width] = x.dims();
    let input = [height, width];
    let padding = padding(&pool.padding, input, pool.kernel_size, pool.stride);
    let shape = PoolShape { batch, input, channels, kernel: pool.kernel_size, stride: pool.stride, padding };
    let is_plain = pool.dilation == [1, 1] && !pool.ceil_mode && shape.is_supported();
    (is_plain && x.dtype() == DType::F32 && is_flex(&x.device())).then_some(shape)
}
