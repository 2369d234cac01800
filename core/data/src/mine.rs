//! Mining a whole store: counts, shares and histograms, in all and per class. The store is read by slices, shard
//! by shard on all threads, in constant memory; the figures do not depend on the number of threads.

use serde::Serialize;

use crate::store::Store;
use ferkd_method::calibration::Adaptation;
use ferkd_method::error::Result;
use ferkd_method::mining::{
    Confidence, Histogram, KindCounts, RegionKind, RightCounts, RightFit, Rule, Thresholds,
};

/// Bins of the histogram.
const BINS: usize = 100;

/// What mining found in a store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MiningReport {
    /// Images.
    pub images: u64,
    /// Regions.
    pub regions: u64,
    /// Which number of a label is its confidence.
    pub confidence: Confidence,
    /// How the thresholds were given.
    pub rule: Rule,
    /// The thresholds, as confidences.
    pub thresholds: Thresholds,
    /// Regions of each kind: discarded, context, important, trivial.
    pub kinds: KindCounts,
    /// Share of each kind, in 0..=1.
    pub shares: [f64; 4],
    /// The confidences, over [0, 1] in 100 bins.
    pub histogram: Histogram,
    /// Where the teacher's top-1 prediction is the image's class; none where an image has no class.
    pub right: Option<Right>,
    /// The share of regions that are named rightly as a monotone function of the confidence; none where an image has no
    /// class. Ours.
    pub fit: Option<RightFit>,
    /// Images of which no region would survive FerKD's mining.
    pub images_without_survivors: u64,
    /// Each class that has images; empty where images have no classes.
    pub classes: Vec<ClassKinds>,
    /// What is worth a word: kinds that the rule asks for and that no region is of.
    pub warnings: Vec<String>,
}

/// The regions whose class is the teacher's top-1 prediction: what its labels are worth, by confidence and kind (ours).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Right {
    /// Of each kind: discarded, context, important, trivial.
    pub kinds: KindCounts,
    /// Share of each kind, in 0..=1.
    pub shares: [f64; 4],
    /// By confidence, in the bins of the histogram of all regions.
    pub histogram: Histogram,
}

impl Right {
    fn none() -> Self {
        Self { kinds: KindCounts::default(), shares: [0.0; 4], histogram: Histogram::new(BINS) }
    }

    fn merge(&mut self, other: &Self) {
        self.kinds.merge(&other.kinds);
        self.histogram.merge(&other.histogram);
    }

    /// With its shares, now that `all` are counted.
    fn of_all(mut self, all: &KindCounts) -> Self {
        self.shares = RegionKind::ALL.map(|kind| self.kinds.of(kind) as f64 / all.of(kind).max(1) as f64);
        self
    }
}

/// What mining found in one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassKinds {
    /// Identifier.
    pub id: String,
    /// Name.
    pub name: String,
    /// Regions of each kind: discarded, context, important, trivial.
    pub kinds: KindCounts,
    /// Mean confidence, in 0..=1.
    pub mean_confidence: f64,
}

/// What mining found in one shard.
struct ShardKinds {
    kinds: KindCounts,
    histogram: Histogram,
    right: Option<Right>,
    /// By confidence, as finely as a fit takes it.
    right_counts: RightCounts,
    images_without_survivors: u64,
    /// Runs of images of one class: the class, the kinds of its regions, the sum of their confidences.
    classes: Vec<(u32, KindCounts, f64)>,
}

impl ShardKinds {
    fn of(store: &Store, shard: u32, thresholds: &Thresholds, confidence: Confidence) -> Result<Self> {
        let regions = store.per_image();
        let mut found = Self {
            kinds: KindCounts::default(),
            histogram: Histogram::new(BINS),
            right: Some(Right::none()),
            right_counts: RightCounts::default(),
            images_without_survivors: 0,
            classes: Vec::new(),
        };
        let codec = store.layout().label();
        let (mut image, mut sum, mut wrong) = (KindCounts::default(), 0.0f64, None);
        store.scan_shard(shard, confidence, |_, region, class, c, record| {
            let is_right = class == Some(codec.prediction(record));
            match thresholds.kind(c) {
                Ok(kind) => {
                    image.add(kind);
                    found.right_counts.add(c, is_right);
                    if is_right && let Some(right) = &mut found.right {
                        right.kinds.add(kind);
                        right.histogram.add(c);
                    }
                }
                Err(error) => wrong = wrong.take().or(Some(error)),
            }
            found.histogram.add(c);
            sum += f64::from(c);
            if region + 1 == regions {
                found.close(class, std::mem::take(&mut image), std::mem::take(&mut sum));
            }
        })?;
        match wrong {
            Some(error) => Err(error),
            None => Ok(found),
        }
    }

