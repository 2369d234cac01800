//! A convolution and its two gradients.

use rayon::prelude::*;

use crate::depthwise;
use crate::outer::{self, Operands};
use crate::pack::pack;
use crate::plan::{Plan, columns};
use crate::pointer::{Output, filled};
use crate::product::{Pictures, product};
use crate::runs;
use crate::scratch::Scratch;
use crate::shape::ConvShape;
use crate::simd::{Tile, WIDEST};

/// The output: shape (N, height, width, outputs).
///
/// `x` has shape (N, height, width, channels), `weight` (outputs, channels / groups, height, width).
///
/// # Panics
/// Slices of other lengths than `shape` says, and a shape that is not supported ([`ConvShape::is_supported`]).
pub fn forward(shape: &ConvShape, x: &[f32], weight: &[f32]) -> Vec<f32> {
    check(shape, &[(x, shape.input_len()), (weight, shape.weight_len())]);
    filled(shape.output_len(), |out| {
        if shape.is_depthwise() {
            return depthwise::forward(shape, x, weight, out);
        }
        let plan = Plan::of(shape);
        if runs::fits(shape) {
            return by_runs(shape, plan.forward(), x, weight, out, |output, c, tap| {
                (output * shape.channels + c) * shape.taps() + tap
            });
        }
        let (channels, outputs, taps) = (shape.group_channels(), shape.group_outputs(), shape.taps());
        let pictures = Pictures {
            batch: shape.batch,
            read: shape.input_area() * shape.channels,
            written: shape.output_area() * shape.outputs,
        };
        for group in 0..shape.groups {
            let weight = &weight[group * outputs * channels * taps..];
            let sizes = [taps, channels, outputs];
            let packed = pack(weight, Tile::of(outputs), sizes, channels * taps, |c, tap| c * taps + tap);
            // SAFETY: the table was made for these pictures, whose lengths were checked.
            unsafe {
                let out = out.behind(group * outputs);
                product(plan.forward(), pictures, &x[group * channels..], &packed, out);
            }
        }
    })
}

/// The gradient of the input, shape (N, height, width, channels), from that of the output, shape (N, height, width,
/// outputs).
///
/// # Panics
/// As [`forward`].
pub fn data_gradient(shape: &ConvShape, grad: &[f32], weight: &[f32]) -> Vec<f32> {
    check(shape, &[(grad, shape.output_len()), (weight, shape.weight_len())]);
    if shape.output_len() == 0 {
        return vec![0.0; shape.input_len()];
    }
    filled(shape.input_len(), |out| {
        if shape.is_depthwise() {
            return depthwise::data_gradient(shape, grad, weight, out);
        }
        let plan = Plan::of(shape);
        let taps = shape.taps();
        if let Some(turned) = &plan.turned {
            return by_runs(turned, plan.backward(), grad, weight, out, |channel, output, tap| {
                (output * shape.channels + channel) * taps + taps - 1 - tap
            });
        }
        let (channels, outputs) = (shape.group_channels(), shape.group_outputs());
        let pictures = Pictures {
            batch: shape.batch,
            read: shape.output_area() * shape.outputs,
            written: shape.input_area() * shape.channels,
        };
        for group in 0..shape.groups {
            let weight = &weight[group * outputs * channels * taps..];
            let sizes = [taps, outputs, channels];
            let at = |output: usize, tap: usize| output * channels * taps + tap;
            let packed = pack(weight, Tile::of(channels), sizes, taps, at);
            // SAFETY: the table was made for these pictures, whose lengths were checked.
            unsafe {
                let out = out.behind(group * channels);
                product(plan.backward(), pictures, &grad[group * outputs..], &packed, out);
            }
        }
    })
}

/// The gradient of the weight, of its shape, from that of the output, shape (N, height, width, outputs), and the input,
/// shape (N, height, width, channels).
///
/// # Panics
/// As [`forward`].
pub fn weight_gradient(shape: &ConvShape, grad: &[f32], x: &[f32]) -> Vec<f32> {
    check(shape, &[(grad, shape.output_len()), (x, shape.input_len())]);
    if shape.is_depthwise() {
        return depthwise::weight_gradient(shape, grad, x);
    }
    let mut out = vec![0.0; shape.weight_len()];
    if shape.output_len() == 0 {
        return out;
    }
    let (plan, columns) = (Plan::of(shape), columns(shape));
    let padded = columns.runs.then(|| runs::padded(shape, x, WIDEST));
    let x = padded.as_deref().unwrap_or(x);
    let (channels, outputs) = (shape.group_channels(), shape.group_outputs());
    let filter = columns.taps * columns.count;
    let mut sums = Scratch::of(outputs * filter);
    for (group, out) in out.chunks_exact_mut((outputs * filter).max(1)).enumerate() {
        let operands = Operands { grad: &grad[group * outputs..], x: &x[group * channels..] };
        outer::gradient(shape, &columns, plan.chunks(), operands, &mut sums);
        // (tap, channel) to (channel, tap); a run's (row, column, channel) is the same.
        out.par_chunks_exact_mut(filter).zip(sums.par_chunks_exact(filter)).for_each(|(to, from)| {
            let taps = shape.taps();
            for (channel, to) in to.chunks_exact_mut(taps).enumerate() {
                to.iter_mut().enumerate().for_each(|(tap, to)| *to = from[tap * channels + channel]);
            }
        });
    }
    out
}

/// The product of padded pictures with filters whose rows are runs, which lie as [`runs::packed`] says.
fn by_runs(
    shape: &ConvShape,
    table: &crate::table::Table,
    x: &[f32],
    weight: &[f32],
    out: Output,
    at: impl Fn(usize, usize, usize) -> usize + Sync,
) {
    let x = runs::padded(shape, x, 0);
    let packed = runs::packed(shape, weight, at);
    let [height, width] = runs::padded_size(shape);
    let pictures = Pictures {
        batch: shape.batch,
        read: height * width * shape.channels,
        written: shape.output_area() * shape.outputs,
    };
    // SAFETY: the table was made for these pictures, which are padded as it takes them to be.
    unsafe { product(table, pictures, &x, &packed, out) }
}

fn check(shape: &ConvShape, slices: &[(&[f32], usize)]) {
    assert!(shape.is_supported(), "invalid convolution: {shape:?}");
    for (slice, len) in slices {
        assert_eq!(slice.len(), *len, "a slice's length is not that of {shape:?}");
    }
}
