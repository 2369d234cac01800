//! AdamW on the CPU: burn's arithmetic, number by number, in one walk through memory instead of fourteen.
//!
//! The results are the same bits, and the state is burn's own.

use burn::optim::{AdamWState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use crate::adamw::{BETAS, EPSILON, corrections};

/// Numbers that a thread takes at once.
const CHUNK: usize = 1 << 14;

/// AdamW for tensors whose memory the CPU sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostAdamW {
    /// Weight decay, times the learning rate.
    pub decay: f32,
}

/// What is the same for all numbers of a step.
struct Step {
    /// What the moments are divided by.
    corrections: [f32; 2],
    /// What a weight is multiplied by; nothing without decay.
    keep: Option<f32>,
    lr: f32,
}

impl Step {
    /// The new weight. Products and sums are rounded one by one, as in burn's separate operations.
    #[inline(always)]
    fn weight(&self, weight: f32, [first, second]: [f32; 2]) -> f32 {
        let corrected = [first / self.corrections[0], second / self.corrections[1]];
        let delta = corrected[0] / (corrected[1].sqrt() + EPSILON);
        self.keep.map_or(weight, |keep| weight * keep) - delta * self.lr
    }
}

impl Optimizer for HostAdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        let device = tensor.device();
        let (mut weight, mut grad) = (tensor.into_data(), grad.into_data());
        let (time, moments) = match state.map(|state| state.momentum) {
            Some(state) => (state.time + 1, Some([state.moment_1, state.moment_2].map(Tensor::into_data))),
            None => (1, None),
        };
        let rate = lr * f64::from(self.decay);
        let step = Step {
            corrections: corrections(time),
            keep: (rate != 0.0).then_some((1.0 - rate) as f32),
            lr: lr as f32,
        };
        let [first, second] = update(&step, &mut weight, &mut grad, moments);
        let [first, second] = [first, second].map(|data| Tensor::from_data(data, &device));
        let state = AdamWState::new(AdaptiveMomentumState::new(time, first, second));
        (Tensor::from_data(weight, &device), Some(state))
    }

    fn to_device<const D: usize>(mut state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}

/// Updates weights and moments; without a past the gradient's memory becomes the first moment's.
fn update(
    step: &Step,
    weight: &mut TensorData,
    grad: &mut TensorData,
    moments: Option<[TensorData; 2]>,
) -> [TensorData; 2] {
    let fresh = moments.is_none();
    let shape = weight.shape().clone();
    let zeros = || TensorData::new(vec![0.0f32; shape.num_elements()], shape.clone());
    let mut moments = moments.unwrap_or_else(|| [zeros(), zeros()]);
    let [first, second] = &mut moments;
    // The optimizer has refused all but f32 before, and the CPU keeps that in plain memory.
    if let (Ok(weight), Ok(grad), Ok(first), Ok(second)) = (
        weight.as_mut_slice::<f32>(),
        grad.as_mut_slice::<f32>(),
        first.as_mut_slice::<f32>(),
        second.as_mut_slice::<f32>(),
    ) {
        let moments = first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK));
        let chunks = weight.par_chunks_mut(CHUNK).zip(grad.par_chunks(CHUNK)).zip(moments);
        chunks.for_each(|((weight, grad), (first, second))| {
            let [beta_1, beta_2] = BETAS;
            for ((w, g), (m, v)) in weight.iter_mut().zip(grad).zip(first.iter_mut().zip(second)) {
                let (m_new, v_new) = (g * (1.0 - beta_1), g * g * (1.0 - beta_2));
                (*m, *v) = if fresh { (m_new, v_new) } else { (*m * beta_1 + m_new, *v * beta_2 + v_new) };
                *w = step.weight(*w, [*m, *v]);
            }
        });
    }
    moments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer_check::assert_same_bits;
    use burn::optim::AdamWConfig;

    #[test]
    fn many_steps_give_burns_very_bits() {
        for decay in [0.0, 0.05] {
            let burns = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(decay).build();
            assert_same_bits(&HostAdamW { decay }, &burns, &format!("decay {decay}"));
        }
    }
}
