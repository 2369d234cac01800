//! The one evaluation: top-1, top-5, per class, the confusions, and what each image was taken for.
//!
//! It comes in slices, so that a page can draw between two of them: an [`EvalPass`] goes on by some images of an
//! [`EvalSet`] at a time, and [`EvalPass::finish`] adds them up. [`evaluate`] does all of it at once.

use std::collections::BTreeMap;
use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use serde::Serialize;

use ferkd_data::batches::batch::InputSpec;
use ferkd_data::classes::ClassSpace;
use ferkd_data::images::ImageList;
use ferkd_data::pixels::{CropMode, OrientationRule, centre_resize, crop_by};
use ferkd_data::store::SkippedImage;
use ferkd_method::error::{Error, ErrorKind, Result};
use ferkd_method::label::softmax;
pub use ferkd_nn::classifier::Scores;
use ferkd_nn::device::read::read_async;
use ferkd_nn::inference::Inference;

use crate::features::SeenSlice;

/// How a model did on a list of images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvalReport {
    /// Images.
    pub images: u64,
    /// Share of images whose most probable class is the right one, in 0..=1.
    pub top1: f64,
    /// Share of images with the right class among the five most probable ones, in 0..=1.
    pub top5: f64,
    /// Mean cross-entropy against the ground truth, in nats.
    pub loss: f64,
    /// Each class that has images.
    pub classes: Vec<ClassReport>,
    /// How often an image of one class was taken for another, most frequent first.
    pub confusions: Vec<Confusion>,
}

/// How a model did on one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassReport {
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// Images.
    pub images: u64,
    /// Share of them whose most probable class is the right one, in 0..=1.
    pub top1: f64,
}

/// One class taken for another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Confusion {
    /// The right class.
    pub truth: String,
    /// What it was taken for.
    #[serde(rename = "guess")]
    pub prediction: String,
    /// Images.
    pub count: u64,
}

/// What a model takes one picture for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Prediction {
    /// The most probable class; the lowest of several.
    pub class: u32,
    /// Its probability, in 0..=1.
    pub p: f32,
}

/// Everything that an evaluation found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluated {
    /// The report.
    pub report: EvalReport,
    /// One for each image, in their order; none for an image that was left out.
    pub predictions: Vec<Option<Prediction>>,
    /// One for each of the extra pictures, in their order.
    pub extra: Vec<Prediction>,
    /// The images that were left out, and why.
    pub skipped: Vec<SkippedImage>,
}

/// Pictures that go through the model at once; a slice has no more of them.
pub const BATCH: usize = 64;

/// What models are evaluated on: images with classes, and any number of extra pictures without.
///
/// An image is seen as the validation protocol wants it: short side to `round(side * 256 / 224)`, centre `side`; or
/// with another share of the short side, see [`cropping`](Self::cropping).
#[derive(Debug, Clone)]
pub struct EvalSet {
    view: InputSpec,
    images: ImageList,
    /// Class of each class folder in the model's label space.
    folder_classes: Vec<u32>,
    /// Share of the short side that the centre keeps; the protocol's if left out.
    crop: Option<f64>,
    /// How a picture becomes a square.
    crop_mode: CropMode,
    /// Whether images that cannot be decoded are left out.
    skips: bool,
    /// All images as the model sees them, where they were cut before: shape (N, 3, side, side).
    cut: Option<Vec<f32>>,
    /// The extra pictures: shape (N, 3, side, side).
    extra: Vec<f32>,
}

impl EvalSet {
    /// Images whose class folders are the model's classes `folder_classes`.
    pub fn new(view: InputSpec, images: ImageList, folder_classes: Vec<u32>) -> Self {
        let (crop, crop_mode) = (None, CropMode::Center);
        Self { view, images, folder_classes, crop, crop_mode, skips: false, cut: None, extra: Vec::new() }
    }

    /// Keeps this share of the short side, in (0, 1], rather than the protocol's 224 of 256.
    #[must_use]
    pub fn cropping(mut self, crop: Option<f64>) -> Self {
        self.crop = crop;
        self
    }

