//! The grid as it is used: a region is opened, several are picked and tagged.

use egui::Modifiers;
use egui_kittest::kittest::Queryable;
use ferkd_method::mining::RegionKind;

use crate::command::Command;
use crate::export::{picked_csv, picked_jsonl};
use crate::pane_kind::PaneKind;
use crate::panes::testing::{pane, photos, scenes};
use crate::study::gallery::Order;
use crate::verdict::Verdict;

#[test]
fn a_region_is_opened_and_several_are_picked_and_tagged() {
    let mut state = scenes();
    state.study.gallery.order = Order::Disagreement;
    let mut harness = pane(PaneKind::Gallery, state, 480.0);
    let names: Vec<(u64, u32, String)> = (0..2)
        .map(|place| {
            let (tile, kind) = harness.state().study.gallery.tile(place).unwrap();
            let name =
                format!("Image {}, region {}: {}, {:.3}", tile.image + 1, tile.region, kind.name(), tile.c);
            (tile.image, tile.region, name)
        })
        .collect();
    harness.get_by_label(&names[1].2).click();
    harness.run();
    let experiment = &harness.state().experiment;
    assert_eq!((experiment.image, experiment.region), (names[1].0, Some(names[1].1)));
    for (.., name) in &names {
        harness.get_by_label(name).click_modifiers(Modifiers::COMMAND);
        harness.run();
    }
    assert_eq!(harness.state().study.gallery.picked.len(), 2);
    harness.get_by_label(Verdict::TeacherWrong.title()).click();
    harness.run();
    for &(image, region, _) in &names {
        assert_eq!(harness.state().verdict(image, region), Some(Verdict::TeacherWrong));
    }
    harness.get_by_label("Pick none").click();
    harness.run();
    assert!(harness.state().study.gallery.picked.is_empty());
}

#[test]
fn all_that_is_shown_is_picked_and_saved_with_what_is_known_of_it() {
    let mut state = photos();
    state.filters.kind = Some(RegionKind::Context);
    let mut harness = pane(PaneKind::Gallery, state, 480.0);
    assert!(!harness.state().can(Command::SavePickedCsv), "nothing is picked");
    harness.get_by_label("Pick all shown").click();
    harness.run();
    let expected = harness.state().kinds(&harness.state().experiment.settings).unwrap();
    let picked: Vec<(u64, u32)> = harness.state().study.gallery.picked.iter().copied().collect();
    assert_eq!(picked.len() as u64, expected.of(RegionKind::Context));
    harness.get_by_label(Verdict::ClassWrong.title()).click();
    harness.run();
    for (button, command) in
        [("Save as CSV…", Command::SavePickedCsv), ("Save as JSONL…", Command::SavePickedJsonl)]
    {
        harness.get_by_label(button).click();
        harness.run();
        assert_eq!(harness.state().asked.last(), Some(&command));
    }
    let state = harness.state();
    let (csv, jsonl) = (picked_csv(state).unwrap(), picked_jsonl(state).unwrap());
    let rows: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!((rows.len(), jsonl.lines().count()), (picked.len() + 1, picked.len()));
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{csv}");
    let set = state.set().unwrap();
    for ((row, line), &(image, region)) in rows[1..].iter().zip(jsonl.lines()).zip(&picked) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let (found, place) =
            (set.region(image, region).unwrap(), set.regions(image).unwrap()[region as usize]);
        assert_eq!((value["image"].as_str(), &value["region"]), (Some(&*found.image), &region.into()));
        assert_eq!((&value["top"], &value["width"]), (&place.top.into(), &place.width.into()));
        assert_eq!((row[0], row[1].parse()), (&*found.image, Ok(region)));
        assert_eq!((&value["kind"], &value["verdict"]), (&"context".into(), &"class-wrong".into()));
        let c = f64::from(row[10].parse::<f32>().unwrap());
        assert!((value["confidence"].as_f64().unwrap() - c).abs() < 1e-6 && row[11] == "context");
    }
}
