//! Which regions of an image a step trains on, and with which labels.

use std::sync::Arc;

use crate::calibration::Adaptation;
use crate::error::{Error, Result};
use crate::label::SoftLabel;
use crate::mining::{Confidence, Kind, Thresholds};
use crate::region::{Region, RegionSampler};
use crate::rng::path_hash;
use crate::store::Store;

/// Where boxes come from.
#[derive(Clone)]
pub enum Boxes {
    /// The store's own.
    Store(Arc<Store>),
    /// Drawn anew; the same as a store's of the same seed and scale.
    Drawn {
        /// The generator.
        sampler: RegionSampler,
        /// Regions per image (M).
        per_image: u32,
    },
}

/// Where labels come from.
#[derive(Clone)]
pub enum Labels {
    /// The ground truth, with label smoothing.
    Truth {
        /// Probability spread over the other classes.
        smoothing: f32,
        /// Number of classes C.
        classes: u32,
    },
    /// The store's labels, adapted.
    Store {
        /// The labels.
        store: Arc<Store>,
        /// What is done with each kind.
        adaptation: Adaptation,
        /// Where the kinds begin and end.
        thresholds: Thresholds,
        /// Which number of a label is its confidence.
        confidence: Confidence,
        /// Probability spread over the other classes of a calibrated label.
        epsilon: f32,
    },
}

/// One region that a step trains on.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Its number within the image.
    pub number: u32,
    /// Its kind, where labels come from a store.
    pub kind: Option<Kind>,
    /// The label that it is trained with.
    pub label: SoftLabel,
}

/// The regions that an image contributes to a step.
#[derive(Debug, Clone)]
pub struct Selection {
    /// As many as the step asks for.
    pub chosen: Vec<Chosen>,
    /// Whether no region of the image survived mining, so that one was kept nevertheless.
    pub fallback: bool,
}

impl Boxes {
    /// Regions per image (M).
    pub fn per_image(&self) -> u32 {
        match self {
            Self::Store(store) => store.per_image(),
            Self::Drawn { per_image, .. } => *per_image,
        }
    }

    /// Region `number` of an image: entry `index` of the list, named `name`, decoded to `width` x `height`.
    ///
    /// # Errors
    /// A picture that is not as large as the one that was labelled.
    pub fn region(&self, index: usize, name: &str, number: u32, size: (u32, u32)) -> Result<Region> {
        let (width, height) = size;
        let region = match self {
            Self::Store(store) => store.region(index as u64, number)?,
            Self::Drawn { sampler, .. } => sampler.region(path_hash(name), number, width, height),
        };
        if region.fits(width, height) {
            return Ok(region);
        }
        let problem = format!("region {number} lies outside of its {width}x{height} pixels");
        Err(Error::mismatch(name, problem)
            .remedy("the image has changed since it was labelled: label it again"))
    }
}

impl Labels {
    /// The regions of image `index` that a step trains on: `want` of them, in the order `order`, with labels.
    ///
    /// Supervisions that do not filter take the first `want`; FerKD the first that survived mining, repeated
    /// where they are too few. An image without survivors keeps the region nearest to `[low, high]`.
    pub fn select(&self, index: usize, truth: u32, order: &[u32], want: usize) -> Result<Selection> {
        let (store, adaptation, thresholds, confidence, epsilon) = match self {
            Self::Truth { smoothing, classes } => {
                let label = SoftLabel::smoothed(truth, *classes, *smoothing);
                let numbers = order.iter().cycle().take(want);
                let chosen =
                    numbers.map(|&number| Chosen { number, kind: None, label: label.clone() }).collect();
                return Ok(Selection { chosen, fallback: false });
            }
            Self::Store { store, adaptation, thresholds, confidence, epsilon } => {
                (store, adaptation, thresholds, confidence, epsilon)
            }
        };
        let index = index as u64;
        let kind_of = |number| thresholds.kind(store.confidence(index, number, *confidence)?);
        let mut kept = Vec::with_capacity(want);
        for &number in order {
            if kept.len() == want {
                break;
            }
            let kind = kind_of(number)?;
            if !adaptation.removes(kind) {
                kept.push((number, kind));
            }
        }
        let fallback = kept.is_empty();
        if fallback {
            let number = nearest(store, index, order.len() as u32, thresholds, *confidence)?;
            kept.push((number, kind_of(number)?));
        }
        let chosen = kept.iter().cycle().take(want).map(|&(number, kind)| {
            let label = adaptation.adapt(store.label(index, number)?, kind, truth, *epsilon);
            Ok(Chosen { number, kind: Some(kind), label })
        });
        Ok(Selection { chosen: chosen.collect::<Result<_>>()?, fallback })
    }
}

/// The region whose confidence is nearest to `[low, high]`; ties go to the lowest number.
fn nearest(store: &Store, index: u64, count: u32, thresholds: &Thresholds, which: Confidence) -> Result<u32> {
    let mut best = (f32::INFINITY, 0);
    for number in 0..count {
        let distance = thresholds.distance(store.confidence(index, number, which)?);
        if distance < best.0 {
            best = (distance, number);
        }
    }
    Ok(best.1)
}
