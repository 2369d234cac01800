//! The device that a student is trained on, and what is kept of a step for the backward pass.

use burn::tensor::Device;

use crate::config::TrainConfig;
use ferkd_method::error::Result;

/// The device that the student is trained on, from the device that computes.
///
/// # Errors
/// A device that does not compute in the configuration's precision.
pub fn training_device(config: &TrainConfig, device: &Device) -> Result<Device> {
    config.precision.check(&config.device, |dtype| device.supports_dtype(dtype))?;
    let device = device.clone().autodiff();
    Ok(if config.gradient_checkpointing { device.gradient_checkpointing() } else { device })
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use crate::upload::DeviceBatch;
    use burn::module::{Module, ModuleVisitor, Param};
    use burn::optim::GradientsParams;
    use burn::tensor::{DType, FloatDType, Tensor, TensorData};

    use super::*;
    use crate::arithmetic::Arithmetic;
    use crate::{Supervision, Trainer};
    use ferkd_nn::models::{Arch, Model, ModelSpec, VitSize};
    use ferkd_nn::weights::StateDict;

    fn config(arch: Arch) -> TrainConfig {
        TrainConfig {
            images: "synthetic:16x2".into(),
            supervision: Supervision::Hard,
            arch,
            width: arch.has_width().then_some(4),
            depth: arch.vit().map(|_| 2),
            side: 32,
            batch: 16,
            lr: Some(if arch.vit().is_some() { 0.01 } else { 0.05 }),
            device: "flex".into(),
            ..TrainConfig::default()
        }
    }

    /// Losses of some steps on one batch, and the trainer after them.
    fn losses(config: TrainConfig, steps: usize) -> (Vec<f32>, Trainer) {
        let mut trainer = Trainer::new(config).unwrap();
        let batch = DeviceBatch::from(trainer.batcher().batch(0, &mut None).unwrap().unwrap());
        let one = |_| trainer.advance(&batch).unwrap().loss.into_scalar::<f32>();
        let losses = (0..steps).map(one).collect();
        (losses, trainer)
    }

    /// Type and values of every parameter, and of its gradient.
    #[derive(Default)]
    struct Seen {
        grads: Option<GradientsParams>,
        parameters: Vec<(DType, Vec<f32>)>,
        gradients: Vec<(DType, Vec<f32>)>,
    }

    impl ModuleVisitor for Seen {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let of = |t: Tensor<D>| (t.dtype(), t.cast(FloatDType::F32).try_into_vec_as().unwrap());
            self.parameters.push(of(param.val()));
            if let Some(grad) = self.grads.as_ref().and_then(|grads| grads.get::<D>(param.id)) {
                self.gradients.push(of(grad));
            }
        }
    }

    #[test]
    fn a_device_without_bf16_is_refused_and_f32_never_is() {
        let error = Arithmetic::Bf16.check("wgpu", |_| false).unwrap_err().to_string();
        assert!(error.contains("`wgpu`") && error.contains("--precision f32"), "{error}");
        Arithmetic::Bf16.check("cuda", |dtype| dtype == FloatDType::BF16).unwrap();
        Arithmetic::F32.check("wgpu", |_| false).unwrap();
    }

    #[test]
    fn bf16_learns_as_f32_does_with_weights_in_f32() {
        for (arch, near) in [(Arch::Resnet8, 0.03), (Arch::VitTi16, 0.03)] {
            let (plain, _) = losses(config(arch), 6);
            let (mixed, trainer) = losses(TrainConfig { precision: Arithmetic::Bf16, ..config(arch) }, 6);
            assert_ne!(plain, mixed, "{arch}: nothing was rounded");
            for (a, b) in plain.iter().zip(&mixed) {
                assert!((a - b).abs() < near * a.max(0.1), "{arch}: {plain:?} and {mixed:?}");
            }
            assert!(mixed[5] < 0.8 * mixed[0], "{arch}: {mixed:?}");
            let mut seen = Seen::default();
            trainer.student().visit(&mut seen);
            assert!(seen.parameters.iter().all(|(dtype, _)| *dtype == DType::F32));
            // They have more digits than bf16.
            let rounded = |v: &f32| half::bf16::from_f32(*v).to_f32() != *v;
            assert!(seen.parameters.iter().any(|(_, values)| values.iter().any(rounded)));
        }
    }

    #[test]
    fn gradients_come_in_f32_within_15_percent_of_those_of_f32() {
        let device = Device::flex().autodiff();
        let small = VitSize { side: 32, patch: 16, width: 32, depth: 2, heads: 2 };
        let specs = [
            ModelSpec { width: Some(4), ..ModelSpec::new(Arch::Resnet8, 3) },
            ModelSpec { vit: Some(small), ..ModelSpec::new(Arch::VitTi16, 3) },
            ModelSpec { vit: Some(small), ..ModelSpec::new(Arch::EvaG14, 3) },
        ];
        for spec in specs {
            let pixels: Vec<f32> =
                (0..4 * 3 * 32 * 32).map(|i| (i * 7919 % 256) as f32 / 64.0 - 2.0).collect();
            let images = Tensor::<4>::from_data(TensorData::new(pixels, [4, 3, 32, 32]), &device);
            let gradients = |dtype: FloatDType| {
                let model: Model = spec.init(1, &device).unwrap();
                let logits = model.forward(images.clone().cast(dtype));
                assert_eq!(logits.dtype(), DType::F32);
                let grads = GradientsParams::from_grads(logits.square().sum().backward(), &model);
                let mut seen = Seen { grads: Some(grads), ..Seen::default() };
                model.visit(&mut seen);
                seen.gradients
            };
            let (plain, mixed) = (gradients(FloatDType::F32), gradients(FloatDType::BF16));
            assert!(plain.len() == mixed.len() && plain.len() > 10);
            assert!(mixed.iter().all(|(dtype, _)| *dtype == DType::F32), "{}", spec.arch);
            let square =
                |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v * v)).sum::<f64>();
            let pairs = || plain.iter().zip(&mixed).flat_map(|((_, a), (_, b))| a.iter().zip(b));
            let off = square(&mut pairs().map(|(a, b)| a - b)) / square(&mut pairs().map(|(a, _)| *a));
            assert!(off > 0.0 && off.sqrt() < 0.15, "{}: off by {}", spec.arch, off.sqrt());
        }
    }

    #[test]
    fn checkpointing_gives_the_same_bits() {
        for arch in [Arch::Resnet8, Arch::EfficientnetLite0, Arch::VitTi16] {
            let (plain, a) = losses(config(arch), 3);
            let again = TrainConfig { gradient_checkpointing: true, ..config(arch) };
            let (recomputed, b) = losses(again, 3);
            assert!(
                b.device().gradient_checkpointing_strategy() != a.device().gradient_checkpointing_strategy()
            );
            assert_eq!(plain, recomputed, "{arch}");
            assert_eq!(StateDict::of(a.student()).unwrap(), StateDict::of(b.student()).unwrap(), "{arch}");
        }
    }

    #[test]
    fn a_checkpointed_run_resumes_and_takes_an_online_teacher() {
        let config = TrainConfig {
            gradient_checkpointing: true,
            supervision: Supervision::Kd,
            teacher: Some("efficientnet-lite0".into()),
            batch: 4,
            ema: Some(0.9),
            ..config(Arch::Resnet8)
        };
        let (_, mut trainer) = losses(config, 2);
        let batch = DeviceBatch::from(trainer.batcher().batch(2, &mut None).unwrap().unwrap());
        let state = trainer.state().unwrap();
        let next = trainer.advance(&batch).unwrap().loss.into_scalar::<f32>();
        trainer.restore(state, 2, "state").unwrap();
        assert_eq!(trainer.advance(&batch).unwrap().loss.into_scalar::<f32>(), next);
    }
}
