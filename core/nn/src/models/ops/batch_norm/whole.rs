//! Batch norms by the statistics of a whole batch whose parts are computed in several places (synchronised batch norm).
//!
//! Each part computes its own statistics; what they come to together is computed on the host, in one order everywhere,
//! so that all parts have the same bits. A layer waits for all parts twice: for its statistics, and backward for the two
//! sums that its gradient is made with.

use std::cell::RefCell;
use std::sync::Arc;

use burn::backend::TensorMetadata;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{TensorData, read_sync};

use super::{BatchNormOps, Rule};

/// Those who compute the parts of a batch, as one of them sees them.
pub trait BatchParts: Send + Sync {
    /// What each of them gives, in one order everywhere; waits for all. Each calls it as often as every other.
    fn gather(&self, own: Vec<f32>) -> Arc<Vec<Vec<f32>>>;
}

thread_local! {
    static PARTS: RefCell<Option<Arc<dyn BatchParts>>> = const { RefCell::new(None) };
}

/// Forward and backward passes in `work`, on this thread, are of a part of a batch, and their batch norms go by all of
/// it.
pub fn with_batch_parts<T>(parts: Arc<dyn BatchParts>, work: impl FnOnce() -> T) -> T {
    /// Takes them away again, whatever ends the work.
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            PARTS.set(None);
        }
    }
    PARTS.set(Some(parts));
    let _reset = Reset;
    work()
}

fn parts() -> Option<Arc<dyn BatchParts>> {
    PARTS.with_borrow(Clone::clone)
}

/// Numbers of a channel.
fn count<B: BatchNormOps>(x: &FloatTensor<B>) -> f32 {
    let shape = x.shape();
    (shape.num_elements() / shape[1].max(1)) as f32
}

fn values<B: BatchNormOps>(tensor: FloatTensor<B>) -> Vec<f32> {
    let read = read_sync(B::float_into_data(tensor)).map(|data| data.convert::<f32>().try_into_vec::<f32>());
    match read {
        Ok(Ok(values)) => values,
        // As burn's own reading does: a device that cannot be read from any more.
        _ => panic!("a batch norm's statistics cannot be read from the device"),
    }
}

/// `batch_statistics` of the whole batch where this is a part of one.
pub(super) fn batch_statistics<B: BatchNormOps>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    running_mean: FloatTensor<B>,
    running_variance: FloatTensor<B>,
    rule: Rule,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let Some(parts) = parts() else {
        return B::batch_statistics(x, gamma, running_mean, running_variance, rule);
    };
    let (device, channels, own_count) = (x.device(), x.shape()[1], count::<B>(&x));
    let (norm, _, _) =
        B::batch_statistics(x, gamma.clone(), running_mean.clone(), running_variance.clone(), rule);
    let mut own = values::<B>(norm);
    own.truncate(2 * channels);
    own.push(own_count);
    let Statistics { means, variances, count } = together(&parts.gather(own), channels);

    let gammas = values::<B>(gamma).into_iter().map(f64::from);
    let factors = gammas.zip(&variances).map(|(gamma, variance)| gamma / (variance + rule.epsilon).sqrt());
    let norm: Vec<f32> =
        means.iter().copied().chain(variances.iter().copied()).chain(factors).map(|v| v as f32).collect();
    let moved = |running: FloatTensor<B>, batch: &[f64], scale: f64| {
        let pairs = values::<B>(running).into_iter().map(f64::from).zip(batch);
        let moved = pairs.map(|(old, new)| (old + rule.momentum * (new * scale - old)) as f32);
        B::float_from_data(TensorData::new(moved.collect::<Vec<f32>>(), [channels]), &device)
    };
    let unbiased = count / (count - 1.0).max(1.0);
    (
        B::float_from_data(TensorData::new(norm, [3, channels]), &device),
        moved(running_mean, &means, 1.0),
        moved(running_variance, &variances, unbiased),
    )
}

/// The line of `gradient_statistics` for the whole batch where `x` is a part of one.
pub(super) fn line<B: BatchNormOps>(line: FloatTensor<B>, x: &FloatTensor<B>) -> FloatTensor<B> {
    let Some(parts) = parts() else { return line };
    let (device, shape) = (line.device(), line.shape());
    let mut own = values::<B>(line);
    own.push(count::<B>(x));
    let whole = mean(&parts.gather(own), shape.num_elements());
    let whole: Vec<f32> = whole.into_iter().map(|value| value as f32).collect();
    B::float_from_data(TensorData::new(whole, shape), &device)
}

/// What the channels of a whole batch come to.
struct Statistics {
    means: Vec<f64>,
    /// Biased.
    variances: Vec<f64>,
    /// Numbers of a channel.
    count: f64,
}

/// The count that a part ends with.
fn count_of(part: &[f32]) -> f64 {
    part.last().copied().map_or(0.0, f64::from)
}

/// The mean of what parts hold in `len` places, each as often as its count says.
fn mean(parts: &[Vec<f32>], len: usize) -> Vec<f64> {
    let count = parts.iter().map(|part| count_of(part)).sum::<f64>().max(1.0);
    let mean = |i: usize| parts.iter().map(|part| f64::from(part[i]) * count_of(part)).sum::<f64>() / count;
    (0..len).map(mean).collect()
}

/// Of each part means, variances, and its count.
fn together(parts: &[Vec<f32>], channels: usize) -> Statistics {
    let count = parts.iter().map(|part| count_of(part)).sum::<f64>();
    let means = mean(parts, channels);
    let variance = |channel: usize| {
        let of = |part: &Vec<f32>| {
            let apart = f64::from(part[channel]) - means[channel];
            (f64::from(part[channels + channel]) + apart * apart) * count_of(part)
        };
        parts.iter().map(of).sum::<f64>() / count.max(1.0)
    };
    let variances = (0..channels).map(variance).collect();
    Statistics { means, variances, count }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_the_statistics_of_the_whole() {
        // 1, 2, 3 and 10: mean 4, biased variance (9 + 4 + 1 + 36) / 4; a part without numbers counts for nothing.
        let parts = [vec![2.0, 2.0 / 3.0, 3.0], vec![99.0, 9.0, 0.0], vec![10.0, 0.0, 1.0]];
        let Statistics { means, variances, count } = together(&parts, 1);
        assert!(
            (means[0] - 4.0).abs() < 1e-6 && (variances[0] - 12.5).abs() < 1e-6,
            "{means:?} {variances:?}"
        );
        assert_eq!(count, 4.0);
    }
}
