//! `Batches`: what `ferkd train` feeds its student with, step by step.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ferkd_data::batches::batch::{Batch, Batcher, InputSpec, Order};
use ferkd_data::batches::pictures::{Pictures, PixelType};
use ferkd_data::batches::plan::{BatchPlan, Length};
use ferkd_data::batches::select::{Boxes, Labels, Mining, Selection};
use ferkd_data::batches::share::Share;
use ferkd_data::batches::targets::Targets;
use ferkd_data::config::resolve;
use ferkd_data::images::cache::Budget;
use ferkd_data::images::{ImageList, Split};
use ferkd_data::pixels::{Filter, Normalisation};
use ferkd_data::store::Store;
use ferkd_method::calibration::{Calibrated, Epsilon, Softening};
use ferkd_method::error::{Error, Result, check_share};
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::{Confidence, KindCounts, QUANTILES, RegionKind, Rule, Threshold, Thresholds};
use ferkd_method::selfmix::{Mix, MixDraws, MixPartners, MixRule, MixStrength};
use ferkd_method::supervision::Supervision;
use numpy::{IntoPyArray, PyArrayMethods};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::convert::{instance, settings};
use crate::errors::{raised, raised_of_settings};
use crate::labels::targets;
use crate::mixing::MixRows;
use crate::pool;
use crate::store::{boxes, tuple};

ferkd_data::options! {
    /// Settings of batches: those of `ferkd train`, under the same names and with the same defaults.
    BatchConfig {
        /// Images of each class to train on: the first so many by name, all of them if left out.
        images_per_class: Option<usize> = None,
        /// What the student learns from: fkd, ferkd, ferkd+selfmix, ferkd-drop or ferkd-calibrate.
        supervision: Supervision = Supervision::Ferkd,
        /// Side of the student's input, in pixels.
        side: u32 = 224,
        /// Mean of red, green and blue, for bytes in 0..=1.
        mean: [f32; 3] = Normalisation::IMAGENET.mean,
        /// Standard deviation of red, green and blue, for bytes in 0..=1.
        std: [f32; 3] = Normalisation::IMAGENET.std,
        /// Epochs; a pass over the images with n regions of each counts as n.
        epochs: usize = 300,
        /// Regions of a step (B), of all ranks together.
        batch: usize = 1024,
        /// Regions of an image per step (n).
        regions_per_step: usize = 4,
        /// Epochs at the start with one region an image.
        opening_epochs: usize = 0,
        /// Epochs at the end with one region an image; FKD closes with n.
        closing_epochs: usize = 0,
        /// Regions of each image that are used: the first so many of the store's, all of them if left out.
        store_regions: Option<u32> = None,
        /// Mining thresholds as quantiles of the confidence over the store: low, mid, high.
        quantiles: [f32; 3] = QUANTILES,
        /// Mining threshold as a confidence: regions below are discarded.
        low: Option<Threshold> = None,
        /// Mining threshold as a confidence, or "auto": regions below are context.
        mid: Option<Threshold> = None,
        /// Mining threshold as a confidence: regions above are trivial.
        high: Option<Threshold> = None,
        /// Which number of a label is its confidence: max or target.
        confidence: Confidence = Confidence::Max,
        /// Probability that a calibrated label spreads over the other classes, at temperature 1, or "confidence".
        epsilon: Epsilon = Epsilon::default(),
        /// Which context regions are calibrated: all, or wrong.
        calibrated: Calibrated = Calibrated::All,
        /// Weight of the ground truth in a calibrated label.
        truth_weight: f32 = 1.0,
        /// Mixing: none, selfmix, mixup or cutmix; that of the supervision if left out.
        mix: Option<Mix> = None,
        /// Probability that a step is mixed at all.
        mix_probability: f64 = 1.0,
        /// Whether operator, strength and box are drawn once a batch or for each image.
        mix_draws: MixDraws = MixDraws::Batch,
        /// Whom SelfMix mixes a region with: random, overlap or label.
        mix_partners: MixPartners = MixPartners::Random,
        /// Probability that SelfMix mixes pixels rather than pastes a box.
        mix_switch: f64 = 0.5,
        /// Pixels are mixed with l from Beta(a, a).
        mix_pixel_alpha: f64 = 0.8,
        /// Boxes are pasted with l from Beta(a, a).
        mix_box_alpha: f64 = 1.0,
        /// Seed of order and mixing.
        seed: u64 = 0,
        /// Memory for images that stay decoded, in MiB, of each process.
        cache_mb: usize = 0,
    }
}

