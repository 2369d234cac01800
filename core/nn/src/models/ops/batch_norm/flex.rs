//! Batch norms on the CPU: the truth that other devices are held to, and itself as fast as memory.
//!
//! In f32 pictures lie with channels last (`flex_f32.rs`). In bf16 a channel of a picture is one row, as burn's
//! convolutions leave it; a channel is summed up by one thread, row after row, so that the result does not depend on how
//! many there are. Any other type is computed in f32.

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{DType, Shape, TensorData};
use half::bf16;
use rayon::prelude::*;

use super::super::cast::cast;
use super::super::elements::{Number, WORTH, by_channel, elements, is_own, row_sums, wide};
use super::statistics::{self, Norm, Sums};
use super::{BatchNormOps, Rule, flex_f32};
use crate::models::ops::activation::Activation;

/// Channels, and numbers of a channel of a picture, of a shape (N, C, H, W).
#[derive(Clone, Copy)]
struct Planes {
    channels: usize,
    area: usize,
}

impl Planes {
    fn of(shape: &Shape) -> Self {
        Self { channels: shape[1], area: shape[2] * shape[3] }
    }

    /// For each channel, the sums of `u` and `u * v` of what `of(channel)` makes of two numbers in the same place.
    fn sums<E: Number, F: Fn(f32, f32) -> (f32, f32)>(
        self,
        a: &[E],
        b: &[E],
        of: impl Fn(usize) -> F + Sync,
    ) -> Vec<[f64; 2]> {
        let picture = (self.channels * self.area).max(1);
        let one = |channel: usize| {
            let of = of(channel);
            let range = channel * self.area..(channel + 1) * self.area;
            let pictures = a.chunks_exact(picture).zip(b.chunks_exact(picture));
            pictures.fold([0.0f64; 2], |total, (a, b)| {
                let sums = row_sums(&a[range.clone()], &b[range.clone()], &of);
                [total[0] + sums[0], total[1] + sums[1]]
            })
        };
        let worth = (WORTH * self.channels / a.len().max(1)).max(1);
        (0..self.channels).into_par_iter().with_min_len(worth).map(one).collect()
    }

    /// Rows of one channel each, with the channel's number.
    fn rows<'a, E: Number>(
        self,
        out: &'a mut [E],
    ) -> impl IndexedParallelIterator<Item = (usize, &'a mut [E])> + 'a {
        let rows = out.par_chunks_mut(self.area.max(1)).with_min_len((WORTH / self.area.max(1)).max(1));
        rows.enumerate().map(move |(i, row)| (i % self.channels, row))
    }

    /// Rows of one channel each.
    fn of_rows<E: Number>(self, of: &[E]) -> impl IndexedParallelIterator<Item = &[E]> {
        of.par_chunks(self.area.max(1))
    }
}

/// What an activation makes of a number; what is not a number stays so.
#[inline(always)]
fn activated(value: f32, activation: Activation) -> f32 {
    match activation {
        Activation::None => value,
        Activation::Relu => {
            if value <= 0.0 {
                0.0
            } else {
                value
            }
        }
        Activation::Relu6 => value.clamp(0.0, 6.0),
    }
}

/// A gradient, where the activation lets it through: `value` is what comes or what went.
#[inline(always)]
fn passed(grad: f32, value: f32, activation: Activation) -> f32 {
    match activation {
        Activation::None => grad,
        Activation::Relu => {
            if value <= 0.0 {
                0.0
            } else {
                grad
            }
        }
        Activation::Relu6 => {
            if value <= 0.0 || value >= 6.0 {
                0.0
            } else {
                grad
            }
        }
    }
}

