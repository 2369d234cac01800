//! What becomes of a channel's sums on the CPU: its norm, and the line that gradients are made with.

use burn::backend::flex::FlexTensor;

use super::Rule;
use crate::models::ops::elements::{by_channel, tensor};

/// A norm and what is added behind it, channel by channel.
pub(super) struct Norm {
    pub mean: Vec<f32>,
    pub variance: Vec<f32>,
    pub factor: Vec<f32>,
    pub beta: Vec<f32>,
}

impl Norm {
    pub(super) fn of(norm: &FlexTensor, beta: &FlexTensor) -> Self {
        let (mut mean, beta) = (by_channel(norm), by_channel(beta));
        let mut variance = mean.split_off(beta.len());
        let factor = variance.split_off(beta.len());
        Self { mean, variance, factor, beta }
    }

    #[inline(always)]
    pub(super) fn of_channel(&self, channel: usize) -> impl Fn(f32) -> f32 {
        let (mean, factor, beta) = (self.mean[channel], self.factor[channel], self.beta[channel]);
        move |x| (x - mean) * factor + beta
    }
}

/// The sums of a batch's channels: of distances to `origins`, and of their squares, `count` numbers each.
pub(super) struct Sums<'a> {
    pub sums: &'a [[f64; 2]],
    pub origins: &'a [f32],
    pub count: f64,
}

/// The norm, and both running statistics moved.
pub(super) fn norm(
    Sums { sums, origins, count }: Sums<'_>,
    gamma: &[f32],
    [running_mean, running_variance]: [Vec<f32>; 2],
    rule: Rule,
) -> [FlexTensor; 3] {
    let channels = origins.len();
    let means: Vec<f64> =
        sums.iter().zip(origins).map(|([sum, _], &origin)| sum / count + f64::from(origin)).collect();
    let variance = |[sum, squares]: &[f64; 2]| (squares / count - (sum / count).powi(2)).max(0.0);
    let variances: Vec<f64> = sums.iter().map(variance).collect();
    let factors = variances.iter().zip(gamma);
    let factors = factors.map(|(variance, &gamma)| f64::from(gamma) / (variance + rule.epsilon).sqrt());
    let norm = means.iter().copied().chain(variances.iter().copied()).chain(factors);
    let moved = |running: Vec<f32>, batch: &[f64], scale: f64| {
        let pairs = running.iter().map(|&old| f64::from(old)).zip(batch);
        tensor(pairs.map(|(old, new)| old + rule.momentum * (new * scale - old)), [channels])
    };
    let unbiased = count / (count - 1.0).max(1.0);
    [
        tensor(norm, [3, channels]),
        moved(running_mean, &means, 1.0),
        moved(running_variance, &variances, unbiased),
    ]
}

/// Gradients of gamma and beta, and the line of each channel, from its sums of gradients and of their products with the
/// distance to the mean.
pub(super) fn line(sums: &[[f64; 2]], count: f64, norm: &Norm, rule: Rule) -> [FlexTensor; 3] {
    let channels = sums.len();
    let deviations = norm.variance.iter().map(|&variance| (f64::from(variance) + rule.epsilon).sqrt());
    let gammas = sums.iter().zip(deviations.clone()).map(|([_, product], deviation)| product / deviation);
    let shares = norm.factor.iter().map(|&factor| -f64::from(factor) / count);
    let slopes = gammas.clone().zip(deviations).zip(shares.clone());
    let slopes = slopes.map(|((gamma, deviation), share)| share * gamma / deviation);
    let offsets = sums.iter().zip(shares).map(|([sum, _], share)| share * sum);
    [
        tensor(gammas, [channels]),
        tensor(sums.iter().map(|[sum, _]| *sum), [channels]),
        tensor(slopes.chain(offsets), [2, channels]),
    ]
}
