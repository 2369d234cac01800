//! The settings of a training run, and the recipes behind their defaults.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::arithmetic::Arithmetic;
use ferkd_data::batches::plan::Length;
use ferkd_data::pixels::Filter;
use ferkd_method::calibration::{Calibrated, Epsilon, Softening};
use ferkd_method::error::{Error, Result, check_share};
use ferkd_method::mining::{Confidence, QUANTILES, Rule, Threshold};
use ferkd_method::selfmix::{Mix, MixDraws, MixPartners, MixRule, MixStrength};
pub use ferkd_method::supervision::Supervision;
use ferkd_nn::models::{Arch, ModelSpec, VitSize};

/// A published way of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipeName {
    /// FKD's plain SGD: 0.1 x B/1024, weight decay 1e-4 on everything.
    Plain,
    /// As ReLabel: 0.1 x B/512.
    RelabelLike,
    /// For vision transformers: AdamW, 2e-3 x B/1024, weight decay 0.05 not on norms and biases.
    Vit,
}

/// Which rule turns gradients into steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam with decoupled weight decay.
    Adamw,
}

ferkd_data::options! {
    /// Settings of a training run.
    TrainConfig {
        /// Images to train on: class folders, the parent of train/ and val/, tar archives of these, or synthetic:1281167x1000.
        images: PathBuf = PathBuf::new(),
        /// Images of each class to train on: the first so many by name, all of them if left out.
        images_per_class: Option<usize> = None,
        /// Images to validate on; the val/ beside train/ (or valid, validation, dev, eval, else test) if left out.
        val: Option<PathBuf> = None,
        /// Classes in the order of the outputs, one a line: of a teacher whose file does not name its own, else of the student. The store's, or the folders', if left out.
        classes_file: Option<PathBuf> = None,
        /// Label store; needed by fkd and the ferkd supervisions.
        store: Option<PathBuf> = None,
        /// What the student learns from: hard, kd, funmatch, fkd, ferkd, ferkd+selfmix, ferkd-drop or ferkd-calibrate.
        supervision: Supervision = Supervision::Ferkd,
        /// Online teacher of kd and funmatch: a shipped teacher, a safetensors, PyTorch or ONNX file, a run folder, or a folder of the Hugging Face hub.
        teacher: Option<String> = None,
        /// Architecture of the online teacher, where its file does not tell: a transformer of another size has heads as wide as those of the one that is named.
        teacher_arch: Option<Arch> = None,
        /// Side of the online teacher's input, in pixels; what its weights, a config.json beside them or its architecture say if left out.
        teacher_side: Option<u32> = None,
        /// How regions are resized for the online teacher: bilinear or bicubic; what a config.json beside its weights says if left out, else bicubic.
        teacher_interpolation: Option<Filter> = None,
        /// Mean of red, green and blue that the online teacher was trained with, for bytes in 0..=1; what its weights, a config.json beside them or its architecture say if left out.
        teacher_mean: Option<[f32; 3]> = None,
        /// Standard deviation of red, green and blue that the online teacher was trained with; as the mean if left out.
        teacher_std: Option<[f32; 3]> = None,
        /// Student: resnet8, resnet14, resnet20, resnet18, resnet34, resnet50, resnet101, resnet18-cifar, resnet34-cifar, resnet50-cifar, efficientnet-lite0, -lite1, -lite2, vit-ti16, vit-s16, vit-b16, vit-l16 or eva-g14.
        arch: Arch = Arch::Resnet18,
        /// Channels of the first stage, for resnet8, resnet14 and resnet20; numbers of a token, for transformers.
        width: Option<usize> = None,
        /// Blocks of a transformer; the architecture's if left out.
        depth: Option<usize> = None,
        /// Heads of a transformer's attention; the architecture's if left out.
        heads: Option<usize> = None,
        /// Side of a transformer's patches, in pixels; the architecture's if left out.
        patch: Option<usize> = None,
        /// Side of the student's input, in pixels.
        side: u32 = 224,
        /// Weights to begin with: a safetensors or PyTorch file, a run folder or a shipped teacher; drawn from the seed if left out.
        weights: Option<PathBuf> = None,
        /// Draw a new last layer rather than take that of the weights: for other classes.
        reset_head: bool = false,
        /// Train the last layer alone, on features of the network as it is evaluated: a linear probe.
        freeze_backbone: bool = false,
        /// Epochs; a pass over the images with n regions of each counts as n.
        epochs: usize = 300,
        /// Regions of a step (B).
        batch: usize = 1024,
        /// Regions of an image per step (n).
        regions_per_step: usize = 4,
        /// Epochs at the start with one region an image.
        opening_epochs: usize = 0,
        /// Epochs at the end with one region an image; FKD closes with n.
        closing_epochs: usize = 0,
        /// Regions drawn of each image (M), where no store says it.
        regions: u32 = 500,
        /// Regions of each image that are used: the first so many of the store's, all of them if left out.
        store_regions: Option<u32> = None,
        /// Seed of the boxes, where no store says it.
        region_seed: u64 = 0,
        /// Smallest and largest share of an image that a region may cover, where no store says it.
        scale: [f64; 2] = [0.08, 1.0],
        /// Train on one region of each image, the centre that evaluations see, rather than on regions that are drawn: what `ferkd transfer --probe` does, whose features are then computed once.
        centre: bool = false,
        /// Temperature of the student's softmax; the store's if left out.
        temperature: Option<f32> = None,
        /// Mining thresholds as quantiles of the confidence over the store: low, mid, high.
        quantiles: [f32; 3] = QUANTILES,
        /// Mining threshold as a confidence: regions below are discarded. Give low, mid and high together; beside mid = "auto" those that are left out are quantiles.
        low: Option<Threshold> = None,
        /// Mining threshold as a confidence: regions below are context. "auto": where the teacher's top-1 prediction begins to be right in one half of the regions.
        mid: Option<Threshold> = None,
        /// Mining threshold as a confidence: regions above are trivial.
        high: Option<Threshold> = None,
        /// Which number of a label is its confidence: max or target.
        confidence: Confidence = Confidence::Max,
        /// Probability that a calibrated label spreads over the other classes, at temperature 1: under a store's
        /// temperature T it is tempered as the teacher's labels are. "confidence": one minus the teacher's highest probability (ours).
        epsilon: Epsilon = Epsilon::default(),
        /// Which context regions are calibrated: all, or wrong, those whose top-1 prediction is not the ground truth (ours).
        calibrated: Calibrated = Calibrated::All,
        /// Weight of the ground truth in a calibrated label; the rest is the teacher's label (1 in the paper, less is ours).
        truth_weight: f32 = 1.0,
        /// Label smoothing of the ground truth (hard, kd).
        label_smoothing: f32 = 0.0,
        /// Mixing: none, selfmix, mixup or cutmix; that of the supervision if left out.
        mix: Option<Mix> = None,
        /// Probability that a step is mixed at all (FKD's mixup_cutmix_prob).
        mix_probability: f64 = 1.0,
        /// Whether operator, strength and box are drawn once a batch, as in FKD, or for each image (ours).
        mix_draws: MixDraws = MixDraws::Batch,
        /// Whom SelfMix mixes a region with, among its image's regions of the step: random, overlap (the box that overlaps most) or label (the nearest label; both ours).
        mix_partners: MixPartners = MixPartners::Random,
        /// Probability that SelfMix mixes pixels rather than pastes a box.
        mix_switch: f64 = 0.5,
        /// Pixels are mixed with l from Beta(a, a).
        mix_pixel_alpha: f64 = 0.8,
        /// Boxes are pasted with l from Beta(a, a).
        mix_box_alpha: f64 = 1.0,
        /// Share of the ground truth in kd's loss.
        kd_alpha: f32 = 0.5,
        /// Temperature of kd and funmatch.
        kd_temperature: f32 = 1.0,
        /// Recipe that the settings below default to: plain, relabel-like or vit.
        recipe: RecipeName = RecipeName::Plain,
        /// Optimizer: sgd or adamw.
        optimizer: Option<OptimizerName> = None,
        /// Highest learning rate.
        lr: Option<f64> = None,
        /// Learning rate at the end.
        min_lr: Option<f64> = None,
        /// Epochs over which the learning rate rises.
        warmup_epochs: Option<usize> = None,
        /// Learning rate of the first warm-up step.
        warmup_lr: Option<f64> = None,
        /// Momentum of SGD.
        momentum: f64 = 0.9,
        /// Weight decay.
        weight_decay: Option<f64> = None,
        /// Whether norms and biases decay too.
        decay_all: Option<bool> = None,
        /// Factor of the learning rate for every layer between a parameter and the last one; for fine-tuning.
        layer_decay: Option<f64> = None,
        /// Probability that a transformer's last block leaves a branch out; it grows from 0 at the first block.
        drop_path: f64 = 0.0,
        /// Largest norm of all gradients together; larger ones are scaled down.
        clip_norm: Option<f32> = None,
        /// Parts that a batch is computed in, one after the other, to save memory.
        accumulate: usize = 1,
        /// Batch norms by the statistics of a step's regions on all devices and processes, not of each device's share. Every such layer then waits for all of them twice.
        sync_batch_norm: bool = false,
        /// Numbers of convolutions, linear layers and attention: f32 or bf16. Weights, gradients, norms, softmax, the last layer and the loss are in f32 with either. On CUDA the matrix units round the factors of f32 products to TF32 wherever autotune prefers them; burn has no setting for strict f32.
        precision: Arithmetic = Arithmetic::F32,
        /// Compute activations and sums again in the backward pass rather than keep them: less memory for residual networks, a little more time.
        gradient_checkpointing: bool = false,
        /// Decay of an exponential moving average of the weights, which is then evaluated.
        ema: Option<f32> = None,
        /// Epochs between evaluations.
        eval_every: usize = 1,
        /// Steps between metrics.
        log_every: u64 = 20,
        /// Steps between checkpoints, besides those at evaluations; 0 for none.
        checkpoint_every: u64 = 0,
        /// Keep a checkpoint of every so many epochs; 0 for none.
        keep_every: usize = 0,
        /// Seed of weights, order and mixing.
        seed: u64 = 0,
        /// Device: auto, flex, wgpu or cuda:N; several, such as cuda:0-3 or flex,flex, share each step (docs/parallel.md). Each device's batch norms normalise its own share, and the first one's running statistics are kept, unless sync-batch-norm is set.
        device: String = "auto".into(),
        /// Batches prepared ahead.
        prefetch: usize = 2,
        /// Memory for images that stay decoded, in MiB; the others are decoded whenever they are needed.
        cache_mb: usize = 256,
        /// Memory for the features of a frozen network, in MiB: where those of all regions need more, they are computed again in every step.
        features_mb: usize = 2048,
        /// Leave out images that cannot be decoded. Those to train on are all decoded before the first step, which a run that goes on need not do again (skipped.json lists them); with a store they are the store's. Those to validate on are passed over, and counted, in each evaluation.
        skip_bad: bool = false,
    }
}

