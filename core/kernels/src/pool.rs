//! Max pools over pictures with channels last.
//!
//! A window's channels are compared side by side. The gradient finds each window's greatest number again instead of
//! keeping where it was: the picture is kept for the layer before anyway, and a row of it is in the cache.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// A max pool over a batch of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolShape {
    /// Pictures.
    pub batch: usize,
    /// Height and width of the input, in pixels.
    pub input: [usize; 2],
    /// Channels.
    pub channels: usize,
    /// Height and width of a window.
    pub kernel: [usize; 2],
    /// From one window to the next, down and across: at least 1.
    pub stride: [usize; 2],
    /// Pixels before and after the input, down and across, that are never the greatest.
    pub padding: [(usize, usize); 2],
}

impl PoolShape {
    /// Height and width of the output.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let (before, after) = self.padding[axis];
            let room = (self.input[axis] + before + after).checked_sub(self.kernel[axis]);
            room.map_or(0, |room| room / self.stride[axis].max(1) + 1)
        })
    }

    /// Whether [`max_pool`] computes it: no window lies in the padding alone.
    pub fn is_supported(&self) -> bool {
        let axis = |i: usize| {
            let (before, after) = self.padding[i];
            self.stride[i] > 0 && before.max(after) < self.kernel[i] && self.input[i] > 0
        };
        axis(0) && axis(1) && self.channels > 0
    }

    fn picture(&self) -> usize {
        self.input[0] * self.input[1] * self.channels
    }

    fn pooled(&self) -> usize {
        let [height, width] = self.output();
        height * width * self.channels
    }

    /// The input's rows, or columns, that a window covers.
    #[inline(always)]
    fn window(&self, axis: usize, at: usize) -> std::ops::Range<usize> {
        let start = at * self.stride[axis];
        let end = (start + self.kernel[axis]).saturating_sub(self.padding[axis].0);
        start.saturating_sub(self.padding[axis].0)..end.min(self.input[axis])
    }

    /// Where the channels of the pixels that a window covers begin, row by row.
    #[inline(always)]
    fn pixels(&self, [y, x]: [usize; 2]) -> impl Iterator<Item = usize> {
        let (columns, width, channels) = (self.window(1, x), self.input[1], self.channels);
        self.window(0, y)
            .flat_map(move |row| columns.clone().map(move |column| (row * width + column) * channels))
    }
}

/// Whether `x` is the greatest after `most`: the first of equals stays, and what is not a number wins.
#[inline(always)]
fn wins(x: f32, most: f32) -> bool {
    (x > most) | x.is_nan()
}

/// One row of the output.
struct Row<'a> {
    shape: &'a PoolShape,
    /// The picture.
    x: &'a [f32],
    y: usize,
    out: &'a mut [f32],
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let channels = self.shape.channels;
        for (at, most) in self.out.chunks_exact_mut(channels).enumerate() {
            let mut pixels = self.shape.pixels([self.y, at]);
            let Some(first) = pixels.next() else { continue };
            most.copy_from_slice(&self.x[first..first + channels]);
            for pixel in pixels {
                for (most, &x) in most.iter_mut().zip(&self.x[pixel..pixel + channels]) {
                    *most = if wins(x, *most) { x } else { *most };
                }
            }
        }
    }
}

/// The greatest number of each window, shape (N, output's height, output's width, channels), of `x`, shape (N, height,
/// width, channels); what is not a number counts as the greatest.
///
/// # Panics
/// A slice of another length than `shape` says, and a shape that is not [supported](PoolShape::is_supported).
pub fn max_pool(shape: &PoolShape, x: &[f32]) -> Vec<f32> {
    check(shape, x);
    let [height, width] = shape.output();
    let mut out = vec![0.0; shape.batch * shape.pooled()];
    let row = (width * shape.channels).max(1);
    let arch = Arch::new();
    out.par_chunks_exact_mut(row).enumerate().for_each(|(at, out)| {
        let (picture, y) = (at / height, at % height);
        let x = &x[picture * shape.picture()..][..shape.picture()];
        arch.dispatch(Row { shape, x, y, out });
    });
    out
}

/// One picture's gradient.
struct Picture<'a> {
    shape: &'a PoolShape,
    x: &'a [f32],
    grad: &'a [f32],
    out: &'a mut [f32],
    /// The greatest number of a window, and which of its pixels has it: a channel each.
    most: &'a mut [f32],
    place: &'a mut [u32],
}

impl WithSimd for Picture<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { shape, x, grad, out, most, place } = self;
        let channels = shape.channels;
        let width = shape.output()[1].max(1);
        for (at, grad) in grad.chunks_exact(channels).enumerate() {
            let window = [at / width, at % width];
            let mut pixels = shape.pixels(window).zip(0u32..);
            let Some((first, _)) = pixels.next() else { continue };
            most.copy_from_slice(&x[first..first + channels]);
            place.fill(0);
            for (pixel, number) in pixels {
                for ((most, place), &x) in
                    most.iter_mut().zip(place.iter_mut()).zip(&x[pixel..pixel + channels])
                {
                    let wins = wins(x, *most);
                    *most = if wins { x } else { *most };
                    *place = if wins { number } else { *place };
                }
            }
            for (pixel, number) in shape.pixels(window).zip(0u32..) {
                for ((out, place), grad) in
                    out[pixel..pixel + channels].iter_mut().zip(place.iter()).zip(grad)
                {
                    *out += if *place == number { *grad } else { 0.0 };
                }
            }
        }
    }
}

/// The gradient of `x` from `grad`, that of the output: the greatest number of a window takes its gradient, the first of
/// equals. Shapes as in [`max_pool`].
///
/// # Panics
/// As [`max_pool`].
pub fn max_pool_gradient(shape: &PoolShape, x: &[f32], grad: &[f32]) -> Vec<f32> {
    check(shape, x);
    assert_eq!(grad.len(), shape.batch * shape.pooled(), "gradients of the output");
    let mut out = vec![0.0; x.len()];
    let arch = Arch::new();
    let pictures = out.par_chunks_exact_mut(shape.picture()).zip(x.par_chunks_exact(shape.picture()));
    pictures.zip(grad.par_chunks_exact(shape.pooled().max(1))).for_each_init(
        || (vec![0.0f32; shape.channels], vec![0u32; shape.channels]),
        |(most, place), ((out, x), grad)| {
            arch.dispatch(Picture { shape, x, grad, out, most, place });
        },
    );
    out
}

fn check(shape: &PoolShape, x: &[f32]) {
    assert!(shape.is_supported(), "{shape:?} is not supported");
    assert_eq!(x.len(), shape.batch * shape.picture(), "numbers of the pictures");
}