    /// Takes an image in, all of whose regions have been seen.
    fn close(&mut self, class: Option<u32>, image: KindCounts, sum: f64) {
        let survives = |&kind: &RegionKind| !Adaptation::Full.removes(kind) && image.of(kind) > 0;
        self.images_without_survivors += u64::from(!RegionKind::ALL.iter().any(survives));
        self.kinds.merge(&image);
        // Images without a class are counted, but belong to none, and no one knows what is right of them.
        let Some(class) = class else {
            self.right = None;
            return;
        };
        match self.classes.last_mut() {
            Some((last, kinds, total)) if *last == class => {
                kinds.merge(&image);
                *total += sum;
            }
            _ => self.classes.push((class, image, sum)),
        }
    }
}

/// Sorts all regions of a store by a rule.
///
/// # Errors
/// Hard labels, thresholds that make no sense, `target` without classes, a damaged store.
pub fn mine(store: &Store, rule: &Rule, confidence: Confidence) -> Result<MiningReport> {
    let thresholds = store.thresholds(rule, confidence)?;
    let classes = store.manifest().label.class_space();
    let mut report = MiningReport {
        images: store.len(),
        regions: store.len() * u64::from(store.per_image()),
        confidence,
        rule: *rule,
        thresholds,
        kinds: KindCounts::default(),
        shares: [0.0; 4],
        histogram: Histogram::new(BINS),
        right: None,
        fit: None,
        images_without_survivors: 0,
        classes: Vec::new(),
        warnings: Vec::new(),
    };
    let (mut right, mut right_counts) = (Some(Right::none()), RightCounts::default());
    let mut per_class = vec![(KindCounts::default(), 0.0f64); classes.len()];
    let one = |shard| ShardKinds::of(store, shard, &thresholds, confidence);
    store.by_shard(one, |shard| {
        report.kinds.merge(&shard.kinds);
        report.histogram.merge(&shard.histogram);
        report.images_without_survivors += shard.images_without_survivors;
        match (&mut right, &shard.right) {
            (Some(right), Some(more)) => right.merge(more),
            _ => right = None,
        }
        right_counts.merge(&shard.right_counts);
        for (class, kinds, sum) in shard.classes {
            if let Some((of_class, total)) = per_class.get_mut(class as usize) {
                of_class.merge(&kinds);
                *total += sum;
            }
        }
        Ok(())
    })?;
    report.shares = report.kinds.shares();
    report.warnings = rule.warnings(&thresholds, &report.kinds);
    report.right = right.map(|right| right.of_all(&report.kinds));
    report.fit =
        report.right.as_ref().filter(|_| report.regions > 0).map(|_| right_counts.fit()).transpose()?;
    for (i, (kinds, sum)) in per_class.into_iter().enumerate().filter(|(_, (kinds, _))| kinds.total() > 0) {
        let mean_confidence = sum / kinds.total() as f64;
        report.classes.push(ClassKinds {
            id: classes.ids[i].clone(),
            name: classes.names[i].clone(),
            kinds,
            mean_confidence,
        });
    }
    Ok(report)
}

