//! Batch norms on the CPU in f32: pictures lie with channels last, as convolutions leave them.

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use ferkd_kernels::norm::{self, Line};

use super::Rule;
use super::statistics::{self, Norm, Sums};
use crate::models::ops::activation::Activation;
use crate::models::ops::channels_last::{channels_last, pictures};
use crate::models::ops::elements::{elements, is_own};

impl Norm {
    fn numbers(&self) -> norm::Norm<'_> {
        norm::Norm { mean: &self.mean, factor: &self.factor, beta: &self.beta }
    }
}

/// Numbers of a channel.
fn count(x: &[f32], channels: usize) -> f64 {
    (x.len() / channels.max(1)).max(1) as f64
}

pub(super) fn batch_statistics(
    x: FlexTensor,
    gamma: &[f32],
    running: [Vec<f32>; 2],
    rule: Rule,
) -> [FlexTensor; 3] {
    let x = channels_last(x);
    let (x, channels) = (elements::<f32>(&x), gamma.len());
    // Sums of distances to a number of the channel's own: a mean far from zero costs no digits.
    let origins = x.get(..channels).map_or_else(|| vec![0.0; channels], <[f32]>::to_vec);
    let sums = norm::moments(x, &origins);
    let sums = Sums { sums: &sums, origins: &origins, count: count(x, channels) };
    statistics::norm(sums, gamma, running, rule)
}

pub(super) fn normalise(x: FlexTensor, norm: &Norm, activation: Activation) -> FlexTensor {
    let (shape, x) = (x.shape().dims(), channels_last(x));
    pictures(norm::normalise(elements(&x), norm.numbers(), activation.bounds()), shape)
}

pub(super) fn normalise_add(
    x: FlexTensor,
    norm: &Norm,
    other: FlexTensor,
    activation: Activation,
) -> FlexTensor {
    let (shape, x, other) = (x.shape().dims(), channels_last(x), channels_last(other));
    pictures(norm::normalise_add(elements(&x), norm.numbers(), elements(&other), activation.bounds()), shape)
}

/// What `in_place` makes of a gradient, or `anew` where someone else holds it.
fn over(
    grad: FlexTensor,
    in_place: impl FnOnce(&mut [f32]),
    anew: impl FnOnce(&[f32]) -> Vec<f32>,
) -> FlexTensor {
    let shape = grad.shape().dims();
    let mut grad = channels_last(grad);
    if is_own(&grad) {
        in_place(grad.storage_mut());
        return grad.permute(&[0, 3, 1, 2]);
    }
    pictures(anew(elements(&grad)), shape)
}

pub(super) fn activation_backward(grad: FlexTensor, y: FlexTensor, activation: Activation) -> FlexTensor {
    let (y, bounds) = (channels_last(y), activation.bounds());
    let y = elements(&y);
    over(grad, |grad| norm::pass_in_place(grad, y, bounds), |grad| norm::pass(grad, y, bounds))
}

pub(super) fn gradient_statistics(
    grad: FlexTensor,
    x: FlexTensor,
    norm: &Norm,
    rule: Rule,
) -> [FlexTensor; 3] {
    let (grad, x) = (channels_last(grad), channels_last(x));
    let x = elements(&x);
    let sums = norm::gradient_sums(elements(&grad), x, norm.numbers(), rule.activation.bounds());
    statistics::line(&sums, count(x, norm.mean.len()), norm, rule)
}

pub(super) fn normalise_backward(
    grad: FlexTensor,
    x: FlexTensor,
    norm: &Norm,
    line: &[f32],
    activation: Activation,
) -> FlexTensor {
    let (slope, offset) = line.split_at(norm.mean.len());
    let (x, norm, line, bounds) =
        (channels_last(x), norm.numbers(), Line { slope, offset }, activation.bounds());
    let x = elements(&x);
    over(
        grad,
        |grad| norm::input_gradient_in_place(grad, x, norm, line, bounds),
        |grad| norm::input_gradient(grad, x, norm, line, bounds),
    )
}
