//! Mining a whole store, by quantiles and by absolute thresholds.

use std::path::PathBuf;

use super::labels::open;
use super::report::Report;
use super::timing::Timing;
use super::yardstick::Yardstick;
use ferkd_method::error::Result;
use ferkd_method::mining::{Confidence, Rule};

/// What is mined.
#[derive(Debug, Clone, Default)]
pub struct MineBench {
    /// The store; a made-up one if left out.
    pub store: Option<PathBuf>,
    /// Regions of the made-up store.
    pub regions: u64,
    /// Which number of a label is its confidence.
    pub confidence: Confidence,
}

/// Regions per second, by the default quantiles and by the thresholds that these come to.
///
/// # Errors
/// A store that cannot be opened, written or mined, or a yardstick that fails.
pub fn mine(what: &MineBench, timing: Timing, yardstick: Option<&Yardstick>) -> Result<Report> {
    let timing = timing.checked()?;
    let (store, _scratch, bytes) = open(what.store.as_ref(), what.regions)?;
    let rule = Rule::default();
    let absolute = Rule::Absolute(store.thresholds(&rule, what.confidence)?);
    let by = |rule: &Rule| ferkd_data::mine::mine(&store, rule, what.confidence).map(|found| found.regions);
    let mut others = Vec::new();
    let other = || {
        if let Some(yardstick) = yardstick {
            others.push(yardstick.rate("regions/s")?);
        }
        timing.turn(|| by(&absolute))
    };
    let (quantiles, absolutes) = timing.turns(|| by(&rule), Some(other))?;
    let mut report = Report::new("mine", timing);
    report.figure("regions_per_s", &quantiles);
    report.figure("regions_per_s_absolute", &absolutes);
    if let Some(yardstick) = yardstick {
        report.yardstick(&yardstick.line, "yardstick_regions_per_s", &quantiles, &others);
    }
    report.fact("regions", store.len() * u64::from(store.manifest().regions.per_image));
    report.fact("classes", store.manifest().label.classes);
    report.fact("confidence", what.confidence.name());
    report.fact("store_bytes", bytes);
    Ok(report)
}
