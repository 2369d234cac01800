//! What the last layer of a frozen network sees: computed once for every picture, and kept.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};

use crate::config::TrainConfig;
use crate::upload::on;
use ferkd_data::batches::batch::Batcher;
use ferkd_data::store::SkippedImage;
use ferkd_method::error::{Error, Result};
use ferkd_method::selfmix::Mix;
use ferkd_nn::device::read::read_async;
use ferkd_nn::inference::Inference;

/// Regions that go through the network at once. Which of them go together depends on nothing but their numbers, so that
/// a run that goes on computes the same bits, whatever the device makes of a batch.
const BLOCK: usize = 64;

/// Bytes of a number.
const NUMBER: u64 = 4;

/// The features of a run whose network is frozen.
#[derive(Debug)]
pub(crate) struct Features {
    /// Those of the regions to train on.
    pub training: RegionFeatures,
    /// Those of the pictures to validate on, as evaluations come to them: slices, by their first picture.
    pub validation: BTreeMap<usize, SeenSlice>,
    /// Bytes that all of them take in the end.
    pub bytes: u64,
}

/// What an evaluation has seen in one of its slices.
#[derive(Debug)]
pub(crate) struct SeenSlice {
    /// End of its pictures' numbers.
    pub end: usize,
    /// The numbers of those that can be decoded.
    pub seen: Vec<usize>,
    /// The others.
    pub skipped: Vec<SkippedImage>,
    /// Of those that can be decoded: shape (seen, features).
    pub features: Vec<f32>,
}

/// The features of all regions of all images.
#[derive(Debug)]
pub(crate) struct RegionFeatures {
    /// Regions of an image.
    per_image: usize,
    /// Regions of all images.
    total: usize,
    /// Features of a region.
    width: usize,
    /// Row by row, those of an image side by side: shape (regions that are done, features).
    values: Vec<f32>,
}

impl Features {
    /// None yet, of a network with `width` features, where each of them is worth keeping; `validation` pictures are
    /// evaluated on.
    ///
    /// # Errors
    /// Why they are not kept, and what to do about it, in a sentence.
    pub fn of(
        config: &TrainConfig,
        batcher: &Batcher,
        validation: usize,
        width: usize,
    ) -> std::result::Result<Self, String> {
        let per_image = batcher.boxes.per_image() as usize;
        let total = batcher.images.len().saturating_mul(per_image);
        let bytes = NUMBER * total.saturating_add(validation).saturating_mul(width) as u64;
        let why = if config.mix() != Mix::None {
            "regions are mixed anew in every step; --mix none has their features computed once".to_owned()
        } else if batcher.teacher.is_some() {
            "the online teacher sees every step's regions, too; a store's labels need no such pass".to_owned()
        } else if per_image > config.epochs {
            format!(
                "an image has {per_image} regions and is seen {} times; --centre, or no more regions than epochs, has \
                 features computed once",
                config.epochs
            )
        } else if bytes > (config.features_mb as u64) << 20 {
            format!(
                "all of them take {} MiB; --features-mb {} has them computed once",
                bytes.div_ceil(1 << 20),
                bytes.div_ceil(1 << 20)
            )
        } else {
            let training = RegionFeatures { per_image, total, width, values: Vec::new() };
            return Ok(Self { training, validation: BTreeMap::new(), bytes });
        };
        Err(format!("features of the frozen network are computed again in every step: {why}"))
    }

    /// Forgets all of them: the network is another one.
    pub fn clear(&mut self) {
        self.training.values = Vec::new();
        self.validation.clear();
    }
}

impl RegionFeatures {
    /// Regions whose features are known.
    pub fn done(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// Regions in all.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Whether all are known.
    pub fn is_whole(&self) -> bool {
        self.done() == self.total
    }

    /// Computes the next block of them; `device` keeps no gradients.
    ///
    /// # Errors
    /// An image that cannot be decoded, a device that cannot be read from.
    pub async fn advance(&mut self, batcher: &Batcher, network: &Inference, device: &Device) -> Result<()> {
        if self.values.is_empty() {
            let all = self.values.try_reserve_exact(self.total * self.width);
            all.map_err(|e| Error::usage("features-mb", format!("{e}")).remedy("give less memory"))?;
        }
        let rows = self.done()..(self.done() + BLOCK).min(self.total);
        let id = |row: usize| ((row / self.per_image) as u32, (row % self.per_image) as u32);
        let regions: Vec<(u32, u32)> = rows.map(id).collect();
        let pictures = batcher.pictures(&regions)?;
        let images = on(&pictures, device, batcher.student.side, 0..regions.len());
        let values = read_async(network.features(images)).await?;
        if values.len() != regions.len() * self.width {
            let problem = format!("{} features for {} regions", values.len(), regions.len());
            return Err(Error::mismatch("frozen network", problem).remedy("report it"));
        }
        self.values.extend_from_slice(&values);
        Ok(())
    }

    /// Those of some regions, each an image and its number within it: shape (regions, features).
    pub fn rows(&self, regions: &[(u32, u32)], device: &Device) -> Tensor<2> {
        let row = |&(image, number): &(u32, u32)| {
            let row = image as usize * self.per_image + number as usize;
            &self.values[row * self.width..(row + 1) * self.width]
        };
        let values: Vec<f32> = regions.iter().flat_map(row).copied().collect();
        Tensor::from_data(TensorData::new(values, [regions.len(), self.width]), device)
    }
}
