//! Networks on the tape: how each of their operations is composed.

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;

use crate::memory::tape::{Tape, Value};
use crate::models::Model;
use crate::models::blank::LayerNorm;
use crate::models::network::{Network, Ops};
use crate::models::ops::activation::Activation;

/// Bytes of a number of norms, tokens between their branches, and features.
const F32: u64 = 4;

/// What is done with a network on the tape.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForwardPass {
    /// Side of the images, in pixels.
    pub side: usize,
    /// Whether the layers before the last only compute.
    pub frozen: bool,
    /// Whether branches are left out at random.
    pub drops: bool,
}

impl Tape {
    /// A network's logits for `images`.
    pub(super) fn logits(&mut self, model: &Model, images: Value, pass: ForwardPass) -> Value {
        let tracks = self.track(!pass.frozen);
        let width = images.width;
        let images = Picture { x: images, side: pass.side };
        let features = model.apply(&mut Traced { tape: self, width, drops: pass.drops }, images);
        self.track(tracks);
        self.linear(model.head(), features)
    }
}

/// A forward pass.
struct Traced<'a> {
    tape: &'a mut Tape,
    /// Bytes of a number of convolutions and products.
    width: u64,
    drops: bool,
}

/// Pictures of a side.
#[derive(Clone)]
struct Picture {
    x: Value,
    side: usize,
}

/// Tokens, so many a picture.
#[derive(Clone)]
struct Tokens {
    x: Value,
    count: u64,
}

impl Traced<'_> {
    /// Numbers of one token of every picture.
    fn per_token(&self, x: &Tokens) -> u64 {
        x.x.count / x.count
    }
}

impl Ops for Traced<'_> {
    type Map = Picture;
    type Tokens = Tokens;
    type Features = Value;

    fn conv_norm(&mut self, conv: &Conv2d, norm: &BatchNorm, x: Picture, _: Activation) -> Picture {
        let (x, side) = self.tape.conv(conv, x.x, x.side);
        Picture { x: self.tape.batch_norm(norm, x), side }
    }

    fn conv_norm_add(
        &mut self,
        conv: &Conv2d,
        norm: &BatchNorm,
        x: Picture,
        shortcut: Picture,
        _: Activation,
    ) -> Picture {
        let (x, side) = self.tape.conv(conv, x.x, x.side);
        Picture { x: self.tape.batch_norm_add(norm, x, shortcut.x), side }
    }

    fn max_pool(&mut self, pool: &MaxPool2d, x: Picture) -> Picture {
        let (x, side) = self.tape.max_pool(pool, x.x, x.side);
        Picture { x, side }
    }

    fn global_pool(&mut self, x: Picture) -> Value {
        self.tape.global_pool(x.x, x.side)
    }

    fn patches(&mut self, conv: &Conv2d, images: Picture) -> Tokens {
        let x = self.tape.patches(conv, images.x);
        let count = (images.side / conv.stride[0]).pow(2) as u64;
        Tokens { x: self.tape.cast(x, F32), count }
    }

    fn embed(&mut self, _: &Param<Tensor<3>>, positions: &Param<Tensor<3>>, x: Tokens) -> Tokens {
        let [_, count, width] = positions.lazy_shape().dims::<3>().map(|n| n as u64);
        let x = self.tape.join(x.x, self.tape.rows * count * width);
        Tokens { x: self.tape.add_trained(x, count * width), count }
    }

    fn layer_norm(&mut self, norm: &LayerNorm, _: f64, x: Tokens) -> Tokens {
        Tokens { x: self.tape.layer_norm(norm, x.x, self.width), ..x }
    }

    fn linear(&mut self, linear: &Linear, x: Tokens) -> Tokens {
        Tokens { x: self.tape.linear(linear, x.x), ..x }
    }

    fn query_value_bias(&mut self, _: &Param<Tensor<1>>, _: &Param<Tensor<1>>, x: Tokens) -> Tokens {
        Tokens { x: self.tape.by_something_small(x.x), ..x }
    }

    fn attention(&mut self, qkv: Tokens, heads: usize) -> Tokens {
        Tokens { x: self.tape.attention(qkv.x, heads as u64, qkv.count), ..qkv }
    }

    fn gelu(&mut self, x: Tokens) -> Tokens {
        Tokens { x: self.tape.gelu(x.x), ..x }
    }

    fn add_branch(&mut self, x: Tokens, branch: Tokens, _: usize, _: usize) -> Tokens {
        let mut branch = self.tape.cast(branch.x, F32);
        if self.drops {
            branch = self.tape.scale_rows(branch);
        }
        Tokens { x: self.tape.add(x.x, branch), ..x }
    }

    fn class_token(&mut self, x: Tokens) -> Value {
        let count = self.per_token(&x);
        self.tape.part(x.x, count)
    }

    fn token_mean(&mut self, x: Tokens) -> Value {
        let count = self.per_token(&x);
        self.tape.reduce(x.x, count)
    }

    fn feature_norm(&mut self, norm: &LayerNorm, _: f64, x: Value) -> Value {
        self.tape.layer_norm(norm, x, F32)
    }
}