impl BatchConfig {
    fn check(&self) -> Result<()> {
        check_share("epsilon", self.epsilon.value().unwrap_or(0.0))?;
        check_share("truth-weight", self.truth_weight)?;
        self.mix_rule().check()?;
        if !self.supervision.needs_store() {
            let problem = format!("{} learns from no stored labels", self.supervision.name());
            return Err(Error::usage("supervision", problem)
                .remedy("choose fkd, ferkd, ferkd+selfmix, ferkd-drop or ferkd-calibrate"));
        }
        if !(8..=4096).contains(&self.side) {
            return Err(Error::usage(
                "side",
                format!("invalid value {}: expected 8 to 4096 pixels", self.side),
            ));
        }
        let is_std = |std: &f32| std.is_finite() && *std > 0.0;
        if !self.mean.iter().all(|mean| mean.is_finite()) || !self.std.iter().all(is_std) {
            return Err(Error::usage("mean, std", "they must be finite, and std above 0")
                .remedy("give numbers for bytes in 0..=1"));
        }
        Ok(())
    }

    fn mix(&self) -> Mix {
        self.mix.unwrap_or(self.supervision.mix())
    }

    fn rule(&self) -> Result<Rule> {
        Rule::of([self.low, self.mid, self.high], self.quantiles.into())
    }

    fn mix_rule(&self) -> MixRule {
        let strength = MixStrength {
            probability: self.mix_probability,
            switch: self.mix_switch,
            pixel_alpha: self.mix_pixel_alpha,
            box_alpha: self.mix_box_alpha,
        };
        MixRule { mix: self.mix(), strength, draws: self.mix_draws, partners: self.mix_partners }
    }
}

/// The batches of a training run: a pure function of the settings and the step, the same as `ferkd train` makes.
///
/// Args:
///     store: The label store's folder.
///     images: The images that were labelled, as `ferkd train --images` takes them.
///     **settings: Settings of `ferkd train` under the same names, with `_` for `-`, and the same defaults:
///         supervision ("fkd", "ferkd", "ferkd+selfmix", "ferkd-drop", "ferkd-calibrate"); side of a region, in pixels;
///         mean and std of red, green and blue, for bytes in 0 to 1; epochs; batch, regions of a step, of all ranks
///         together; regions_per_step, those of an image; opening_epochs and closing_epochs with one region an image;
///         store_regions of each image and images_per_class, the first so many; quantiles (low, mid, high) in 0 to 1, or
///         low, mid, high as confidences, mid also "auto"; confidence "max" or "target"; epsilon in 0 to 1 or
///         "confidence"; calibrated "all" or "wrong"; truth_weight in 0 to 1; mix "none", "selfmix", "mixup" or "cutmix";
///         mix_probability and mix_switch in 0 to 1; mix_draws "batch" or "image"; mix_partners "random", "overlap" or
///         "label"; mix_pixel_alpha and mix_box_alpha, of Beta(a, a); seed; cache_mb, MiB of decoded images kept.
///
/// Raises:
///     ValueError: An unknown setting (the nearest is named), images that are not the store's, a damaged store.
///     OSError: The system refused.
#[pyclass(frozen, module = "ferkd", name = "Batches")]
pub struct PyBatches {
    batcher: Batcher,
    /// The same without mixing, once it is asked for.
    unmixed: OnceLock<Batcher>,
    store: Arc<Store>,
    thresholds: Option<Thresholds>,
    counts: Option<KindCounts>,
    warnings: Vec<String>,
    /// The image order of the pass that was asked for last.
    order: Mutex<Order>,
}

