//! One student in training: what a step does, and the state that a checkpoint keeps.

use std::sync::Arc;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};

use crate::classifier::{Card, Classifier};
use crate::data::batch::{Batch, Batcher, View};
use crate::data::classes::ClassSpace;
use crate::data::images::ImageList;
#[cfg(not(target_family = "wasm"))]
use crate::data::images::Split;
use crate::data::plan::Plan;
use crate::data::select::{Boxes, Labels};
use crate::error::{Error, Result};
use crate::memory::{Conditions, MemoryEstimate, Training, estimate};
use crate::mining::{Confidence, Thresholds};
use crate::models::{DropPath, Model};
use crate::pixels::{Filter, Normalisation, OrientationRule};
use crate::region::RegionSampler;
use crate::selfmix::MixStrength;
use crate::store::Store;
use crate::train::config::{Supervision, TrainConfig};
use crate::train::ema::Ema;
use crate::train::eval::{EvalReport, evaluate};
use crate::train::loss::{DeviceTargets, distillation, soft_cross_entropy};
use crate::train::optimizer::Optimizer;
use crate::train::precision::training_device;
use crate::train::pretrained::Pretrained;
use crate::train::schedule::Schedule;
use crate::weights::StateDict;

/// A student, its optimizer, and everything that a step needs.
pub struct Trainer {
    config: TrainConfig,
    device: Device,
    card: Card,
    student: Model,
    optimizer: Optimizer,
    ema: Option<Ema>,
    teacher: Option<Classifier>,
    schedule: Schedule,
    temperature: f32,
    batcher: Arc<Batcher>,
    validation: Option<(ImageList, Vec<u32>)>,
    thresholds: Option<Thresholds>,
    step: u64,
}

/// What a step did. The loss stays on the device until somebody wants to know it.
pub struct StepOutput {
    /// Number of the step, from 0.
    pub step: u64,
    /// Its learning rate.
    pub lr: f64,
    /// Its loss, in nats: shape (1).
    pub loss: Tensor<1>,
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

/// What a trainer works on.
pub struct Inputs {
    /// Images to train on.
    pub images: ImageList,
    /// Images to validate on.
    pub validation: Option<ImageList>,
    /// Their labels, for supervisions that read them.
    pub store: Option<Store>,
    /// The online teacher, for supervisions that ask one.
    pub teacher: Option<Classifier>,
}

impl Trainer {
    /// Opens images, store and teacher, and draws the student's weights.
    ///
    /// # Errors
    /// Settings that contradict each other, or inputs that do not belong together.
    #[cfg(not(target_family = "wasm"))]
    pub fn new(config: TrainConfig) -> Result<Self> {
        config.check()?;
        let config = config.resolved();
        let device = crate::device::open(&config.device)?;
        // Before anything is read.
        training_device(&config, &device)?;
        let (images, validation) = image_lists(&config)?;
        let store = config.store.as_deref().map(Store::open).transpose()?;
        let teacher = match (&config.teacher, config.supervision.needs_teacher()) {
            (Some(name), true) => Some(Classifier::load(name, &device)?),
            _ => None,
        };
        Self::with_inputs(config, Inputs { images, validation, store, teacher }, device)
    }