fn batch_statistics<E: Number>(
    x: &FlexTensor,
    gamma: &[f32],
    running: [Vec<f32>; 2],
    rule: Rule,
) -> [FlexTensor; 3] {
    let (shape, x) = (x.shape(), x.to_contiguous());
    let (planes, x) = (Planes::of(&shape), elements::<E>(&x));
    let count = (x.len() / planes.channels.max(1)).max(1) as f64;
    // Sums of distances to a number of the channel's own: a mean far from zero costs no digits.
    let origin = |channel: usize| x.get(channel * planes.area).map_or(0.0, |x| x.wide());
    let origins: Vec<f32> = (0..planes.channels).map(origin).collect();
    let sums = planes.sums(x, x, |channel| {
        let origin = origins[channel];
        move |a, _| (a - origin, a - origin)
    });
    statistics::norm(Sums { sums: &sums, origins: &origins, count }, gamma, running, rule)
}

fn normalise<E: Number>(x: &FlexTensor, norm: &Norm, activation: Activation) -> FlexTensor {
    let shape = x.shape();
    let (planes, x) = (Planes::of(&shape), x.to_contiguous());
    let x = elements::<E>(&x);
    let mut out = vec![E::narrow(0.0); x.len()];
    planes.rows(&mut out).zip(planes.of_rows(x)).for_each(|((channel, out), x)| {
        let of = norm.of_channel(channel);
        out.iter_mut().zip(x).for_each(|(y, x)| *y = E::narrow(activated(of(x.wide()), activation)));
    });
    FlexTensor::from_data(TensorData::new(out, shape))
}

fn normalise_add<E: Number>(
    x: &FlexTensor,
    norm: &Norm,
    other: &FlexTensor,
    activation: Activation,
) -> FlexTensor {
    let shape = x.shape();
    let planes = Planes::of(&shape);
    let (x, other) = (x.to_contiguous(), other.to_contiguous());
    let (x, other) = (elements::<E>(&x), elements::<E>(&other));
    let mut out = vec![E::narrow(0.0); x.len()];
    planes.rows(&mut out).zip(planes.of_rows(x)).zip(planes.of_rows(other)).for_each(
        |(((channel, out), x), other)| {
            let of = norm.of_channel(channel);
            out.iter_mut().zip(x).zip(other).for_each(|((y, x), other)| {
                *y = E::narrow(activated(of(x.wide()) + other.wide(), activation));
            });
        },
    );
    FlexTensor::from_data(TensorData::new(out, shape))
}

/// Calls `of` with the channel to get what a gradient and another number in the same place become, and writes it over
/// the gradient where no one else holds it.
fn map_gradient<E: Number, F: Fn(f32, f32) -> f32>(
    mut grad: FlexTensor,
    other: &FlexTensor,
    of: impl Fn(usize) -> F + Sync,
) -> FlexTensor {
    let shape = other.shape();
    let (planes, other) = (Planes::of(&shape), other.to_contiguous());
    let others = planes.of_rows(elements::<E>(&other));
    if is_own(&grad) {
        planes.rows(grad.storage_mut::<E>()).zip(others).for_each(|((channel, grad), other)| {
            let of = of(channel);
            grad.iter_mut()
                .zip(other)
                .for_each(|(grad, other)| *grad = E::narrow(of(grad.wide(), other.wide())));
        });
        return grad;
    }
    let grad = grad.to_contiguous();
    let mut out = vec![E::narrow(0.0); shape.num_elements()];
    planes.rows(&mut out).zip(planes.of_rows(elements::<E>(&grad))).zip(others).for_each(
        |(((channel, out), grad), other)| {
            let of = of(channel);
            out.iter_mut()
                .zip(grad)
                .zip(other)
                .for_each(|((out, grad), other)| *out = E::narrow(of(grad.wide(), other.wide())));
        },
    );
    FlexTensor::from_data(TensorData::new(out, shape))
}

fn activation_backward<E: Number>(grad: FlexTensor, y: &FlexTensor, activation: Activation) -> FlexTensor {
    map_gradient::<E, _>(grad, y, |_| move |grad, y| passed(grad, y, activation))
}

