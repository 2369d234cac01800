//! Trying students on the held-out scenes and on sample regions, a few at a time: a page must not wait for all of
//! them.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use ferkd::classifier::read_async;
use ferkd::data::images::ImageList;
use ferkd::label::softmax;
use ferkd::pixels::{OrientationRule, centre_resize};
use ferkd::store::Store;
use ferkd::train::trainer::Trainer;
use ferkd::{Error, ErrorKind, Result};

use super::Reply;

/// Held-out images that go through a student at once.
const BATCH: usize = 64;

/// The held-out images, then the sample regions, as a student sees them.
pub struct HeldOut {
    side: usize,
    /// Planar pixels: shape (N, 3, side, side).
    pixels: Vec<f32>,
    /// Classes of the held-out images: the first of the N.
    truths: Vec<u32>,
}

/// How far a trial of all students has come.
#[derive(Debug, Default)]
pub struct Trial {
    /// Whether it is on the plan, rather than made because students rest.
    pub is_planned: bool,
    /// The student that is tried now.
    pub student: usize,
    guesses: Vec<u32>,
    confidences: Vec<f32>,
    loss: f64,
}

impl Trial {
    /// A trial that is on the plan.
    pub fn planned() -> Self {
        Self { is_planned: true, ..Self::default() }
    }
}

impl HeldOut {
    /// Cuts the images as validation does.
    ///
    /// # Errors
    /// An image that cannot be decoded, or classes that the student does not have.
    pub fn of(images: &ImageList, trainer: &Trainer) -> Result<Self> {
        let view = trainer.batcher().student;
        let folders = trainer.card().classes.map_folders(images.folders(), "the student")?;
        let mut pixels = vec![0.0; images.len() * view.size()];
        let mut truths = Vec::with_capacity(images.len());
        for (i, out) in pixels.chunks_mut(view.size()).enumerate() {
            let picture = images.decode(i, OrientationRule::Apply)?.image;
            view.normalisation.write_chw(&centre_resize(&picture, view.side, view.filter)?, view.side, out);
            let class = images.folder(i).and_then(|folder| folders.get(folder as usize));
            truths.push(class.copied().unwrap_or_default());
        }
        Ok(Self { side: view.side as usize, pixels, truths })
    }

    /// Takes up regions of the training images, by their numbers in the store.
    ///
    /// # Errors
    /// A region that is not there, or an image that cannot be decoded.
    pub fn with_regions(
        mut self,
        images: &ImageList,
        store: &Store,
        samples: &[(u64, u32)],
        trainer: &Trainer,
    ) -> Result<Self> {
        let view = trainer.batcher().student;
        for &(image, region) in samples {
            let entry = store.image(image)?;
            let region = *store.regions(image)?.get(region as usize).ok_or_else(|| {
                Error::usage("samples", format!("{}: there is no region {region}", entry.name))
            })?;
            let at = images
                .position(&entry.name)
                .ok_or_else(|| Error::mismatch(&*entry.name, "the image is not among the scenes"))?;
            let picture = images.decode(at, OrientationRule::Apply)?.image;
            let begun = self.pixels.len();
            self.pixels.resize(begun + view.size(), 0.0);
            view.cut(&picture, &region, &mut self.pixels[begun..])?;
        }
        Ok(self)
    }

    /// Held-out images and sample regions.
    fn len(&self) -> usize {
        self.pixels.len() / (3 * self.side * self.side).max(1)
    }

    /// Shows a student the next images; its results once it has seen all.
    ///
    /// # Errors
    /// A student whose outputs are no numbers.
    pub async fn go_on(&self, trial: &mut Trial, trainer: &Trainer) -> Result<Option<Reply>> {
        let supervision = trainer.config().supervision;
        let size = 3 * self.side * self.side;
        let first = trial.guesses.len();
        let end = (first + BATCH).min(self.len());
        let data = TensorData::new(
            self.pixels[first * size..end * size].to_vec(),
            [end - first, 3, self.side, self.side],
        );
        let images = Tensor::<4>::from_data(data, &trainer.device().clone().inner());
        let logits = read_async(trainer.student().valid().forward(images)).await?;
        for (row, number) in logits.chunks(logits.len() / (end - first).max(1)).zip(first..) {
            if row.iter().any(|logit| !logit.is_finite()) {
                let problem = format!("outputs of {} are no numbers", supervision.name());
                return Err(Error::new(ErrorKind::Numeric, "training", problem)
                    .remedy("lower the learning rate, and reset"));
            }
            let probabilities = softmax(row, 1.0)?;
            let best = (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
            if let Some(&truth) = self.truths.get(number) {
                trial.loss -= f64::from(probabilities[truth as usize]).max(1e-12).ln();
            }
            trial.guesses.push(best as u32);
            trial.confidences.push(probabilities[best]);
        }
        if end < self.len() {
            return Ok(None);
        }
        let loss = std::mem::take(&mut trial.loss) / self.truths.len().max(1) as f64;
        let (mut guesses, mut confidences) =
            (std::mem::take(&mut trial.guesses), std::mem::take(&mut trial.confidences));
        let held_out = self.truths.len();
        let samples = guesses.drain(held_out..).zip(confidences.drain(held_out..)).collect();
        let (step, epoch) = (trainer.step(), trainer.epoch());
        Ok(Some(Reply::Tried { supervision, step, epoch, guesses, confidences, samples, loss }))
    }
}
