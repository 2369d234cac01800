//! The grid as it is used: a region is opened, several are picked and tagged.

use egui::Modifiers;
use egui_kittest::kittest::Queryable;

use crate::pane_kind::PaneKind;
use crate::panes::testing::{pane, scenes};
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
