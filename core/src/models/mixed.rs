//! Layers in mixed precision: convolutions, linear layers and products in the type that their input has, norms
//! and softmax in f32, weights stored in f32.
//!
//! The images' type decides for a whole network: in bf16, a weight is cast where it is used, so that its gradient
//! comes back in f32. In f32 every cast is left out.

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::activation::softmax;
use burn::tensor::module::attention as plain_attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{DType, FloatDType, Tensor};

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

/// A batch norm in f32, on a tensor of any type; what comes out has the type of what went in.
pub(super) fn batch_norm(layer: &BatchNorm, x: Tensor<4>) -> Tensor<4> {
    let dtype = x.dtype();
    layer.forward(x.cast(FloatDType::F32)).cast(dtype)
}

/// `softmax(q k^T / sqrt(head)) v` of shape (N, heads, tokens, head): both products in the type of the inputs, the
/// softmax in f32.
pub(super) fn attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let dtype = q.dtype();
    if dtype == DType::F32 {
        return plain_attention(q, k, v, None, None, AttentionModuleOptions::default());
    }
    let scale = 1.0 / (q.dims()[3] as f32).sqrt();
    let scores = q.matmul(k.swap_dims(2, 3)).cast(FloatDType::F32).mul_scalar(scale);
    softmax(scores, 3).cast(dtype).matmul(v)
}
