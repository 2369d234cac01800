//! One student in training: what a step does, and what there is to know of it.

mod build;
mod frozen;
mod memory;
mod state;

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::config::TrainConfig;
use crate::ema::Ema;
use crate::eval::EvalSet;
use crate::features::Features;
use crate::parallel::replica_group::{ReplicaGroup, Step};
use crate::prefetch::Prefetch;
use crate::replica::StepContext;
use crate::schedule::Schedule;
use crate::upload::DeviceBatch;
use ferkd_data::batches::batch::Batcher;
#[cfg(not(target_family = "wasm"))]
use ferkd_data::batches::select::Boxes;
use ferkd_data::batches::select::{Labels, Mining};
use ferkd_data::batches::share::Share;
#[cfg(not(target_family = "wasm"))]
use ferkd_data::store::Store;
use ferkd_method::calibration::{Epsilon, Softening};
use ferkd_method::error::{Error, Result};
use ferkd_method::mining::{Confidence, Thresholds};
use ferkd_nn::classifier::Classifier;
use ferkd_nn::inference::Inference;
use ferkd_nn::model_card::ModelCard;
use ferkd_nn::models::Model;

/// A student, its optimizer, and everything that a step needs.
pub struct Trainer {
    config: TrainConfig,
    card: ModelCard,
    pub(super) group: ReplicaGroup,
    ema: Option<Ema>,
    schedule: Schedule,
    temperature: f32,
    batcher: Arc<Batcher>,
    validation: Option<Arc<EvalSet>>,
    thresholds: Option<Thresholds>,
    warnings: Vec<String>,
    step: u64,
    /// Images that were left out because they cannot be decoded.
    left_out: usize,
    /// Of the weights that the student began with, where it did.
    weights_checksum: Option<u64>,
    /// What they brought along, in sentences.
    weights_notices: Vec<String>,
    /// What the last layer sees, where that alone is trained and it can be kept.
    features: Option<Features>,
    /// Why it is not kept, in a sentence.
    features_notice: Option<String>,
}

/// What a step did. The loss stays on the device until someone wants to know it.
pub struct StepOutput {
    /// Number of the step, from 0.
    pub step: u64,
    /// Its learning rate.
    pub lr: f64,
    /// Its loss, in nats: shape (1).
    pub loss: Tensor<1>,
    /// Whether this process, or another one that it trains with, wants to stop after it.
    pub stops: bool,
}

/// What may change while a student learns: a window's sliders.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Tuning {
    /// Where the kinds begin and end.
    pub thresholds: Thresholds,
    /// Which number of a label is its confidence.
    pub confidence: Confidence,
    /// Probability that a calibrated label spreads over the other classes.
    pub epsilon: f32,
    /// Peak learning rate.
    pub lr: f64,
}

impl Trainer {
    /// The settings, with every default written out.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// What there is to know of the images, to train and to validate on (which split is used for what), and of what the
    /// student's first weights and the online teacher see.
    pub fn notices(&self) -> Vec<String> {
        let validation = self.validation.iter().flat_map(|set| set.images().notices());
        let images = self.batcher.images.notices().iter().chain(validation).cloned();
        let teacher = self.teacher().into_iter().flat_map(Classifier::sentences);
        let frozen = self.features_notice.clone();
        let apart = (self.features.is_some() && !self.keeps_features()).then(|| {
            "the frozen network's features are computed in every step: on one device of one process they are kept".into()
        });
        let of_features = frozen.or(apart);
        images.chain(self.weights_notices.iter().cloned()).chain(teacher).chain(of_features).collect()
    }

    /// What makes batches; a pure function of the step.
    pub fn batcher(&self) -> &Arc<Batcher> {
        &self.batcher
    }

    /// The batches of this process from the next step on: made ahead and sent to the devices, or each when it is asked
    /// for.
    pub(super) fn batches(&self, ahead: bool) -> Prefetch {
        let (share, step) = (self.share(), self.step);
        let without_pixels = self.batcher_without_pixels();
        #[cfg(not(target_family = "wasm"))]
        let is_sent = without_pixels.is_none();
        let batcher = without_pixels.unwrap_or_else(|| self.batcher.clone());
        #[cfg(not(target_family = "wasm"))]
        if ahead {
            let batches = Prefetch::of(batcher, share, step, self.config.prefetch);
            if !is_sent {
                return batches;
            }
            let devices = self.group.replicas().map(|replica| replica.device.clone());
            return batches.sent_to(devices.collect(), self.card.side);
        }
        let _ = ahead;
        Prefetch::on_demand(batcher, share, step)
    }

    /// What the student is.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// The device that it is trained on, the first of several.
    pub fn device(&self) -> &Device {
        &self.group.primary().device
    }

    /// The student.
    pub fn student(&self) -> &Model {
        &self.group.primary().student
    }

    /// Devices of this process that train it together.
    pub fn replicas(&self) -> usize {
        self.group.replicas().count()
    }

