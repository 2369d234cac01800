//! Mining a whole store: counts, shares and histograms, in all and per class. The store is read by slices, in
//! constant memory.

use serde::Serialize;

use crate::error::Result;
use crate::mining::{Confidence, Histogram, KindCounts, Rule, Thresholds};
use crate::store::Store;

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
    /// Images of which no region would survive FerKD's mining.
    pub images_without_survivors: u64,
    /// Each class that has images; empty where images have no classes.
    pub classes: Vec<ClassKinds>,
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

/// Sorts all regions of a store by a rule.
///
/// # Errors
/// Hard labels, thresholds that make no sense, `target` without classes, a damaged store.
pub fn mine(store: &Store, rule: &Rule, confidence: Confidence) -> Result<MiningReport> {
    use crate::calibration::Adaptation;

    let thresholds = store.thresholds(rule, confidence)?;
    let classes = store.manifest().label.class_space();
    let regions = store.per_image();
    let mut report = MiningReport {
        images: store.len(),
        regions: store.len() * u64::from(regions),
        confidence,
        rule: *rule,
        thresholds,
        kinds: KindCounts::default(),
        shares: [0.0; 4],
        histogram: Histogram::new(BINS),
        images_without_survivors: 0,
        classes: Vec::new(),
    };
    let mut per_class = vec![(KindCounts::default(), 0.0f64); classes.len()];
    let (mut survives, mut wrong) = (false, None);
    store.scan_confidences(confidence, &mut |_, region, class, c| {
        let kind = match thresholds.kind(c) {
            Ok(kind) => kind,
            Err(error) => {
                wrong.get_or_insert(error);
                return;
            }
        };
        report.kinds.add(kind);
        report.histogram.add(c);
        // Images without a class are counted, but belong to none.
        if let Some((kinds, sum)) = class.and_then(|class| per_class.get_mut(class as usize)) {
            kinds.add(kind);
            *sum += f64::from(c);
        }
        survives |= !Adaptation::Full.removes(kind);
        if region + 1 == regions {
            report.images_without_survivors += u64::from(!std::mem::take(&mut survives));
        }
    })?;
    if let Some(error) = wrong {
        return Err(error);
    }
    report.shares = report.kinds.shares();
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
        let confidence = self.confidence.name();
        let rule = match self.rule {
            Rule::Absolute(Thresholds { low, mid, high }) => {
                format!("low = {low:?}\nmid = {mid:?}\nhigh = {high:?}\n")
            }
            Rule::Quantiles(Thresholds { low, mid, high }) => {
                format!("quantiles = [{low:?}, {mid:?}, {high:?}]\n")
            }
        };
        let Thresholds { low, mid, high } = self.thresholds;
        format!("# On this store: low {low}, mid {mid}, high {high}.\nconfidence = \"{confidence}\"\n{rule}")
    }
}
