//! The demo's steps: scenes, labels, mining, five students, a report.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::config::TrainConfig;
use crate::demo::settings::{HELD_OUT_COPIES, TEACHER, VISIBLE, student_config};
use crate::demo::students::{Student, teach};
use crate::labelling::{LabelConfig, label};
use crate::run::write_json;
use crate::run_report::{Gallery, Pick, accuracy_curve, histogram, loss_curve, settings};
use ferkd_data::atomic;
use ferkd_data::events::Listener;
use ferkd_data::images::{ImageList, Split};
use ferkd_data::mine::{MiningReport, mine};
use ferkd_data::scenes::{Half, SceneMaker};
use ferkd_data::store::Store;
use ferkd_method::calibration::Adaptation;
use ferkd_method::error::{Error, IoContext, Result};
use ferkd_method::mining::{Confidence, Histogram, RegionKind, Rule};
use ferkd_report::{Best, Cell, Curves, Definitions, Report, Section, Separation, Table, Text};

/// File that marks a folder as a demo's.
const MARKER: &str = "demo.json";

/// What the demo found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DemoSummary {
    /// How each student did.
    pub supervisions: BTreeMap<String, StudentResult>,
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

/// How a student did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StudentResult {
    /// Share of held-out images whose top-1 prediction is right, in 0..=1.
    pub accuracy: f64,
    /// Training loss at the end, in nats.
    pub train_loss: f64,
    /// Seconds of training.
    pub time_s: f64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Marker {
    seed: u64,
}

/// The settings of the demo's teacher pass.
fn label_config(seed: u64) -> LabelConfig {
    // At temperature 1 the teacher is certain of a third of the regions, to four digits.
    LabelConfig { regions: 16, temperature: 2.0, seed, device: "flex".into(), ..LabelConfig::default() }
}

/// Runs the demo in the folder `out`. What an earlier demo of the same seed left there is used again, but for the
/// students, which are trained again.
///
/// # Errors
/// A folder that holds something else; [`Interrupted`](ferkd_method::ErrorKind::Interrupted) when `stop` was set.
pub fn demo(out: &Path, seed: u64, stop: &AtomicBool, listen: Listener) -> Result<DemoSummary> {
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
    let truth = Truth::of(&maker, &store)?;

    let config = student_config(out, seed);
    let written = toml::to_string(&config).map_err(|e| Error::usage("demo settings", e.to_string()))?;
    atomic::write(out.join("train.toml"), written.as_bytes())?;
    let students = teach(out, &config, stop, listen)?;

    let report = out.join("report.html");
    let page = page(&maker, &store, &scenes, &mined, &truth, &students, &config)?;
    atomic::write(&report, page.as_bytes())?;
    let result = |s: &Student| StudentResult {
        accuracy: s.accuracy,
        train_loss: s.summary.train_loss,
        time_s: s.summary.time_s,
    };
    let summary = DemoSummary {
        supervisions: students.iter().map(|s| (s.supervision.name().into(), result(s))).collect(),
        held_out_images: held_out(&maker),
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

/// Makes the folder a demo's, or checks that it is one; removes what students an earlier demo taught there.
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
        let runs = out.join("runs");
        return if runs.exists() { fs::remove_dir_all(&runs).at(&runs) } else { Ok(()) };
    }
    if out.exists() && fs::read_dir(out).at(out)?.next().is_some() {
        return Err(Error::mismatch(name, "it is neither empty nor a demo's")
            .remedy("choose another folder with --out"));
    }
    fs::create_dir_all(out).at(out)?;
    write_json(&marker, &Marker { seed })
}

/// Mining held against what the scenes know.
struct Truth {
    auc: f64,
    visible: u64,
    shown: Histogram,
    missed: Histogram,
    /// Number of regions and sum of the visible shares, by kind.
    by_kind: [(u64, f64, u64); 4],
}