    /// By how many processes and devices it is trained, and how their gradients are added up; nothing for one of each.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn replica_suffix(&self) -> String {
        let devices = match self.replicas() {
            1 => "1 device".into(),
            devices => format!("{devices} devices"),
        };
        match (self.share().of, self.replicas()) {
            (1, 1) => String::new(),
            (1, _) => format!(" on {devices}, summed {}", self.group.adds_up()),
            (processes, _) => {
                format!(" by {processes} processes of {devices} each, summed {}", self.group.adds_up())
            }
        }
    }

    /// The online teacher, where one is asked.
    pub(super) fn teacher(&self) -> Option<&Classifier> {
        self.group.primary().teacher.as_ref()
    }

    /// The share of every step's images that this process computes.
    pub(super) fn share(&self) -> Share {
        self.group.share()
    }

    /// Whether no other process trains with this one.
    pub(super) fn is_alone(&self) -> bool {
        self.share().of == 1
    }

    /// The store that labels or boxes come from.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn store(&self) -> Option<&Store> {
        match (&self.batcher.boxes, &self.batcher.labels) {
            (Boxes::Store(store), _) | (_, Labels::Stored(store) | Labels::Adapted { store, .. }) => {
                Some(store)
            }
            _ => None,
        }
    }

    /// Images that were left out of those to train on, because they cannot be decoded.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// A checksum of the weights that the student began with; none where they were drawn.
    pub fn weights_checksum(&self) -> Option<u64> {
        self.weights_checksum
    }

    /// The mining thresholds as confidences, where regions are mined.
    pub fn thresholds(&self) -> Option<Thresholds> {
        self.thresholds
    }

    /// What is worth a word before the first step: images with other bytes than those that were labelled, kinds that
    /// mining asks for and that no region is of.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Steps in all.
    pub fn steps(&self) -> u64 {
        self.schedule.steps
    }

    /// The learning rate of a step.
    pub fn rate(&self, step: u64) -> f64 {
        self.schedule.rate(step)
    }

    /// Parameters of the student, running statistics apart.
    pub fn parameters(&self) -> usize {
        self.student().parameters()
    }

    /// Epochs done, with fractions.
    pub fn epoch(&self) -> f64 {
        self.batcher.plan.epoch(self.step)
    }

    /// Epochs done after so many steps.
    pub(super) fn epoch_of(&self, steps: u64) -> f64 {
        self.batcher.plan.epoch(steps)
    }

    /// Whether there are images to validate on.
    pub fn can_evaluate(&self) -> bool {
        self.validation.is_some()
    }

    /// What the student is evaluated on.
    pub fn validation(&self) -> Option<&EvalSet> {
        self.validation.as_deref()
    }

    /// Evaluates on something else, or on nothing, from now on.
    pub fn validate_on(&mut self, set: Option<Arc<EvalSet>>) {
        self.validation = set;
        if let Some(features) = &mut self.features {
            features.validation.clear();
        }
    }

    /// Takes up other settings from the next step on. Such a run is no longer what its configuration says: the
    /// program itself never does it.
    pub fn retune(&mut self, tuning: &Tuning) {
        self.schedule.peak = tuning.lr;
        if self.thresholds.is_none() {
            return;
        }
        let batcher = Arc::make_mut(&mut self.batcher);
        if let Labels::Adapted { mining, .. } = &mut batcher.labels {
            let Tuning { thresholds, confidence, epsilon, .. } = *tuning;
            let softening = Softening { epsilon: Epsilon::Value(epsilon), ..mining.softening };
            *mining = Mining { thresholds, confidence, softening, ..*mining };
        }
        self.thresholds = Some(tuning.thresholds);
    }

    /// One step: forward, loss, backward, update. On one device nothing is read back from it.
    ///
    /// # Errors
    /// A batch without regions.
    pub fn advance(&mut self, batch: &DeviceBatch) -> Result<StepOutput> {
        self.advance_with(batch, false)
    }

    /// The same with this process's share of a batch; `stops` says that it wants to stop after the step.
    ///
    /// # Errors
    /// Those of [`Self::advance`], or another process that is gone.
    pub(super) fn advance_with(&mut self, batch: &DeviceBatch, stops: bool) -> Result<StepOutput> {
        let lr = self.schedule.rate(self.step);
        let keeps = self.keeps_features();
        let features = self.features.as_ref().filter(|_| keeps).map(|features| &features.training);
        let context = StepContext {
            config: &self.config,
            side: self.card.side,
            temperature: self.temperature,
            step: self.step,
            features: features.filter(|features| features.is_whole()),
        };
        let Step { loss, stops } = self.group.step(&context, batch, lr, stops)?;
        if let Some(ema) = &mut self.ema {
            ema.update(&self.group.primary().student.valid())?;
        }
        self.step += 1;
        Ok(StepOutput { step: self.step - 1, lr, loss, stops })
    }

    /// The student, or its average where one is kept, as it is now.
    fn evaluated_model(&self) -> Result<Inference> {
        let own = self.student().valid();
        let model = self.ema.as_ref().map_or(&own, Ema::model);
        Inference::of(model.clone(), &self.device().clone().inner())
    }

    fn evaluated_on(&self) -> Result<&EvalSet> {
        let none = || Error::usage("val", "no images to validate on").remedy("give --val FOLDER");
        self.validation().ok_or_else(none)
    }
}
