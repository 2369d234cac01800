//! Batch norms over pictures with channels last: sums of a channel, and what is made of each number with them.
//!
//! A picture's numbers are walked through as they lie; sums are taken side by side in f32 over a block of pixels, whose
//! size depends on the number of channels alone, and then in f64 in the blocks' order: they do not depend on the number
//! of threads.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::pointer::{Output, filled};

/// Numbers of a block.
const BLOCK: usize = 1 << 14;

/// What an activation lets through: numbers between `low` and `high`, both left out of its gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Numbers below become this; negative infinity for none.
    pub low: f32,
    /// Numbers above become this; infinity for none.
    pub high: f32,
}

impl Bounds {
    /// A number within the bounds; NaN stays NaN.
    #[inline(always)]
    pub fn clamp(self, value: f32) -> f32 {
        let value = if value < self.low { self.low } else { value };
        if value > self.high { self.high } else { value }
    }

    #[inline(always)]
    fn pass(self, grad: f32, value: f32) -> f32 {
        if value <= self.low || value >= self.high { 0.0 } else { grad }
    }
}

/// A norm, and what is added behind it: one number a channel each.
#[derive(Debug, Clone, Copy)]
pub struct Norm<'a> {
    /// What is taken away.
    pub mean: &'a [f32],
    /// What is multiplied with.
    pub factor: &'a [f32],
    /// What is added.
    pub beta: &'a [f32],
}

/// Pixels of a block.
fn pixels(channels: usize) -> usize {
    (BLOCK / channels.max(1)).max(1)
}

/// Sums that blocks add to: two for each channel.
struct Sums<'a, F> {
    a: &'a [f32],
    b: &'a [f32],
    of: F,
    /// (2, channels)
    out: &'a mut [f32],
}

/// Two numbers in the same place, and what they add to a channel's two sums.
trait Terms: Copy + Send + Sync {
    fn of(&self, channel: usize, a: f32, b: f32) -> [f32; 2];
}

impl<F: Terms> WithSimd for Sums<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let channels = self.out.len() / 2;
        let (first, second) = self.out.split_at_mut(channels);
        for (a, b) in self.a.chunks_exact(channels).zip(self.b.chunks_exact(channels)) {
            let (a, b) = (&a[..channels], &b[..channels]);
            for c in 0..channels {
                let [x, y] = self.of.of(c, a[c], b[c]);
                first[c] += x;
                second[c] += y;
            }
        }
    }
}

/// Both sums of each channel.
fn sums<F: Terms>(a: &[f32], b: &[f32], channels: usize, of: F) -> Vec<[f64; 2]> {
    let block = pixels(channels) * channels.max(1);
    let arch = Arch::new();
    let blocks: Vec<Vec<f32>> = a
        .par_chunks(block)
        .zip(b.par_chunks(block))
        .map(|(a, b)| {
            let mut out = vec![0.0; 2 * channels];
            arch.dispatch(Sums { a, b, of, out: &mut out });
            out
        })
        .collect();
    let mut total = vec![[0.0f64; 2]; channels];
    for block in &blocks {
        for (c, total) in total.iter_mut().enumerate() {
            total[0] += f64::from(block[c]);
            total[1] += f64::from(block[channels + c]);
        }
    }
    total
}

/// Sums of each channel's distances to a number of its own, and of their squares.
///
/// `x` has shape (pixels, channels), `origin` (channels). A number near the mean costs no digits.
///
/// # Panics
/// Slices that are not whole pixels of `origin`'s channels.
pub fn moments(x: &[f32], origin: &[f32]) -> Vec<[f64; 2]> {
    #[derive(Clone, Copy)]
    struct Distance<'a>(&'a [f32]);
    impl Terms for Distance<'_> {
        #[inline(always)]
        fn of(&self, channel: usize, x: f32, _: f32) -> [f32; 2] {
            let distance = x - self.0[channel];
            [distance, distance * distance]
        }
    }
    whole(x, origin.len());
    sums(x, x, origin.len(), Distance(origin))
}

