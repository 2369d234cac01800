//! Layers in mixed precision: convolutions, linear layers and products in the type that their input has, norms
//! and softmax in f32, weights stored in f32.
//!
//! The images' type decides for a whole network: in bf16, a weight is cast where it is used, so that its gradient
//! comes back in f32. In f32 every cast is left out.

use burn::module::Param;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::module::attention as plain_attention;
#[cfg(not(target_family = "wasm"))]
use burn::tensor::module::linear as burns_linear;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Tensor};

use crate::models::ops::{affine, attend, convolve};
use crate::models::padding::padding;

/// Whether this is a page's program: it has convolutions and products of our own alone, for burn's are a large part of it.
const IS_PAGE: bool = cfg!(target_family = "wasm");

/// A parameter's value in another type; the parameter itself stays as it is.
fn cast<const D: usize>(parameter: &Param<Tensor<D>>, dtype: DType) -> Param<Tensor<D>> {
    Param::initialized(parameter.id, parameter.val().cast(dtype))
}

/// A convolution in the type of `x`, shape (N, channels, height, width).
pub(super) fn conv(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    let (device, dtype) = (x.device(), x.dtype());
    if layer.bias.is_none() && crate::device::is_cuda(&device) {
        // Cast and laid out with channels last at once, as it will be read.
        let weight = layer.weight.val().permute([0, 2, 3, 1]).cast(dtype).permute([0, 3, 1, 2]);
        let options = options(layer, x.dims());
        return convolve(x, weight, options);
    }
    if IS_PAGE || layer.bias.is_none() && crate::device::is_flex(&device) {
        let options = options(layer, x.dims());
        let y = convolve(x, layer.weight.val().cast(dtype), options);
        return match &layer.bias {
            Some(bias) => y + bias.val().cast(dtype).reshape([1, -1, 1, 1]),
            None => y,
        };
    }
    if dtype == DType::F32 {
        return layer.forward(x);
    }
    let bias = layer.bias.as_ref().map(|bias| cast(bias, dtype));
    Conv2d { weight: cast(&layer.weight, dtype), bias, ..layer.clone() }.forward(x)
}

/// How a layer convolves pictures of shape (N, channels, height, width).
fn options(layer: &Conv2d, [_, _, height, width]: [usize; 4]) -> ConvOptions<2> {
    let padding = padding(&layer.padding, [height, width], layer.kernel_size, layer.stride);
    ConvOptions::new_with_padding(layer.stride, padding, layer.dilation, layer.groups)
}

/// A convolution of square kernels that do not overlap, in the type of `x`, shape (N, channels, height, width), to one
/// row a kernel's place: (N, places, outputs). As one product: its gradient is one too, and rows lie as they are read.
pub(super) fn patches(layer: &Conv2d, x: Tensor<4>) -> Tensor<3> {
    let ([n, channels, height, width], dtype) = (x.dims(), x.dtype());
    let [outputs, _, side, _] = layer.weight.lazy_shape().dims();
    let (down, across) = (height / side, width / side);
    let x = x.reshape([n, channels, down, side, across, side]).permute([0, 2, 4, 1, 3, 5]);
    let x = x.reshape([n, down * across, channels * side * side]);
    let weight = layer.weight.val().reshape([outputs, channels * side * side]).swap_dims(0, 1).cast(dtype);
    rows(x, weight, layer.bias.as_ref().map(|bias| bias.val().cast(dtype)))
}

/// Rows of `x`, shape (..., inputs), times a matrix of shape (inputs, outputs), and a bias, all of one type.
fn rows<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    #[cfg(not(target_family = "wasm"))]
    if !crate::device::is_flex(&x.device()) || x.dtype() != DType::F32 {
        return burns_linear(x, weight, bias);
    }
    affine(x, weight, bias)
}

/// A linear layer in the type of `x`, shape (..., inputs).
pub(super) fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    let dtype = x.dtype();
    rows(x, layer.weight.val().cast(dtype), layer.bias.as_ref().map(|bias| bias.val().cast(dtype)))
}

/// Self-attention of `heads` heads from queries, keys and values side by side: (N, tokens, 3 width) to (N, tokens,
/// width). Both products are in the type of the input, the softmax in f32.
pub(super) fn attention(qkv: Tensor<3>, heads: usize) -> Tensor<3> {
    if IS_PAGE || qkv.dtype() != DType::F32 || qkv.device().is_autodiff() {
        return attend(qkv, heads);
    }
    // burn's own holds no scores where it need not remember them.
    let [n, tokens, three] = qkv.dims();
    let width = three / 3;
    let [q, k, v] = std::array::from_fn(|i| {
        let part = qkv.clone().slice_dim(2, i * width..(i + 1) * width);
        part.reshape([n, tokens, heads, width / heads]).swap_dims(1, 2)
    });
    let seen = plain_attention(q, k, v, None, None, AttentionModuleOptions::default());
    seen.swap_dims(1, 2).reshape([n, tokens, width])
}
