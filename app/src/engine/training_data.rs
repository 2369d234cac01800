//! The scenes and their labels, as students are trained on them.

use ferkd_data::digest::sha256;
use ferkd_data::images::ImageList;
use ferkd_data::images::cache::Budget as CacheBudget;
use ferkd_data::scenes::{Half, SceneMaker};
use ferkd_method::Result;

use crate::dataset::unpack;
use crate::scenes::{SceneFile, scene_file, store_seed};

/// Memory for decoded scenes: all of them take less than 10 MiB.
const CACHE_MIB: usize = 32;

/// Scenes that are drawn between two frames of a page.
const AT_ONCE: usize = 16;

/// The scenes and their labels; all students are trained on the same ones.
pub struct TrainingData {
    pub(super) images: ImageList,
    pub(super) validation: ImageList,
    /// The labels: a packed store.
    pub(super) labels: Vec<u8>,
    labels_sha256: String,
}

impl TrainingData {
    /// Draws the scenes that `labels`, a packed store, speaks of.
    ///
    /// # Errors
    /// A store that is not the scenes'.
    pub fn new(labels: Vec<u8>) -> Result<Self> {
        let mut drawing = Drawing::new(labels)?;
        while !drawing.advance()? {}
        drawing.finish()
    }

    /// SHA-256 of the packed labels, in hexadecimal.
    pub fn labels_sha256(&self) -> &str {
        &self.labels_sha256
    }
}

/// Scenes that are being drawn, some at a time.
pub(super) struct Drawing {
    maker: SceneMaker,
    labels: Vec<u8>,
    /// Half and digit of each scene that is still to be drawn, from the end.
    left: Vec<(Half, usize)>,
    train: Vec<SceneFile>,
    held_out: Vec<SceneFile>,
}

impl Drawing {
    /// The scenes that `labels`, a packed store, speaks of; none is drawn yet.
    ///
    /// # Errors
    /// No archive of a store.
    pub fn new(labels: Vec<u8>) -> Result<Self> {
        let maker = SceneMaker::new(store_seed(&unpack(&labels, "scenes-store.tar")?))?;
        let of = |half: Half| maker.digits(half).map(move |digit| (half, digit));
        let left = of(Half::Train).chain(of(Half::HeldOut)).collect();
        Ok(Self { left, maker, labels, train: Vec::new(), held_out: Vec::new() })
    }

    /// Draws some more; whether all are drawn.
    ///
    /// # Errors
    /// None that a scene could meet.
    pub fn advance(&mut self) -> Result<bool> {
        for (half, digit) in self.left.drain(self.left.len().saturating_sub(AT_ONCE)..) {
            let file = scene_file(&self.maker, digit)?;
            match half {
                Half::Train => self.train.push(file),
                Half::HeldOut => self.held_out.push(file),
            }
        }
        Ok(self.left.is_empty())
    }

    /// What students are trained on, once all scenes are drawn.
    ///
    /// # Errors
    /// Scenes that are no list of images.
    pub fn finish(self) -> Result<TrainingData> {
        let images = ImageList::in_memory(self.train)?.cached(&CacheBudget::mebibytes(CACHE_MIB));
        let (validation, labels_sha256) = (ImageList::in_memory(self.held_out)?, sha256(&self.labels));
        Ok(TrainingData { images, validation, labels: self.labels, labels_sha256 })
    }
}
