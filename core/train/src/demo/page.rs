//! The demo's report.

use std::path::Path;

use crate::config::TrainConfig;
use crate::demo::truth::{Truth, scene_of};
use crate::run_report::{Gallery, Pick, histogram, settings};
use crate::sweep::Analysis;
use crate::sweep::markdown::with_interval;
use ferkd_data::images::{ImageList, Split};
use ferkd_data::mine::MiningReport;
use ferkd_data::scenes::SceneMaker;
use ferkd_data::store::Store;
use ferkd_method::calibration::Adaptation;
use ferkd_method::error::Result;
use ferkd_method::mining::{Confidence, RegionKind};
use ferkd_report::stats::Sample;
use ferkd_report::{Best, Cell, Curves, Definitions, Report, Section, Separation, Table, Text};

/// What the report shows.
pub(super) struct Shown<'a> {
    pub maker: &'a SceneMaker,
    pub store: &'a Store,
    /// The scenes' folder.
    pub scenes: &'a Path,
    pub mined: &'a MiningReport,
    pub truth: &'a Truth,
    pub analysis: &'a Analysis,
    /// What the students' accuracies allow to say.
    pub says: &'a str,
    pub config: &'a TrainConfig,
}

/// The report, one self-contained page of HTML.
///
/// # Errors
/// Scenes or labels that cannot be read.
pub(super) fn page(shown: &Shown<'_>) -> Result<String> {
    let Shown { maker, store, scenes, mined, truth, analysis, says, config } = *shown;
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
    let held_out = analysis.validation_images;
    let seeds = analysis.cells.iter().filter_map(|cell| cell.accuracy).map(|a| a.n).max().unwrap_or(0);
    let mut table = Table::new(
        "Held-out accuracy",
        [
            "supervision",
            "accuracy",
            "less fkd's, points [95 % interval]",
            "training loss",
            "context",
            "training time",
        ],
    )
    .mark_best(1, Best::Highest);
    let mut accuracy = Curves::new("Held-out accuracy", "epoch", "of the held-out scenes").percent();
    let mut loss = Curves::new("Training loss", "epoch", "nats");
    for cell in &analysis.cells {
        let Some(right) = cell.accuracy else { continue };
        let context = match cell.shares {
            None => Cell::text("not mined"),
            Some(shares) => Cell::percent(shares[RegionKind::Context as usize]).plain(),
        };
        let difference = match &cell.against {
            Some(against) => Cell::text(with_interval(&against.difference.sample)),
            None => Cell::text("–"),
        };
        let mean = |sample: Option<Sample>| sample.map_or(f64::NAN, |sample| sample.mean);
        let percent = Cell::percent(right.mean);
        table = table.row([
            Cell::text(cell.name.as_str()),
            right.half_width.map_or(percent.clone(), |half| percent.plus_minus(half)),
            difference,
            Cell::number(mean(cell.train_loss), 3),
            context,
            Cell::seconds(mean(cell.time_s)),
        ]);
        accuracy = accuracy.curve(&cell.name, cell.curve.clone());
        loss = loss.curve(&cell.name, cell.loss.clone());
    }
    let (means, over) = match seeds {
        1 => (
            "One seed".to_owned(),
            "over other scenes of the kind (binomial; of differences as if each had scenes of its own)",
        ),
        seeds => (format!("Means of {seeds} seeds"), "over seeds, differences are paired by seed"),
    };
    let table = table.note(format!(
        "{says} {means} on {held_out} held-out scenes, whose digits are in no training scene; plus-minus is half of the \
         95 % interval {over}. Losses of different supervisions cannot be compared: their labels differ."
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
             replaces the guesses by a softened ground truth. Students learned from the same scenes in the same order, under five supervisions.",
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