/// A recipe, with all its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// AdamW rather than SGD.
    pub adamw: bool,
    /// Highest learning rate.
    pub lr: f64,
    /// Learning rate at the end.
    pub min_lr: f64,
    /// Epochs of warm-up.
    pub warmup_epochs: usize,
    /// Learning rate of the first warm-up step.
    pub warmup_lr: f64,
    /// Momentum of SGD.
    pub momentum: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether norms and biases decay too.
    pub decay_all: bool,
    /// Largest norm of all gradients.
    pub clip_norm: Option<f32>,
}

impl TrainConfig {
    /// The recipe with this run's changes to it.
    pub fn recipe(&self) -> Recipe {
        let b = self.batch as f64;
        let vit = self.recipe == RecipeName::Vit;
        let lr = match self.recipe {
            RecipeName::Plain => 0.1 * b / 1024.0,
            RecipeName::RelabelLike => 0.1 * b / 512.0,
            RecipeName::Vit => 2e-3 * b / 1024.0,
        };
        let adamw = self.optimizer.map_or(vit, |o| o == OptimizerName::Adamw);
        Recipe {
            adamw,
            lr: self.lr.unwrap_or(lr),
            min_lr: self.min_lr.unwrap_or(if vit { 1e-5 } else { 0.0 }),
            warmup_epochs: self.warmup_epochs.unwrap_or(if vit { 5 } else { 0 }),
            warmup_lr: self.warmup_lr.unwrap_or(if vit { 1e-5 } else { 0.0 }),
            momentum: self.momentum,
            weight_decay: self.weight_decay.unwrap_or(if adamw { 0.05 } else { 1e-4 }),
            decay_all: self.decay_all.unwrap_or(!adamw),
            clip_norm: self.clip_norm,
        }
    }

