//! AdamW on a GPU that fuses nothing: one launch a parameter. The state is burn's own.

use burn::optim::{AdamWState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};
use ferkd_nn::models::{AdamWStep, adamw_step};

use crate::adamw::{BETAS, EPSILON, corrections};

/// AdamW in one launch a parameter.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeviceAdamW {
    /// Weight decay, times the learning rate.
    pub decay: f32,
}

impl Optimizer for DeviceAdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        let (time, moments) = match state.map(|state| state.momentum) {
            Some(state) => (state.time + 1, Some([state.moment_1, state.moment_2])),
            None => (1, None),
        };
        let step = AdamWStep {
            betas: BETAS,
            corrections: corrections(time),
            keep: (1.0 - lr * f64::from(self.decay)) as f32,
            lr: lr as f32,
            epsilon: EPSILON,
        };
        let (tensor, [first, second]) = adamw_step(tensor, grad, moments, step);
        (tensor, Some(AdamWState::new(AdaptiveMomentumState::new(time, first, second))))
    }

    fn to_device<const D: usize>(mut state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        state.momentum = state.momentum.to_device(device);
        state
    }
}