#[pymethods]
impl PyBatches {
    #[new]
    #[pyo3(signature = (store, images, **settings))]
    fn new(
        py: Python<'_>,
        store: PathBuf,
        images: PathBuf,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let layer = self::settings(settings)?;
        pool::result(py, || Self::open(store, images, layer)).map_err(raised_of_settings)
    }

    /// Number of steps of the whole run.
    fn __len__(&self) -> usize {
        self.batcher.plan.steps() as usize
    }

    fn __repr__(&self) -> String {
        let (images, steps) = (self.batcher.images.len(), self.batcher.plan.steps());
        format!("<ferkd.Batches: {steps} steps over {images} images>")
    }

    /// The mining thresholds low, mid, high as confidences; None for fkd.
    #[getter]
    fn thresholds(&self) -> Option<(f32, f32, f32)> {
        self.thresholds.map(|Thresholds { low, mid, high }| (low, mid, high))
    }

    /// The store's regions of each kind: discarded, context, important, trivial; None for fkd.
    #[getter]
    fn counts(&self) -> Option<(u64, u64, u64, u64)> {
        self.counts.map(tuple)
    }

    /// What is worth a word: images that have changed since they were labelled, thresholds that leave a kind empty.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.batcher.images.notices().iter().chain(&self.warnings).cloned().collect()
    }

    /// Number of classes C.
    #[getter]
    fn num_classes(&self) -> u32 {
        self.store.manifest().label.classes
    }

    /// Temperature of the teacher's softmax: the student's in the loss.
    #[getter]
    fn temperature(&self) -> f32 {
        self.store.manifest().label.temperature
    }

    /// Number of images.
    #[getter]
    fn images(&self) -> usize {
        self.batcher.images.len()
    }

    /// Side of the pictures, in pixels.
    #[getter]
    fn side(&self) -> u32 {
        self.batcher.student.side
    }

    /// How images are turned before boxes are cut from them: "apply" their EXIF orientation, or "ignore" it.
    #[getter]
    fn orientation(&self) -> PyResult<String> {
        let name = serde_json::to_value(self.batcher.orientation).ok();
        Ok(name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default())
    }

    /// Epochs completed before a step, with fractions.
    fn epoch(&self, step: u64) -> f64 {
        self.batcher.plan.epoch(step)
    }

    /// The first step at or after so many epochs.
    fn step_of_epoch(&self, epoch: usize) -> u64 {
        self.batcher.plan.step_of_epoch(epoch)
    }

    /// The bytes of an image's file, by its place in the list of images.
    fn image_bytes<'py>(&self, py: Python<'py>, image: usize) -> PyResult<Bound<'py, PyBytes>> {
        self.check_image(image)?;
        let bytes = py.detach(|| self.batcher.images.read(image)).map_err(raised)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Name of an image (its relative path), by its place in the list of images.
    fn name(&self, image: usize) -> PyResult<&str> {
        self.check_image(image)?;
        Ok(self.batcher.images.name(image))
    }

    /// The batch of a step, or a rank's share of it, cut by the core.
    ///
    /// Args:
    ///     step: Its number, from 0.
    ///     rank: Which of `world_size` shares: a run of the step's images with all their regions.
    ///     world_size: Number of shares.
    ///     mixed: Whether pixels and labels are mixed, as the settings say.
    ///
    /// Returns:
    ///     `Batch(pixels, targets, step, first, total, kinds, fallbacks)`: pixels float32 (N, 3, side, side),
    ///     normalised and mixed; the labels of the N regions, mixed; the place of the first of them among the step's
    ///     `total` regions; the step's regions of each kind; its images of which no region survived mining.
    #[pyo3(signature = (step, rank=0, world_size=1, mixed=true))]
    fn batch<'py>(
        &self,
        py: Python<'py>,
        step: u64,
        rank: usize,
        world_size: usize,
        mixed: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let share = share(rank, world_size)?;
        let batcher = if mixed { &self.batcher } else { self.unmixed() };
        let side = batcher.student.side as usize;
        let made = pool::run(py, || self.ordered(|order| batcher.share(step, order, share)))?;
        let Batch { pixels, targets: labels, first, total, kinds, fallbacks, len, .. } =
            made.ok_or_else(|| self.past_the_end(step))?;
        let Pictures::F32(pixels) = pixels else {
            return Err(raised(Error::usage("pixels", "invalid type: expected float32")));
        };
        let pixels = pixels.into_pyarray(py).reshape([len, 3, side, side])?;
        instance(py, "Batch", (pixels, targets(py, labels)?, step, first, total, tuple(kinds), fallbacks))
    }

    /// Which regions a step trains on, without their pixels: for who cuts and mixes them elsewhere.
    ///
    /// Args:
    ///     step: Its number, from 0.
    ///     rank: Which of `world_size` shares.
    ///     world_size: Number of shares.
    ///
    /// Returns:
    ///     `Regions(images, numbers, boxes, flips, kinds, targets, partners, mix, l, paste, step, first, total)`, a row
    ///     a region, in the batch's order: place of its image int64 (N), its number int32 (N), box int32 (N, 4) as top,
    ///     left, height, width in pixels, flip bool (N), kind uint8 (N), and its label before mixing. And how it is
    ///     mixed: with which row int64 (N), how uint8 (N) (0 not, 1 pixels, 2 a pasted box), its own weight float32 (N),
    ///     and the box int32 (N, 4) as top, bottom, left, right in pixels at `side`, half-open.
    #[pyo3(signature = (step, rank=0, world_size=1))]
    fn regions<'py>(
        &self,
        py: Python<'py>,
        step: u64,
        rank: usize,
        world_size: usize,
    ) -> PyResult<Bound<'py, PyAny>> {
        let share = share(rank, world_size)?;
        let made = pool::run(py, || self.ordered(|order| self.step_regions(step, order, share)))?;
        let made = made.ok_or_else(|| self.past_the_end(step))?;
        let (boxes, flips) = boxes(py, made.boxes.iter())?;
        let labels = Targets::of(made.labels.iter().map(|label| (label, 1.0, label)));
        let (partners, mix, l, paste) = made.mixing.arrays(py)?;
        let fields = [
            made.images.into_pyarray(py).into_any(),
            made.numbers.into_pyarray(py).into_any(),
            boxes,
            flips,
            made.kinds.into_pyarray(py).into_any(),
            targets(py, labels)?,
            partners,
            mix,
            l,
            paste,
            step.into_pyobject(py)?.into_any(),
            made.first.into_pyobject(py)?.into_any(),
            made.total.into_pyobject(py)?.into_any(),
        ];
        instance(py, "Regions", PyTuple::new(py, fields)?)
    }
}

