//! The forward pass on burn's tensors, with gradients where the device keeps them.
//!
//! Convolutions, linear layers and products are computed in the type of the images, f32 or bf16; norms and softmax
//! in f32, as are a transformer's tokens between its branches.

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::{DType, FloatDType, Tensor};

use crate::models::blank::LayerNorm;
use crate::models::drop_path::DropPath;
use crate::models::mixed;
use crate::models::network::Ops;
use crate::models::ops;
use crate::models::ops::activation::Activation;

/// A forward pass.
pub(super) struct Forward<'a> {
    /// The type of the images.
    dtype: DType,
    /// Which branches are left out.
    drop: Option<&'a DropPath>,
}

impl<'a> Forward<'a> {
    /// A pass over `images`.
    pub(super) fn of(images: &Tensor<4>, drop: Option<&'a DropPath>) -> Self {
        Self { dtype: images.dtype(), drop }
    }
}

impl Ops for Forward<'_> {
    type Map = Tensor<4>;
    type Tokens = Tensor<3>;
    type Features = Tensor<2>;

    fn conv_norm(&mut self, conv: &Conv2d, norm: &BatchNorm, x: Tensor<4>, then: Activation) -> Tensor<4> {
        ops::batch_norm(norm, mixed::conv(conv, x), then)
    }

    fn conv_norm_add(
        &mut self,
        conv: &Conv2d,
        norm: &BatchNorm,
        x: Tensor<4>,
        shortcut: Tensor<4>,
        then: Activation,
    ) -> Tensor<4> {
        ops::batch_norm_add(norm, mixed::conv(conv, x), shortcut, then)
    }

    fn max_pool(&mut self, pool: &MaxPool2d, x: Tensor<4>) -> Tensor<4> {
        ops::max_pool(pool, x)
    }

    fn global_pool(&mut self, x: Tensor<4>) -> Tensor<2> {
        let [n, channels, height, width] = x.dims();
        let x = x.cast(FloatDType::F32);
        x.reshape([n, channels, height * width]).mean_dim(2).reshape([n, channels])
    }

    fn patches(&mut self, conv: &Conv2d, images: Tensor<4>) -> Tensor<3> {
        mixed::patches(conv, images).cast(FloatDType::F32)
    }

    fn embed(&mut self, class: &Param<Tensor<3>>, positions: &Param<Tensor<3>>, x: Tensor<3>) -> Tensor<3> {
        let [n, _, width] = x.dims();
        let class = class.val().expand([n, 1, width]);
        Tensor::cat(vec![class, x], 1) + positions.val()
    }

    fn layer_norm(&mut self, norm: &LayerNorm, epsilon: f64, x: Tensor<3>) -> Tensor<3> {
        ops::layer_norm(x, norm.parameters(), epsilon, self.dtype.into())
    }

    fn linear(&mut self, linear: &Linear, x: Tensor<3>) -> Tensor<3> {
        mixed::linear(linear, x)
    }

    fn query_value_bias(
        &mut self,
        query: &Param<Tensor<1>>,
        value: &Param<Tensor<1>>,
        x: Tensor<3>,
    ) -> Tensor<3> {
        let (query, value) = (query.val(), value.val());
        let bias = Tensor::cat(vec![query.clone(), query.zeros_like(), value], 0);
        let dtype = x.dtype();
        x + bias.unsqueeze().cast(dtype)
    }

    fn attention(&mut self, qkv: Tensor<3>, heads: usize) -> Tensor<3> {
        mixed::attention(qkv, heads)
    }

    fn gelu(&mut self, x: Tensor<3>) -> Tensor<3> {
        ops::gelu(x)
    }

    fn add_branch(&mut self, x: Tensor<3>, branch: Tensor<3>, block: usize, half: usize) -> Tensor<3> {
        let branch = branch.cast(FloatDType::F32);
        x + match self.drop {
            Some(drop) => drop.apply(branch, block, half),
            None => branch,
        }
    }

    fn class_token(&mut self, x: Tensor<3>) -> Tensor<2> {
        let [n, _, width] = x.dims();
        x.slice_dim(1, 0..1).reshape([n, width])
    }

    fn token_mean(&mut self, x: Tensor<3>) -> Tensor<2> {
        let [n, tokens, width] = x.dims();
        x.slice_dim(1, 1..tokens).mean_dim(1).reshape([n, width])
    }

    fn feature_norm(&mut self, norm: &LayerNorm, epsilon: f64, x: Tensor<2>) -> Tensor<2> {
        ops::layer_norm(x, norm.parameters(), epsilon, FloatDType::F32)
    }
}
