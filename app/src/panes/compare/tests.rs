//! Every control by its name, and numbers against core.

use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use ferkd_data::mine::mine;
use ferkd_data::store::{ShardLabels, Store, StoreWriter};
use ferkd_method::calibration::Adaptation;
use ferkd_method::mining::{Confidence, KindCounts, RegionKind, Thresholds, Transitions};

use crate::assets::Asset;
use crate::dataset::{DataSet, Pictures, unpack};
use crate::experiment::{Data, Settings};
use crate::link;
use crate::pane_kind::PaneKind;
use crate::panes::numbers::count;
use crate::panes::testing::{pane, photos, scenes};
use crate::state::State;

const ABSOLUTE: Thresholds = Thresholds { low: 0.2, mid: 0.45, high: 0.9 };

fn compared<'a>(left: Settings, right: Settings, width: f32) -> Harness<'a, State> {
    let mut state = scenes();
    (state.experiment.settings, state.experiment.other) = (left, Some(right));
    pane(PaneKind::Compare, state, width)
}

/// What `ferkd mine` counts in the same store.
fn mined(state: &State, settings: &Settings) -> KindCounts {
    mine(state.set().unwrap().store().unwrap(), &settings.rule(), settings.confidence).unwrap().kinds
}

fn absolute(thresholds: Thresholds) -> Settings {
    Settings { by_quantile: false, thresholds, ..Settings::default() }
}

/// What goes where, counted in the plainest way.
fn plainly(state: &State, left: &Settings, right: &Settings) -> (Transitions, Vec<(u64, u32)>) {
    let store = state.set().unwrap().store().unwrap();
    let sides = [left, right].map(|settings| {
        (settings.confidence, store.thresholds(&settings.rule(), settings.confidence).unwrap())
    });
    let (mut found, mut differing) = (Transitions::default(), Vec::new());
    for image in 0..store.len() {
        for region in 0..store.per_image() {
            let kind = |(which, thresholds): (Confidence, Thresholds)| {
                thresholds.kind(store.confidence(image, region, which).unwrap()).unwrap()
            };
            let [before, after] = sides.map(kind);
            found.add(before, after, 1);
            if before != after {
                differing.push((image, region));
            }
        }
    }
    (found, differing)
}

#[test]
fn the_tables_margins_are_what_mining_counts() {
    let pairs = [
        (Settings::default(), absolute(ABSOLUTE)),
        (Settings::default(), Settings { confidence: Confidence::Target, ..Settings::default() }),
        (Settings { confidence: Confidence::Target, ..absolute(ABSOLUTE) }, absolute(ABSOLUTE)),
    ];
    for (left, right) in pairs {
        let harness = compared(left, right, 420.0);
        let state = harness.state();
        let study = &state.study.compare;
        assert!(study.walk.is_done() && study.error.is_none());
        assert_eq!(study.transitions.before(), mined(state, &left));
        assert_eq!(study.transitions.after(), mined(state, &right));
        assert_eq!(Some(study.transitions.after()), state.kinds(&right));
        let (expected, differing) = plainly(state, &left, &right);
        assert_eq!(study.transitions, expected);
        let listed: Vec<(u64, u32)> =
            study.differing.iter().map(|found| (found.image, found.region)).collect();
        assert_eq!(listed, differing);
        let moved = expected.of(RegionKind::Important, RegionKind::Context);
        harness.get_by_label(&format!("{} regions go from important to context", count(moved)));
        let said = format!(
            "{} of {} regions change their kind",
            count(expected.changed()),
            count(expected.before().total())
        );
        harness.get_by_label(&said);
    }
}

#[test]
fn the_census_knows_what_the_walk_will_find() {
    let (left, right) = (absolute(ABSOLUTE), absolute(Thresholds { low: 0.1, mid: 0.6, high: 0.95 }));
    let harness = compared(left, right, 420.0);
    let state = harness.state();
    let census = state.census(&left).unwrap().as_ref().unwrap();
    let known = census.transitions(&left.thresholds, &right.thresholds);
    assert_eq!(known, state.study.compare.transitions);
}