/// The rows of a step, or of a share of it.
#[derive(Default)]
struct StepRegions {
    images: Vec<i64>,
    numbers: Vec<i32>,
    boxes: Vec<ferkd_method::region::Region>,
    kinds: Vec<u8>,
    labels: Vec<SoftLabel>,
    mixing: MixRows,
    first: usize,
    total: usize,
}

impl PyBatches {
    fn open(store: PathBuf, images: PathBuf, layer: toml::Table) -> Result<Self> {
        let config: BatchConfig = resolve(&[("ferkd.Batches".into(), layer)])?;
        config.check()?;
        let store = Store::open(store)?;
        let store = Arc::new(match config.store_regions {
            Some(count) => store.first_regions(count)?,
            None => store,
        });
        let images = ImageList::open(&images, Split::Train)?.first_per_class(config.images_per_class)?;
        let images = match config.cache_mb {
            0 => images,
            mib => images.cached(&Budget::mebibytes(mib)),
        };
        let images = store.labelled(images)?;
        let mut warnings = store.sample_images(&images)?;
        if config.supervision != Supervision::Fkd
            && let Some(image) = images.first_without_folder()
        {
            return Err(Error::unknown_class("FerKD").about(images.label_of(image)));
        }
        let folder_classes =
            store.manifest().label.class_space().map_folders(images.folders(), "the store")?;
        let length = Length {
            epochs: config.epochs,
            regions: config.regions_per_step,
            opening: config.opening_epochs,
            closing: config.closing_epochs,
        };
        let plan = BatchPlan::new(images.len(), config.batch, length, config.seed)?;
        let (mut thresholds, mut counts) = (None, None);
        let labels = if config.supervision == Supervision::Fkd {
            Labels::Stored(store.clone())
        } else {
            let softening = Softening {
                epsilon: config.epsilon,
                temperature: store.manifest().label.temperature,
                truth_weight: config.truth_weight,
                calibrated: config.calibrated,
            };
            let (mining, kinds) = Mining::of(
                &store,
                &config.rule()?,
                config.confidence,
                config.supervision.adaptation(),
                softening,
                &mut warnings,
            )?;
            (thresholds, counts) = (Some(mining.thresholds), Some(kinds));
            Labels::Adapted { store: store.clone(), mining }
        };
        let batcher = Batcher {
            images,
            folder_classes,
            plan,
            boxes: Boxes::Store(store.clone()),
            labels,
            student: InputSpec {
                side: config.side,
                filter: Filter::Bilinear,
                normalisation: Normalisation { mean: config.mean, std: config.std },
            },
            pixel_type: PixelType::F32,
            teacher: None,
            mix: config.mix_rule(),
            seed: config.seed,
            orientation: store.manifest().orientation,
            cuts: true,
        };
        Ok(Self {
            batcher,
            unmixed: OnceLock::new(),
            store,
            thresholds,
            counts,
            warnings,
            order: Mutex::default(),
        })
    }

