//! Multiply-adds, counted without computing anything.

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;

use crate::models::blank::LayerNorm;
use crate::models::network::{Network, Ops};
use crate::models::ops::activation::Activation;

/// Multiply-adds of one image of `side` x `side` pixels: of convolutions, linear layers and both products of
/// attentions; norms, activations, softmax and pooling are not counted.
pub(super) fn macs(network: &impl Network, side: usize) -> u64 {
    let mut counter = Counter::default();
    network.apply(&mut counter, side);
    counter.product(network.head(), 1);
    counter.total
}

/// Pictures are known by their side.
#[derive(Default)]
struct Counter {
    total: u64,
}

/// So many tokens of so many numbers.
#[derive(Clone, Copy)]
struct Tokens {
    count: usize,
    width: usize,
}

impl Counter {
    /// A linear layer on `count` vectors.
    fn product(&mut self, linear: &Linear, count: usize) {
        self.total += (linear.weight.lazy_shape().num_elements() * count) as u64;
    }
}

impl Ops for Counter {
    type Map = usize;
    type Tokens = Tokens;
    type Features = ();

    /// Holds for odd kernels padded by half their size, and for TensorFlow's SAME padding.
    fn conv_norm(&mut self, conv: &Conv2d, _: &BatchNorm, side: usize, _: Activation) -> usize {
        let out = side.div_ceil(conv.stride[0]);
        self.total += (conv.weight.lazy_shape().num_elements() * out * out) as u64;
        out
    }

    fn conv_norm_add(
        &mut self,
        conv: &Conv2d,
        norm: &BatchNorm,
        side: usize,
        _: usize,
        then: Activation,
    ) -> usize {
        self.conv_norm(conv, norm, side, then)
    }

    fn max_pool(&mut self, pool: &MaxPool2d, side: usize) -> usize {
        side.div_ceil(pool.stride[0])
    }

    fn global_pool(&mut self, _: usize) {}

    fn patches(&mut self, conv: &Conv2d, side: usize) -> Tokens {
        let [width, ..] = conv.weight.lazy_shape().dims::<4>();
        let count = (side / conv.stride[0]).pow(2);
        self.total += (conv.weight.lazy_shape().num_elements() * count) as u64;
        Tokens { count, width }
    }

    fn embed(&mut self, _: &Param<Tensor<3>>, _: &Param<Tensor<3>>, x: Tokens) -> Tokens {
        Tokens { count: x.count + 1, ..x }
    }

    fn layer_norm(&mut self, _: &LayerNorm, _: f64, x: Tokens) -> Tokens {
        x
    }

    fn linear(&mut self, linear: &Linear, x: Tokens) -> Tokens {
        self.product(linear, x.count);
        let [_, width] = linear.weight.lazy_shape().dims::<2>();
        Tokens { width, ..x }
    }

    fn query_value_bias(&mut self, _: &Param<Tensor<1>>, _: &Param<Tensor<1>>, x: Tokens) -> Tokens {
        x
    }

    fn attention(&mut self, qkv: Tokens, _: usize) -> Tokens {
        let width = qkv.width / 3;
        self.total += (2 * qkv.count * qkv.count * width) as u64;
        Tokens { width, ..qkv }
    }

    fn gelu(&mut self, x: Tokens) -> Tokens {
        x
    }

    fn add_branch(&mut self, x: Tokens, _: Tokens, _: usize, _: usize) -> Tokens {
        x
    }

    fn class_token(&mut self, _: Tokens) {}

    fn token_mean(&mut self, _: Tokens) {}

    fn feature_norm(&mut self, _: &LayerNorm, _: f64, (): ()) {}
}
