//! Few channels: with zeros put around the pictures, a row of a window is one run of memory, and a filter has as many
//! taps as rows.

use rayon::prelude::*;

use crate::pack::{Packed, pack};
use crate::scratch::Scratch;
use crate::shape::ConvShape;
use crate::simd::Tile;

/// Channels up to which rows are taken as runs.
const CHANNELS: usize = 16;

/// Whether rows are taken as runs.
pub(crate) fn fits(shape: &ConvShape) -> bool {
    shape.groups == 1 && shape.channels <= CHANNELS && shape.kernel[1] > 1 && shape.dilation[1] == 1
}

/// Height and width of the padded pictures.
pub(crate) fn padded_size(shape: &ConvShape) -> [usize; 2] {
    [0, 1].map(|axis| shape.input[axis] + shape.padding[axis].0 + shape.padding[axis].1)
}

/// The pictures with zeros around them, and `behind` numbers more.
pub(crate) fn padded(shape: &ConvShape, x: &[f32], behind: usize) -> Scratch {
    let [height, width] = padded_size(shape);
    let picture = height * width * shape.channels;
    let mut out = Scratch::of(shape.batch * picture + behind);
    let (pictures, rest) = out.split_at_mut(shape.batch * picture);
    rest.fill(0.0);
    let line = width * shape.channels;
    let (before, used) = (shape.padding[1].0 * shape.channels, shape.input[1] * shape.channels);
    if line == 0 {
        return out;
    }
    pictures.par_chunks_mut(line).with_min_len((1 << 14) / line + 1).enumerate().for_each(|(row, to)| {
        let (picture, y) = (row / height, row % height);
        match y.checked_sub(shape.padding[0].0).filter(|&y| y < shape.input[0]) {
            None => to.fill(0.0),
            Some(y) => {
                let from = &x[(picture * shape.input[0] + y) * used..][..used];
                to[..before].fill(0.0);
                to[before..before + used].copy_from_slice(from);
                to[before + used..].fill(0.0);
            }
        }
    });
    out
}

/// The convolution that computes the data gradient of one at stride 1, with the filters turned round.
pub(crate) fn turned(shape: &ConvShape) -> Option<ConvShape> {
    if shape.stride != [1, 1] || shape.groups != 1 || shape.output_len() == 0 {
        return None;
    }
    let reach = |axis: usize| shape.dilation[axis] * (shape.kernel[axis] - 1);
    let padding = |axis: usize| {
        let (before, after) = shape.padding[axis];
        Some((reach(axis).checked_sub(before)?, reach(axis).checked_sub(after)?))
    };
    let turned = ConvShape {
        input: shape.output(),
        channels: shape.outputs,
        outputs: shape.channels,
        padding: [padding(0)?, padding(1)?],
        ..*shape
    };
    (fits(&turned) && turned.output() == shape.input).then_some(turned)
}

/// Filters whose rows are runs, as the product reads them: `at` says where the weight of an output, a channel and a tap
/// lies, in steps of `at(1, 0, 0) - at(0, 0, 0)` from one output to the next.
pub(crate) fn packed(
    shape: &ConvShape,
    weight: &[f32],
    at: impl Fn(usize, usize, usize) -> usize + Sync,
) -> Packed {
    let run = shape.kernel[1] * shape.channels;
    let sizes = [shape.kernel[0], run, shape.outputs];
    pack(weight, Tile::of(shape.outputs), sizes, at(1, 0, 0) - at(0, 0, 0), |d, row| {
        let (across, c) = (d / shape.channels, d % shape.channels);
        at(0, c, row * shape.kernel[1] + across)
    })
}