    /// Squares pictures as timm's `crop_mode` says.
    #[must_use]
    pub fn squaring(mut self, mode: CropMode) -> Self {
        self.crop_mode = mode;
        self
    }

    /// Leaves images out that cannot be decoded, instead of failing at them.
    #[must_use]
    pub fn skipping(mut self, skips: bool) -> Self {
        self.skips = skips;
        self
    }

    /// Cuts all images now: for few that are evaluated on often.
    ///
    /// # Errors
    /// An image that cannot be decoded.
    pub fn cut_before(mut self) -> Result<Self> {
        let cuts = (0..self.images.len()).into_par_iter().map(|i| self.cut(i));
        self.cut = Some(cuts.collect::<Result<Vec<_>>>()?.concat());
        Ok(self)
    }

    /// Adds pictures of shape (N, 3, side, side) that the model is asked about after the images; they have no
    /// ground truth, and the report says nothing of them.
    #[must_use]
    pub fn with_extra(mut self, pixels: Vec<f32>) -> Self {
        self.extra = pixels;
        self
    }

    /// The images, without the extra pictures.
    pub fn images(&self) -> &ImageList {
        &self.images
    }

    /// Images and extra pictures.
    pub fn len(&self) -> usize {
        self.images.len() + self.extra.len() / self.view.size().max(1)
    }

    /// Whether there is nothing to evaluate on.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ground truth of an image.
    fn truth(&self, image: usize) -> Result<u32> {
        let folder = self.images.folder(image).and_then(|folder| self.folder_classes.get(folder as usize));
        folder.copied().ok_or_else(|| {
            Error::mismatch(self.images.label_of(image), "it has no class")
                .remedy("put it into a class folder")
        })
    }

    /// An image as the model sees it: shape (3, side, side).
    fn cut(&self, image: usize) -> Result<Vec<f32>> {
        let InputSpec { side, filter, normalisation } = self.view;
        let picture = self.images.decode(image, OrientationRule::Apply)?.image;
        let centre = match (self.crop_mode, self.crop) {
            (CropMode::Center, None) => centre_resize(&picture, side, filter),
            (mode, share) => crop_by(&picture, mode, side, share, filter, normalisation.mean),
        };
        let bytes = centre.map_err(|e| {
            Error::damaged(self.images.label_of(image), e.problem()).remedy("take it out of the images")
        })?;
        let mut pixels = vec![0.0; self.view.size()];
        normalisation.write_chw(&bytes, side, &mut pixels);
        Ok(pixels)
    }

    /// The pixels of the pictures `seen` on a device, without gradients: shape (seen, 3, side, side); none of no picture.
    fn tensor(&self, pixels: Vec<f32>, seen: &[usize], device: &Device) -> Option<Tensor<4>> {
        let side = self.view.side as usize;
        let data = TensorData::new(pixels, [seen.len(), 3, side, side]);
        (!seen.is_empty()).then(|| Tensor::from_data(data, &device.clone().inner()))
    }

    /// The pictures of some numbers that can be seen, with their numbers; the others go to `skipped`.
    fn pictures(
        &self,
        numbers: Range<usize>,
        skipped: &mut Vec<SkippedImage>,
    ) -> Result<(Vec<usize>, Vec<f32>)> {
        let size = self.view.size();
        let images = numbers.start..numbers.end.min(self.images.len());
        let (mut seen, mut pixels) = (Vec::new(), Vec::new());
        if let Some(cut) = &self.cut {
            seen.extend(images.clone());
            pixels.extend_from_slice(&cut[images.start.min(images.end) * size..images.end * size]);
        } else {
            let cuts: Vec<_> = images.clone().into_par_iter().map(|i| self.cut(i)).collect();
            for (i, cut) in images.clone().zip(cuts) {
                match cut {
                    Err(error) if self.skips && error.kind() == ErrorKind::Damaged => {
                        let problem = error.problem().to_owned();
                        skipped.push(SkippedImage { name: self.images.name(i).to_owned(), problem });
                    }
                    cut => {
                        pixels.extend(cut?);
                        seen.push(i);
                    }
                }
            }
        }
        let extra = images.end.max(numbers.start)..numbers.end;
        let place = |number: usize| (number - self.images.len()) * size;
        if !extra.is_empty() {
            pixels.extend_from_slice(&self.extra[place(extra.start)..place(extra.end)]);
            seen.extend(extra);
        }
        Ok((seen, pixels))
    }
}