/// Sums of each channel's gradients, and of their products with the distance to the mean; a gradient counts as far as
/// the activation lets it through. `grad` and `x` have shape (pixels, channels).
///
/// # Panics
/// Slices of different lengths, or that are not whole pixels of the norm's channels.
pub fn gradient_sums(grad: &[f32], x: &[f32], norm: Norm<'_>, bounds: Bounds) -> Vec<[f64; 2]> {
    #[derive(Clone, Copy)]
    struct Passed<'a>(Norm<'a>, Bounds);
    impl Terms for Passed<'_> {
        #[inline(always)]
        fn of(&self, channel: usize, grad: f32, x: f32) -> [f32; 2] {
            let distance = x - self.0.mean[channel];
            let grad = self.1.pass(grad, distance * self.0.factor[channel] + self.0.beta[channel]);
            [grad, grad * distance]
        }
    }
    let channels = norm.mean.len();
    whole(x, channels);
    assert_eq!(grad.len(), x.len(), "gradients and numbers");
    let norm = cut(norm, channels);
    sums(grad, x, channels, Passed(norm, bounds))
}

/// What becomes of each number, with one or two others in its place.
trait Map: Copy + Send + Sync {
    fn of(&self, channel: usize, a: f32, b: f32) -> f32;
}

struct Mapped<F> {
    a: *const f32,
    b: *const f32,
    len: usize,
    channels: usize,
    of: F,
    out: *mut f32,
}

impl<F: Map> WithSimd for Mapped<F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for start in (0..self.len).step_by(self.channels) {
            for c in 0..self.channels.min(self.len - start) {
                // SAFETY: `mapped` makes these of slices of `len` numbers, whole pixels; `out` may be one of them, of
                // which each number is read before it is written.
                unsafe {
                    let (a, b) = (*self.a.add(start + c), *self.b.add(start + c));
                    self.out.add(start + c).write(self.of.of(c, a, b));
                }
            }
        }
    }
}

/// Writes `of` of numbers in the same place; `out` may be where `a` or `b` lies.
///
/// # Safety
/// `a`, `b` and `out` have `len` numbers or room for them, which no one else writes.
unsafe fn mapped<F: Map>(a: *const f32, b: *const f32, out: Output, len: usize, channels: usize, of: F) {
    /// An address that may cross threads.
    #[derive(Clone, Copy)]
    struct Input(*const f32);
    // SAFETY: read only, or read by the thread alone that writes there.
    unsafe impl Send for Input {}
    // SAFETY: as above.
    unsafe impl Sync for Input {}
    let (a, b) = (Input(a), Input(b));
    let block = pixels(channels) * channels.max(1);
    let arch = Arch::new();
    (0..len.div_ceil(block)).into_par_iter().for_each(|at| {
        let (a, b, start) = (a, b, at * block);
        // SAFETY: blocks lie within the `len` numbers, each is one task's.
        unsafe {
            arch.dispatch(Mapped {
                a: a.0.add(start),
                b: b.0.add(start),
                len: block.min(len - start),
                channels,
                of,
                out: out.at(start),
            });
        }
    });
}

/// The same into a vector.
fn into_vec<F: Map>(a: &[f32], b: &[f32], channels: usize, of: F) -> Vec<f32> {
    assert_eq!(a.len(), b.len(), "numbers in the same place");
    // SAFETY: all `len` numbers are there, and written, each once.
    filled(a.len(), |out| unsafe { mapped(a.as_ptr(), b.as_ptr(), out, a.len(), channels, of) })
}

/// The same over the first of the two.
fn in_place<F: Map>(a: &mut [f32], b: &[f32], channels: usize, of: F) {
    assert_eq!(a.len(), b.len(), "numbers in the same place");
    let out = Output::of(a);
    // SAFETY: a number is read by the task that writes it, before it does.
    unsafe { mapped(out.at(0), b.as_ptr(), out, b.len(), channels, of) }
}

#[derive(Clone, Copy)]
struct Normalise<'a>(Norm<'a>, Bounds);

impl Map for Normalise<'_> {
    #[inline(always)]
    fn of(&self, channel: usize, x: f32, _: f32) -> f32 {
        let Norm { mean, factor, beta } = self.0;
        self.1.clamp((x - mean[channel]) * factor[channel] + beta[channel])
    }
}

/// `(x - mean) * factor + beta`, clamped. `x` has shape (pixels, channels).
///
/// # Panics
/// A slice that is not whole pixels of the norm's channels.
pub fn normalise(x: &[f32], norm: Norm<'_>, bounds: Bounds) -> Vec<f32> {
    let channels = norm.mean.len();
    whole(x, channels);
    into_vec(x, x, channels, Normalise(cut(norm, channels), bounds))
}