    /// The student, with `classes` outputs.
    pub fn spec(&self, classes: usize) -> ModelSpec {
        let own = ModelSpec::new(self.arch, classes);
        let Some(size) = own.vit else { return ModelSpec { width: self.width, ..own } };
        let size = VitSize {
            side: self.side as usize,
            patch: self.patch.unwrap_or(size.patch),
            width: self.width.unwrap_or(size.width),
            depth: self.depth.unwrap_or(size.depth),
            heads: self.heads.unwrap_or(size.heads),
        };
        ModelSpec { vit: Some(size), ..own }
    }

    /// The mining rule: see [`Rule::of`].
    ///
    /// # Errors
    /// Only some of the absolute thresholds.
    pub fn rule(&self) -> Result<Rule> {
        Rule::of([self.low, self.mid, self.high], self.quantiles.into())
    }

    /// What a calibrated label says, where the store's labels have the temperature `temperature`.
    pub fn softening(&self, temperature: f32) -> Softening {
        let Self { epsilon, calibrated, truth_weight, .. } = *self;
        Softening { epsilon, temperature, truth_weight, calibrated }
    }

    /// How long the run is, and how many regions an image gives to a step.
    pub fn length(&self) -> Length {
        Length {
            epochs: self.epochs,
            regions: self.regions_per_step,
            opening: self.opening_epochs,
            closing: self.closing_epochs,
        }
    }