/// What to say of logits that are not finite: a student's, unlike a teacher's, were learned here.
fn not_finite(error: &Error) -> Error {
    Error::new(error.kind(), "the model's logits", error.problem()).remedy(
        "a student that is being trained has diverged: lower --lr or set --clip-norm; of other models check the weights, \
         and mean and standard deviation of their input",
    )
}

/// How far an evaluation has come.
#[derive(Debug, Default)]
pub struct EvalPass {
    done: usize,
    right: u64,
    within: u64,
    loss: f64,
    /// Images and right predictions of each class.
    per_class: BTreeMap<u32, (u64, u64)>,
    /// Images by right class and prediction, where these differ.
    confusions: BTreeMap<(u32, u32), u64>,
    predictions: Vec<Option<Prediction>>,
    extra: Vec<Prediction>,
    skipped: Vec<SkippedImage>,
    /// What is evaluated, between two slices.
    pub(crate) model: Option<Inference>,
}

impl EvalPass {
    /// Pictures that are done.
    pub fn done(&self) -> usize {
        self.done
    }

    /// Goes on by at most `most` pictures, and at least one, on `device`.
    ///
    /// # Errors
    /// Images without classes, an image that cannot be decoded, logits that are not finite.
    pub async fn advance(
        &mut self,
        model: &impl Scores,
        set: &EvalSet,
        device: &Device,
        most: usize,
    ) -> Result<()> {
        let numbers = self.slice(set, most)?;
        let (seen, pixels) = set.pictures(numbers.clone(), &mut self.skipped)?;
        let logits = match set.tensor(pixels, &seen, device) {
            Some(images) => read_async(model.scores(images)?).await?,
            None => Vec::new(),
        };
        self.note_all(set, numbers.end, &seen, &logits, model.classes())
    }

    /// The same by a network all of which but its last layer is as it was: what `kept` holds of a slice is not computed
    /// again.
    ///
    /// # Errors
    /// Those of [`advance`](Self::advance).
    pub(crate) async fn advance_keeping(
        &mut self,
        model: &Inference,
        classes: &ClassSpace,
        set: &EvalSet,
        device: &Device,
        most: usize,
        kept: &mut BTreeMap<usize, SeenSlice>,
    ) -> Result<()> {
        let numbers = self.slice(set, most)?;
        if kept.get(&numbers.start).is_none_or(|slice| slice.end != numbers.end) {
            let mut skipped = Vec::new();
            let (seen, pixels) = set.pictures(numbers.clone(), &mut skipped)?;
            let features = match set.tensor(pixels, &seen, device) {
                Some(images) => read_async(model.features(images)).await?,
                None => Vec::new(),
            };
            kept.insert(numbers.start, SeenSlice { end: numbers.end, seen, skipped, features });
        }
        let Some(slice) = kept.get(&numbers.start) else { return Ok(()) };
        let logits = if slice.seen.is_empty() {
            Vec::new()
        } else {
            let shape = [slice.seen.len(), slice.features.len() / slice.seen.len()];
            let data = TensorData::new(slice.features.clone(), shape);
            read_async(model.classify(Tensor::from_data(data, &device.clone().inner()))).await?
        };
        self.skipped.extend_from_slice(&slice.skipped);
        self.note_all(set, numbers.end, &slice.seen, &logits, classes)
    }

    /// The numbers of the next slice's pictures.
    fn slice(&self, set: &EvalSet, most: usize) -> Result<Range<usize>> {
        set.images.check_classes()?;
        Ok(self.done..(self.done + most.clamp(1, BATCH)).min(set.len()))
    }