/// `(x - mean) * factor + beta + other`, clamped. `x` and `other` have shape (pixels, channels).
///
/// # Panics
/// As [`normalise`], and an `other` of another length.
pub fn normalise_add(x: &[f32], norm: Norm<'_>, other: &[f32], bounds: Bounds) -> Vec<f32> {
    #[derive(Clone, Copy)]
    struct Add<'a>(Norm<'a>, Bounds);
    impl Map for Add<'_> {
        #[inline(always)]
        fn of(&self, channel: usize, x: f32, other: f32) -> f32 {
            let Norm { mean, factor, beta } = self.0;
            self.1.clamp((x - mean[channel]) * factor[channel] + beta[channel] + other)
        }
    }
    let channels = norm.mean.len();
    whole(x, channels);
    into_vec(x, other, channels, Add(cut(norm, channels), bounds))
}

/// A gradient where the activation let through what made `y`.
#[derive(Clone, Copy)]
struct Pass(Bounds);

impl Map for Pass {
    #[inline(always)]
    fn of(&self, _: usize, grad: f32, y: f32) -> f32 {
        self.0.pass(grad, y)
    }
}

/// The gradient where the activation, whose output is `y`, let through what came.
///
/// # Panics
/// Slices of different lengths.
pub fn pass(grad: &[f32], y: &[f32], bounds: Bounds) -> Vec<f32> {
    into_vec(grad, y, BLOCK, Pass(bounds))
}

/// [`pass`], written over the gradient.
///
/// # Panics
/// As [`pass`].
pub fn pass_in_place(grad: &mut [f32], y: &[f32], bounds: Bounds) {
    in_place(grad, y, BLOCK, Pass(bounds));
}

/// What the gradient of a norm's input is made with.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// What the distance to the mean is multiplied with, of each channel.
    pub slope: &'a [f32],
    /// What is added.
    pub offset: &'a [f32],
}

#[derive(Clone, Copy)]
struct Backward<'a>(Norm<'a>, Line<'a>, Bounds);

impl Map for Backward<'_> {
    #[inline(always)]
    fn of(&self, channel: usize, grad: f32, x: f32) -> f32 {
        let Self(norm, line, bounds) = self;
        let (distance, factor) = (x - norm.mean[channel], norm.factor[channel]);
        let grad = bounds.pass(grad, distance * factor + norm.beta[channel]);
        grad * factor + distance * line.slope[channel] + line.offset[channel]
    }
}

impl<'a> Backward<'a> {
    fn of(norm: Norm<'a>, line: Line<'a>, bounds: Bounds) -> Self {
        let channels = norm.mean.len();
        let line = Line { slope: &line.slope[..channels], offset: &line.offset[..channels] };
        Self(cut(norm, channels), line, bounds)
    }
}

/// The gradient of a norm's input, `grad * factor + (x - mean) * slope + offset`, a gradient counting as far as the
/// activation lets it through. `grad` and `x` have shape (pixels, channels).
///
/// # Panics
/// As [`gradient_sums`].
pub fn input_gradient(grad: &[f32], x: &[f32], norm: Norm<'_>, line: Line<'_>, bounds: Bounds) -> Vec<f32> {
    whole(x, norm.mean.len());
    into_vec(grad, x, norm.mean.len(), Backward::of(norm, line, bounds))
}

/// [`input_gradient`], written over the gradient.
///
/// # Panics
/// As [`input_gradient`].
pub fn input_gradient_in_place(grad: &mut [f32], x: &[f32], norm: Norm<'_>, line: Line<'_>, bounds: Bounds) {
    whole(x, norm.mean.len());
    in_place(grad, x, norm.mean.len(), Backward::of(norm, line, bounds));
}

/// A norm all of whose numbers are as many as there are channels: what is indexed by channel needs no check then.
fn cut(norm: Norm<'_>, channels: usize) -> Norm<'_> {
    Norm { mean: &norm.mean[..channels], factor: &norm.factor[..channels], beta: &norm.beta[..channels] }
}

fn whole(x: &[f32], channels: usize) {
    assert!(channels > 0 && x.len().is_multiple_of(channels), "{} numbers of {channels} channels", x.len());
}