impl Truth {
    fn of(maker: &SceneMaker, store: &Store) -> Result<Self> {
        let mined = mine(store, &Rule::default(), Confidence::Max)?;
        let mut pairs = Vec::with_capacity(mined.regions as usize);
        let (mut shown, mut missed) = (Histogram::new(100), Histogram::new(100));
        let mut by_kind = [(0, 0.0, 0); 4];
        for image in 0..store.len() {
            let scene = scene_of(maker, &store.image(image)?.name)?;
            for region in 0..store.manifest().regions.per_image {
                let c = store.confidence(image, region, Confidence::Max)?;
                let share = scene.visible_share(&store.region(image, region)?);
                let visible = share >= VISIBLE;
                if visible {
                    shown.add(c);
                } else {
                    missed.add(c);
                }
                let entry = &mut by_kind[mined.thresholds.kind(c)? as usize];
                *entry = (entry.0 + 1, entry.1 + share, entry.2 + u64::from(visible));
                pairs.push((c, visible));
            }
        }
        let visible = pairs.iter().filter(|p| p.1).count() as u64;
        Ok(Self { auc: auc(pairs), visible, shown, missed, by_kind })
    }
}

/// Number of held-out scenes.
fn held_out(maker: &SceneMaker) -> u64 {
    maker.digits(Half::HeldOut).count() as u64 * u64::from(HELD_OUT_COPIES)
}

fn scene_of(maker: &SceneMaker, name: &str) -> Result<ferkd_data::scenes::Scene> {
    let (digit, copy) = SceneMaker::parse_name(name).ok_or_else(|| {
        Error::mismatch(name, "it is not a scene of the demo").remedy("choose another folder with --out")
    })?;
    Ok(maker.scene(digit, copy))
}

/// Area under the ROC curve: the probability that a positive scores higher than a negative, ties counting half.
pub fn auc(mut scored: Vec<(f32, bool)>) -> f64 {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = scored.iter().filter(|s| s.1).count() as f64;
    let negatives = scored.len() as f64 - positives;
    let mut ranks = 0.0;
    let mut start = 0;
    while start < scored.len() {
        let end = start + scored[start..].iter().take_while(|s| s.0 == scored[start].0).count();
        // Ties share their mean rank.
        let rank = (start + 1 + end) as f64 / 2.0;
        ranks += rank * scored[start..end].iter().filter(|s| s.1).count() as f64;
        start = end;
    }
    (ranks - positives * (positives + 1.0) / 2.0) / (positives * negatives)
}