    /// The same, on inputs that are open already: the browser has no paths.
    pub fn with_inputs(config: TrainConfig, inputs: Inputs, device: Device) -> Result<Self> {
        config.check()?;
        let config = config.resolved();
        let Inputs { mut images, validation, store, mut teacher } = inputs;
        let store = match (store, config.store_regions) {
            (Some(store), Some(count)) => Some(store.first_regions(count)?),
            (store, _) => store,
        };
        let store = store.map(Arc::new);
        let classes = classes(&images, store.as_deref(), teacher.as_ref())?;
        if let Some(store) = &store {
            images = labelled(store, images)?;
        }
        if config.supervision != Supervision::Fkd && images.folders().is_empty() {
            let problem = format!("its images have no classes, which {} needs", config.supervision.name());
            return Err(
                Error::mismatch(images.root(), problem).remedy("put them into class folders, or use fkd")
            );
        }
        if let Some(teacher) = &mut teacher {
            let mut outputs =
                teacher.card.classes.map_folders(&classes.ids, &format!("the teacher {}", teacher.name))?;
            teacher.restrict(&mut outputs)?;
        }
        let owner = if store.is_some() { "the store" } else { "the student" };
        let folder_classes = classes.map_folders(images.folders(), owner)?;
        let validation = validation
            .map(|list| classes.map_folders(list.folders(), owner).map(|folders| (list, folders)))
            .transpose()?;

        let recipe = config.recipe();
        let plan = Plan::new(images.len(), config.batch, config.length(), config.seed)?;
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
        let student = match &config.weights {
            Some(path) => {
                let from = Pretrained::read(path)?;
                normalisation = from.normalisation;
                from.fit(&spec, config.reset_head, config.seed, &training)?
            }
            None => spec.init(config.seed, &training)?,
        };
        let ema = match config.ema {
            Some(decay) => Some(Ema::new(decay, &spec, &StateDict::of(&student), &device)?),
            None => None,
        };
        let card = Card { spec, side: config.side, normalisation, classes };
        let view = View { side: config.side, filter: Filter::Bilinear, normalisation };

        let thresholds = match (&store, config.supervision.needs_store()) {
            (Some(store), true) if config.supervision != Supervision::Fkd => {
                Some(store.thresholds(&config.rule()?, config.confidence)?)
            }
            _ => None,
        };
        let labels = match &store {
            Some(store) if config.supervision.needs_store() => Labels::Store {
                store: store.clone(),
                adaptation: config.supervision.adaptation(),
                // FKD looks at no threshold; these make every region important.
                thresholds: thresholds.unwrap_or(Thresholds { low: -2.0, mid: -1.0, high: 2.0 }),
                confidence: config.confidence,
                epsilon: config.epsilon,
            },
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
            teacher: teacher.as_ref().map(Classifier::view),
            mix: config.mix(),
            strength: MixStrength {
                switch: config.mix_switch,
                pixel_alpha: config.mix_pixel_alpha,
                box_alpha: config.mix_box_alpha,
            },
            seed: config.seed,
            orientation,
        };
        Ok(Self {
            optimizer: Optimizer::new(&recipe, &training)
                .with_layer_decay(config.layer_decay, student.layers()),
            device: training,
            card,
            student,
            ema,
            teacher,
            schedule,
            temperature,
            batcher: Arc::new(batcher),
            validation,
            thresholds,
            step: 0,
            config,
        })
    }

    /// The settings, with every default written out.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// What makes batches; a pure function of the step.
    pub fn batcher(&self) -> &Arc<Batcher> {
        &self.batcher
    }

    /// What the student is.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The device that it is trained on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The student.
    pub fn student(&self) -> &Model {
        &self.student
    }

    /// The mining thresholds as confidences, where regions are mined.
    pub fn thresholds(&self) -> Option<Thresholds> {
        self.thresholds
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
        self.student.parameters()
    }

    /// The memory that a step takes, counted from the settings.
    pub fn memory(&self) -> MemoryEstimate {
        let config = &self.config;
        let cpu = crate::device::is_cpu(&config.device);
        estimate(&Training {
            student: &self.student,
            side: config.side as usize,
            classes: self.card.classes.len(),
            batch: config.batch,
            accumulate: config.accumulate,
            frozen: config.freeze_backbone,
            drop_path: config.drop_path > 0.0,
            moments: if config.recipe().adamw { 2 } else { 1 },
            average: config.ema.is_some(),
            teacher: self.teacher.as_ref().map(|teacher| (&teacher.model, teacher.card.side as usize)),
            prefetch: config.prefetch,
            conditions: Conditions {
                width: config.precision.bytes(),
                recompute: config.gradient_checkpointing,
                threads: cpu.then(|| rayon::current_num_threads() as u64),
            },
        })
    }

    /// Epochs done, with fractions.
    pub fn epoch(&self) -> f64 {
        self.batcher.plan.epoch(self.step)
    }

    /// Whether there are images to validate on.
    pub fn can_evaluate(&self) -> bool {
        self.validation.is_some()
    }

    /// Takes up other settings from the next step on. Such a run is no longer what its configuration says: the
    /// program itself never does it.
    pub fn retune(&mut self, tuning: &Tuning) {
        self.schedule.peak = tuning.lr;
        if self.thresholds.is_none() {
            return;
        }
        let batcher = Arc::make_mut(&mut self.batcher);
        if let Labels::Store { thresholds, confidence, epsilon, .. } = &mut batcher.labels {
            (*thresholds, *confidence, *epsilon) = (tuning.thresholds, tuning.confidence, tuning.epsilon);
        }
        self.thresholds = Some(tuning.thresholds);
    }

