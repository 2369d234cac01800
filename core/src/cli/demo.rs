//! `ferkd demo`.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use ferkd_data::scenes::{Half, SceneMaker};
use ferkd_method::mining::RegionKind;
use ferkd_method::{Error, Result};
use ferkd_train::demo::run::{StudentResult, demo};
use ferkd_train::demo::settings::{Budget, EPOCHS, HELD_OUT_COPIES, SUPERVISIONS, WARMUP_EPOCHS};
use ferkd_train::sweep::markdown::with_interval;

use crate::cli::output::{Output, percent};
use crate::cli::stop::STOP;
use crate::cli::terminal::{Terminal, duration};

/// Run the whole pipeline on data that ship with the program.
///
/// Places real handwritten digits in cluttered scenes, labels their regions with a shipped teacher, mines and
/// calibrates the labels, trains students under each supervision, and writes a report. No download, no GPU.
/// What it leaves in the folder (images, store, runs) is as any other: every command works on it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder for scenes, store, runs and report.
    #[arg(long, default_value = "ferkd-demo")]
    out: PathBuf,
    /// Only write the scenes, this many of every digit, and stop.
    #[arg(long, value_name = "N")]
    scenes: Option<u32>,
    /// Seed of scenes and regions, and the first one of weights and order.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Seeds of weights and order that each supervision is trained with: two or more give intervals over seeds, in as many
    /// times the time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
    /// Epochs of each student: with fewer it ends sooner and shows less.
    #[arg(long, value_name = "N", default_value_t = EPOCHS, value_parser = epochs())]
    epochs: usize,
}

/// More epochs than the learning rate rises for.
fn epochs() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(WARMUP_EPOCHS as u64 + 1..)
}

/// A supervision's line of the table.
fn row(name: &str, result: &StudentResult) -> String {
    let half = result.half_width.map_or(String::new(), |half| format!("± {:.1}", 100.0 * half));
    let difference = result.difference.as_ref().map_or(String::new(), |d| with_interval(&d.sample));
    let bar = "#".repeat((result.accuracy * 30.0).round() as usize);
    let line = format!("  {name:<14} {:>7} {half:<6}  {difference:<20} {bar}", percent(result.accuracy));
    format!("{}\n", line.trim_end())
}

impl Args {
    pub fn run(self) -> Result<Output> {
        if let Some(per_digit) = self.scenes {
            return self.write_scenes(per_digit);
        }
        let mut terminal = Terminal::new();
        let budget = Budget { seed: self.seed, seeds: self.seeds, epochs: self.epochs };
        let summary = demo(&self.out, budget, &STOP, &mut |e| terminal.hear(e))?;
        let images = summary.held_out_images;
        let mut text = match self.seeds {
            1 => format!(
                "held-out accuracy on {images} scenes, and less fkd's in points, with 95 % intervals over other scenes\n"
            ),
            seeds => format!(
                "held-out accuracy on {images} scenes, mean of {seeds} seeds, and less fkd's in points, with 95 % intervals over seeds\n"
            ),
        };
        for supervision in SUPERVISIONS {
            if let Some(result) = summary.supervisions.get(supervision.name()) {
                text += &row(supervision.name(), result);
            }
        }
        text += &format!("{}\n", summary.says);
        let shares = RegionKind::ALL.map(|k| format!("{} {}", k.name(), percent(summary.shares[k as usize])));
        text += &format!("regions: {}\n", shares.join(", "));
        text += &format!(
            "a region that shows its digit has the higher confidence in {} of pairs (AUC {:.3})\n",
            percent(summary.confidence_auc),
            summary.confidence_auc
        );
        text += &format!("report: {}   ({})", summary.report, duration(summary.time_s));
        Output::new(text, &summary)
    }

    fn write_scenes(&self, per_digit: u32) -> Result<Output> {
        if !(1..=100).contains(&per_digit) {
            return Err(Error::usage(
                "scenes",
                format!("invalid value {per_digit}: expected 1 to 100 of every digit"),
            ));
        }
        let maker = SceneMaker::new(self.seed)?;
        let train = maker.write(Half::Train, per_digit, &self.out.join("train"))?;
        let val = maker.write(Half::HeldOut, HELD_OUT_COPIES, &self.out.join("val"))?;
        let text = format!("{}: {train} training scenes, {val} held-out scenes", self.out.display());
        Output::new(text, &serde_json::json!({ "path": self.out, "train": train, "val": val }))
    }
}
