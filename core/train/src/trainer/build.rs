//! How a trainer comes to be: from settings, images, store and teacher.

use std::sync::Arc;

use burn::tensor::Device;

use super::Trainer;
use crate::config::{Supervision, TrainConfig};
use crate::ema::Ema;
use crate::eval::EvalSet;
use crate::fairness::few_images;
use crate::features::Features;
#[cfg(not(target_family = "wasm"))]
use crate::image_check::ImageCheck;
#[cfg(not(target_family = "wasm"))]
use crate::inputs::image_lists;
use crate::inputs::{Inputs, check_classes, classes, owner, validation_classes};
use crate::parallel::replica_group::ReplicaGroup;
use crate::precision::training_device;
use crate::pretrained::Pretrained;
use crate::replica::Replica;
use crate::schedule::Schedule;
use ferkd_data::batches::batch::{Batcher, InputSpec};
use ferkd_data::batches::plan::BatchPlan;
use ferkd_data::batches::select::{Boxes, Labels, Mining};
use ferkd_data::pixels::{Filter, Normalisation, OrientationRule};
use ferkd_data::store::Store;
#[cfg(not(target_family = "wasm"))]
use ferkd_method::error::Error;
use ferkd_method::error::Result;
use ferkd_method::region::RegionSampler;
use ferkd_nn::classifier::Classifier;
use ferkd_nn::model_card::ModelCard;
use ferkd_nn::models::{Model, ModelSpec};
use ferkd_nn::weights::StateDict;

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
    ///
    /// # Errors
    /// Those of [`Self::new`].
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
                teacher.classes.map_folders(&classes.ids, &format!("the teacher {}", teacher.name))?;
            teacher.restrict(&mut outputs)?;
        }
        let owner = owner(store.as_deref());
        let folder_classes = classes.map_folders(images.folders(), owner)?;
        let validation = validation
            .map(|list| validation_classes(&list, &classes, owner).map(|folders| (list, folders)))
            .transpose()?;

        let plan = BatchPlan::new(images.len(), config.batch, config.length(), config.seed)?;
        let spec = config.spec(classes.len());
        let training = training_device(&config, &device)?;
        let Student { model: student, normalisation, weights_checksum, weights_notices } =
            Student::new(&config, &spec, &training)?;
        let ema = match config.ema {
            Some(decay) => Some(Ema::new(decay, &spec, &StateDict::of(&student)?, &device)?),
            None => None,
        };
        let card = ModelCard { spec, side: config.side, normalisation, classes };
        let view = InputSpec { side: config.side, filter: Filter::Bilinear, normalisation };
        let validation = validation
            .map(|(list, folders)| Arc::new(EvalSet::new(view, list, folders).skipping(config.skip_bad)));

        // The store that labels are read from, where they are.
        let labelling = store.as_ref().filter(|_| config.supervision.needs_store());
        let labels = labels(&config, labelling, card.classes.len(), &mut warnings)?;
        let thresholds = match &labels {
            Labels::Adapted { mining, .. } => Some(mining.thresholds),
            _ => None,
        };
        let stored = labelling.map(|store| store.manifest().label.temperature);
        let batcher = Batcher {
            images,
            folder_classes,
            labels,
            orientation: store.as_ref().map_or(OrientationRule::Apply, |s| s.manifest().orientation),
            boxes: boxes(&config, store),
            student: view,
            pixel_type: config.precision.pixel_type(),
            teacher: teacher.as_ref().map(Classifier::input_spec),
            mix: config.mix_rule(),
            seed: config.seed,
            plan,
            cuts: true,
        };
        let evaluated = validation.as_ref().map_or(0, |set| set.len());
        let keep = || Features::of(&config, &batcher, evaluated, student.feature_size());
        let (features, features_notice) = match config.freeze_backbone.then(keep).transpose() {
            Ok(features) => (features, None),
            Err(why) => (None, Some(why)),
        };
        Ok(Self {
            group: ReplicaGroup::new(Replica::new(&config, student, teacher, training)?),
            card,
            ema,
            schedule: schedule(&config, &batcher.plan),
            temperature: config.temperature.or(stored).unwrap_or(1.0),
            batcher: Arc::new(batcher),
            validation,
            thresholds,
            warnings,
            step: 0,
            config,
            left_out: 0,
            weights_checksum,
            weights_notices,
            features,
            features_notice,
        })
    }
}

/// A student before its first step.
struct Student {
    model: Model,
    /// What it wants to see: weights go on seeing what they have seen.
    normalisation: Normalisation,
    /// Of the weights that it begins with, where it does.
    weights_checksum: Option<u64>,
    /// What these brought along, in sentences.
    weights_notices: Vec<String>,
}

impl Student {
    fn new(config: &TrainConfig, spec: &ModelSpec, device: &Device) -> Result<Self> {
        let Some(path) = &config.weights else {
            let model = spec.init(config.seed, device)?;
            let normalisation = Normalisation::IMAGENET;
            return Ok(Self { model, normalisation, weights_checksum: None, weights_notices: Vec::new() });
        };
        let from = Pretrained::read(path)?;
        let (normalisation, weights_checksum) = (from.normalisation, Some(from.checksum()));
        let weights_notices = from.sentences();
        let model = from.fit(spec, config.reset_head, config.seed, device)?;
        Ok(Self { model, normalisation, weights_checksum, weights_notices })
    }
}

fn schedule(config: &TrainConfig, plan: &BatchPlan) -> Schedule {
    let recipe = config.recipe();
    Schedule {
        peak: recipe.lr,
        minimum: recipe.min_lr,
        warmup_start: recipe.warmup_lr,
        warmup_steps: plan.step_of_epoch(recipe.warmup_epochs),
        steps: plan.steps(),
    }
}

/// Where a region's label comes from: the store, adapted where regions are mined, or the ground truth of `classes`. Adds
/// what is worth a word about the kinds.
///
/// # Errors
/// No region that would be trained on.
fn labels(
    config: &TrainConfig,
    store: Option<&Arc<Store>>,
    classes: usize,
    warnings: &mut Vec<String>,
) -> Result<Labels> {
    let Some(store) = store else {
        return Ok(Labels::Truth { smoothing: config.label_smoothing, classes: classes as u32 });
    };
    if config.supervision == Supervision::Fkd {
        return Ok(Labels::Stored(store.clone()));
    }
    let (adaptation, softening) =
        (config.supervision.adaptation(), config.softening(store.manifest().label.temperature));
    let (mining, _) = Mining::of(store, &config.rule()?, config.confidence, adaptation, softening, warnings)?;
    Ok(Labels::Adapted { store: store.clone(), mining })
}

/// Where the boxes of an image's regions come from.
fn boxes(config: &TrainConfig, store: Option<Arc<Store>>) -> Boxes {
    if config.centre {
        return Boxes::Centre;
    }
    let Some(store) = store else {
        let scale = (config.scale[0], config.scale[1]);
        let sampler = RegionSampler { scale, ..RegionSampler::new(config.region_seed) };
        return Boxes::Drawn { sampler, per_image: config.regions };
    };
    Boxes::Store(store)
}