    /// One step: forward, loss, backward, update. Nothing is read back from the device.
    pub fn advance(&mut self, batch: &Batch) -> Result<StepOutput> {
        let lr = self.schedule.rate(self.step);
        let part = batch.len.div_ceil(self.config.accumulate);
        let mut gradients = GradientsAccumulator::new();
        let mut total: Option<Tensor<1>> = None;
        for start in (0..batch.len).step_by(part) {
            let rows = start..(start + part).min(batch.len);
            let share = rows.len() as f32 / batch.len as f32;
            let loss = self.loss(batch, rows).mul_scalar(share);
            let grads = GradientsParams::from_grads(loss.backward(), &self.student);
            gradients.accumulate(&self.student, grads);
            let loss = loss.inner();
            total = Some(match total {
                Some(sum) => sum + loss,
                None => loss,
            });
        }
        let Some(loss) = total else { return Err(Error::mismatch("batch", "it holds no region")) };
        self.student = self.optimizer.step(lr, self.student.clone(), gradients.grads())?;
        if let Some(ema) = &mut self.ema {
            ema.update(&self.student.valid());
        }
        self.step += 1;
        Ok(StepOutput { step: self.step - 1, lr, loss })
    }

    /// The loss of some rows of a batch, by the supervision.
    fn loss(&self, batch: &Batch, rows: std::ops::Range<usize>) -> Tensor<1> {
        let logits = self.logits(batch, rows.clone());
        let targets = || DeviceTargets::new(&batch.targets, rows.clone(), &self.device);
        let Some(teacher) = &self.teacher else {
            return soft_cross_entropy(logits, targets(), self.temperature);
        };
        let device = self.device.clone().inner();
        let images = pictures(&batch.teacher_pixels, teacher.card.side, rows.clone(), &device);
        // Without autodiff: a constant where it meets the student's.
        let teacher = teacher.forward(images);
        let t = self.config.kd_temperature;
        match self.config.supervision {
            Supervision::Funmatch => distillation(logits, teacher, t),
            _ => {
                let alpha = self.config.kd_alpha;
                let truth = soft_cross_entropy(logits.clone(), targets(), 1.0);
                truth.mul_scalar(alpha) + distillation(logits, teacher, t).mul_scalar((1.0 - alpha) * t * t)
            }
        }
    }

    /// The student's logits for some rows of a batch.
    fn logits(&self, batch: &Batch, rows: std::ops::Range<usize>) -> Tensor<2> {
        let dtype = self.config.precision.dtype();
        let pictures = |device| pictures(&batch.pixels, self.card.side, rows.clone(), device).cast(dtype);
        if self.config.freeze_backbone {
            // As in evaluation: batch norms go by their running statistics, and leave them as they are.
            let features = self.student.valid().features(pictures(&self.device.clone().inner()), None);
            return self.student.classify(features);
        }
        let images = pictures(&self.device);
        let drop = self.student.droppable().filter(|_| self.config.drop_path > 0.0).map(|depth| DropPath {
            rate: self.config.drop_path,
            seed: self.config.seed,
            step: self.step,
            rows,
            depth,
        });
        self.student.classify(self.student.features(images, drop.as_ref()))
    }

    /// Whether a tensor of the student's is trained.
    fn trains(&self, name: &str) -> bool {
        let head = name.starts_with(self.config.arch.head());
        !name.contains("running_") && (head || !self.config.freeze_backbone)
    }

    /// Tries the student, or its average where one is kept, on the validation images.
    ///
    /// # Errors
    /// No validation images.
    pub fn evaluate(&self) -> Result<EvalReport> {
        let Some((images, folders)) = &self.validation else {
            return Err(Error::usage("val", "no images to validate on").remedy("give --val FOLDER"));
        };
        let own = self.student.valid();
        let model = self.ema.as_ref().map_or(&own, Ema::model);
        let view = self.batcher.student;
        evaluate(&(model, &self.card.classes), &view, images, folders, &self.device, &mut |_| ())
    }