#[test]
fn a_preset_begins_the_comparison_and_remove_ends_it() {
    let mut harness = pane(PaneKind::Compare, scenes(), 420.0);
    assert_eq!(harness.state().experiment.other, None);
    harness.get_by_label("Drop only").click();
    harness.run();
    let other = harness.state().experiment.other.unwrap();
    assert_eq!(other, Settings { adaptation: Adaptation::DropOnly, ..Settings::default() });
    let all = mined(harness.state(), &other).total();
    harness.get_by_label(&format!("0 of {} regions change their kind", count(all)));
    harness.get_by_label("Preset").click();
    harness.run();
    harness.get_by_label("Max against target").click();
    harness.run();
    assert_eq!(harness.state().experiment.other.unwrap().confidence, Confidence::Target);
    harness.get_by_label("Copy from left").click();
    harness.run();
    assert_eq!(harness.state().experiment.other, Some(Settings::default()));
    harness.get_by_label("Remove").click();
    harness.run();
    assert_eq!(harness.state().experiment.other, None);
}

#[test]
fn both_sides_have_controls_of_their_own() {
    let mut harness = compared(absolute(ABSOLUTE), absolute(ABSOLUTE), 420.0);
    for (name, value) in [("low, right", 0.3), ("mid, left", 0.5), ("high, right", 0.8), ("ε, right", 0.25)]
    {
        harness.get_by_label(name).set_value_accesskit(value);
        harness.run();
    }
    let choices = [
        ("confidence, right", "target"),
        ("thresholds, left", "quantiles"),
        ("adaptation, right", "calibrate only"),
        ("confidence, left", "target"),
    ];
    for (name, choice) in choices {
        harness.get_by_label(name).click();
        harness.run();
        harness.get_by_label(choice).click();
        harness.run();
    }
    let experiment = &harness.state().experiment;
    let (left, right) = (experiment.settings, experiment.other.unwrap());
    assert_eq!((left.thresholds.mid, right.thresholds.low, right.thresholds.high), (0.5, 0.3, 0.8));
    assert_eq!((right.epsilon, right.adaptation), (0.25, Adaptation::CalibrateOnly));
    assert_eq!((left.by_quantile, right.by_quantile), (true, false));
    assert_eq!((left.confidence, right.confidence), (Confidence::Target, Confidence::Target));
    harness.get_by_label("Swap").click();
    harness.run();
    let experiment = &harness.state().experiment;
    assert_eq!((experiment.settings, experiment.other), (right, Some(left)));
    // A link restores both sides.
    let again = link::from_fragment(&link::to_fragment(experiment)).unwrap();
    assert_eq!((again.settings, again.other), (right, Some(left)));
}

#[test]
fn thresholds_that_do_not_ascend_are_said_to_be_of_their_side() {
    let wrong = Thresholds { low: 0.5, mid: 0.4, high: 0.9 };
    let harness = compared(absolute(ABSOLUTE), absolute(wrong), 420.0);
    harness.get_by_label_contains("Right: mining thresholds");
}

#[test]
fn a_cell_lists_its_regions_and_a_row_shows_its_region() {
    let mut harness = compared(Settings::default(), absolute(ABSOLUTE), 420.0);
    let transitions = harness.state().study.compare.transitions;
    let regions = transitions.of(RegionKind::Important, RegionKind::Context);
    assert!(regions > 0);
    harness.get_by_label(&format!("{} regions go from important to context", count(regions))).click();
    harness.run();
    let study = &mut harness.state_mut().study.compare;
    assert_eq!(study.only, Some((RegionKind::Important, RegionKind::Context)));
    let (shown, differing) = study.shown();
    assert_eq!(shown.len() as u64, regions);
    let second = differing[shown[1] as usize];
    assert_eq!(second.kinds, [RegionKind::Important, RegionKind::Context]);
    harness.get_by_label(&format!("Image {}, region {}", second.image + 1, second.region)).click();
    harness.run();
    let experiment = &harness.state().experiment;
    assert_eq!((experiment.image, experiment.region), (second.image, Some(second.region)));
    harness.get_by_label("List all").click();
    harness.run();
    assert_eq!(harness.state().study.compare.only, None);
}

/// The photos' store, labelled by a teacher that is surer of everything and takes the last image for a hamster.
fn surer() -> (DataSet, tempfile::TempDir) {
    let photos = unpack(Asset::PhotoLabels.embedded().unwrap(), "photos-store.tar").unwrap();
    let mut manifest = photos.manifest().clone();
    manifest.teacher.name = "surer".into();
    let folder = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::open(folder.path(), manifest).unwrap();
    for shard in writer.missing_shards() {
        let layout = writer.layout().clone();
        let images: Vec<u64> = (0..layout.images_in(shard)).map(|row| layout.image(shard, row)).collect();
        let mut labels = ShardLabels::new(writer.manifest()).unwrap();
        for &image in &images {
            for region in 0..photos.per_image() {
                let mut dense = photos.label(image, region).unwrap().dense();
                if image + 1 == photos.len() {
                    dense.rotate_left(1);
                }
                let sum: f32 = dense.iter().map(|p| p * p).sum();
                dense.iter_mut().for_each(|p| *p = *p * *p / sum);
                labels.push_full(&dense).unwrap();
            }
        }
        let entries: Vec<_> = images.iter().map(|&image| photos.image(image).unwrap()).collect();
        writer.write_shard(shard, &entries, &labels, None).unwrap();
    }
    writer.finish().unwrap();
    (DataSet::of_store("surer", Store::open(folder.path()).unwrap(), Pictures::None), folder)
}

