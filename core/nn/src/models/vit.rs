//! Vision transformers under timm's names: DeiT's (Touvron et al. 2021) and EVA's giant (Fang et al. 2022).

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::{Device, Tensor};

use crate::models::blank::{LayerNorm, layer_norm, linear, patches, zeros};
use crate::models::network::{Network, Ops, Shapes};
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

impl Attention {
    fn new(style: VitStyle, size: &VitSize, device: &Device) -> Self {
        let (width, separate) = (size.width, style == VitStyle::Eva);
        Self {
            qkv: linear(width, 3 * width, !separate, device),
            q_bias: separate.then(|| zeros([width], device)),
            v_bias: separate.then(|| zeros([width], device)),
            proj: linear(width, width, true, device),
            heads: size.heads,
        }
    }

    fn apply<O: Ops>(&self, ops: &mut O, x: O::Tokens) -> O::Tokens {
        let mut qkv = ops.linear(&self.qkv, x);
        if let (Some(q), Some(v)) = (&self.q_bias, &self.v_bias) {
            qkv = ops.query_value_bias(q, v, qkv);
        }
        let y = ops.attention(qkv, self.heads);
        ops.linear(&self.proj, y)
    }
}

impl VitBlock {
    fn new(style: VitStyle, size: &VitSize, device: &Device) -> Self {
        let (width, hidden) = (size.width, size.hidden(style));
        Self {
            norm1: layer_norm(width, device),
            attn: Attention::new(style, size, device),
            norm2: layer_norm(width, device),
            mlp: Mlp { fc1: linear(width, hidden, true, device), fc2: linear(hidden, width, true, device) },
        }
    }

    /// `block` is the block's number, by which drop-path decides what is left out.
    fn apply<O: Ops>(&self, ops: &mut O, x: O::Tokens, block: usize) -> O::Tokens {
        let y = ops.layer_norm(&self.norm1, EPSILON, x.clone());
        let y = self.attn.apply(ops, y);
        let x = ops.add_branch(x, y, block, 0);
        let y = ops.layer_norm(&self.norm2, EPSILON, x.clone());
        let y = ops.linear(&self.mlp.fc1, y);
        let y = ops.gelu(y);
        let y = ops.linear(&self.mlp.fc2, y);
        ops.add_branch(x, y, block, 1)
    }
}

impl Vit {
    pub(super) fn new(style: VitStyle, size: &VitSize, classes: usize, device: &Device) -> Self {
        let (width, patch, grid) = (size.width, size.patch, size.grid());
        let pooled = style == VitStyle::Eva;
        Self {
            patch_embed: PatchEmbed { proj: patches(3, width, patch, device) },
            cls_token: zeros([1, 1, width], device),
            pos_embed: zeros([1, 1 + grid * grid, width], device),
            blocks: (0..size.depth).map(|_| VitBlock::new(style, size, device)).collect(),
            norm: (!pooled).then(|| layer_norm(width, device)),
            fc_norm: pooled.then(|| layer_norm(width, device)),
            head: linear(width, classes, true, device),
        }
    }

    /// Whether tensors of these names and shapes are such a network, at any input side.
    pub(super) fn fits(style: VitStyle, size: &VitSize, shape: Shapes) -> bool {
        Self::size_of(style, size, shape).is_some_and(|found| VitSize { side: size.side, ..found } == *size)
    }

    /// The size of a file's network of this style, at any input side; none where its tensors are not such a network.
    /// Heads leave no trace in the shapes: each has as many numbers as those of `size`.
    pub(super) fn size_of(style: VitStyle, size: &VitSize, shape: Shapes) -> Option<VitSize> {
        let (Some(&[width, _, patch, _]), Some(grid)) =
            (shape("patch_embed.proj.weight").as_deref(), grid(shape))
        else {
            return None;
        };
        let depth = (0..).take_while(|i| shape(&format!("blocks.{i}.attn.qkv.weight")).is_some()).count();
        let eva = shape("blocks.0.attn.q_bias").is_some();
        let of_a_head = size.width / size.heads;
        let fits = depth > 0 && eva == (style == VitStyle::Eva) && width % of_a_head == 0;
        fits.then_some(VitSize { side: grid * patch, patch, width, depth, heads: width / of_a_head })
    }

    /// Side in pixels of the input that the positions are for.
    pub(super) fn side(size: &VitSize, shape: Shapes) -> usize {
        grid(shape).map_or(size.side, |grid| grid * size.patch)
    }
}

/// Patches along a side, by the number of positions: those of a square grid, and one for the class token.
fn grid(shape: Shapes) -> Option<usize> {
    let [_, positions, _] = shape("pos_embed")?[..] else { return None };
    let grid = positions.checked_sub(1)?.isqrt();
    (grid * grid + 1 == positions).then_some(grid)
}

impl Network for Vit {
    fn apply<O: Ops>(&self, ops: &mut O, images: O::Map) -> O::Features {
        let x = ops.patches(&self.patch_embed.proj, images);
        let x = ops.embed(&self.cls_token, &self.pos_embed, x);
        let x = self.blocks.iter().enumerate().fold(x, |x, (i, block)| block.apply(ops, x, i));
        match (&self.norm, &self.fc_norm) {
            // The norm is of each token alone, and only the class token's goes on.
            (Some(norm), _) => {
                let class = ops.class_token(x);
                ops.feature_norm(norm, EPSILON, class)
            }
            (None, Some(norm)) => {
                let mean = ops.token_mean(x);
                ops.feature_norm(norm, EPSILON, mean)
            }
            (None, None) => ops.token_mean(x),
        }
    }

    fn head(&self) -> &Linear {
        &self.head
    }

    fn droppable(&self) -> Option<usize> {
        Some(self.blocks.len())
    }
}
