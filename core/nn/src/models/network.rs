//! What a network is: one description over a small set of operations.
//!
//! A network is written once, as [`Network::apply`], and gets from it everything that is said of networks: the
//! forward pass on burn's tensors, with gradients or without (`forward`), inference on the CPU (`host`), the
//! multiply-adds (`macs`), and the memory that a training step takes (`crate::memory`). Each of them is an
//! implementation of [`Ops`], whose values are whatever it needs to know of a tensor.

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;

use crate::models::blank::LayerNorm;
use crate::models::ops::activation::Activation;

/// What networks are made of.
pub(crate) trait Ops {
    /// Pictures of some channels: (N, channels, height, width).
    type Map: Clone;
    /// Tokens: (N, tokens, width).
    type Tokens: Clone;
    /// One vector a picture: (N, features), in f32.
    type Features;

    /// A convolution, its batch norm, and the activation behind it.
    fn conv_norm(&mut self, conv: &Conv2d, norm: &BatchNorm, x: Self::Map, then: Activation) -> Self::Map;

    /// The same with `shortcut`, of the shape of what comes out, added before the activation.
    fn conv_norm_add(
        &mut self,
        conv: &Conv2d,
        norm: &BatchNorm,
        x: Self::Map,
        shortcut: Self::Map,
        then: Activation,
    ) -> Self::Map;

    /// The largest number of each window.
    fn max_pool(&mut self, pool: &MaxPool2d, x: Self::Map) -> Self::Map;

    /// The mean of each channel.
    fn global_pool(&mut self, x: Self::Map) -> Self::Features;

    /// A convolution of square kernels that do not overlap: a token a patch.
    fn patches(&mut self, conv: &Conv2d, images: Self::Map) -> Self::Tokens;

    /// A class token, shape (1, 1, width), put before the others, and positions, shape (1, 1 + tokens, width), added
    /// to all.
    fn embed(
        &mut self,
        class: &Param<Tensor<3>>,
        positions: &Param<Tensor<3>>,
        x: Self::Tokens,
    ) -> Self::Tokens;

    /// A layer norm of each token. `epsilon` is the network's.
    fn layer_norm(&mut self, norm: &LayerNorm, epsilon: f64, x: Self::Tokens) -> Self::Tokens;

    /// A linear layer on each token.
    fn linear(&mut self, linear: &Linear, x: Self::Tokens) -> Self::Tokens;

    /// Adds biases, shape (width) each, to the queries and the values of tokens of 3 width numbers.
    fn query_value_bias(
        &mut self,
        query: &Param<Tensor<1>>,
        value: &Param<Tensor<1>>,
        x: Self::Tokens,
    ) -> Self::Tokens;

    /// Self-attention of `heads` heads, from queries, keys and values side by side (3 width numbers) to width.
    fn attention(&mut self, qkv: Self::Tokens, heads: usize) -> Self::Tokens;

    /// GELU of every number.
    fn gelu(&mut self, x: Self::Tokens) -> Self::Tokens;

    /// Adds a branch of block number `block` to what went around it; drop-path may leave it out. `half` is 0 for the
    /// attention, 1 for the linear layers.
    fn add_branch(
        &mut self,
        x: Self::Tokens,
        branch: Self::Tokens,
        block: usize,
        half: usize,
    ) -> Self::Tokens;

    /// The first token.
    fn class_token(&mut self, x: Self::Tokens) -> Self::Features;

    /// The mean of all tokens but the first.
    fn token_mean(&mut self, x: Self::Tokens) -> Self::Features;

    /// A layer norm of each vector.
    fn feature_norm(&mut self, norm: &LayerNorm, epsilon: f64, x: Self::Features) -> Self::Features;
}

/// A network: images of shape (N, 3, side, side) to what its last linear layer sees.
pub(crate) trait Network {
    /// Everything before the last linear layer.
    fn apply<O: Ops>(&self, ops: &mut O, images: O::Map) -> O::Features;

    /// The last linear layer: features to logits.
    fn head(&self) -> &Linear;

    /// Blocks that drop-path works on: a vision transformer's, whose weights are drawn as transformers' are, too.
    fn droppable(&self) -> Option<usize> {
        None
    }
}

/// What is known of a weights file: the shape of a tensor by its name in PyTorch's names.
pub(crate) type Shapes<'a> = &'a dyn Fn(&str) -> Option<Vec<usize>>;