    /// Takes note of what the model says of a slice's pictures: `logits` of those that were `seen`, row by row.
    fn note_all(
        &mut self,
        set: &EvalSet,
        end: usize,
        seen: &[usize],
        logits: &[f32],
        classes: &ClassSpace,
    ) -> Result<()> {
        for (&number, row) in seen.iter().zip(logits.chunks(classes.len())) {
            self.note(set, number, &softmax(row, 1.0).map_err(|error| not_finite(&error))?)?;
        }
        // Those that were left out, too.
        self.predictions.resize(end.min(set.images.len()), None);
        self.done = end;
        Ok(())
    }

    /// Takes note of what the model says of one picture.
    fn note(&mut self, set: &EvalSet, number: usize, p: &[f32]) -> Result<()> {
        let class = (0..p.len()).fold(0, |best, c| if p[c] > p[best] { c } else { best });
        let prediction = Prediction { class: class as u32, p: p[class] };
        if number >= set.images.len() {
            self.extra.push(prediction);
            return Ok(());
        }
        let truth = set.truth(number)?;
        let own = p[truth as usize];
        // Ties go to the lower class.
        let better = |c: usize| p[c] > own || (p[c] == own && c < truth as usize);
        let rank = (0..p.len()).filter(|&c| better(c)).count();
        self.right += u64::from(rank == 0);
        self.within += u64::from(rank < 5);
        self.loss -= libm::log(f64::from(own).max(1e-30));
        let (images, right) = self.per_class.entry(truth).or_default();
        *images += 1;
        *right += u64::from(rank == 0);
        if prediction.class != truth {
            *self.confusions.entry((truth, prediction.class)).or_default() += 1;
        }
        self.predictions.resize(number, None);
        self.predictions.push(Some(prediction));
        Ok(())
    }

    /// What all slices come to; `classes` are the model's.
    ///
    /// # Errors
    /// Not one image that can be decoded.
    pub fn finish(self, set: &EvalSet, classes: &ClassSpace) -> Result<Evaluated> {
        let images = self.predictions.iter().flatten().count() as u64;
        if images == 0 {
            return Err(Error::new(
                ErrorKind::Damaged,
                set.images.root(),
                "none of its images can be decoded",
            )
            .remedy("name a folder of images"));
        }
        let n = images as f64;
        let name = |c: u32| classes.names[c as usize].clone();
        let confusion = |((truth, prediction), count): ((u32, u32), u64)| Confusion {
            truth: name(truth),
            prediction: name(prediction),
            count,
        };
        let mut confusions: Vec<Confusion> = self.confusions.into_iter().map(confusion).collect();
        confusions.sort_by_key(|c| std::cmp::Reverse(c.count));
        let class = |(class, (images, right)): (u32, (u64, u64))| ClassReport {
            id: classes.ids[class as usize].clone(),
            name: name(class),
            images,
            top1: right as f64 / images as f64,
        };
        let report = EvalReport {
            images,
            top1: self.right as f64 / n,
            top5: self.within as f64 / n,
            loss: self.loss / n,
            classes: self.per_class.into_iter().map(class).collect(),
            confusions,
        };
        let Self { predictions, extra, skipped, .. } = self;
        Ok(Evaluated { report, predictions, extra, skipped })
    }
}

/// Evaluates `model` on all of `set`; `progress` hears how many pictures each slice had.
///
/// # Errors
/// Those of [`EvalPass`].
#[cfg(not(target_family = "wasm"))]
pub fn evaluate(
    model: &impl Scores,
    set: &EvalSet,
    device: &Device,
    progress: &mut dyn FnMut(u64),
) -> Result<Evaluated> {
    let mut pass = EvalPass::default();
    while pass.done() < set.len() {
        let before = pass.done();
        pollster::block_on(pass.advance(model, set, device, BATCH))?;
        progress((pass.done() - before) as u64);
    }
    pass.finish(set, model.classes())
}
