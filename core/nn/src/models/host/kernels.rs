//! The inner loops. Written for whole vectors and compiled for several instruction sets, of which the best that is
//! there is chosen when the program runs; products and sums are rounded one by one, so that all give the same bits
//! (matrix products apart).

use pulp::{Arch, Simd, WithSimd};

use crate::models::ops::activation::Activation;

/// The least and the largest number that an activation lets through.
fn bounds(then: Activation) -> (f32, f32) {
    match then {
        Activation::None => (f32::NEG_INFINITY, f32::INFINITY),
        Activation::Relu => (0.0, f32::INFINITY),
        Activation::Relu6 => (0.0, 6.0),
    }
}

/// Clamps, and leaves NaN alone.
#[inline(always)]
fn clamp(value: f32, (low, high): (f32, f32)) -> f32 {
    let value = if value < low { low } else { value };
    if value > high { high } else { value }
}

/// `out = a b` for row-major `a` of shape (rows, inner), `b` of shape (inner, columns), `out` of shape (rows, columns).
pub(super) fn product(a: &[f32], b: &[f32], out: &mut [f32], [rows, inner, columns]: [usize; 3]) {
    assert!(a.len() >= rows * inner && b.len() >= inner * columns && out.len() >= rows * columns);
    // SAFETY: the lengths have just been checked, all strides are those of dense row-major matrices, and `out` is
    // borrowed for writing alone.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            1,
            columns as isize,
            false,
            a.as_ptr(),
            1,
            inner as isize,
            b.as_ptr(),
            1,
            columns as isize,
            0.0f32,
            1.0f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Adds a bias to every row, and applies what follows.
pub(super) fn finish(rows: &mut [f32], bias: &[f32], then: Activation) {
    let bounds = bounds(then);
    Arch::new().dispatch(|| {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value = clamp(*value + bias, bounds);
            }
        }
    });
}

/// Adds a shortcut, and applies what follows.
pub(super) fn add(values: &mut [f32], shortcut: &[f32], then: Activation) {
    let bounds = bounds(then);
    Arch::new().dispatch(|| {
        for (value, other) in values.iter_mut().zip(shortcut) {
            *value = clamp(*value + other, bounds);
        }
    });
}

/// The mean of each channel over all pixels.
pub(super) fn mean(pixels: &[f32], out: &mut [f32]) {
    let channels = out.len();
    let count = (pixels.len() / channels.max(1)) as f32;
    Arch::new().dispatch(|| {
        out.fill(0.0);
        for pixel in pixels.chunks_exact(channels) {
            out.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
        }
        out.iter_mut().for_each(|sum| *sum /= count);
    });
}

/// Where the windows of a row or a column of outputs lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    /// Inputs.
    pub size: usize,
    /// Width of a window.
    pub kernel: usize,
    /// From one window to the next.
    pub stride: usize,
    /// How far the first window begins before the first input.
    pub before: usize,
    /// Outputs.
    pub out: usize,
}

impl Axis {
    /// The part of window `at` that lies within the inputs: its first tap, the tap behind its last, and the input
    /// of the first.
    #[inline(always)]
    pub(super) fn taps(&self, at: usize) -> (usize, usize, usize) {
        let start = at * self.stride;
        let first = self.before.saturating_sub(start).min(self.kernel);
        let end = (self.size + self.before).saturating_sub(start).min(self.kernel);
        (first, end.max(first), start + first - self.before.min(start + first))
    }
}

/// A depthwise convolution: `weight` of shape (kernel, kernel, channels).
pub(super) fn depthwise(
    pixels: &[f32],
    axes: [Axis; 2],
    (weight, bias): (&[f32], &[f32]),
    then: Activation,
    out: &mut [f32],
) {
    Arch::new().dispatch(Depthwise { pixels, axes, weight, bias, bounds: bounds(then), out });
}

/// The work of [`depthwise`]: a type rather than a closure, since a closure of this size is not inlined into the
/// functions that are compiled for each instruction set, and would be left with the oldest of them.
struct Depthwise<'a> {
    pixels: &'a [f32],
    axes: [Axis; 2],
    weight: &'a [f32],
    bias: &'a [f32],
    bounds: (f32, f32),
    out: &'a mut [f32],
}

impl WithSimd for Depthwise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { pixels, axes: [rows, columns], weight, bias, bounds, out } = self;
        let channels = bias.len();
        for (y, line) in out.chunks_exact_mut(columns.out * channels).enumerate() {
            let down = rows.taps(y);
            for (x, out) in line.chunks_exact_mut(channels).enumerate() {
                let windows = (down, columns.taps(x));
                let (width, kernel) = (columns.size, columns.kernel);
                let place = Place { pixels, weight, channels, width, kernel, windows };
                let mut done = 0;
                while done + 32 <= channels {
                    place.block::<32>(done, bias, bounds, out);
                    done += 32;
                }
                while done + 8 <= channels {
                    place.block::<8>(done, bias, bounds, out);
                    done += 8;
                }
                while done < channels {
                    place.block::<1>(done, bias, bounds, out);
                    done += 1;
                }
            }
        }
    }
}

/// One output pixel of a depthwise convolution.
struct Place<'a> {
    pixels: &'a [f32],
    weight: &'a [f32],
    channels: usize,
    width: usize,
    kernel: usize,
    windows: ((usize, usize, usize), (usize, usize, usize)),
}

impl Place<'_> {
    /// `N` channels from `from` on, whose sums stay in registers.
    #[inline(always)]
    fn block<const N: usize>(&self, from: usize, bias: &[f32], bounds: (f32, f32), out: &mut [f32]) {
        let ((y0, y1, top), (x0, x1, left)) = self.windows;
        let mut sums = [0.0; N];
        sums.copy_from_slice(&bias[from..from + N]);
        for y in y0..y1 {
            for x in x0..x1 {
                let pixel = ((top + y - y0) * self.width + left + x - x0) * self.channels + from;
                let tap = (y * self.kernel + x) * self.channels + from;
                let (pixel, tap) = (&self.pixels[pixel..pixel + N], &self.weight[tap..tap + N]);
                for (sum, (a, b)) in sums.iter_mut().zip(pixel.iter().zip(tap)) {
                    *sum += a * b;
                }
            }
        }
        for (out, sum) in out[from..from + N].iter_mut().zip(sums) {
            *out = clamp(sum, bounds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_lie_within_the_inputs() {
        // A kernel of 5 at stride 2 over 6 inputs, padded by 1 before: SAME padding of TensorFlow.
        let axis = Axis { size: 6, kernel: 5, stride: 2, before: 1, out: 3 };
        assert_eq!([0, 1, 2].map(|at| axis.taps(at)), [(1, 5, 0), (0, 5, 1), (0, 3, 3)]);
        // A kernel that is larger than the picture.
        let axis = Axis { size: 2, kernel: 5, stride: 1, before: 2, out: 2 };
        assert_eq!([0, 1].map(|at| axis.taps(at)), [(2, 4, 0), (1, 3, 0)]);
    }

    #[test]
    fn the_product_is_the_textbooks() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, -1.0, 0.5, 2.0, 0.0, 3.0]);
        let mut out = [9.0; 4];
        product(&a, &b, &mut out, [2, 3, 2]);
        assert_eq!(out, [2.0, 12.0, 6.5, 24.0]);
    }
}
