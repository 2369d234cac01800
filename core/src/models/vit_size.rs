//! What a vision transformer's size is made of, and how a file shows it.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::models::{Arch, ModelSpec};

/// What is between the image and the logits of a vision transformer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VitStyle {
    /// Bias on queries, keys and values; the class token's last state goes through a norm to the head.
    Deit,
    /// No bias on keys; the mean of the patches' last states goes through a norm to the head.
    Eva,
}

/// The size of a vision transformer. Its positions are of one grid: another input side is another size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VitSize {
    /// Side of the input, in pixels.
    pub side: usize,
    /// Side of a patch, in pixels.
    pub patch: usize,
    /// Numbers that a token is.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads of an attention.
    pub heads: usize,
}

impl VitSize {
    /// Patches along a side.
    pub fn grid(&self) -> usize {
        self.side / self.patch
    }

    /// Width inside of a block's second half: 4 times that of a token, EVA 6144 / 1408 times.
    pub(super) fn hidden(&self, style: VitStyle) -> usize {
        match style {
            VitStyle::Deit => 4 * self.width,
            VitStyle::Eva => self.width * 6144 / 1408,
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let problem = if self.patch == 0 || self.side == 0 || !self.side.is_multiple_of(self.patch) {
            format!("a side of {} pixels is no whole number of patches of {}", self.side, self.patch)
        } else if self.heads == 0 || self.width == 0 || !self.width.is_multiple_of(self.heads) {
            format!("a width of {} cannot be shared by {} heads", self.width, self.heads)
        } else if self.width > 8192 || self.depth > 256 || self.grid() > 512 || self.depth == 0 {
            format!("width {}, depth {}, {} patches a side", self.width, self.depth, self.grid())
        } else {
            return Ok(());
        };
        Err(Error::usage("vision transformer", problem)
            .remedy("patch must divide side, heads divide width; at most width 8192, depth 256, grid 512"))
    }
}

impl ModelSpec {
    /// Recognises a vision transformer of a known size by its tensors' shapes, at any input side. Heads leave no
    /// trace in the shapes: a width that is no architecture's is not recognised.
    pub(crate) fn infer_vit(shape: impl Fn(&str) -> Option<Vec<usize>>) -> Option<Self> {
        let classes = *shape("head.weight")?.first()?;
        let [width, _, patch, _] = shape("patch_embed.proj.weight")?[..] else { return None };
        let [_, positions, _] = shape("pos_embed")?[..] else { return None };
        let depth = (0..).take_while(|i| shape(&format!("blocks.{i}.attn.qkv.weight")).is_some()).count();
        let eva = shape("blocks.0.attn.q_bias").is_some();
        let grid = positions.checked_sub(1)?.isqrt();
        if grid * grid + 1 != positions {
            return None;
        }
        Arch::ALL.into_iter().find_map(|arch| {
            let (style, size) = arch.vit()?;
            let same = (style == VitStyle::Eva) == eva
                && [size.width, size.patch, size.depth] == [width, patch, depth];
            let size = VitSize { side: grid * patch, ..size };
            same.then(|| Self { vit: Some(size), ..Self::new(arch, classes) })
        })
    }
}
