//! SGD with momentum on the CPU: burn's arithmetic, number by number, in one walk through memory.
//!
//! burn computes decay, momentum and update as tensor operations, each of which reads and writes all parameters
//! once more; on a CPU that is a tenth of a ResNet's step. The results are the same bits.

use burn::optim::{LearningRate, Optimizer, RecordState, StateSink, StateSource};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

/// Numbers that a thread takes at once.
const CHUNK: usize = 1 << 14;

/// SGD with momentum (dampening 0) and weight decay, for tensors whose memory the CPU sees.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostSgd {
    /// Momentum.
    pub momentum: f32,
    /// Weight decay; none where it is 0.
    pub decay: f32,
}

/// The state of a parameter: its momentum, kept under the name that burn gives it.
#[derive(Debug, Clone)]
pub(super) struct Velocity<const D: usize>(Tensor<D>);

impl<const D: usize> RecordState for Velocity<D> {
    fn state_flatten(&self, prefix: &str, out: &mut StateSink) {
        out.push_tensor(&format!("{prefix}.momentum"), "velocity", self.0.to_data());
    }

    fn state_unflatten(prefix: &str, src: &mut StateSource, device: &Device) -> Option<Self> {
        let data = src.take_tensor(&format!("{prefix}.momentum"), "velocity")?;
        Some(Self(Tensor::from_data(data, device)))
    }
}

impl Optimizer for HostSgd {
    type State<const D: usize> = Velocity<D>;

    fn step<const D: usize>(
        &self,
        lr: LearningRate,
        tensor: Tensor<D>,
        grad: Tensor<D>,
        state: Option<Velocity<D>>,
    ) -> (Tensor<D>, Option<Velocity<D>>) {
        let device = tensor.device();
        let (mut weight, mut grad) = (tensor.into_data(), grad.into_data());
        let mut velocity = state.map(|state| state.0.into_data());
        self.update(lr as f32, &mut weight, &mut grad, velocity.as_mut());
        // Without a past the momentum begins as the decayed gradient.
        let velocity = Tensor::from_data(velocity.unwrap_or(grad), &device);
        (Tensor::from_data(weight, &device), Some(Velocity(velocity)))
    }

    fn to_device<const D: usize>(state: Velocity<D>, device: &Device) -> Velocity<D> {
        Velocity(state.0.to_device(device))
    }
}

impl HostSgd {
    fn update(
        &self,
        lr: f32,
        weight: &mut TensorData,
        grad: &mut TensorData,
        velocity: Option<&mut TensorData>,
    ) {
        let Self { momentum, decay } = *self;
        // Products are rounded before they are added, as in burn's separate operations.
        let decayed = |w: f32, g: f32| if decay == 0.0 { g } else { g + w * decay };
        // The optimizer has refused all but f32 before, and the CPU keeps that in plain memory.
        let (Ok(weight), Ok(grad)) = (weight.as_mut_slice::<f32>(), grad.as_mut_slice::<f32>()) else {
            return;
        };
        let pairs = weight.par_chunks_mut(CHUNK).zip(grad.par_chunks_mut(CHUNK));
        match velocity.map(TensorData::as_mut_slice::<f32>) {
            Some(Ok(velocity)) => {
                pairs.zip(velocity.par_chunks_mut(CHUNK)).for_each(|((weight, grad), velocity)| {
                    for ((w, g), v) in weight.iter_mut().zip(grad).zip(velocity) {
                        *v = decayed(*w, *g) + *v * momentum;
                        *w -= *v * lr;
                    }
                });
            }
            _ => pairs.for_each(|(weight, grad)| {
                for (w, g) in weight.iter_mut().zip(grad) {
                    *g = decayed(*w, *g);
                    *w -= *g * lr;
                }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer_check::assert_same_bits;
    use burn::optim::SgdConfig;
    use burn::optim::decay::WeightDecayConfig;
    use burn::optim::momentum::MomentumConfig;

    #[test]
    fn many_steps_give_burns_very_bits() {
        for decay in [0.0, 1e-4, 0.05] {
            let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
            let penalty = (decay > 0.0).then_some(WeightDecayConfig { penalty: decay });
            let burns = SgdConfig::new().with_momentum(Some(momentum)).with_weight_decay(penalty).build();
            assert_same_bits(&HostSgd { momentum: 0.9, decay }, &burns, &format!("decay {decay}"));
        }
    }
}
