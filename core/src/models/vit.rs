//! Vision transformers under timm's names: DeiT's (Touvron et al. 2021) and EVA's giant (Fang et al. 2022).

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::gelu;
use burn::tensor::{DType, Device, FloatDType, Tensor};

use crate::memory::{Tape, Value};
use crate::models::drop_path::DropPath;
use crate::models::mixed;
use crate::models::ops::layer_norm;
use crate::models::resnet::linear_macs;
use crate::models::vit_size::{VitSize, VitStyle};

/// A vision transformer.
#[derive(Module, Debug)]
pub struct Vit {
    patch_embed: PatchEmbed,
    cls_token: Param<Tensor<3>>,
    pos_embed: Param<Tensor<3>>,
    blocks: Vec<VitBlock>,
    norm: Option<LayerNorm>,
    fc_norm: Option<LayerNorm>,
    head: Linear,
}

/// Patches to tokens.
#[derive(Module, Debug)]
struct PatchEmbed {
    proj: Conv2d,
}

/// Attention, then two linear layers; a norm before and a shortcut around each.
#[derive(Module, Debug)]
struct VitBlock {
    norm1: LayerNorm,
    attn: Attention,
    norm2: LayerNorm,
    mlp: Mlp,
}

/// Every token looks at every other, in several heads.
#[derive(Module, Debug)]
struct Attention {
    qkv: Linear,
    q_bias: Option<Param<Tensor<1>>>,
    v_bias: Option<Param<Tensor<1>>>,
    proj: Linear,
    heads: usize,
}

#[derive(Module, Debug)]
struct Mlp {
    fc1: Linear,
    fc2: Linear,
}

/// What layer norms add to a variance, as timm's transformers do.
const EPSILON: f64 = 1e-6;

fn norm(width: usize, device: &Device) -> LayerNorm {
    LayerNormConfig::new(width).with_epsilon(EPSILON).init(device)
}

/// A parameter of zeros, made when it is first needed: a network can be counted without its weights.
fn zeros<const D: usize>(shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    burn::nn::Initializer::Zeros.init(shape, device)
}

impl Attention {
    fn new(style: VitStyle, size: &VitSize, device: &Device) -> Self {
        let (width, separate) = (size.width, style == VitStyle::Eva);
        Self {
            qkv: LinearConfig::new(width, 3 * width).with_bias(!separate).init(device),
            q_bias: separate.then(|| zeros([width], device)),
            v_bias: separate.then(|| zeros([width], device)),
            proj: LinearConfig::new(width, width).init(device),
            heads: size.heads,
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let mut qkv = mixed::linear(&self.qkv, x);
        if let (Some(q), Some(v)) = (&self.q_bias, &self.v_bias) {
            let (q, v) = (q.val(), v.val());
            let bias = Tensor::cat(vec![q.clone(), q.zeros_like(), v], 0);
            qkv = qkv.clone() + bias.unsqueeze().cast(qkv.dtype());
        }
        mixed::linear(&self.proj, mixed::attention(qkv, self.heads))
    }

    /// The linear layers, and both products of the attention.
    fn macs(&self, tokens: u64) -> u64 {
        let width = self.qkv.weight.lazy_shape().to_vec()[0] as u64;
        tokens * (linear_macs(&self.qkv) + linear_macs(&self.proj)) + 2 * tokens * tokens * width
    }

    /// [`forward`](Self::forward), for the memory it takes.
    fn trace(&self, tape: &mut Tape, x: Value, tokens: u64) -> Value {
        let mut qkv = tape.linear(&self.qkv, x);
        if self.q_bias.is_some() {
            qkv = tape.by_something_small(qkv);
        }
        let seen = tape.attention(qkv, self.heads as u64, tokens);
        tape.linear(&self.proj, seen)
    }
}

impl VitBlock {
    fn new(style: VitStyle, size: &VitSize, device: &Device) -> Self {
        let (width, hidden) = (size.width, size.hidden(style));
        Self {
            norm1: norm(width, device),
            attn: Attention::new(style, size, device),
            norm2: norm(width, device),
            mlp: Mlp {
                fc1: LinearConfig::new(width, hidden).init(device),
                fc2: LinearConfig::new(hidden, width).init(device),
            },
        }
    }

    /// `block` is the block's number, by which `drop` decides what is left out. The tokens and their norms stay in
    /// f32; the branches compute in `dtype`.
    fn forward(&self, x: Tensor<3>, block: usize, dtype: DType, drop: Option<&DropPath>) -> Tensor<3> {
        let keep = |y: Tensor<3>, half: usize| match drop {
            Some(drop) => drop.apply(y, block, half),
            None => y,
        };
        let norm = |norm: &LayerNorm, x: Tensor<3>| layer_norm(norm, x, EPSILON, dtype.into());
        let attn = |x: Tensor<3>| self.attn.forward(x).cast(FloatDType::F32);
        let x = x.clone() + keep(attn(norm(&self.norm1, x)), 0);
        let mlp = |x: Tensor<3>| {
            let hidden = gelu(mixed::linear(&self.mlp.fc1, x));
            mixed::linear(&self.mlp.fc2, hidden).cast(FloatDType::F32)
        };
        x.clone() + keep(mlp(norm(&self.norm2, x)), 1)
    }

