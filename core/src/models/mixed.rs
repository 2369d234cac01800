//! Layers in mixed precision: convolutions, linear layers and products in the type that their input has, norms
//! and softmax in f32, weights stored in f32.
//!
//! The images' type decides for a whole network: in bf16, a weight is cast where it is used, so that its gradient
//! comes back in f32. In f32 every cast is left out.

use std::ops::Range;

use burn::module::Param;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::module::{attention as plain_attention, linear as plain_linear};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{DType, Tensor};

use super::ops::softmax;

/// A parameter's value in another type; the parameter itself stays as it is.
fn cast<const D: usize>(parameter: &Param<Tensor<D>>, dtype: DType) -> Param<Tensor<D>> {
    Param::initialized(parameter.id, parameter.val().cast(dtype))
}

/// A convolution in the type of `x`, shape (N, channels, height, width).
pub(super) fn conv(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let dtype = x.dtype();
    if dtype == DType::F32 {
        return layer.forward(x);
    }
    let bias = layer.bias.as_ref().map(|bias| cast(bias, dtype));
    Conv2d { weight: cast(&layer.weight, dtype), bias, ..layer.clone() }.forward(x)
}

/// A linear layer in the type of `x`, shape (..., inputs).
pub(super) fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    let dtype = x.dtype();
    if dtype == DType::F32 {
        return layer.forward(x);
    }
    let bias = layer.bias.as_ref().map(|bias| cast(bias, dtype));
    Linear { weight: cast(&layer.weight, dtype), bias }.forward(x)
}

/// Columns `range` of a linear layer in the type of `x`, shape (..., inputs), with a bias of their own where the layer
/// has none.
pub(super) fn linear_part<const D: usize>(
    layer: &Linear,
    x: Tensor<D>,
    range: Range<usize>,
    bias: Option<Tensor<1>>,
) -> Tensor<D> {
    let dtype = x.dtype();
    let narrow = |values: Tensor<1>| values.cast(dtype);
    let weight = layer.weight.val().slice_dim(1, range.clone()).cast(dtype);
    let own = layer.bias.as_ref().map(|bias| bias.val().slice_dim(0, range));
    plain_linear(x, weight, own.or(bias).map(narrow))
}

/// `softmax(q k^T / sqrt(head)) v` of shape (N, heads, tokens, head): both products in the type of the inputs, the
/// softmax in f32.
pub(super) fn attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    // burn's own holds no scores where it need not remember them.
    if q.dtype() == DType::F32 && !q.device().is_autodiff() {
        return plain_attention(q, k, v, None, None, AttentionModuleOptions::default());
    }
    let scale = 1.0 / (q.dims()[3] as f64).sqrt();
    softmax(q.matmul(k.swap_dims(2, 3)), scale).matmul(v)
}
