//! A convolution for inference: weights packed once, with its bias, a shortcut and the activation in the same pass, one
//! picture on one thread.

use crate::depthwise::{Filters, by_tap, of_one};
use crate::norm::Bounds;
use crate::pack::{Packed, pack};
use crate::plan::Plan;
use crate::pointer::Output;
use crate::product::{Finish, product_of_one};
use crate::runs;
use crate::scratch::Scratch;
use crate::shape::ConvShape;
use crate::simd::{Tile, WIDEST};

/// A convolution whose weights do not change.
pub struct Prepared {
    weights: Weights,
    /// One number an output, and zeros up to a whole panel.
    bias: Vec<f32>,
    bounds: Bounds,
}

enum Weights {
    /// A matrix for each group.
    Dense(Vec<Packed>),
    /// (tap, channel)
    Depthwise(Vec<f32>),
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("bounds", &self.bounds).finish_non_exhaustive()
    }
}

impl Prepared {
    /// Packs `weight`, shape (outputs, channels / groups, height, width), and `bias`, shape (outputs). Of `shape` the
    /// batch and the input's size have no say.
    ///
    /// # Panics
    /// Slices of other lengths than `shape` says, and a shape that is not supported.
    pub fn new(shape: &ConvShape, weight: &[f32], bias: &[f32], bounds: Bounds) -> Self {
        assert!(shape.is_supported(), "invalid convolution: {shape:?}");
        assert_eq!((weight.len(), bias.len()), (shape.weight_len(), shape.outputs), "weight and bias");
        let (channels, outputs, taps) = (shape.group_channels(), shape.group_outputs(), shape.taps());
        let weights = if shape.is_depthwise() {
            let mut filters = vec![0.0; weight.len()];
            by_tap(weight, shape.channels, &mut filters);
            Weights::Depthwise(filters)
        } else if runs::fits(shape) {
            Weights::Dense(vec![runs::packed(shape, weight, |output, c, tap| {
                (output * channels + c) * taps + tap
            })])
        } else {
            let group = |weight: &[f32]| {
                let sizes = [taps, channels, outputs];
                pack(weight, Tile::of(outputs), sizes, channels * taps, |c, tap| c * taps + tap)
            };
            Weights::Dense(weight.chunks_exact(outputs * channels * taps).map(group).collect())
        };
        let mut padded = bias.to_vec();
        padded.resize(bias.len() + WIDEST, 0.0);
        Self { weights, bias: padded, bounds }
    }

    /// Convolves one picture, shape (height, width, channels), into `out`, shape (height, width, outputs); `shortcut`,
    /// of its shape, is added before the bounds.
    ///
    /// `shape` is that of [`Self::new`] with the picture's size; a depthwise convolution takes no shortcut.
    ///
    /// # Panics
    /// Slices of other lengths than `shape` says, and a shape of other weights.
    pub fn apply(&self, shape: &ConvShape, x: &[f32], shortcut: Option<&[f32]>, out: &mut [f32]) {
        let shape = ConvShape { batch: 1, ..*shape };
        assert!(shape.is_supported(), "invalid convolution: {shape:?}");
        assert_eq!((x.len(), out.len()), (shape.input_len(), shape.output_len()), "{shape:?}");
        assert!(shortcut.is_none_or(|shortcut| shortcut.len() == out.len()), "a shortcut of {shape:?}");
        let plan = Plan::of(&shape);
        let out = Output::of(out);
        match &self.weights {
            Weights::Depthwise(numbers) => {
                assert!(shape.is_depthwise() && numbers.len() == shape.weight_len() && shortcut.is_none());
                let filters = Filters {
                    numbers,
                    width: shape.kernel[1],
                    channels: shape.channels,
                    finish: Some((&self.bias, self.bounds)),
                };
                of_one(plan.grid(), x, filters, out);
            }
            Weights::Dense(groups) => {
                assert!(groups.len() == shape.groups && !shape.is_depthwise());
                let padded: Option<Scratch> = runs::fits(&shape).then(|| runs::padded(&shape, x, 0));
                let x = padded.as_deref().unwrap_or(x);
                let (channels, outputs) = (shape.group_channels(), shape.group_outputs());
                for (group, weights) in groups.iter().enumerate() {
                    let (taps, depth) = match padded {
                        Some(_) => (shape.kernel[0], shape.kernel[1] * channels),
                        None => (shape.taps(), channels),
                    };
                    assert_eq!([weights.taps, weights.depth, weights.columns], [taps, depth, outputs]);
                    let finish = Finish {
                        bias: &self.bias[group * outputs..],
                        shortcut: shortcut.map(|shortcut| &shortcut[group * outputs..]),
                        bounds: self.bounds,
                    };
                    // SAFETY: the table was made for a picture of this shape, whose lengths were checked, as were the
                    // weights'.
                    unsafe {
                        let (x, out) = (&x[group * channels..], out.behind(group * outputs));
                        product_of_one(plan.forward(), x, weights, finish, out);
                    }
                }
            }
        }
    }
}