    /// The weights to use: the student's, or its average's where one is kept.
    pub fn weights(&self) -> StateDict {
        let mut dict = StateDict::of(self.ema.as_ref().map_or(&self.student, Ema::model));
        self.card.put(&mut dict);
        dict
    }

    /// Everything that going on exactly takes: student, average, optimizer.
    pub fn state(&self) -> Result<StateDict> {
        let mut dict = StateDict::of(&self.student);
        dict.absorb("optimizer.", self.optimizer.state()?);
        if let Some(ema) = &self.ema {
            dict.absorb("ema.", StateDict::of(ema.model()));
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
        self.student = dict.load_into(self.student.clone(), origin)?;
        let layers = self.student.layers();
        let mut fresh = Optimizer::new(&self.config.recipe(), &self.device)
            .with_layer_decay(self.config.layer_decay, layers);
        let parameters = dict.tensors.iter().filter(|(name, _)| self.trains(name));
        let parameters: Vec<(String, usize)> =
            parameters.map(|(name, t)| (name.clone(), t.shape.len())).collect();
        if step > 0 {
            fresh.restore(optimizer, &parameters, &self.device.clone().inner(), origin)?;
        }
        self.optimizer = fresh;
        if let Some(decay) = self.config.ema {
            self.ema = Some(Ema::new(decay, &self.card.spec, &average, &self.device)?);
        }
        self.step = step;
        Ok(())
    }
}

/// The images of a run, to train and to validate on; what fits into the cache is decoded once.
///
/// # Errors
/// Folders that cannot be listed.
#[cfg(not(target_family = "wasm"))]
pub fn image_lists(config: &TrainConfig) -> Result<(ImageList, Option<ImageList>)> {
    let cache = crate::data::cache::Budget::mebibytes(config.cache_mb);
    // First, because looking for a half in archives takes more memory than keeping their index does.
    let validation = match &config.val {
        Some(path) => Some(ImageList::open(path, Split::Val)?),
        None => ImageList::open_half(&config.images, Split::Val)?,
    };
    let images = ImageList::open(&config.images, Split::Train)?.first_per_class(config.images_per_class)?;
    Ok((images.cached(&cache), validation.map(|list| list.cached(&cache))))
}

/// Rows of planar pixels as a tensor of shape (rows, 3, side, side).
fn pictures(pixels: &[f32], side: u32, rows: std::ops::Range<usize>, device: &Device) -> Tensor<4> {
    let side = side as usize;
    let size = 3 * side * side;
    let data = pixels[rows.start * size..rows.end * size].to_vec();
    Tensor::from_data(TensorData::new(data, [rows.len(), 3, side, side]), device)
}

/// The student's classes: the store's; else the teacher's that the folder holds; else the folder's own.
fn classes(images: &ImageList, store: Option<&Store>, teacher: Option<&Classifier>) -> Result<ClassSpace> {
    if let Some(store) = store {
        return Ok(store.manifest().label.class_space());
    }
    let known = match teacher {
        Some(teacher) => {
            let all = &teacher.card.classes;
            all.map_folders(images.folders(), &format!("the teacher {}", teacher.name))?;
            Some(all.clone())
        }
        // WordNet ids get their names; anything else stands for itself.
        None => {
            let imagenet = ClassSpace::imagenet();
            imagenet.map_folders(images.folders(), "ImageNet").ok().map(|_| imagenet)
        }
    };
    match known {
        Some(space) => {
            let mut indices = space.map_folders(images.folders(), "the teacher")?;
            indices.sort_unstable();
            indices.dedup();
            Ok(space.subset(&indices))
        }
        None => Ok(ClassSpace::of_folders(images.folders())),
    }
}

/// The images that a store was made from: these, without those that it passed over.
fn labelled(store: &Store, images: ImageList) -> Result<ImageList> {
    let manifest = store.manifest();
    if manifest.image_list_sha256 == images.digest() {
        return Ok(images);
    }
    if let Some(skipped) = store.skipped().filter(|skipped| !skipped.images.is_empty()) {
        let kept = images.without(skipped.names())?;
        if manifest.image_list_sha256 == kept.digest() {
            return Ok(kept);
        }
    }
    let problem = format!(
        "it was made from {} images, and these are {} others ({})",
        manifest.images,
        images.len(),
        images.root()
    );
    Err(Error::mismatch("the store", problem)
        .remedy("train on the images that were labelled, or label these"))
}