impl MiningReport {
    /// The thresholds as TOML that `ferkd train --config` reads: as they were given.
    pub fn to_toml(&self) -> String {
        let (confidence, rule) = (self.confidence.name(), self.rule.to_toml());
        let Thresholds { low, mid, high } = self.thresholds;
        format!("# On this store: low {low}, mid {mid}, high {high}.\nconfidence = \"{confidence}\"\n{rule}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{CLASSES, manifest, stored};
    use ferkd_method::label::Codec;
    use ferkd_method::mining::{Threshold, quantile_rank};

    /// Everything that mining says, in the plainest way: region by region, in one list.
    fn plainly(store: &Store, rule: &Rule, confidence: Confidence) -> MiningReport {
        let mut all = Vec::new();
        store.scan_confidences(confidence, &mut |image, _, class, c| all.push((image, class, c))).unwrap();
        let mut sorted: Vec<f32> = all.iter().map(|&(_, _, c)| c).collect();
        sorted.sort_by(f32::total_cmp);
        let thresholds = match *rule {
            Rule::Absolute(thresholds) => thresholds,
            Rule::Bounds(_) => unreachable!("found thresholds have tests of their own"),
            Rule::Quantiles(Thresholds { low, mid, high }) => {
                let at = |q| sorted[quantile_rank(q, sorted.len() as u64) as usize - 1];
                Thresholds { low: at(low), mid: at(mid), high: at(high) }
            }
        };
        let mut report = MiningReport {
            images: store.len(),
            regions: all.len() as u64,
            confidence,
            rule: *rule,
            thresholds,
            kinds: KindCounts::default(),
            shares: [0.0; 4],
            histogram: Histogram::new(BINS),
            right: None,
            fit: None,
            images_without_survivors: 0,
            classes: Vec::new(),
            warnings: Vec::new(),
        };
        let (mut right, mut right_counts) = (Right::none(), RightCounts::default());
        let is_known = (0..store.len()).all(|image| store.class(image).unwrap().is_some());
        for image in (0..store.len()).filter(|_| is_known) {
            let truth = store.class(image).unwrap();
            for label in store.labels(image).unwrap() {
                let c = confidence.of(&label, truth).unwrap();
                right_counts.add(c, label.prediction() == truth);
                if label.prediction() == truth {
                    right.kinds.add(thresholds.kind(c).unwrap());
                    right.histogram.add(c);
                }
            }
        }
        for &(_, _, c) in &all {
            report.kinds.add(thresholds.kind(c).unwrap());
            report.histogram.add(c);
        }
        for image in all.chunk_by(|a, b| a.0 == b.0) {
            let gone =
                |&(_, _, c): &(u64, Option<u32>, f32)| Adaptation::Full.removes(thresholds.kind(c).unwrap());
            report.images_without_survivors += u64::from(image.iter().all(gone));
        }
        for class in 0..CLASSES {
            let of_class = || all.iter().filter(|(_, found, _)| *found == Some(class));
            let mut kinds = KindCounts::default();
            of_class().for_each(|&(_, _, c)| kinds.add(thresholds.kind(c).unwrap()));
            if kinds.total() == 0 {
                continue;
            }
            let mean_confidence =
                of_class().map(|&(_, _, c)| f64::from(c)).sum::<f64>() / kinds.total() as f64;
            let (id, name) = (format!("n{class:02}"), format!("class {class}"));
            report.classes.push(ClassKinds { id, name, kinds, mean_confidence });
        }
        report.shares = report.kinds.shares();
        report.warnings = rule.warnings(&thresholds, &report.kinds);
        report.right = is_known.then(|| right.of_all(&report.kinds));
        report.fit = is_known.then(|| right_counts.fit().unwrap());
        report
    }

    #[test]
    fn any_number_of_threads_finds_what_one_list_finds() {
        let thresholds = |low, mid, high| Thresholds { low, mid, high };
        let rules = [Rule::Quantiles(thresholds(0.1, 0.4, 0.9)), Rule::Absolute(thresholds(0.3, 0.5, 0.9))];
        for (codec, k) in [(Codec::MarginalSmoothing, 5), (Codec::MarginalRenorm, 3), (Codec::Full, CLASSES)]
        {
            // Of the many images one has no class, so that no one can say where the teacher is right.
            let (many, one) = (stored(&manifest(151, codec, k)), stored(&manifest(1, codec, k)));
            let stores = [&many, &one].map(|folder| Store::open(folder.path()).unwrap());
            for (store, rule) in stores.iter().flat_map(|store| rules.iter().map(move |rule| (store, rule))) {
                let mut expected = plainly(store, rule, Confidence::Max);
                let mut before: Option<MiningReport> = None;
                for threads in [1, 3, 8] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let mut found = pool.install(|| mine(store, rule, Confidence::Max)).unwrap();
                    assert_eq!(*before.get_or_insert_with(|| found.clone()), found, "{threads} threads");
                    // A sum of doubles by shards differs from one in a row in its last digits.
                    for (a, b) in found.classes.iter_mut().zip(&mut expected.classes) {
                        assert!((a.mean_confidence - b.mean_confidence).abs() < 1e-12);
                        b.mean_confidence = a.mean_confidence;
                    }
                    assert_eq!(found, expected, "{codec:?}, {rule:?}");
                    assert_eq!(found.right.is_some(), store.len() == 1);
                }
            }
        }
    }

    #[test]
    fn found_thresholds_are_where_the_fit_says() {
        let folder = stored(&manifest(1, Codec::Full, CLASSES));
        let store = Store::open(folder.path()).unwrap();
        let quantiles = Thresholds { low: 0.02, mid: 0.15, high: 0.98 };
        let rule = Rule::of([None, Some(Threshold::Auto), None], quantiles).unwrap();
        let report = mine(&store, &rule, Confidence::Max).unwrap();
        let by_quantiles = store.thresholds(&Rule::Quantiles(quantiles), Confidence::Max).unwrap();
        let (low, high) = (report.thresholds.low, report.thresholds.high);
        assert_eq!((low, high), (by_quantiles.low, by_quantiles.high));
        let mid = report.fit.unwrap().crossing(0.5).unwrap_or(1.0).clamp(low, high);
        assert_eq!(report.thresholds.mid, mid);
    }

    #[test]
    fn thresholds_cannot_be_found_where_an_image_has_no_class() {
        let folder = stored(&manifest(40, Codec::MarginalSmoothing, 5));
        let store = Store::open(folder.path()).unwrap();
        let rule =
            Rule::of([None, Some(Threshold::Auto), None], Thresholds { low: 0.0, mid: 0.0, high: 1.0 });
        let error = store.thresholds(&rule.unwrap(), Confidence::Max).unwrap_err();
        assert!(error.to_string().contains("image 1"), "{error}");
    }

    #[test]
    fn the_targets_confidence_needs_classes() {
        let folder = stored(&manifest(40, Codec::MarginalSmoothing, 5));
        let store = Store::open(folder.path()).unwrap();
        let error = mine(&store, &Rule::default(), Confidence::Target).unwrap_err();
        assert!(error.to_string().contains("image 1"), "{error}");
    }
}