#[test]
fn two_stores_of_the_same_images_are_held_against_each_other() {
    let mut state = photos();
    let plain = unpack(Asset::PhotoLabels.embedded().unwrap(), "photos-store.tar").unwrap();
    let settings = absolute(Thresholds { low: 0.3, mid: 0.6, high: 0.95 });
    state.insert(Data::Yours, DataSet::of_store("plain", plain, Pictures::None));
    let (surer, _folder) = surer();
    state.insert(Data::Yours, surer);
    state.look_at(Data::Yours);
    state.experiment.settings = settings;
    let mut harness = pane(PaneKind::Compare, state, 640.0);
    harness.get_by_label("plain (opened before)").click();
    harness.run();
    let state = harness.state();
    let [left, right] = [Data::Yours, Data::Before].map(|data| state.labels.set_of(data).unwrap());
    let [left, right] = [left, right].map(|set| set.store().unwrap().clone());
    let study = &state.study.compare;
    assert!(study.is_of_two() && study.walk.is_done(), "{:?}", study.error);
    let rule = settings.rule();
    assert_eq!(study.transitions.before(), mine(&left, &rule, Confidence::Max).unwrap().kinds);
    assert_eq!(study.transitions.after(), mine(&right, &rule, Confidence::Max).unwrap().kinds);
    let (mut predictions, mut variation) = (0, 0.0);
    for image in 0..left.len() {
        for region in 0..left.per_image() {
            let [a, b] = [&left, &right].map(|store| store.label(image, region).unwrap());
            predictions += u64::from(a.prediction() != b.prediction());
            variation += a.total_variation(&b);
        }
    }
    let labels = study.labels;
    assert_eq!((labels.regions, labels.predictions), (48 * left.len(), predictions));
    assert!(predictions >= 48 && (labels.total_variation - variation).abs() < 1e-9);
    harness.get_by_label_contains("have another top-1 prediction");
}

#[test]
fn stores_of_other_images_are_not_compared() {
    let mut state = photos();
    let scenes = unpack(include_bytes!("../../../../assets/playground/scenes-store.tar"), "scenes").unwrap();
    state.insert(Data::Yours, DataSet::of_store("scenes", scenes, Pictures::None));
    let (surer, _folder) = surer();
    state.insert(Data::Yours, surer);
    state.look_at(Data::Yours);
    let mut harness = pane(PaneKind::Compare, state, 640.0);
    harness.get_by_label_contains("they are of different images");
    harness.state_mut().labels.with_before = true;
    harness.run();
    assert_eq!(harness.state().right_data(), Data::Yours);
}

#[test]
fn two_runs_show_what_they_differ_in_and_become_both_sides() {
    let mut state = scenes();
    for (name, low) in [("first", "0.1"), ("second", "0.2")] {
        let config = format!(
            "images = \"x\"\nstore = \"y\"\nsupervision = \"ferkd\"\nlow = {low}\nmid = 0.4\nhigh = 0.9\n"
        );
        let log = "{\"event\":\"evaluation\",\"step\":1,\"epoch\":1.0,\"top1\":0.25,\"top5\":0.5,\"loss\":1.0,\"best\":true}\n";
        let file = |file: &str, text: &str| (format!("{name}/{file}"), std::sync::Arc::from(text.as_bytes()));
        state.take_files(vec![file("config.toml", &config), file("metrics.jsonl", log)]);
    }
    assert!(state.notices.is_empty(), "{:?}", state.notices);
    let mut harness = pane(PaneKind::Compare, state, 640.0);
    harness.get_by_label("Compare what they did with their labels").click();
    harness.run();
    let experiment = &harness.state().experiment;
    assert_eq!((experiment.settings.thresholds.low, experiment.other.unwrap().thresholds.low), (0.2, 0.1));
    assert_eq!(harness.get_all_by_label("25.00 %").count(), 2);
    // Once among the settings, once among what the runs differ in.
    assert_eq!(harness.get_all_by_label("low").count(), 2);
}