/// Gradients of gamma and beta, and the line of each channel.
fn gradient_statistics<E: Number>(
    grad: &FlexTensor,
    x: &FlexTensor,
    norm: &Norm,
    rule: Rule,
) -> [FlexTensor; 3] {
    let planes = Planes::of(&x.shape());
    let (grad, x) = (grad.to_contiguous(), x.to_contiguous());
    let (grad, x) = (elements::<E>(&grad), elements::<E>(&x));
    let count = (x.len() / planes.channels.max(1)).max(1) as f64;
    let sums = planes.sums(grad, x, |channel| {
        let (of, mean, activation) = (norm.of_channel(channel), norm.mean[channel], rule.activation);
        move |grad, x| (passed(grad, of(x), activation), x - mean)
    });
    statistics::line(&sums, count, norm, rule)
}

fn normalise_backward<E: Number>(
    grad: FlexTensor,
    x: &FlexTensor,
    norm: &Norm,
    line: &[f32],
    activation: Activation,
) -> FlexTensor {
    let (slopes, offsets) = line.split_at(norm.mean.len());
    map_gradient::<E, _>(grad, x, |channel| {
        let of = norm.of_channel(channel);
        let (mean, factor) = (norm.mean[channel], norm.factor[channel]);
        let (slope, offset) = (slopes[channel], offsets[channel]);
        move |grad, x| passed(grad, of(x), activation) * factor + (x - mean) * slope + offset
    })
}

impl BatchNormOps for Flex {
    fn batch_statistics(
        x: FlexTensor,
        gamma: FlexTensor,
        running_mean: FlexTensor,
        running_variance: FlexTensor,
        rule: Rule,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let (gamma, running) = (by_channel(&gamma), [running_mean, running_variance].map(|t| by_channel(&t)));
        let [norm, mean, variance] = match x.dtype() {
            DType::BF16 => batch_statistics::<bf16>(&x, &gamma, running, rule),
            _ => flex_f32::batch_statistics(wide(x), &gamma, running, rule),
        };
        (norm, mean, variance)
    }

    fn normalise(x: FlexTensor, norm: FlexTensor, beta: FlexTensor, activation: Activation) -> FlexTensor {
        let norm = Norm::of(&norm, &beta);
        match x.dtype() {
            DType::BF16 => normalise::<bf16>(&x, &norm, activation),
            dtype => cast::<Self>(flex_f32::normalise(wide(x), &norm, activation), dtype.into()),
        }
    }

    fn normalise_add(
        x: FlexTensor,
        norm: FlexTensor,
        beta: FlexTensor,
        other: FlexTensor,
        activation: Activation,
    ) -> FlexTensor {
        let norm = Norm::of(&norm, &beta);
        match x.dtype() {
            DType::BF16 => normalise_add::<bf16>(&x, &norm, &other, activation),
            dtype => {
                cast::<Self>(flex_f32::normalise_add(wide(x), &norm, wide(other), activation), dtype.into())
            }
        }
    }

    fn activation_backward(grad: FlexTensor, y: FlexTensor, activation: Activation) -> FlexTensor {
        match y.dtype() {
            DType::BF16 => activation_backward::<bf16>(grad, &y, activation),
            dtype => {
                cast::<Self>(flex_f32::activation_backward(wide(grad), wide(y), activation), dtype.into())
            }
        }
    }

    fn gradient_statistics(
        grad: FlexTensor,
        x: FlexTensor,
        norm: FlexTensor,
        beta: FlexTensor,
        rule: Rule,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let norm = Norm::of(&norm, &beta);
        let [gamma, beta, line] = match x.dtype() {
            DType::BF16 => gradient_statistics::<bf16>(&grad, &x, &norm, rule),
            _ => flex_f32::gradient_statistics(wide(grad), wide(x), &norm, rule),
        };
        (gamma, beta, line)
    }

    fn normalise_backward(
        grad: FlexTensor,
        x: FlexTensor,
        norm: FlexTensor,
        beta: FlexTensor,
        line: FlexTensor,
        activation: Activation,
    ) -> FlexTensor {
        let (norm, line) = (Norm::of(&norm, &beta), by_channel(&line));
        match x.dtype() {
            DType::BF16 => normalise_backward::<bf16>(grad, &x, &norm, &line, activation),
            dtype => {
                let grad = flex_f32::normalise_backward(wide(grad), wide(x), &norm, &line, activation);
                cast::<Self>(grad, dtype.into())
            }
        }
    }
}
