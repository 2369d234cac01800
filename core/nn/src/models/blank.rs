//! Layers before their weights are drawn or loaded: convolutions and linear layers of zeros, norms of ones and zeros.
//!
//! As burn's own configurations make them, but for the numbers: burn draws some that would be replaced at once, and
//! because it can draw orthogonal matrices, a page's program would hold all of burn's matrix products for it.

use burn::module::{Flag, Module, Param, ParamId, RunningState};
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Linear, PaddingConfig2d};
use burn::tensor::{Device, Shape, Tensor};

/// A layer norm over the last axis; what it adds to a variance is its network's.
#[derive(Module, Debug)]
pub(crate) struct LayerNorm {
    pub gamma: Param<Tensor<1>>,
    pub beta: Param<Tensor<1>>,
}

/// A parameter of one number, made when it is first needed: a network can be counted without its weights.
fn parameter<const D: usize>(shape: [usize; D], number: f32, device: &Device) -> Param<Tensor<D>> {
    let make =
        move |device: &Device, trained: bool| Tensor::full(shape, number, device).set_require_grad(trained);
    Param::uninitialized(ParamId::new(), make, device.clone(), true, Shape::new(shape))
}

/// A parameter of zeros.
pub(super) fn zeros<const D: usize>(shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    parameter(shape, 0.0, device)
}

/// A square convolution without bias, from channels to outputs.
pub(super) fn conv(
    [channels, outputs]: [usize; 2],
    kernel: usize,
    stride: usize,
    groups: usize,
    padding: PaddingConfig2d,
    device: &Device,
) -> Conv2d {
    Conv2d {
        weight: zeros([outputs, channels / groups, kernel, kernel], device),
        bias: None,
        stride: [stride, stride],
        kernel_size: [kernel, kernel],
        dilation: [1, 1],
        groups,
        padding,
    }
}

/// A convolution with a bias whose square kernels do not overlap.
pub(super) fn patches(channels: usize, outputs: usize, side: usize, device: &Device) -> Conv2d {
    let bias = Some(zeros([outputs], device));
    Conv2d { bias, ..conv([channels, outputs], side, side, 1, PaddingConfig2d::Valid, device) }
}

/// A linear layer.
pub(super) fn linear(inputs: usize, outputs: usize, has_bias: bool, device: &Device) -> Linear {
    Linear { weight: zeros([inputs, outputs], device), bias: has_bias.then(|| zeros([outputs], device)) }
}

/// A batch norm; running statistics take a share of `momentum` of each batch.
pub(super) fn batch_norm(channels: usize, epsilon: f64, momentum: f64, device: &Device) -> BatchNorm {
    BatchNorm {
        gamma: parameter([channels], 1.0, device),
        beta: zeros([channels], device),
        training: Param::<Flag>::from_bool(true),
        running_mean: RunningState::new(Tensor::zeros([channels], device)),
        running_var: RunningState::new(Tensor::ones([channels], device)),
        momentum,
        epsilon,
    }
}

impl LayerNorm {
    /// Gamma and beta.
    pub fn parameters(&self) -> [Tensor<1>; 2] {
        [self.gamma.val(), self.beta.val()]
    }
}

/// A layer norm.
pub(super) fn layer_norm(width: usize, device: &Device) -> LayerNorm {
    LayerNorm { gamma: parameter([width], 1.0, device), beta: zeros([width], device) }
}
