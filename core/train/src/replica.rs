//! The student on one device: what it learns from its rows of a step.

use std::ops::Range;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};

use crate::config::{Supervision, TrainConfig};
use crate::features::RegionFeatures;
use crate::loss::{DeviceTargets, distillation, soft_cross_entropy};
use crate::optimizer::Optimizer;
#[cfg(not(target_family = "wasm"))]
use crate::precision::training_device;
use crate::upload::{DeviceBatch, on};
use ferkd_method::error::Result;
use ferkd_nn::classifier::Classifier;
use ferkd_nn::inference::Inference;
use ferkd_nn::models::{DropPath, Model};
use ferkd_nn::weights::StateDict;

/// A student with all that its device needs to train it.
pub(super) struct Replica {
    /// The device, which keeps gradients.
    pub device: Device,
    pub student: Model,
    pub optimizer: Optimizer,
    /// The online teacher, on the same device.
    pub teacher: Option<Classifier>,
    /// Everything but the last layer, where that alone is trained.
    frozen: Option<Inference>,
}

/// What a step's gradients depend on, besides the student and the batch.
#[derive(Clone, Copy)]
pub(super) struct StepContext<'a> {
    pub config: &'a TrainConfig,
    /// Side of the student's input, in pixels.
    pub side: u32,
    /// Temperature of the student's softmax.
    pub temperature: f32,
    /// Number of the step.
    pub step: u64,
    /// What the last layer sees of every region, where it is known.
    pub features: Option<&'a RegionFeatures>,
}

impl StepContext<'_> {
    /// Whether a tensor of the student's is trained.
    pub fn trains(&self, name: &str) -> bool {
        trains(self.config, name)
    }
}

/// Whether a tensor of the student's is trained: `name` is PyTorch's.
pub(super) fn trains(config: &TrainConfig, name: &str) -> bool {
    let head = name.starts_with(config.arch.head());
    !name.contains("running_") && (head || !config.freeze_backbone)
}

impl Replica {
    /// A student whose training begins, on `device`, which keeps gradients.
    ///
    /// # Errors
    /// Weights that cannot be read.
    pub fn new(
        config: &TrainConfig,
        student: Model,
        teacher: Option<Classifier>,
        device: Device,
    ) -> Result<Self> {
        let optimizer = optimizer(config, &student, &device);
        let frozen = frozen(config, &student, &device)?;
        Ok(Self { device, student, optimizer, teacher, frozen })
    }

    /// A copy that goes its own way, on another device: same weights, optimizer at its beginning.
    ///
    /// # Errors
    /// Weights that are not finite.
    #[cfg(not(target_family = "wasm"))]
    pub fn on(&self, device: &Device, config: &TrainConfig, classes: usize) -> Result<Self> {
        let device = training_device(config, device)?;
        let fresh = config.spec(classes).init(config.seed, &device)?;
        let student = StateDict::of(&self.student)?.load_into(fresh, "the first device's student")?;
        let teacher = self.teacher.as_ref().map(|teacher| teacher.on(&device)).transpose()?;
        Self::new(config, student, teacher, device)
    }

    /// Everything but the last layer, where that alone is trained.
    pub fn frozen(&self) -> Option<&Inference> {
        self.frozen.as_ref()
    }

    /// Takes up weights and, past the first step, an optimizer's state; `origin` is what errors call them.
    ///
    /// # Errors
    /// The state of another student or optimizer.
    pub fn restore(
        &mut self,
        config: &TrainConfig,
        student: &StateDict,
        state: Option<StateDict>,
        origin: &str,
    ) -> Result<()> {
        self.student = student.load_into(self.student.clone(), origin)?;
        self.optimizer = optimizer(config, &self.student, &self.device);
        self.frozen = frozen(config, &self.student, &self.device)?;
        if let Some(state) = state {
            let trained = student.tensors.iter().filter(|(name, _)| trains(config, name));
            let parameters: Vec<(String, usize)> =
                trained.map(|(name, t)| (name.clone(), t.shape.len())).collect();
            self.optimizer.restore(state, &parameters, &self.device.clone().inner(), origin)?;
        }
        Ok(())
    }

