//! One student in training: what a step does, and the state that a checkpoint keeps.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Tensor};

use crate::config::{Supervision, TrainConfig};
use crate::ema::Ema;
use crate::eval::{EvalPass, EvalSet, Evaluated};
use crate::fairness::few_images;
#[cfg(not(target_family = "wasm"))]
use crate::image_check::ImageCheck;
#[cfg(not(target_family = "wasm"))]
use crate::inputs::image_lists;
use crate::inputs::{Inputs, check_classes, classes, owner, validation_classes};
use crate::parallel::replica_group::{ReplicaGroup, Step};
use crate::precision::training_device;
use crate::prefetch::Prefetch;
use crate::pretrained::Pretrained;
use crate::replica::{Replica, StepContext, optimizer};
use crate::schedule::Schedule;
use crate::upload::DeviceBatch;
use ferkd_data::batches::batch::{Batcher, InputSpec};
use ferkd_data::batches::plan::BatchPlan;
use ferkd_data::batches::select::{Boxes, Labels, Mining};
use ferkd_data::batches::share::Share;
use ferkd_data::pixels::{Filter, Normalisation, OrientationRule};
#[cfg(not(target_family = "wasm"))]
use ferkd_data::store::Store;
use ferkd_method::calibration::{Epsilon, Softening};
use ferkd_method::error::{Error, Result};
use ferkd_method::mining::{Confidence, RegionKind, Thresholds};
use ferkd_method::region::RegionSampler;
use ferkd_nn::classifier::{Classifier, ModelCard};
use ferkd_nn::memory::{Conditions, MemoryEstimate, Training, estimate};
use ferkd_nn::models::Model;
use ferkd_nn::weights::StateDict;

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
    /// Opens images, store and teacher, and draws the student's weights.
    ///
    /// # Errors
    /// Settings that contradict each other, or inputs that do not belong together.
    #[cfg(not(target_family = "wasm"))]
    pub fn new(config: TrainConfig) -> Result<Self> {
        let stop = std::sync::atomic::AtomicBool::new(false);
        Self::open(config, ImageCheck { folder: None, validates: true, stop: &stop, listen: &mut |_| () })
    }

    /// The same, where looking at images can take long: `check` says who hears of it and where its results are kept.
    ///
    /// # Errors
    /// Those of [`Self::new`]; [`ErrorKind::Interrupted`](ferkd_method::ErrorKind) when it was stopped.
    #[cfg(not(target_family = "wasm"))]
    pub fn open(config: TrainConfig, mut check: ImageCheck<'_>) -> Result<Self> {
        config.check()?;
        let config = config.resolved();
        let devices = ferkd_nn::device::open_all(&config.device)?;
        // Before anything is read.
        devices.iter().try_for_each(|device| training_device(&config, device).map(drop))?;
        let (images, validation) = image_lists(&config)?;
        let mut inputs = Inputs::open(&config, images, validation, &devices)?;
        let left_out = inputs.look_at_images(&config, &mut check)?.len();
        Ok(Self { left_out, ..Self::on_devices(config, inputs, devices)? })
    }

    /// The same on inputs that are open already, on the first of the devices; the others get copies that train with
    /// it. Each takes its share of a step's regions, and all of them take the same step.
    ///
    /// # Errors
    /// Those of [`Self::new`], or no device.
    #[cfg(not(target_family = "wasm"))]
    pub fn on_devices(config: TrainConfig, inputs: Inputs, devices: Vec<Device>) -> Result<Self> {
        let mut devices = devices.into_iter();
        let Some(first) = devices.next() else { return Err(Error::usage("device", "none is named")) };
        let mut trainer = Self::with_inputs(config, inputs, first)?;
        for device in devices {
            let replica = trainer.group.primary().on(&device, &trainer.config, trainer.card.classes.len())?;
            trainer.group.add(replica);
        }
        Ok(trainer)
    }

    /// The same on one device: the browser has no paths and no threads.
    pub fn with_inputs(config: TrainConfig, inputs: Inputs, device: Device) -> Result<Self> {
        config.check()?;
        let config = config.resolved();
        let Inputs { mut images, validation, store, mut teacher } = inputs;
        let store = match (store, config.store_regions) {
            (Some(store), Some(count)) => Some(store.first_regions(count)?),
            (store, _) => store,
        };
        let store = store.map(Arc::new);
        let classes = classes(&config, &images, store.as_deref(), teacher.as_ref())?;
        let mut warnings = Vec::new();
        if let Some(store) = &store {
            images = store.labelled(images)?;
            warnings = store.sample_images(&images)?;
        }
        check_classes(&config, &images, store.as_deref())?;
        warnings.extend(few_images(&config, images.len()));
        if let Some(teacher) = &mut teacher {
            let mut outputs =
                teacher.card.classes.map_folders(&classes.ids, &format!("the teacher {}", teacher.name))?;
            teacher.restrict(&mut outputs)?;
        }
        let owner = owner(store.as_deref());
        let folder_classes = classes.map_folders(images.folders(), owner)?;
        let validation = validation
            .map(|list| validation_classes(&list, &classes, owner).map(|folders| (list, folders)))
            .transpose()?;

        let recipe = config.recipe();
        let plan = BatchPlan::new(images.len(), config.batch, config.length(), config.seed)?;
        let schedule = Schedule {
            peak: recipe.lr,
            minimum: recipe.min_lr,
            warmup_start: recipe.warmup_lr,
            warmup_steps: plan.step_of_epoch(recipe.warmup_epochs),
            steps: plan.steps(),
        };

        let spec = config.spec(classes.len());
        let training = training_device(&config, &device)?;
        // Weights go on seeing what they have seen.
        let mut normalisation = Normalisation::IMAGENET;
        let mut weights_checksum = None;
        let student = match &config.weights {
            Some(path) => {
                let from = Pretrained::read(path)?;
                normalisation = from.normalisation;
                weights_checksum = Some(from.checksum());
                from.fit(&spec, config.reset_head, config.seed, &training)?
            }
            None => spec.init(config.seed, &training)?,
        };
        let ema = match config.ema {
            Some(decay) => Some(Ema::new(decay, &spec, &StateDict::of(&student)?, &device)?),
            None => None,
        };
        let card = ModelCard { spec, side: config.side, normalisation, classes };
        let view = InputSpec { side: config.side, filter: Filter::Bilinear, normalisation };
        let validation = validation
            .map(|(list, folders)| Arc::new(EvalSet::new(view, list, folders).skipping(config.skip_bad)));

        let thresholds = match (&store, config.supervision.needs_store()) {
            (Some(store), true) if config.supervision != Supervision::Fkd => {
                let rule = config.rule()?;
                let (thresholds, kinds) = store.kinds(&rule, config.confidence)?;
                if config.supervision.adaptation().removes(RegionKind::Trivial) {
                    kinds.check_something_is_left(&thresholds)?;
                }
                warnings.extend(rule.warnings(&thresholds, &kinds));
                Some(thresholds)
            }
            _ => None,
        };
        let labels = match (&store, thresholds) {
            (Some(store), Some(thresholds)) => Labels::Adapted {
                store: store.clone(),
                mining: Mining {
                    thresholds,
                    confidence: config.confidence,
                    adaptation: config.supervision.adaptation(),
                    softening: config.softening(store.manifest().label.temperature),
                },
            },
            (Some(store), None) if config.supervision.needs_store() => Labels::Stored(store.clone()),
            _ => Labels::Truth { smoothing: config.label_smoothing, classes: card.classes.len() as u32 },
        };
        let orientation = store.as_ref().map_or(OrientationRule::Apply, |s| s.manifest().orientation);
        let temperature =
            config.temperature.unwrap_or_else(|| match (&store, config.supervision.needs_store()) {
                (Some(store), true) => store.manifest().label.temperature,
                _ => 1.0,
            });
        let boxes = match store {
            Some(store) => Boxes::Store(store),
            None => Boxes::Drawn {
                sampler: RegionSampler {
                    scale: (config.scale[0], config.scale[1]),
                    ..RegionSampler::new(config.region_seed)
                },
                per_image: config.regions,
            },
        };
        let batcher = Batcher {
            images,
            folder_classes,
            plan,
            boxes,
            labels,
            student: view,
            pixel_type: config.precision.pixel_type(),
            teacher: teacher.as_ref().map(Classifier::input_spec),
            mix: config.mix_rule(),
            seed: config.seed,
            orientation,
        };
        Ok(Self {
            group: ReplicaGroup::new(Replica {
                optimizer: optimizer(&config, &student, &training),
                device: training,
                student,
                teacher,
            }),
            card,
            ema,
            schedule,
            temperature,
            batcher: Arc::new(batcher),
            validation,
            thresholds,
            warnings,
            step: 0,
            config,
            left_out: 0,
            weights_checksum,
        })
    }

    /// The settings, with every default written out.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// What there is to know of the images, to train and to validate on: which split is used for what.
    pub fn notices(&self) -> Vec<String> {
        let validation = self.validation.iter().flat_map(|set| set.images().notices());
        self.batcher.images.notices().iter().chain(validation).cloned().collect()
    }

    /// What makes batches; a pure function of the step.
    pub fn batcher(&self) -> &Arc<Batcher> {
        &self.batcher
    }

    /// The batches of this process from the next step on: made ahead and sent to the devices, or each when it is asked
    /// for.
    pub(super) fn batches(&self, ahead: bool) -> Prefetch {
        let (batcher, share, step) = (self.batcher.clone(), self.share(), self.step);
        #[cfg(not(target_family = "wasm"))]
        if ahead {
            let batches = Prefetch::of(batcher, share, step, self.config.prefetch);
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

    /// With how many devices of this process it is trained, and how their gradients are added up; nothing for one.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn replica_suffix(&self) -> String {
        match self.replicas() {
            1 => String::new(),
            devices => format!(" on {devices} devices, summed {}", self.group.adds_up()),
        }
    }

    /// The online teacher, where one is asked.
    #[cfg(not(target_family = "wasm"))]
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
    /// mining asks for and that no region is of, few images a step.
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

    /// The memory that a step takes on each of its devices, counted from the settings.
    pub fn memory(&self) -> MemoryEstimate {
        let (config, primary, devices) = (&self.config, self.group.primary(), self.replicas());
        let cpu = ferkd_nn::device::is_cpu(&config.device);
        let mut memory = estimate(&Training {
            student: &primary.student,
            side: config.side as usize,
            classes: self.card.classes.len(),
            batch: config.batch.div_ceil(devices),
            accumulate: config.accumulate,
            frozen: config.freeze_backbone,
            drop_path: config.drop_path > 0.0,
            moments: if config.recipe().adamw { 2 } else { 1 },
            average: config.ema.is_some(),
            teacher: primary.teacher.as_ref().map(|teacher| (&teacher.model, teacher.card.side as usize)),
            prefetch: config.prefetch,
            conditions: Conditions {
                width: config.precision.bytes(),
                recompute: config.gradient_checkpointing,
                threads: cpu.then(|| rayon::current_num_threads() as u64),
                row_align: if ferkd_nn::device::kind(&config.device) == "cuda" { 512 } else { 1 },
            },
        });
        // The pixels of all shares wait in one memory.
        memory.host_bytes *= devices as u64;
        memory
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
        let context = StepContext {
            config: &self.config,
            side: self.card.side,
            temperature: self.temperature,
            step: self.step,
        };
        let Step { loss, stops } = self.group.step(&context, batch, lr, stops)?;
        if let Some(ema) = &mut self.ema {
            ema.update(&self.group.primary().student.valid())?;
        }
        self.step += 1;
        Ok(StepOutput { step: self.step - 1, lr, loss, stops })
    }

    /// Goes on with an evaluation of the student, or of its average where one is kept, by at most so many pictures.
    ///
    /// # Errors
    /// No validation images; those of [`EvalPass::advance`].
    pub async fn evaluate_slice(&self, pass: &mut EvalPass, most: usize) -> Result<()> {
        let set = self.evaluated_on()?;
        let own = self.student().valid();
        let model = self.ema.as_ref().map_or(&own, Ema::model);
        pass.advance(&(model, &self.card.classes), set, self.device(), most).await
    }

    /// What an evaluation of all pictures has found.
    ///
    /// # Errors
    /// No validation images; those of [`EvalPass::finish`].
    pub fn finish_evaluation(&self, pass: EvalPass) -> Result<Evaluated> {
        pass.finish(self.evaluated_on()?, &self.card.classes)
    }

    fn evaluated_on(&self) -> Result<&EvalSet> {
        let none = || Error::usage("val", "no images to validate on").remedy("give --val FOLDER");
        self.validation().ok_or_else(none)
    }

    /// The weights to use: the student's, or its average's where one is kept.
    ///
    /// # Errors
    /// A device that cannot be read from.
    pub fn weights(&self) -> Result<StateDict> {
        let mut dict = StateDict::of(self.ema.as_ref().map_or(self.student(), Ema::model))?;
        self.card.put(&mut dict);
        Ok(dict)
    }

    /// Everything that going on exactly takes: student, average, optimizer.
    ///
    /// # Errors
    /// A device that cannot be read from.
    pub fn state(&self) -> Result<StateDict> {
        let mut dict = StateDict::of(self.student())?;
        dict.absorb("optimizer.", self.group.primary().optimizer.state()?);
        if let Some(ema) = &self.ema {
            dict.absorb("ema.", StateDict::of(ema.model())?);
        }
        self.card.put(&mut dict);
        Ok(dict)
    }

    /// Takes up a state, `step` steps into the run; `origin` is what errors call it.
    ///
    /// # Errors
    /// The state of another student, optimizer or average.
    pub fn restore(&mut self, mut dict: StateDict, step: u64, origin: &str) -> Result<()> {
        let optimizer = dict.split_off("optimizer.");
        let average = dict.split_off("ema.");
        for replica in self.group.replicas_mut() {
            let state = (step > 0).then(|| optimizer.clone());
            replica.restore(&self.config, &dict, state, origin)?;
        }
        if let Some(decay) = self.config.ema {
            self.ema = Some(Ema::new(decay, &self.card.spec, &average, &self.group.primary().device)?);
        }
        self.step = step;
        Ok(())
    }
}
