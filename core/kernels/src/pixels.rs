//! Which pixel meets which through a tap, forward and backward.

use crate::shape::ConvShape;

/// A pixel's row and column.
pub(crate) type Pixel = [usize; 2];

/// One way through a convolution: from each pixel of what is written, to the pixel that is read through a tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Writes the output, reads the input.
    Forward,
    /// Writes the input's gradient, reads the output's.
    Backward,
}

impl Way {
    /// Along one axis: what `at` reads through `tap`, or nothing where that is padding.
    pub(crate) fn axis(self, shape: &ConvShape, axis: usize, at: usize, tap: usize) -> Option<usize> {
        let (before, step) = (shape.padding[axis].0, shape.stride[axis]);
        let reach = tap * shape.dilation[axis];
        match self {
            Way::Forward => (at * step + reach).checked_sub(before).filter(|&from| from < shape.input[axis]),
            Way::Backward => {
                let ahead = (at + before).checked_sub(reach)?;
                (ahead.is_multiple_of(step) && ahead / step < shape.output()[axis]).then_some(ahead / step)
            }
        }
    }

    /// Height and width of what is written.
    pub(crate) fn written(self, shape: &ConvShape) -> Pixel {
        match self {
            Way::Forward => shape.output(),
            Way::Backward => shape.input,
        }
    }

    /// Height and width of what is read.
    pub(crate) fn read(self, shape: &ConvShape) -> Pixel {
        match self {
            Way::Forward => shape.input,
            Way::Backward => shape.output(),
        }
    }

    /// The pixels of what is written, those side by side that read through the same taps: backward through a stride,
    /// pixels that lie a stride apart.
    pub(crate) fn order(self, shape: &ConvShape) -> Vec<Pixel> {
        let [height, width] = self.written(shape);
        let [down, across] = match self {
            Way::Forward => [1, 1],
            Way::Backward => shape.stride,
        };
        let mut pixels = Vec::with_capacity(height * width);
        for first in (0..down).flat_map(|y| (0..across).map(move |x| [y, x])) {
            for y in (first[0]..height).step_by(down) {
                pixels.extend((first[1]..width).step_by(across).map(|x| [y, x]));
            }
        }
        pixels
    }
}
