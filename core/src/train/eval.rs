//! Evaluation: top-1, top-5, per class, and the confusions.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use serde::Serialize;

pub use crate::classifier::Scores;
use crate::data::batch::View;
use crate::data::images::ImageList;
use crate::device::read::read;
use crate::error::{Error, ErrorKind, Result};
use crate::label::softmax;
use crate::pixels::{OrientationRule, centre_resize};
use crate::store::SkippedImage;

/// How a model did on a list of images.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvalReport {
    /// Images.
    pub images: u64,
    /// Share of images whose first guess is right, in 0..=1.
    pub top1: f64,
    /// Share of images with the right class among the first five guesses, in 0..=1.
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
    /// Share of them whose first guess is right, in 0..=1.
    pub top1: f64,
}

/// One class taken for another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Confusion {
    /// The right class.
    pub truth: String,
    /// The first guess.
    pub guess: String,
    /// Images.
    pub count: u64,
}

/// Images that go through the model at once.
const BATCH: usize = 64;

/// Tries `model` on `images`, whose class folders are the model's classes `folder_classes`.
///
/// The view is the validation protocol's: short side to `round(side * 256 / 224)`, centre `side`.
///
/// # Errors
/// Images without classes, an image that cannot be decoded, logits that are not finite.
pub fn evaluate(
    model: &impl Scores,
    view: &View,
    images: &ImageList,
    folder_classes: &[u32],
    device: &Device,
    progress: &mut dyn FnMut(u64),
) -> Result<EvalReport> {
    evaluate_skipping(model, view, images, folder_classes, device, None, progress)
}

/// The same, but images that cannot be decoded are added to `skipped`, where it is given, and do not count.
///
/// # Errors
/// Those of [`evaluate`], or not one image that can be decoded.
pub fn evaluate_skipping(
    model: &impl Scores,
    view: &View,
    images: &ImageList,
    folder_classes: &[u32],
    device: &Device,
    mut skipped: Option<&mut Vec<SkippedImage>>,
    progress: &mut dyn FnMut(u64),
) -> Result<EvalReport> {
    if images.folders().is_empty() {
        return Err(Error::mismatch(images.root(), "its images have no classes")
            .remedy("put them into class folders"));
    }
    let device = device.clone().inner();
    let classes = model.classes();
    let side = view.side as usize;
    let size = 3 * side * side;
    let (mut tried, mut right, mut within, mut loss) = (0u64, 0u64, 0u64, 0.0);
    let mut per_class: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    let mut confusions: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for start in (0..images.len()).step_by(BATCH) {
        let numbers = start..(start + BATCH).min(images.len());
        let skips = skipped.is_some();
        let cut = |i: usize| -> Result<std::result::Result<Vec<f32>, SkippedImage>> {
            let bytes = images.decode(i, OrientationRule::Apply).and_then(|decoded| {
                centre_resize(&decoded.image, view.side, view.filter).map_err(|e| {
                    Error::damaged(images.label_of(i), e.problem()).remedy("take it out of the images")
                })
            });
            let bytes = match bytes {
                Err(error) if skips && error.kind() == ErrorKind::Damaged => {
                    let problem = error.problem().to_owned();
                    return Ok(Err(SkippedImage { name: images.name(i).to_owned(), problem }));
                }
                bytes => bytes?,
            };
            let mut pixels = vec![0.0; size];
            view.normalisation.write_chw(&bytes, view.side, &mut pixels);
            Ok(Ok(pixels))
        };
        let cuts = numbers.clone().into_par_iter().map(cut).collect::<Result<Vec<_>>>()?;
        progress(cuts.len() as u64);
        let (mut chunk, mut pixels) = (Vec::new(), Vec::new());
        for (i, cut) in numbers.zip(cuts) {
            match cut {
                Ok(picture) => {
                    chunk.push(i);
                    pixels.push(picture);
                }
                Err(image) => skipped.iter_mut().for_each(|list| list.push(image.clone())),
            }
        }
        if chunk.is_empty() {
            continue;
        }
        tried += chunk.len() as u64;
        let data = TensorData::new(pixels.concat(), [chunk.len(), 3, side, side]);
        let logits = read(model.scores(Tensor::<4>::from_data(data, &device)))?;
        for (&image, row) in chunk.iter().zip(logits.chunks(classes.len())) {
            let folder = images.folder(image).unwrap_or_default() as usize;
            let truth = folder_classes[folder];
            let p = softmax(row, 1.0)?;
            let own = p[truth as usize];
            // Ties go to the lower class.
            let better = |c: usize| p[c] > own || (p[c] == own && c < truth as usize);
            let rank = (0..p.len()).filter(|&c| better(c)).count();
            let guess = (0..p.len()).fold(0, |best, c| if p[c] > p[best] { c } else { best }) as u32;
            right += u64::from(rank == 0);
            within += u64::from(rank < 5);
            loss -= libm::log(f64::from(own).max(1e-30));
            let entry = per_class.entry(truth).or_default();
            entry.0 += 1;
            entry.1 += u64::from(rank == 0);
            if guess != truth {
                *confusions.entry((truth, guess)).or_default() += 1;
            }
        }
    }
    if tried == 0 {
        return Err(Error::new(ErrorKind::Damaged, images.root(), "none of its images can be decoded")
            .remedy("name a folder of images"));
    }
    let n = tried as f64;
    let name = |c: u32| classes.names[c as usize].clone();
    let mut confusions: Vec<Confusion> = confusions
        .into_iter()
        .map(|((truth, guess), count)| Confusion { truth: name(truth), guess: name(guess), count })
        .collect();
    confusions.sort_by_key(|c| std::cmp::Reverse(c.count));
    let class = |(class, (images, right)): (u32, (u64, u64))| ClassReport {
        id: classes.ids[class as usize].clone(),
        name: name(class),
        images,
        top1: right as f64 / images as f64,
    };
    Ok(EvalReport {
        images: tried,
        top1: right as f64 / n,
        top5: within as f64 / n,
        loss: loss / n,
        classes: per_class.into_iter().map(class).collect(),
        confusions,
    })
}
