//! Which regions of an image a step trains on, and with which labels.

use std::sync::Arc;

use crate::store::Store;
use ferkd_method::calibration::{Adaptation, Softening};
use ferkd_method::error::{Error, Result};
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::{Confidence, KindCounts, RegionKind, Rule, Thresholds};
use ferkd_method::region::{Region, RegionSampler};
use ferkd_method::rng::path_hash;

/// Where boxes come from.
#[derive(Clone)]
pub enum Boxes {
    /// The store's own.
    Store(Arc<Store>),
    /// Drawn again; the same as a store's of the same seed and scale.
    Drawn {
        /// The generator.
        sampler: RegionSampler,
        /// Regions per image (M).
        per_image: u32,
    },
    /// One box an image: the centre that evaluations see.
    Centre,
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
    /// The store's labels as they are: FKD.
    Stored(Arc<Store>),
    /// The store's labels, mined and adapted: FerKD.
    Adapted {
        /// The labels.
        store: Arc<Store>,
        /// How regions are sorted, and what is done with each kind.
        mining: Mining,
    },
}

/// How a store's regions are sorted, and what is done with each kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mining {
    /// Where the kinds begin and end.
    pub thresholds: Thresholds,
    /// Which number of a label is its confidence.
    pub confidence: Confidence,
    /// What is done with each kind.
    pub adaptation: Adaptation,
    /// What a calibrated label says.
    pub softening: Softening,
}

/// An image that labels are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its place in the list, and in the store.
    pub index: usize,
    /// Its relative path, which errors name.
    pub name: &'a str,
    /// Its class, where it is known.
    pub truth: Option<u32>,
}

