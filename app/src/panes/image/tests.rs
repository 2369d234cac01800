//! What the pane shows over the picture and below it.

use egui::Role;
use egui_kittest::kittest::{NodeT as _, Queryable};
use ferkd_data::classes::ClassSpace;
use ferkd_method::label::{SoftLabel, TopK};

use crate::engine::{JobId, Reply, Request};
use crate::growth::{BOXES, REGION};
use crate::pane_kind::PaneKind;
use crate::panes::testing::{pane, photos};

#[test]
fn the_heat_map_comes_with_a_legend_and_goes_with_it() {
    let mut harness = pane(PaneKind::Image, photos(), 700.0);
    let legend = "Colours of the heat map: mean confidence from 0, dark violet, to 1, bright yellow";
    assert!(harness.query_by_label(legend).is_none());
    harness.get_by_label("Heat map").click();
    harness.run();
    harness.get_by_role_and_label(Role::Figure, legend);
    harness.get_by_label("Heat map").click();
    harness.run();
    assert!(harness.query_by_label(legend).is_none());
}

#[test]
fn growing_boxes_show_what_the_teacher_says_of_each_now() {
    let mut state = photos();
    state.experiment.region = Some(3);
    let mut harness = pane(PaneKind::Image, state, 700.0);
    harness.get_by_label("Growing boxes").click();
    harness.run();
    harness.get_by_label_contains("efficientnet-lite0, which labelled these images, is not at hand");
    assert!(harness.state().outbox.is_empty());
    harness.state_mut().teachers.insert("efficientnet-lite0".into(), ClassSpace::imagenet());
    harness.run();
    let Some(Request::Label(job)) = harness.state_mut().outbox.pop() else {
        panic!("the teacher is not asked")
    };
    let shown = harness.state().shown().unwrap().clone();
    assert_eq!((job.regions.len(), job.regions[REGION]), (BOXES, shown.regions[3]));
    harness.get_by_label_contains("Box 1 of 6");
    harness.run();
    assert!(harness.state().outbox.is_empty(), "it is asked once");
    let said: Vec<&SoftLabel> = shown.labels[..BOXES].iter().flatten().collect();
    let top = |label: &SoftLabel| {
        let (classes, probabilities) = label.top().iter().copied().unzip();
        TopK { classes, probabilities }
    };
    let labels = said.iter().map(|label| top(label)).collect();
    harness.state_mut().hear(Reply::Labels { id: job.id, labels, time_s: 0.1 });
    harness.run();
    for (number, label) in said.iter().enumerate() {
        let settings = harness.state().experiment.settings;
        let (c, kind) = harness.state().judge(&settings, label, shown.truth).unwrap();
        let name = format!("Box {} of 6", number + 1);
        let box_is = harness.get_by_label_contains(&name);
        let text = box_is.accesskit_node().label().unwrap_or_default();
        assert!(text.contains(&format!("confidence {c:.3}, {}", kind.name())), "{text}");
    }
}

#[test]
fn a_failure_at_growing_boxes_is_theirs_alone_and_another_region_is_asked_about() {
    let mut state = photos();
    state.teachers.insert("efficientnet-lite0".into(), ClassSpace::imagenet());
    let mut harness = pane(PaneKind::Image, state, 700.0);
    harness.get_by_label("Growing boxes").click();
    harness.run();
    let Some(Request::Label(job)) = harness.state_mut().outbox.pop() else {
        panic!("the teacher is not asked")
    };
    let failed = Reply::Failed {
        job: Some(JobId::Label(job.id)),
        what: "the boxes".into(),
        error: "it cannot".into(),
    };
    harness.state_mut().hear(failed);
    harness.run();
    harness.get_by_label_contains("choose another region");
    assert!(harness.state().outbox.is_empty());
    harness.state_mut().experiment.region = Some(5);
    harness.run();
    let place = harness.state().shown().unwrap().regions[5];
    assert!(
        matches!(&harness.state().outbox[..], [Request::Label(job)] if job.regions[REGION] == place),
        "another region is asked about"
    );
}
