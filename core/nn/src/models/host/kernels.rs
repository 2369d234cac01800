//! The inner loops around the convolutions. Written for whole vectors and compiled for several instruction sets, of
//! which the best that is there is chosen when the program runs.

use pulp::Arch;

use crate::models::ops::activation::Activation;

/// A matrix as it lies: how many numbers it is from one row to the next, and from one column to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Matrix<'a> {
    pub numbers: &'a [f32],
    pub rows: usize,
    pub columns: usize,
}

impl Matrix<'_> {
    /// Rows and columns swapped.
    pub(super) fn turned(self) -> Self {
        Self { rows: self.columns, columns: self.rows, ..self }
    }

    /// Whether so many rows and columns lie there.
    fn holds(&self, [rows, columns]: [usize; 2]) -> bool {
        rows == 0
            || columns == 0
            || (rows - 1) * self.rows + (columns - 1) * self.columns < self.numbers.len()
    }
}

/// `out = a b` for `a` of shape (rows, inner), `b` of shape (inner, columns); of `out` one row is `step` numbers behind
/// the one before it.
pub(super) fn product(
    a: Matrix<'_>,
    b: Matrix<'_>,
    out: &mut [f32],
    step: usize,
    [rows, inner, columns]: [usize; 3],
) {
    assert!(a.holds([rows, inner]) && b.holds([inner, columns]) && step >= columns);
    assert!(Matrix { numbers: out, rows: step, columns: 1 }.holds([rows, columns]));
    // SAFETY: what is read and written lies there, as has just been checked, rows of `out` do not overlap, and `out` is
    // borrowed for writing alone.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            1,
            step as isize,
            false,
            a.numbers.as_ptr(),
            a.columns as isize,
            a.rows as isize,
            b.numbers.as_ptr(),
            b.columns as isize,
            b.rows as isize,
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
        let lies = |numbers, rows| Matrix { numbers, rows, columns: 1 };
        let mut out = [9.0; 5];
        product(lies(&a, 3), lies(&b, 2), &mut out, 3, [2, 3, 2]);
        assert_eq!(out, [2.0, 12.0, 9.0, 6.5, 24.0]);
        // The same of what lies with rows and columns swapped.
        let (a, b) = ([1.0, 4.0, 2.0, 5.0, 3.0, 6.0], [1.0, 0.5, 0.0, -1.0, 2.0, 3.0]);
        product(lies(&a, 2).turned(), lies(&b, 3).turned(), &mut out, 3, [2, 3, 2]);
        assert_eq!(out, [2.0, 12.0, 9.0, 6.5, 24.0]);
    }
}
