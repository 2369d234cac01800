//! `results.csv`: one row a run.

use std::path::{Path, PathBuf};

use crate::sweep::analysis::Analysis;
use crate::sweep::config::SweepPlan;
use crate::sweep::csv::quoted;
use crate::sweep::finished::Finished;
use crate::sweep::markdown::markdown;
use crate::sweep::{csv, page};
use ferkd_data::atomic;
use ferkd_method::error::Result;
use ferkd_method::mining::{Bound, Rule};

/// Writes all tables and pictures into the folder `out`; says which files they are.
///
/// # Errors
/// A file that cannot be written.
pub fn write_results(
    plan: &SweepPlan,
    finished: &[Finished],
    analysis: &Analysis,
    out: &Path,
) -> Result<Vec<PathBuf>> {
    let mut files = vec![
        ("results.csv", results(plan, finished, analysis.validation_images)),
        ("summary.csv", csv::summary(analysis)),
        ("pairs.csv", csv::pairs(analysis)),
        ("reach.csv", csv::reach(analysis)),
        ("tables.md", markdown(analysis)),
        ("report.html", page::page(plan, analysis)?),
    ];
    files.extend(page::accuracy_svg(plan, analysis).map(|svg| ("accuracy.svg", svg)));
    files.extend(page::differences_svg(plan, analysis).map(|svg| ("differences.svg", svg)));
    let write = |(name, text): (&str, String)| {
        let path = out.join(name);
        atomic::write(&path, text.as_bytes()).map(|()| path)
    };
    files.into_iter().map(write).collect()
}

/// The columns of `results.csv`.
const COLUMNS: [&str; 27] = [
    "arm",
    "epochs",
    "seed",
    "supervision",
    "mix",
    "regions",
    "confidence",
    "epsilon",
    "quantile_low",
    "quantile_mid",
    "quantile_high",
    "low",
    "mid",
    "high",
    "accuracy",
    "best_accuracy",
    "top5",
    "validation_images",
    "train_loss",
    "share_discarded",
    "share_context",
    "share_important",
    "share_trivial",
    "fallbacks",
    "steps",
    "parameters",
    "time_s",
];

/// One row a run, in the order of arms, budgets and seeds. A value that a run does not have is empty.
pub fn results(plan: &SweepPlan, finished: &[Finished], validation_images: u64) -> String {
    let mut rows: Vec<&Finished> = finished.iter().collect();
    rows.sort_by_key(|run| (run.cell, run.config.seed));
    let mut out = COLUMNS.join(",") + "\n";
    for run in rows {
        let (config, summary) = (&run.config, &run.summary);
        let mined = summary.thresholds;
        let rule = mined.and_then(|_| config.rule().ok());
        let quantile = |i: usize| match rule {
            Some(Rule::Quantiles(_)) => config.quantiles[i].to_string(),
            Some(Rule::Bounds(bounds)) => match bounds[i] {
                Bound::Quantile(quantile) => quantile.to_string(),
                Bound::Confidence(_) => String::new(),
                Bound::Auto => "auto".into(),
            },
            Some(Rule::Absolute(_)) | None => String::new(),
        };
        let some = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
        let shares = summary.kinds.shares();
        let share = |i: usize| if mined.is_some() { shares[i].to_string() } else { String::new() };
        let threshold = |pick: fn(&ferkd_method::mining::Thresholds) -> f32| {
            mined.as_ref().map_or(String::new(), |t| pick(t).to_string())
        };
        let regions = config.store_regions.map_or(String::new(), |m| m.to_string());
        let row: [String; COLUMNS.len()] = [
            quoted(&plan.arms[run.arm].name),
            config.epochs.to_string(),
            config.seed.to_string(),
            config.supervision.name().into(),
            format!("{:?}", config.mix()).to_lowercase(),
            regions,
            mined.map_or(String::new(), |_| config.confidence.name().into()),
            mined.map_or(String::new(), |_| config.epsilon.to_string()),
            quantile(0),
            quantile(1),
            quantile(2),
            threshold(|t| t.low),
            threshold(|t| t.mid),
            threshold(|t| t.high),
            some(summary.accuracy),
            some(summary.best_accuracy),
            some(summary.top5),
            validation_images.to_string(),
            summary.train_loss.to_string(),
            share(0),
            share(1),
            share(2),
            share(3),
            summary.fallbacks.to_string(),
            summary.steps.to_string(),
            summary.parameters.to_string(),
            format!("{:.3}", summary.time_s),
        ];
        out += &row.join(",");
        out.push('\n');
    }
    out
}