    /// [`forward`](Self::forward), for the memory it takes; products have numbers of `width` bytes.
    fn trace(&self, tape: &mut Tape, x: Value, tokens: u64, width: u64, drops: bool) -> Value {
        let join = |tape: &mut Tape, x: Value, y: Value| {
            let y = tape.cast(y, 4);
            let y = if drops { tape.scale_rows(y) } else { y };
            tape.add(x, y)
        };
        let copy = tape.copy(&x);
        let y = tape.layer_norm(&self.norm1, copy, width);
        let y = self.attn.trace(tape, y, tokens);
        let x = join(tape, x, y);
        let copy = tape.copy(&x);
        let y = tape.layer_norm(&self.norm2, copy, width);
        let y = tape.linear(&self.mlp.fc1, y);
        let y = tape.gelu(y);
        let y = tape.linear(&self.mlp.fc2, y);
        join(tape, x, y)
    }
}

impl Vit {
    pub(super) fn new(style: VitStyle, size: &VitSize, classes: usize, device: &Device) -> Self {
        let (width, patch, grid) = (size.width, size.patch, size.grid());
        let pooled = style == VitStyle::Eva;
        Self {
            patch_embed: PatchEmbed {
                proj: Conv2dConfig::new([3, width], [patch, patch]).with_stride([patch, patch]).init(device),
            },
            cls_token: zeros([1, 1, width], device),
            pos_embed: zeros([1, 1 + grid * grid, width], device),
            blocks: (0..size.depth).map(|_| VitBlock::new(style, size, device)).collect(),
            norm: (!pooled).then(|| norm(width, device)),
            fc_norm: pooled.then(|| norm(width, device)),
            head: LinearConfig::new(width, classes).init(device),
        }
    }

    /// What the head sees: shape (N, width).
    pub(super) fn features(&self, images: Tensor<4>, drop: Option<&DropPath>) -> Tensor<2> {
        let (n, dtype) = (images.dims()[0], images.dtype());
        let patches = mixed::patches(&self.patch_embed.proj, images).cast(FloatDType::F32);
        let [_, count, width] = patches.dims();
        let class = self.cls_token.val().expand([n, 1, width]);
        let x = Tensor::cat(vec![class, patches], 1) + self.pos_embed.val();
        let x = self.blocks.iter().enumerate().fold(x, |x, (i, block)| block.forward(x, i, dtype, drop));
        if let Some(norm) = &self.norm {
            // The norm is of each token alone, and only the class token's goes on.
            let class = x.slice_dim(1, 0..1).reshape([n, width]);
            return layer_norm(norm, class, EPSILON, FloatDType::F32);
        }
        let mean = x.slice_dim(1, 1..count + 1).mean_dim(1).reshape([n, width]);
        match &self.fc_norm {
            Some(norm) => layer_norm(norm, mean, EPSILON, FloatDType::F32),
            None => mean,
        }
    }

    pub(super) fn head(&self) -> &Linear {
        &self.head
    }

    pub(super) fn depth(&self) -> usize {
        self.blocks.len()
    }

    /// Multiply-adds of one image of the side that the positions are for.
    pub(super) fn macs(&self) -> u64 {
        let tokens = self.pos_embed.lazy_shape().to_vec()[1] as u64;
        let patches = self.patch_embed.proj.weight.lazy_shape().num_elements() as u64 * (tokens - 1);
        let block =
            |b: &VitBlock| b.attn.macs(tokens) + tokens * (linear_macs(&b.mlp.fc1) + linear_macs(&b.mlp.fc2));
        patches + self.blocks.iter().map(block).sum::<u64>() + linear_macs(&self.head)
    }

    /// [`features`](Self::features), for the memory it takes, with or without drop-path.
    pub(super) fn trace(&self, tape: &mut Tape, images: Value, drops: bool) -> Value {
        let (rows, number) = (tape.rows(), images.width());
        let [_, tokens, width] = self.pos_embed.lazy_shape().dims::<3>().map(|n| n as u64);
        let x = tape.patches(&self.patch_embed.proj, images);
        let x = tape.cast(x, 4);
        let x = tape.join(x, rows * tokens * width);
        let x = tape.add_trained(x, tokens * width);
        let x = self.blocks.iter().fold(x, |x, block| block.trace(tape, x, tokens, number, drops));
        let x = match &self.norm {
            Some(_) => tape.part(x, rows * width),
            None => tape.reduce(x, rows * width),
        };
        match self.norm.as_ref().or(self.fc_norm.as_ref()) {
            Some(norm) => tape.layer_norm(norm, x, 4),
            None => x,
        }
    }
}