    /// Lends the last pass's order of images. The lock is held for moments only: a fork must not inherit it.
    fn ordered<T>(&self, work: impl FnOnce(&mut Order) -> Result<T>) -> Result<T> {
        let lock = || self.order.lock().unwrap_or_else(PoisonError::into_inner);
        // Of two threads at once one finds none, and works it out again.
        let mut order = lock().take();
        let made = work(&mut order);
        *lock() = order;
        made
    }

    fn step_regions(&self, step: u64, order: &mut Order, share: Share) -> Result<Option<StepRegions>> {
        let Some((images, chosen)) = self.batcher.selections(step, order)? else { return Ok(None) };
        let mix = self.batcher.step_mix(step, &images, &chosen)?;
        let ends =
            |place: usize| chosen[..place].iter().map(|selection| selection.chosen.len()).sum::<usize>();
        let own = share.range(images.len());
        let rows = ends(own.start)..ends(own.end);
        let mut found =
            StepRegions { first: rows.start, total: mix.partners.len(), ..StepRegions::default() };
        for (&image, Selection { chosen, .. }) in images[own.clone()].iter().zip(&chosen[own]) {
            for one in chosen {
                found.images.push(image.into());
                found.numbers.push(one.number as i32);
                found.boxes.push(self.store.region(image.into(), one.number)?);
                found.kinds.push(one.kind.unwrap_or(RegionKind::Important) as u8);
                found.labels.push(one.label.clone());
            }
        }
        for row in rows.clone() {
            let partner = mix.partners[row] as usize;
            if !rows.contains(&partner) {
                return Err(Error::usage("mix", "regions are mixed with those of another share").remedy(
                    "let the core mix (mix_on=\"host\" without a transform), or mix within images (mix=\"selfmix\") or not at all",
                ));
            }
            found.mixing.push((partner - rows.start) as i64, mix.mixings[row]);
        }
        Ok(Some(found))
    }

    fn unmixed(&self) -> &Batcher {
        self.unmixed.get_or_init(|| Batcher { mix: MixRule::default(), ..self.batcher.clone() })
    }

    fn check_image(&self, image: usize) -> PyResult<()> {
        let count = self.batcher.images.len();
        if image < count {
            return Ok(());
        }
        Err(raised(Error::usage("image", format!("{image}; there are {count}")).remedy("count from 0")))
    }

    /// `IndexError`, so that Python's loops over batches end.
    fn past_the_end(&self, step: u64) -> PyErr {
        let steps = self.batcher.plan.steps();
        PyIndexError::new_err(format!("step {step}; the run has {steps} steps"))
    }
}

fn share(number: usize, of: usize) -> PyResult<Share> {
    if number < of {
        return Ok(Share { number, of });
    }
    let problem = format!("rank {number} of {of}");
    Err(raised(Error::usage("rank, world_size", problem).remedy("ranks count from 0, up to world_size - 1")))
}
