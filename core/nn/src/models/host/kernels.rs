//! The inner loops around the convolutions. Written for whole vectors and compiled for several instruction sets, of
//! which the best that is there is chosen when the program runs.

use pulp::Arch;

use crate::models::ops::activation::Activation;

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
    let bounds = then.bounds();
    Arch::new().dispatch(|| {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value = bounds.clamp(*value + bias);
            }
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
