//! A line of the list as it is used: opened, tagged, saved.

use egui_kittest::kittest::Queryable;

use crate::command::Command;
use crate::export::review_csv;
use crate::pane_kind::PaneKind;
use crate::panes::testing::{pane, photos, scenes};
use crate::verdict::Verdict;

#[test]
fn a_line_is_opened_tagged_and_saved() {
    let mut harness = pane(PaneKind::Review, scenes(), 480.0);
    let (image, region) = {
        let (one, _) = harness.state().study.review.line(1).unwrap();
        (one.image, one.region)
    };
    harness.get_by_label(&format!("Image {}, region {region}", image + 1)).click();
    harness.run();
    assert_eq!(harness.state().experiment.image, image);
    assert_eq!(harness.state().experiment.region, Some(region));
    harness.get_by_label("Class wrong").click();
    harness.run();
    assert_eq!(harness.state().verdict(image, region), Some(Verdict::ClassWrong));
    harness.get_by_label(&Command::SaveReview.title()).click();
    harness.run();
    assert_eq!(harness.state().asked, [Command::SaveReview]);
    let csv = review_csv(harness.state());
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + harness.state().study.review.lines().count());
    assert!(lines[2].ends_with(",class-wrong"), "{}", lines[2]);
    assert!(lines[1].ends_with(','), "{}", lines[1]);
    assert!(lines.iter().all(|line| line.split(',').count() == lines[0].split(',').count()));
}

#[test]
fn scenes_list_mistakes_and_photos_do_not() {
    let mut harness = pane(PaneKind::Review, scenes(), 480.0);
    harness.get_by_label("Mistakes of mining").click();
    harness.run();
    assert!(harness.state().study.review.lines().all(|(one, _)| one.visible.is_some()));
    assert!(!harness.state().study.review.is_empty());
    let harness = pane(PaneKind::Review, photos(), 480.0);
    assert!(harness.query_by_label("Mistakes of mining").is_none());
}
