//! The demo's steps: scenes, labels, mining, a small sweep of students, a report.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::demo::page::{Shown, page};
use crate::demo::settings::{BASELINE, Budget, HELD_OUT_COPIES, REGIONS, TEACHER, student_config, students};
use crate::demo::truth::Truth;
use crate::labelling::{LabelConfig, label};
use crate::run::write_json;
use crate::sweep::analysis::Cell;
use crate::sweep::{Analysis, sweep};
use ferkd_data::atomic;
use ferkd_data::events::Listener;
use ferkd_data::mine::mine;
use ferkd_data::scenes::{Half, SceneMaker};
use ferkd_data::store::Store;
use ferkd_method::error::{Error, IoContext, Result};
use ferkd_method::mining::{Confidence, Rule};
use ferkd_report::stats::{Difference, Verdict, share_half_width};

/// File that marks a folder as a demo's.
const MARKER: &str = "demo.json";

/// What the demo found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DemoSummary {
    /// How the students of each supervision did.
    pub supervisions: BTreeMap<String, StudentResult>,
    /// What these accuracies allow to say, in a sentence.
    pub says: String,
    /// Held-out images that they were evaluated on.
    pub held_out_images: u64,
    /// Probability that a region that shows the digit has a higher confidence than one that does not.
    pub confidence_auc: f64,
    /// Share of regions that show the digit, in 0..=1.
    pub visible_share: f64,
    /// What mining found.
    pub thresholds: ferkd_method::mining::Thresholds,
    /// Share of each kind: discarded, context, important, trivial.
    pub shares: [f64; 4],
    /// The report.
    pub report: String,
    /// Seconds that it took.
    pub time_s: f64,
}

/// How the students of a supervision did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StudentResult {
    /// Mean over the seeds of the share of held-out images whose top-1 prediction is right, in 0..=1.
    pub accuracy: f64,
    /// Half of its 95 % interval: over the seeds, and for one seed over other held-out images.
    pub half_width: Option<f64>,
    /// Accuracy less FKD's, paired by seed, for one seed over other held-out images; none for FKD itself.
    pub difference: Option<Difference>,
    /// Mean training loss at the end, in nats.
    pub train_loss: f64,
    /// Mean seconds of training.
    pub time_s: f64,
}

impl StudentResult {
    fn of(cell: &Cell) -> Option<Self> {
        let accuracy = cell.accuracy?;
        Some(Self {
            accuracy: accuracy.mean,
            half_width: accuracy.half_width,
            difference: cell.against.as_ref().map(|against| against.difference),
            train_loss: cell.train_loss.map_or(f64::NAN, |loss| loss.mean),
            time_s: cell.time_s.map_or(0.0, |time| time.mean),
        })
    }
}

/// One seed shows no spread over seeds: intervals are then over other held-out images, which the accuracies of one seed
/// allow to state.
fn vary_images(analysis: &mut Analysis) {
    let images = analysis.validation_images;
    let baseline = analysis.cells.iter().find(|cell| cell.name == BASELINE).and_then(|cell| cell.accuracy);
    for cell in &mut analysis.cells {
        let Some(accuracy) = &mut cell.accuracy else { continue };
        accuracy.half_width = share_half_width(accuracy.mean, images);
        if let (Some(against), Some(baseline)) = (&mut cell.against, baseline) {
            against.difference = Difference::of_shares(accuracy.mean, baseline.mean, images);
            against.p_holm = None;
        }
    }
}

