//! Convolutions on a GPU: cuDNN's where it computes them, in a page our own, else burn's.

#[cfg(not(target_family = "wasm"))]
use burn::backend::ops::ModuleOps;
use burn::tensor::ops::ConvOptions;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;

use super::ConvolutionOps;
#[cfg(feature = "cuda")]
use super::cudnn::{ConvPass, convolved};
#[cfg(all(feature = "wgpu", any(target_family = "wasm", test)))]
use super::direct;
#[cfg(all(test, feature = "wgpu"))]
use crate::models::ops::cubes::takes_ours;

impl ConvolutionOps for CubeBackend {
    fn convolve(x: CubeTensor, weight: CubeTensor, options: ConvOptions<2>) -> CubeTensor {
        #[cfg(feature = "cuda")]
        if let Some(y) = convolved(ConvPass::Forward, [&x, &weight], [&x, &weight], &options) {
            return y;
        }
        #[cfg(all(test, feature = "wgpu"))]
        if takes_ours() {
            return direct::convolve(x, weight, &options);
        }
        #[cfg(target_family = "wasm")]
        return direct::convolve(x, weight, &options);
        #[cfg(not(target_family = "wasm"))]
        Self::conv2d(x, weight, None, options)
    }

    fn convolve_to_x(
        grad: CubeTensor,
        x: CubeTensor,
        weight: CubeTensor,
        options: ConvOptions<2>,
    ) -> CubeTensor {
        #[cfg(feature = "cuda")]
        if let Some(grad) = convolved(ConvPass::ToX, [&grad, &weight], [&x, &weight], &options) {
            return grad;
        }
        #[cfg(all(test, feature = "wgpu"))]
        if takes_ours() {
            return direct::convolve_to_x(grad, &x, weight, &options);
        }
        #[cfg(target_family = "wasm")]
        return direct::convolve_to_x(grad, &x, weight, &options);
        #[cfg(not(target_family = "wasm"))]
        Self::conv2d_x_backward(x, weight, grad, options)
    }

    fn convolve_to_weight(
        grad: CubeTensor,
        x: CubeTensor,
        weight: CubeTensor,
        options: ConvOptions<2>,
    ) -> CubeTensor {
        #[cfg(feature = "cuda")]
        if let Some(grad) = convolved(ConvPass::ToWeight, [&grad, &x], [&x, &weight], &options) {
            return grad;
        }
        #[cfg(all(test, feature = "wgpu"))]
        if takes_ours() {
            return direct::convolve_to_weight(grad, x, &weight, &options);
        }
        #[cfg(target_family = "wasm")]
        return direct::convolve_to_weight(grad, x, &weight, &options);
        #[cfg(not(target_family = "wasm"))]
        Self::conv2d_weight_backward(x, weight, grad, options)
    }
}
