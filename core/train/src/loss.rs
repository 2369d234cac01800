//! The losses: soft cross-entropy against sparse labels, and what an online teacher adds.

use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Device, Int, Tensor, TensorData};

use ferkd_data::batches::targets::Targets;

/// Labels on a device; a dense (N, C) label is never built.
#[derive(Debug, Clone)]
pub struct DeviceTargets {
    /// Listed classes: shape (N, slots).
    pub classes: Tensor<2, Int>,
    /// Probability of a listed class beyond `rest`: shape (N, slots).
    pub weights: Tensor<2>,
    /// Probability of every class at least: shape (N, 1).
    pub rest: Tensor<2>,
}

impl DeviceTargets {
    /// Rows `rows` of the labels, on `device`.
    pub fn new(targets: &Targets, rows: std::ops::Range<usize>, device: &Device) -> Self {
        let (n, slots) = (rows.len(), targets.slots);
        let span = rows.start * slots..rows.end * slots;
        Self {
            classes: Tensor::from_data(
                TensorData::new(targets.classes[span.clone()].to_vec(), [n, slots]),
                device,
            ),
            weights: Tensor::from_data(TensorData::new(targets.weights[span].to_vec(), [n, slots]), device),
            rest: Tensor::from_data(TensorData::new(targets.rest[rows].to_vec(), [n, 1]), device),
        }
    }
}

/// `-(1/N) sum over regions of sum_k y_k log softmax(z / T)_k`: a scalar, in nats (method, section 6).
pub fn soft_cross_entropy(logits: Tensor<2>, targets: DeviceTargets, temperature: f32) -> Tensor<1> {
    let log_p = log_softmax(logits.div_scalar(temperature), 1);
    let listed = (log_p.clone().gather(1, targets.classes) * targets.weights).sum_dim(1);
    let everywhere = log_p.sum_dim(1) * targets.rest;
    (listed + everywhere).mean().neg()
}

/// `(1/N) sum over regions of KL(teacher || student)` at temperature `T`: a scalar, in nats.
pub fn distillation(student: Tensor<2>, teacher: Tensor<2>, temperature: f32) -> Tensor<1> {
    let n = student.dims()[0] as f32;
    let log_q = log_softmax(student.div_scalar(temperature), 1);
    let teacher = teacher.div_scalar(temperature);
    let log_p = log_softmax(teacher.clone(), 1);
    (softmax(teacher, 1) * (log_p - log_q)).sum().div_scalar(n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferkd_method::label::SoftLabel;

    fn logits() -> Tensor<2> {
        Tensor::from_data([[1.0, -0.5, 2.0, 0.0], [0.3, 0.1, -1.0, 0.7]], &Device::flex())
    }

    #[test]
    fn the_sparse_loss_is_the_dense_one() {
        let a = SoftLabel::smoothed(2, 4, 0.3);
        let b = SoftLabel::one_hot(0, 4);
        let rows = [(&a, 0.6, &b), (&b, 1.0, &a)];
        let targets = Targets::of(rows.into_iter());
        let loss = soft_cross_entropy(logits(), DeviceTargets::new(&targets, 0..2, &Device::flex()), 2.0);
        let log_p: Vec<f32> = log_softmax(logits().div_scalar(2.0), 1).try_into_vec_as().unwrap();
        let mut expected = 0.0;
        for (row, (x, l, y)) in rows.iter().enumerate() {
            for (k, (p, q)) in x.dense().iter().zip(y.dense()).enumerate() {
                expected -= (l * p + (1.0 - l) * q) * log_p[row * 4 + k] / 2.0;
            }
        }
        assert!((loss.into_scalar::<f32>() - expected).abs() < 1e-5);
    }

    #[test]
    fn distillation_is_nothing_between_equals() {
        assert!(distillation(logits(), logits(), 3.0).into_scalar::<f32>().abs() < 1e-6);
        let other = logits().mul_scalar(-1.0);
        assert!(distillation(logits(), other, 1.0).into_scalar::<f32>() > 0.1);
    }
}
