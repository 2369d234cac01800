//! Convolutions without a bias: on the CPU by kernels of our own (`ferkd-kernels`), on CUDA by cuDNN where it is
//! installed, else by burn's own kernels, as on every other device. A page has direct kernels of our own for WebGPU:
//! burn's, with all that they may be tuned to, would be a tenth of its program.

mod autodiff;
#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod cube;
#[cfg(feature = "cuda")]
pub(crate) mod cudnn;
#[cfg(all(feature = "wgpu", any(target_family = "wasm", test)))]
mod direct;
#[cfg(feature = "flex")]
mod flex;
#[cfg(all(feature = "wgpu", any(target_family = "wasm", test)))]
mod kernels;
#[cfg(all(test, feature = "flex"))]
mod tests;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::ops::ConvOptions;

/// What each backend convolves with.
///
/// Pictures have shape (N, channels, height, width), a weight (outputs, channels / groups, height, width); all are of
/// one type.
#[backend_extension(
    Autodiff,
    Cube: cfg(any(feature = "wgpu", feature = "cuda")),
    Flex: cfg(feature = "flex"),
    Fusion: cfg(feature = "cuda")
)]
pub(crate) trait ConvolutionOps: Backend {
    /// The convolution.
    #[fusion(meta = specs::convolve)]
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self>;

    /// The gradient of `x` from that of the output. Of `x` the shape alone has a say.
    #[fusion(meta = specs::to_x)]
    fn convolve_to_x(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self>;

    /// The gradient of `weight` from that of the output. Of `weight` the shape alone has a say.
    #[fusion(meta = specs::to_weight)]
    fn convolve_to_weight(
        grad: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self>;
}

/// The shape of what comes out.
#[cfg(any(feature = "cuda", all(feature = "wgpu", any(target_family = "wasm", test))))]
fn output(x: [usize; 4], weight: [usize; 4], options: &ConvOptions<2>) -> [usize; 4] {
    let side = |i: usize| {
        let (before, after) = options.padding[i];
        let reach = options.dilation[i] * (weight[2 + i] - 1) + 1;
        (x[2 + i] + before + after - reach) / options.stride[i] + 1
    };
    [x[0], weight[0], side(0), side(1)]
}

/// What comes out, before it is computed.
#[cfg(feature = "cuda")]
mod specs {
    use burn::backend::fusion::custom::TensorSpec;
    use burn::tensor::Shape;
    use burn::tensor::ops::ConvOptions;

    pub(super) fn convolve(x: &TensorSpec, weight: &TensorSpec, options: &ConvOptions<2>) -> TensorSpec {
        let shape = super::output(x.shape.dims(), weight.shape.dims(), options);
        TensorSpec::new(Shape::new(shape), x.dtype)
    }

    pub(super) fn to_x(_: &TensorSpec, x: &TensorSpec, _: &TensorSpec, _: &ConvOptions<2>) -> TensorSpec {
        TensorSpec::new(x.shape.clone(), x.dtype)
    }

    pub(super) fn to_weight(
        _: &TensorSpec,
        _: &TensorSpec,
        weight: &TensorSpec,
        _: &ConvOptions<2>,
    ) -> TensorSpec {
        TensorSpec::new(weight.shape.clone(), weight.dtype)
    }
}

/// A convolution without a bias: `x` of shape (N, channels, height, width), `weight` of (outputs, channels / groups,
/// height, width) and of the same type.
pub(crate) fn convolve(x: Tensor<4>, weight: Tensor<4>, options: ConvOptions<2>) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::convolve(x.into_dispatch(), weight.into_dispatch(), options))
}