/// The report.
fn page(
    maker: &SceneMaker,
    store: &Store,
    scenes: &Path,
    mined: &MiningReport,
    truth: &Truth,
    students: &[Student],
    config: &TrainConfig,
) -> Result<String> {
    let images = ImageList::open(scenes, Split::Train)?;
    let gallery = Gallery {
        store,
        images: &images,
        thresholds: mined.thresholds,
        confidence: Confidence::Max,
        softening: config.softening(store.manifest().label.temperature),
        adaptation: Adaptation::Full,
        side: config.side,
    };
    let visible = |pick: &Pick| {
        let scene = scene_of(maker, &store.image(pick.image).ok()?.name).ok()?;
        Some(scene.visible_share(&store.region(pick.image, pick.region).ok()?))
    };
    let held_out = held_out(maker) as f64;
    let mut table = Table::new(
        "Held-out accuracy",
        ["supervision", "accuracy", "training loss", "context", "training time"],
    )
    .mark_best(1, Best::Highest);
    let mut accuracy = Curves::new("Held-out accuracy", "epoch", "of the held-out scenes").percent();
    let mut loss = Curves::new("Training loss", "epoch", "nats");
    for Student { supervision, summary, accuracy: right, events } in students {
        let right = *right;
        let context = match summary.kinds.total() {
            0 => Cell::text("not mined"),
            total => Cell::percent(summary.kinds.of(RegionKind::Context) as f64 / total as f64).plain(),
        };
        table = table.row([
            Cell::text(supervision.name()),
            Cell::percent(right).plus_minus((right * (1.0 - right) / held_out).sqrt()),
            Cell::number(summary.train_loss, 3),
            context,
            Cell::seconds(summary.time_s),
        ]);
        accuracy = accuracy.curve(supervision.name(), accuracy_curve(events));
        loss = loss.curve(supervision.name(), loss_curve(events));
    }
    let table = table.note(format!(
        "{held_out} held-out digits, none of them in a training scene; plus-minus is the binomial standard error of one run, so that \
         smaller differences than two of them say nothing. Losses of different supervisions cannot be compared: their labels differ."
    ));

    let mut kinds = Table::new(
        "What the kinds hold",
        ["kind", "regions", "digit visible", "mean visible share of the digit"],
    );
    for kind in RegionKind::ALL {
        let (count, sum, shown) = truth.by_kind[kind as usize];
        let n = count.max(1) as f64;
        kinds = kinds.row([
            Cell::text(format!("{} {}", kind.letter(), kind.name())),
            Cell::number(count as f64, 0),
            Cell::percent(shown as f64 / n),
            Cell::percent(sum / n),
        ]);
    }
    let kinds = kinds.note("a digit counts as visible from half of its ink on");
    let histogram = histogram(mined)
        .overlay("digit visible", truth.shown.clone())
        .overlay("digit not visible", truth.missed.clone())
        .separation(Separation {
            auc: truth.auc,
            first: "a region that shows the digit".into(),
            second: "one that does not".into(),
        });

    let mut regions = Section::new("Mining")
        .note("Each region is sorted by the teacher's highest probability; no threshold needs the teacher again.")
        .with(histogram)
        .with(kinds);
    for image in gallery.representative_images(2, 8)? {
        regions = regions.with(gallery.boxes(image, 8)?);
    }

    let out = scenes.parent().unwrap_or(scenes).display();
    let commands = format!(
        "ferkd mine {out}/store --by-class\nferkd verify {out}/store\n\
         ferkd train --config {out}/train.toml --supervision ferkd --run my-run\n\
         ferkd eval my-run {out}/scenes"
    );
    let manifest = store.manifest();
    let provenance = Definitions::new("Labels")
        .item(
            "teacher",
            match &manifest.teacher.sha256 {
                Some(sha256) => format!("{} (sha256 {:.12})", manifest.teacher.name, sha256),
                None => manifest.teacher.name.clone(),
            },
        )
        .item("regions of an image", manifest.regions.per_image.to_string())
        .item("pairs of a label", manifest.label.k.to_string())
        .item("seed", config.seed.to_string())
        .item("program", manifest.created_by.clone());
    Ok(Report::new("FerKD on handwritten digits")
        .subtitle(format!("{} training scenes, {held_out} held-out scenes, 10 classes", store.len()))
        .lead(
            "A teacher looked once at 16 regions of every scene and said what it saw. Many regions miss the digit: there \
             the teacher's label is a guess. FerKD sorts regions by the teacher's confidence, drops the useless ones, and \
             replaces the guesses by a softened ground truth. Five students learned from the same scenes in the same order.",
        )
        .section(Section::new("Students").with(table).with(accuracy).with(loss))
        .section(regions.with(gallery.grid(&gallery.picks(5)?, &visible)?))
        .section(Section::new("Labels").with(gallery.labels(&gallery.picks(2)?)?))
        .section(Section::new("SelfMix").with(gallery.selfmix(4)?))
        .section(
            Section::new("How this was made")
                .with(provenance)
                .with(settings(config)?)
                .with(Text::new().paragraph("Every step can be repeated alone:").code(&commands)),
        )
        .render())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_counts_ties_half() {
        assert_eq!(auc(vec![(0.1, false), (0.2, false), (0.3, true)]), 1.0);
        assert_eq!(auc(vec![(0.5, false), (0.5, true)]), 0.5);
        assert_eq!(auc(vec![(0.1, true), (0.2, false), (0.3, true), (0.4, false)]), 0.25);
    }
}