/// One region that a step trains on.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Its number within the image.
    pub number: u32,
    /// Its kind, where labels come from a store; FKD takes every region for important.
    pub kind: Option<RegionKind>,
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
            Self::Centre => 1,
        }
    }

    /// Checks that a decoded picture is the one whose regions these are, as far as its size tells; `label` is what
    /// errors call it.
    ///
    /// # Errors
    /// A picture that is not as large as the one that was labelled.
    pub fn check_size(&self, index: usize, label: &str, size: (u32, u32)) -> Result<()> {
        match self {
            Self::Store(store) => store.check_size(index as u64, label, size),
            Self::Drawn { .. } | Self::Centre => Ok(()),
        }
    }

    /// The box of region `number` of the image at `index`, without its picture.
    ///
    /// # Errors
    /// Boxes that are not a store's: they take the picture's size; a damaged store.
    pub fn stored(&self, index: usize, number: u32) -> Result<Region> {
        match self {
            Self::Store(store) => store.region(index as u64, number),
            Self::Drawn { .. } | Self::Centre => {
                Err(Error::usage("mix-partners", "overlap needs a store's regions")
                    .remedy("choose a supervision with a store, or --mix-partners random"))
            }
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
            Self::Centre => Region::centre(width, height),
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
    /// The regions of an image that a step trains on: `want` of them, in the order `order`, with labels.
    ///
    /// Supervisions that do not filter take the first `want`; FerKD the first that survived mining. Where there are too
    /// few, they are repeated. An image without survivors keeps the region nearest to `[low, high]`. No label is read
    /// twice.
    ///
    /// # Errors
    /// A damaged store, or an image whose class is needed and not known.
    pub fn select(&self, image: &Asked<'_>, order: &[u32], want: usize) -> Result<Selection> {
        let (mut chosen, fallback) = match self {
            Self::Truth { smoothing, classes } => {
                let truth = image.truth.ok_or_else(|| Error::unknown_class("its label").about(image.name))?;
                let label = SoftLabel::smoothed(truth, *classes, *smoothing);
                let one = |&number: &u32| Chosen { number, kind: None, label: label.clone() };
                (order.iter().take(want).map(one).collect(), false)
            }
            Self::Stored(store) => {
                let one = |&number: &u32| {
                    let label = store.label(image.index as u64, number)?;
                    Ok(Chosen { number, kind: Some(RegionKind::Important), label })
                };
                (order.iter().take(want).map(one).collect::<Result<Vec<_>>>()?, false)
            }
            Self::Adapted { store, mining } => mining.select(store, image, order, want)?,
        };
        let different = chosen.len();
        if different > 0 {
            chosen.reserve_exact(want.saturating_sub(different));
            (different..want).for_each(|place| chosen.push(chosen[place - different].clone()));
        }
        Ok(Selection { chosen, fallback })
    }
}

impl Mining {
    /// Sorts a store's regions by a rule; adds to `warnings` what is worth a word about the kinds that it makes, and says
    /// how many regions are of each.
    ///
    /// # Errors
    /// Those of [`Store::kinds`], or no region that would be trained on.
    pub fn of(
        store: &Store,
        rule: &Rule,
        confidence: Confidence,
        adaptation: Adaptation,
        softening: Softening,
        warnings: &mut Vec<String>,
    ) -> Result<(Self, KindCounts)> {
        let (thresholds, kinds) = store.kinds(rule, confidence)?;
        if adaptation.removes(RegionKind::Trivial) {
            kinds.check_something_is_left(&thresholds)?;
        }
        warnings.extend(rule.warnings(&thresholds, &kinds));
        Ok((Self { thresholds, confidence, adaptation, softening }, kinds))
    }

    /// The first `want` regions in the order `order` that survive, each once, with their adapted labels; where none
    /// does, the one nearest to `[low, high]`, and that it is so.
    fn select(
        &self,
        store: &Store,
        image: &Asked<'_>,
        order: &[u32],
        want: usize,
    ) -> Result<(Vec<Chosen>, bool)> {
        let index = image.index as u64;
        let kind_of = |number| self.thresholds.kind(store.confidence(index, number, self.confidence)?);
        let mut kept = Vec::with_capacity(want);
        for &number in order {
            if kept.len() == want {
                break;
            }
            let kind = kind_of(number)?;
            if !self.adaptation.removes(kind) {
                kept.push((number, kind));
            }
        }
        let fallback = kept.is_empty();
        if fallback {
            let number = self.nearest(store, index, order.len() as u32)?;
            kept.push((number, kind_of(number)?));
        }
        let chosen = kept.into_iter().map(|(number, kind)| {
            let label = store.label(index, number)?;
            let adapted = self.adaptation.adapt(label, kind, image.truth, self.softening);
            let label = adapted.map_err(|error| error.about(image.name))?;
            Ok(Chosen { number, kind: Some(kind), label })
        });
        Ok((chosen.collect::<Result<_>>()?, fallback))
    }

    /// The region whose confidence is nearest to `[low, high]`; ties go to the lowest number.
    fn nearest(&self, store: &Store, index: u64, count: u32) -> Result<u32> {
        let mut best = (f32::INFINITY, 0);
        for number in 0..count {
            let distance = self.thresholds.distance(store.confidence(index, number, self.confidence)?);
            if distance < best.0 {
                best = (distance, number);
            }
        }
        Ok(best.1)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::store::tests::{REGIONS, manifest, stored};
    use crate::store::{LabelCodec, MemoryFiles, ReadAt};
    use ferkd_method::label::Codec;

    /// A store in memory that counts how often a label is read.
    struct Counting {
        files: MemoryFiles,
        label_len: usize,
        labels: Arc<AtomicUsize>,
    }

    impl ReadAt for Counting {
        fn size(&self, file: &str) -> Result<u64> {
            self.files.size(file)
        }

        fn read_at(&self, file: &str, offset: u64, len: usize) -> Result<Vec<u8>> {
            if file.starts_with("labels-") && len == self.label_len {
                self.labels.fetch_add(1, Ordering::Relaxed);
            }
            self.files.read_at(file, offset, len)
        }
    }

    fn counted(codec: Codec, k: u32) -> (Arc<Store>, Arc<AtomicUsize>) {
        let manifest = manifest(3, codec, k);
        let folder = stored(&manifest);
        let file = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.unwrap().path();
            let bytes: Arc<[u8]> = std::fs::read(&path).unwrap().into();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), bytes)
        };
        let files: MemoryFiles = std::fs::read_dir(folder.path()).unwrap().map(file).collect();
        let labels = Arc::new(AtomicUsize::new(0));
        let label_len = LabelCodec::of(&manifest).record_len();
        let store = Store::open_slices(Box::new(Counting { files, label_len, labels: labels.clone() }));
        (Arc::new(store.unwrap()), labels)
    }

    fn asked(truth: Option<u32>) -> Asked<'static> {
        Asked { index: 1, name: "a/1.png", truth }
    }

    fn mining(adaptation: Adaptation) -> Mining {
        let thresholds = Thresholds { low: 2.0, mid: 3.0, high: 4.0 };
        Mining { thresholds, confidence: Confidence::Max, adaptation, softening: Softening::default() }
    }

    #[test]
    fn fkd_reads_each_label_once_and_needs_no_class() {
        for (codec, k) in [(Codec::MarginalSmoothing, 5), (Codec::MarginalRenorm, 3), (Codec::Full, 12)] {
            let (store, labels) = counted(codec, k);
            let order: Vec<u32> = (0..REGIONS).rev().collect();
            for (want, read) in [(1, 1), (2, 2), (4, 4), (7, 4)] {
                labels.store(0, Ordering::Relaxed);
                let found = Labels::Stored(store.clone()).select(&asked(None), &order, want).unwrap();
                assert_eq!(labels.load(Ordering::Relaxed), read, "{codec:?}: {want} regions");
                let numbers: Vec<u32> = found.chosen.iter().map(|one| one.number).collect();
                assert_eq!(numbers, [3, 2, 1, 0, 3, 2, 1][..want]);
                assert!(!found.fallback);
                for one in &found.chosen {
                    assert_eq!(one.label, store.label(1, one.number).unwrap());
                }
            }
        }
    }

    #[test]
    fn a_class_that_is_needed_and_not_known_is_an_error_that_names_the_image() {
        let (store, _) = counted(Codec::MarginalSmoothing, 5);
        let adapted = |adaptation| Labels::Adapted { store: store.clone(), mining: mining(adaptation) };
        let order = [0, 1, 2, 3];
        for labels in [
            Labels::Truth { smoothing: 0.0, classes: 12 },
            adapted(Adaptation::Full),
            adapted(Adaptation::CalibrateOnly),
        ] {
            assert!(labels.select(&asked(Some(3)), &order, 2).is_ok());
            let error = labels.select(&asked(None), &order, 2).unwrap_err().to_string();
            assert!(error.starts_with("a/1.png: ") && error.contains("class folders"), "{error}");
        }
        // Nothing is calibrated: the one region that is kept has the teacher's label.
        let found = adapted(Adaptation::DropOnly).select(&asked(None), &order, 2).unwrap();
        assert!(found.fallback && found.chosen.len() == 2);
    }
}