/// What differences to FKD allow to say.
fn says(cells: &[Cell], seeds: u64) -> String {
    let of = |verdict| {
        let names: Vec<&str> = cells
            .iter()
            .filter(|cell| cell.against.as_ref().is_some_and(|a| a.difference.verdict == verdict))
            .map(|cell| cell.name.as_str())
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let mut parts = Vec::new();
    parts.extend(of(Verdict::Higher).map(|names| format!("{names}: higher than {BASELINE}")));
    parts.extend(of(Verdict::Lower).map(|names| format!("{names}: lower than {BASELINE}")));
    parts.extend(
        of(Verdict::NoDifferenceShown).map(|names| format!("{names}: no difference to {BASELINE} shown")),
    );
    let found = parts.join("; ");
    if seeds == 1 {
        return format!(
            "With other scenes of the kind, {found}; other seeds move accuracies too: see with --seeds 3, in three times the \
             time."
        );
    }
    format!("With other seeds, {found}.")
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Marker {
    seed: u64,
}

/// The settings of the demo's teacher pass.
fn label_config(seed: u64) -> LabelConfig {
    // At temperature 1 the teacher is certain of a third of the regions, to four digits.
    LabelConfig { regions: REGIONS, temperature: 2.0, seed, device: "flex".into(), ..LabelConfig::default() }
}

/// Runs the demo in the folder `out`. What an earlier demo of the same seed left there is used again.
///
/// # Errors
/// A folder that holds something else; [`Interrupted`](ferkd_method::ErrorKind::Interrupted) when `stop` was set.
pub fn demo(out: &Path, budget: Budget, stop: &AtomicBool, listen: Listener) -> Result<DemoSummary> {
    let Budget { seed, seeds, epochs } = budget;
    let begun = Instant::now();
    claim(out, seed)?;
    let scenes = out.join("scenes");
    let maker = SceneMaker::new(seed)?;
    if !scenes.join("done").exists() {
        maker.write(Half::Train, 1, &scenes.join("train"))?;
        maker.write(Half::HeldOut, HELD_OUT_COPIES, &scenes.join("val"))?;
        atomic::write(scenes.join("done"), b"")?;
    }
    label(&scenes, TEACHER, &out.join("store"), &label_config(seed), stop, listen)?;

    let store = Store::open(out.join("store"))?;
    let mined = mine(&store, &Rule::default(), Confidence::Max)?;
    atomic::write(out.join("mining.toml"), mined.to_toml().as_bytes())?;
    let truth = Truth::of(&maker, &store, &mined)?;

    let config = TrainConfig { epochs, ..student_config(out, seed) };
    let written = toml::to_string(&config).map_err(|e| Error::usage("demo settings", e.to_string()))?;
    atomic::write(out.join("train.toml"), written.as_bytes())?;
    let plan = students(out, budget)?;
    let mut analysis = sweep(&plan, &out.join("students"), stop, listen)?.analysis;
    if seeds == 1 {
        vary_images(&mut analysis);
    }
    let says = says(&analysis.cells, seeds);

    let report = out.join("report.html");
    let page = page(&Shown {
        maker: &maker,
        store: &store,
        scenes: &scenes,
        mined: &mined,
        truth: &truth,
        analysis: &analysis,
        says: &says,
        config: &config,
    })?;
    atomic::write(&report, page.as_bytes())?;
    let results =
        analysis.cells.iter().filter_map(|cell| Some((cell.name.clone(), StudentResult::of(cell)?)));
    let summary = DemoSummary {
        supervisions: results.collect(),
        says,
        held_out_images: analysis.validation_images,
        confidence_auc: truth.auc,
        visible_share: truth.visible as f64 / mined.regions as f64,
        thresholds: mined.thresholds,
        shares: mined.shares,
        report: report.display().to_string(),
        time_s: begun.elapsed().as_secs_f64(),
    };
    write_json(&out.join("summary.json"), &summary)?;
    Ok(summary)
}

/// Makes the folder a demo's, or checks that it is one.
fn claim(out: &Path, seed: u64) -> Result<()> {
    let marker = out.join(MARKER);
    let name = out.display().to_string();
    if marker.exists() {
        let bytes = fs::read(&marker).at(&marker)?;
        let there: Option<Marker> = serde_json::from_slice(&bytes).ok();
        if there != Some(Marker { seed }) {
            return Err(Error::mismatch(name, "it holds a demo of another seed")
                .remedy("choose another folder with --out"));
        }
        return Ok(());
    }
    if out.exists() && fs::read_dir(out).at(out)?.next().is_some() {
        return Err(Error::mismatch(name, "it is neither empty nor a demo's")
            .remedy("choose another folder with --out"));
    }
    fs::create_dir_all(out).at(out)?;
    write_json(&marker, &Marker { seed })
}