    /// How this run mixes regions.
    pub fn mix_rule(&self) -> MixRule {
        MixRule {
            mix: self.mix(),
            strength: MixStrength {
                probability: self.mix_probability,
                switch: self.mix_switch,
                pixel_alpha: self.mix_pixel_alpha,
                box_alpha: self.mix_box_alpha,
            },
            draws: self.mix_draws,
            partners: self.mix_partners,
        }
    }

    /// Which regions this run mixes.
    pub fn mix(&self) -> Mix {
        self.mix.unwrap_or(self.supervision.mix())
    }

    /// The same settings with every default of the recipe and the supervision written out.
    pub fn resolved(&self) -> Self {
        let recipe = self.recipe();
        let vit = self.recipe == RecipeName::Vit && self.opening_epochs == 0;
        Self {
            mix: Some(self.mix()),
            optimizer: Some(if recipe.adamw { OptimizerName::Adamw } else { OptimizerName::Sgd }),
            lr: Some(recipe.lr),
            min_lr: Some(recipe.min_lr),
            warmup_epochs: Some(recipe.warmup_epochs),
            warmup_lr: Some(recipe.warmup_lr),
            weight_decay: Some(recipe.weight_decay),
            decay_all: Some(recipe.decay_all),
            opening_epochs: if vit { recipe.warmup_epochs } else { self.opening_epochs },
            ..self.clone()
        }
    }

