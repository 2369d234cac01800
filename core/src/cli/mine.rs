//! `ferkd mine`.

use std::path::PathBuf;

use ferkd_data::atomic;
use ferkd_data::events::warn;
use ferkd_data::mine::{MiningReport, mine};
use ferkd_data::store::Store;
use ferkd_method::mining::{Confidence, QUANTILES, RegionKind, RightFit, Rule, Threshold, Thresholds};
use ferkd_method::{Error, Result};
use ferkd_report::number::{confidence, confidences};

use crate::cli::output::{Output, percent};
use crate::cli::terminal::Terminal;

/// Show which regions of a store are worth learning from.
///
/// Sorts the regions by the teacher's confidence into discarded, context, important and trivial ones; counts
/// them, in all and per class, and says how often the teacher's top-1 prediction is the image's class: where that is
/// seldom, calibration has something to mend, and `mid` may lie higher. Needs no teacher. --write saves the
/// thresholds for `ferkd train --config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The store.
    store: PathBuf,
    /// Threshold below which a region is discarded, as a confidence. Give low, mid and high together; beside `--mid auto`
    /// those that are left out are quantiles.
    #[arg(long)]
    low: Option<Threshold>,
    /// Threshold below which a region is context, as a confidence; or "auto": where the teacher's top-1 prediction
    /// begins to be right in one half of the regions, by a monotone fit over the store.
    #[arg(long)]
    mid: Option<Threshold>,
    /// Threshold above which a region is trivial, as a confidence.
    #[arg(long)]
    high: Option<Threshold>,
    /// Thresholds as quantiles of the confidence over the store: low,mid,high [default: 0.02,0.15,0.98].
    #[arg(long, value_parser = three, value_name = "A,B,C")]
    quantiles: Option<Thresholds>,
    /// Which number of a label is its confidence.
    #[arg(long, value_enum, default_value_t)]
    confidence: Confidence,
    /// Show every class.
    #[arg(long)]
    by_class: bool,
    /// Write the thresholds as TOML that `ferkd train --config` reads.
    #[arg(long)]
    write: Option<PathBuf>,
}

/// A column that says of how many regions the teacher's top-1 prediction is right.
fn right_column(right: Option<(u64, u64)>) -> String {
    match right {
        Some((_, 0)) => format!("  {:>14}", ""),
        Some((right, all)) => format!("  {:>14}", format!("right {}", percent(right as f64 / all as f64))),
        None => String::new(),
    }
}

/// Three numbers with commas between them.
fn three(text: &str) -> std::result::Result<Thresholds, String> {
    let numbers: std::result::Result<Vec<f32>, _> = text.split(',').map(|n| n.trim().parse()).collect();
    match numbers.as_deref() {
        Ok(&[low, mid, high]) => Ok(Thresholds { low, mid, high }),
        _ => Err("three numbers with commas between them are needed, such as 0.02,0.15,0.98".into()),
    }
}

/// Where the teacher's top-1 prediction begins to be right, in a few figures.
fn fit_line(fit: &RightFit) -> String {
    let levels = [0.1, 0.25, 0.5, 0.75, 0.9, 0.99];
    let reached = levels.map(|level| {
        let from = fit.crossing(level).map_or("never".into(), |c| format!("from c = {}", confidence(c)));
        format!("{} {from}", percent(level))
    });
    format!("\ntop-1 prediction right (monotone fit): {}\n", reached.join(", "))
}

impl Args {
    pub fn run(self) -> Result<Output> {
        let given = [self.low, self.mid, self.high];
        if self.quantiles.is_some() && given.iter().any(|t| matches!(t, Some(Threshold::At(_)))) {
            return Err(Error::usage("--quantiles", "thresholds are given as confidences, too")
                .remedy("give quantiles or confidences"));
        }
        let rule = Rule::of(given, self.quantiles.unwrap_or(QUANTILES.into()))?;
        let store = Store::open(&self.store)?;
        let report = mine(&store, &rule, self.confidence)?;
        warn(&report.warnings, &mut |event| Terminal::new().hear(event));
        if let Some(path) = &self.write {
            atomic::write(path, report.to_toml().as_bytes())?;
        }
        Output::new(self.table(&report), &report)
    }

    fn table(&self, report: &MiningReport) -> String {
        let t = report.thresholds;
        let [low, mid, high] = confidences([t.low, t.mid, t.high]);
        let mut text = format!(
            "{} regions; confidence {}; low {low}, mid {mid}, high {high}\n\n",
            report.regions,
            self.confidence.name()
        );
        let shares = report.kinds.shares();
        for kind in RegionKind::ALL {
            let (count, share) = (report.kinds.of(kind), shares[kind as usize]);
            let bar = "#".repeat((share * 40.0).round() as usize);
            let right = report.right.as_ref().map(|right| (right.kinds.of(kind), count));
            let (letter, name) = (kind.letter(), kind.name());
            text += &format!(
                "{letter}  {name:<10} {count:>12} {:>8}{}  {bar}\n",
                percent(share),
                right_column(right)
            );
        }
        text += "\nconfidence\n";
        let rows = |bins: &[u64]| bins.chunks(5).map(|bins| bins.iter().sum()).collect::<Vec<u64>>();
        let right = report.right.as_ref().map(|right| rows(&right.histogram.bins));
        let rows = rows(&report.histogram.bins);
        let most = rows.iter().copied().max().unwrap_or(1).max(1);
        for (i, &count) in rows.iter().enumerate() {
            let bar = "#".repeat((count as f64 / most as f64 * 40.0).round() as usize);
            let right = right.as_ref().map(|right| (right[i], count));
            let (from, to) = (i as f64 / 20.0, (i + 1) as f64 / 20.0);
            text += &format!("{from:.2}-{to:.2} {count:>10}{}  {bar}\n", right_column(right));
        }
        if let Some(fit) = &report.fit {
            text += &fit_line(fit);
        }
        if self.by_class {
            text += &format!(
                "\n{:<32} {:>9}  discarded  context  important  trivial  mean c\n",
                "class", "regions"
            );
            for class in &report.classes {
                let s = class.kinds.shares().map(percent);
                let name: String = class.name.chars().take(32).collect();
                text += &format!(
                    "{name:<32} {:>9}  {:>9}  {:>7}  {:>9}  {:>7}  {:>6.3}\n",
                    class.kinds.total(),
                    s[0],
                    s[1],
                    s[2],
                    s[3],
                    class.mean_confidence
                );
            }
        }
        if let Some(path) = &self.write {
            text += &format!("\nthresholds: {} (ferkd train --config {})\n", path.display(), path.display());
        }
        text
    }
}
