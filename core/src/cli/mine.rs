//! `ferkd mine`.

use std::path::PathBuf;

use ferkd::mine::{MiningReport, mine};
use ferkd::mining::{Confidence, Kind, Rule, Thresholds};
use ferkd::store::Store;
use ferkd::{Error, Result, atomic};

use crate::cli::{Output, percent};

/// Show which regions of a store are worth learning from.
///
/// Sorts the regions by the teacher's confidence into discarded, context, important and trivial ones; counts
/// them, in all and per class. Needs no teacher. --write saves the thresholds for `ferkd train --config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The store.
    store: PathBuf,
    /// Threshold below which a region is discarded, as a confidence.
    #[arg(long, requires_all = ["mid", "high"])]
    low: Option<f32>,
    /// Threshold below which a region is context, as a confidence.
    #[arg(long, requires_all = ["low", "high"])]
    mid: Option<f32>,
    /// Threshold above which a region is trivial, as a confidence.
    #[arg(long, requires_all = ["low", "mid"])]
    high: Option<f32>,
    /// Thresholds as quantiles of the confidence over the store: low,mid,high [default: 0.02,0.15,0.98].
    #[arg(long, value_delimiter = ',', conflicts_with = "low")]
    quantiles: Option<Vec<f32>>,
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

impl Args {
    pub fn run(self) -> Result<Output> {
        let rule = match (self.low, self.mid, self.high, &self.quantiles) {
            (Some(low), Some(mid), Some(high), _) => Rule::Absolute(Thresholds { low, mid, high }),
            (_, _, _, Some(q)) => match q[..] {
                [low, mid, high] => Rule::Quantiles(Thresholds { low, mid, high }),
                _ => return Err(Error::usage("quantiles", "three numbers are needed")),
            },
            _ => Rule::default(),
        };
        let store = Store::open(&self.store)?;
        let report = mine(&store, &rule, self.confidence)?;
        if let Some(path) = &self.write {
            atomic::write(path, report.to_toml().as_bytes())?;
        }
        Output::new(self.table(&report), &report)
    }

    fn table(&self, report: &MiningReport) -> String {
        let t = report.thresholds;
        let mut text = format!(
            "{} regions; confidence {}; low {:.4}, mid {:.4}, high {:.4}\n\n",
            report.regions,
            self.confidence.name(),
            t.low,
            t.mid,
            t.high
        );
        let shares = report.kinds.shares();
        for kind in Kind::ALL {
            let (count, share) = (report.kinds.of(kind), shares[kind as usize]);
            let bar = "#".repeat((share * 40.0).round() as usize);
            text +=
                &format!("{}  {:<10} {count:>12} {:>8}  {bar}\n", kind.letter(), kind.name(), percent(share));
        }
        text += "\nconfidence\n";
        let rows = report.histogram.bins.chunks(5).map(|bins| bins.iter().sum::<u64>()).collect::<Vec<_>>();
        let most = rows.iter().copied().max().unwrap_or(1).max(1);
        for (i, count) in rows.iter().enumerate() {
            let bar = "#".repeat((*count as f64 / most as f64 * 40.0).round() as usize);
            text += &format!("{:.2}-{:.2} {count:>10}  {bar}\n", i as f64 / 20.0, (i + 1) as f64 / 20.0);
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