    /// Checks what can be checked before anything is read.
    ///
    /// # Errors
    /// A number out of its range, or an input that the supervision needs and that is not given.
    pub fn check(&self) -> Result<()> {
        check_share("epsilon", self.epsilon.value().unwrap_or(0.0))?;
        check_share("truth-weight", self.truth_weight)?;
        self.mix_rule().check()?;
        if self.mix_partners != MixPartners::Random && !self.supervision.needs_store() {
            let (partners, name) = (self.mix_partners.name(), self.supervision.name());
            let problem = format!("{partners}, but {name} has no stored regions and labels");
            return Err(
                Error::usage("mix-partners", problem).remedy("choose a supervision with a store, or random")
            );
        }
        check_share("label-smoothing", self.label_smoothing)?;
        check_share("kd-alpha", self.kd_alpha)?;
        check_share("ema", self.ema.unwrap_or(0.0))?;
        let transformer = self.arch.vit().is_some();
        for (key, given) in [("depth", self.depth), ("heads", self.heads), ("patch", self.patch)] {
            if given.is_some() && !transformer {
                return Err(Error::usage(key, format!("{} is not a vision transformer", self.arch))
                    .remedy(format!("leave `{key}` out, or choose an arch such as vit-s16")));
            }
        }
        if self.drop_path != 0.0 && (!transformer || !(0.0..1.0).contains(&self.drop_path)) {
            let problem = format!("{} for {}", self.drop_path, self.arch);
            return Err(Error::usage("drop-path", problem)
                .remedy("give a probability below 1, for a vision transformer alone"));
        }
        if let Some(decay) = self.layer_decay
            && !(decay > 0.0 && decay <= 1.0)
        {
            return Err(Error::usage(
                "layer-decay",
                format!("invalid value {decay}: expected a number above 0 and of at most 1"),
            ));
        }
        if self.freeze_backbone && self.weights.is_none() {
            return Err(Error::usage("freeze-backbone", "a backbone of random weights would be kept")
                .remedy("give --weights FILE"));
        }
        if self.centre && self.store.is_some() {
            return Err(Error::usage("centre", "a store has regions of its own")
                .remedy("leave --centre or --store out"));
        }
        if self.centre && self.regions_per_step != 1 {
            let problem = format!("an image gives one region, not {}", self.regions_per_step);
            return Err(Error::usage("centre", problem).remedy("set --regions-per-step 1"));
        }
        if self.reset_head && self.weights.is_none() {
            return Err(Error::usage("reset-head", "without weights every layer is new")
                .remedy("give --weights FILE, or leave it out"));
        }
        if self.sync_batch_norm && self.accumulate != 1 {
            let problem = format!(
                "parts that are computed one after the other ({}) cannot wait for each other",
                self.accumulate
            );
            return Err(Error::usage("sync-batch-norm", problem)
                .remedy("leave accumulate out, or train on more devices"));
        }
        let recipe = self.recipe();
        let positive = [
            ("side", f64::from(self.side), 8.0),
            ("lr", recipe.lr, f64::MIN_POSITIVE),
            ("kd-temperature", self.kd_temperature.into(), f64::MIN_POSITIVE),
            ("temperature", self.temperature.unwrap_or(1.0).into(), f64::MIN_POSITIVE),
            ("accumulate", self.accumulate as f64, 1.0),
            ("eval-every", self.eval_every as f64, 1.0),
            ("log-every", self.log_every as f64, 1.0),
            ("regions", self.regions.into(), 1.0),
            ("clip-norm", self.clip_norm.unwrap_or(1.0).into(), f64::MIN_POSITIVE),
        ];
        for (key, value, least) in positive {
            if value < least || !value.is_finite() {
                let least = if least == f64::MIN_POSITIVE {
                    "a number above 0".into()
                } else {
                    format!("a number of at least {least}")
                };
                return Err(Error::usage(key, format!("invalid value {value}: expected {least}")));
            }
        }
        if self.side > 4096 {
            return Err(Error::usage(
                "side",
                format!("invalid value {}: expected 8 to 4096 pixels", self.side),
            ));
        }
        ferkd_method::region::check_scale(self.scale)?;
        if self.freeze_backbone && self.drop_path != 0.0 {
            return Err(
                Error::usage("drop-path", "a frozen backbone leaves nothing out").remedy("leave it out")
            );
        }
        let missing =
            |key: &str, problem: String, remedy: &str| Err(Error::usage(key, problem).remedy(remedy));
        let name = self.supervision.name();
        if self.images.as_os_str().is_empty() {
            return missing("images", "no images to train on".into(), "give --images FOLDER");
        }
        if self.supervision.needs_store() && self.store.is_none() {
            return missing(
                "store",
                format!("{name} learns from stored labels"),
                "give --store STORE; `ferkd label` writes one",
            );
        }
        if self.supervision.needs_teacher() && self.teacher.is_none() {
            return missing(
                "teacher",
                format!("{name} needs an online teacher"),
                "give --teacher efficientnet-lite0 or WEIGHTS",
            );
        }
        if self.temperature.is_some() && self.supervision.needs_teacher() {
            return missing("temperature", format!("{name} has its own"), "use kd-temperature");
        }
        self.rule().map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_the_published_ones() {
        let plain = TrainConfig::default().recipe();
        assert_eq!((plain.adamw, plain.lr, plain.weight_decay, plain.decay_all), (false, 0.1, 1e-4, true));
        let relabel = TrainConfig { recipe: RecipeName::RelabelLike, ..TrainConfig::default() };
        assert_eq!(relabel.recipe().lr, 0.2);
        let vit = TrainConfig { recipe: RecipeName::Vit, ..TrainConfig::default() }.recipe();
        assert_eq!((vit.adamw, vit.lr, vit.weight_decay, vit.decay_all), (true, 2e-3, 0.05, false));
        assert_eq!((vit.warmup_epochs, vit.warmup_lr, vit.min_lr), (5, 1e-5, 1e-5));
    }

    #[test]
    fn what_is_missing_is_said() {
        let config = TrainConfig { images: "x".into(), ..TrainConfig::default() };
        assert!(config.check().unwrap_err().to_string().contains("--store"));
        let config = TrainConfig { supervision: Supervision::Kd, ..config };
        assert!(config.check().unwrap_err().to_string().contains("--teacher"));
        let config = TrainConfig { supervision: Supervision::Hard, ..config };
        config.check().unwrap();
        assert!(TrainConfig { low: Some(Threshold::At(0.1)), ..config.clone() }.check().is_err());
        assert!(TrainConfig { lr: Some(f64::NAN), ..config }.check().is_err());
    }

    #[test]
    fn similar_partners_need_stored_regions_and_selfmix() {
        let store = Some("s".into());
        let fkd =
            TrainConfig { images: "x".into(), store, supervision: Supervision::Fkd, ..Default::default() };
        let config = TrainConfig { mix_partners: MixPartners::Overlap, ..fkd };
        assert!(config.check().unwrap_err().to_string().contains("mix-partners"));
        let mixed = TrainConfig { mix: Some(Mix::Selfmix), ..config };
        mixed.check().unwrap();
        let hard = TrainConfig { supervision: Supervision::Hard, ..mixed };
        assert!(hard.check().unwrap_err().to_string().contains("hard has no stored regions"));
    }
}
