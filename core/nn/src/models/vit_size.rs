//! What a vision transformer's size is made of.

use serde::{Deserialize, Serialize};

use ferkd_method::error::{Error, Result};

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

    pub(crate) fn check(&self) -> Result<()> {
        let problem = if self.patch == 0 || self.side == 0 || !self.side.is_multiple_of(self.patch) {
            format!("invalid side {}: expected a multiple of the patches' {}", self.side, self.patch)
        } else if self.heads == 0 || self.width == 0 || !self.width.is_multiple_of(self.heads) {
            format!(
                "invalid width {}: expected a multiple of the number of heads, {}",
                self.width, self.heads
            )
        } else if self.width > 8192 || self.depth > 256 || self.grid() > 512 || self.depth == 0 {
            format!("width {}, depth {}, {} patches a side", self.width, self.depth, self.grid())
        } else {
            return Ok(());
        };
        Err(Error::usage("vision transformer", problem)
            .remedy("patch must divide side, heads divide width; at most width 8192, depth 256, grid 512"))
    }
}