    /// Gradients of some rows of a batch and their part of the step's loss, in nats: shape (1). None without rows.
    ///
    /// Both are of the mean over all of the step's regions, so that those of its shares add up to the step's.
    ///
    /// # Errors
    /// What a teacher in an ONNX file could not compute.
    pub fn learn(
        &self,
        context: &StepContext<'_>,
        batch: &DeviceBatch,
        rows: Range<usize>,
    ) -> Result<Option<(GradientsParams, Tensor<1>)>> {
        let part = rows.len().div_ceil(context.config.accumulate).max(1);
        let mut gradients = GradientsAccumulator::new();
        let mut total: Option<Tensor<1>> = None;
        for start in rows.clone().step_by(part) {
            let slice = start..(start + part).min(rows.end);
            let share = slice.len() as f32 / batch.total as f32;
            let loss = self.loss(context, batch, slice)?.mul_scalar(share);
            let grads = GradientsParams::from_grads(loss.backward(), &self.student);
            gradients.accumulate(&self.student, grads);
            let loss = loss.inner();
            total = Some(match total {
                Some(sum) => sum + loss,
                None => loss,
            });
        }
        Ok(total.map(|loss| (gradients.grads(), loss)))
    }

    /// Updates the student by a step's gradients, at learning rate `lr`.
    ///
    /// # Errors
    /// A parameter that cannot be updated.
    pub fn update(&mut self, context: &StepContext<'_>, lr: f64, gradients: GradientsParams) -> Result<()> {
        let trains = |name: &str| context.trains(name);
        self.student = self.optimizer.step(lr, self.student.clone(), gradients, &trains)?;
        Ok(())
    }

    /// The loss of some rows of a batch, by the supervision.
    ///
    /// # Errors
    /// What a teacher in an ONNX file could not compute.
    fn loss(&self, context: &StepContext<'_>, batch: &DeviceBatch, rows: Range<usize>) -> Result<Tensor<1>> {
        let logits = self.logits(context, batch, rows.clone());
        let targets = || DeviceTargets::new(&batch.targets, rows.clone(), &self.device);
        let Some(teacher) = &self.teacher else {
            return Ok(soft_cross_entropy(logits, targets(), context.temperature));
        };
        let device = self.device.clone().inner();
        let images = on(&batch.teacher_pixels, &device, teacher.preprocessing.side, rows.clone());
        // Without autodiff: a constant where it meets the student's.
        let teacher = teacher.forward(images)?;
        let t = context.config.kd_temperature;
        Ok(match context.config.supervision {
            Supervision::Funmatch => distillation(logits, teacher, t),
            _ => {
                let alpha = context.config.kd_alpha;
                let truth = soft_cross_entropy(logits.clone(), targets(), 1.0);
                truth.mul_scalar(alpha) + distillation(logits, teacher, t).mul_scalar((1.0 - alpha) * t * t)
            }
        })
    }

    /// The student's logits for some rows of a batch.
    fn logits(&self, context: &StepContext<'_>, batch: &DeviceBatch, rows: Range<usize>) -> Tensor<2> {
        let StepContext { config, side, step, .. } = *context;
        if let Some(frozen) = &self.frozen {
            // As in evaluation: batch norms go by their running statistics, and leave them as they are.
            let device = self.device.clone().inner();
            let features = match context.features {
                Some(known) => known.rows(&batch.regions[rows], &device),
                None => frozen.features(batch.pixels_on(&device, side, rows)),
            };
            return self.student.classify(features);
        }
        let images = batch.pixels_on(&self.device, side, rows.clone());
        let drop = self.student.droppable().filter(|_| config.drop_path > 0.0).map(|depth| DropPath {
            rate: config.drop_path,
            seed: config.seed,
            step,
            rows: batch.first + rows.start..batch.first + rows.end,
            depth,
        });
        self.student.classify(self.student.features(images, drop.as_ref()))
    }
}

/// What is computed without gradients, where the last layer alone is trained.
fn frozen(config: &TrainConfig, student: &Model, device: &Device) -> Result<Option<Inference>> {
    let of = || Inference::of(student.valid(), &device.clone().inner());
    config.freeze_backbone.then(of).transpose()
}

/// The optimizer of a run, at its beginning.
fn optimizer(config: &TrainConfig, student: &Model, device: &Device) -> Optimizer {
    Optimizer::new(&config.recipe(), device).with_layer_decay(config.layer_decay, student.layers())
}
