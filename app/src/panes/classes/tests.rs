//! Every control by its name, and numbers against core.

use std::collections::BTreeMap;

use egui::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use ferkd_data::mine::mine;

use crate::experiment::Data;
use crate::pane_kind::PaneKind;
use crate::panes::numbers::percent;
use crate::panes::testing::{pane, photos, scenes};
use crate::state::State;
use crate::study::classes::Column;

/// What the teacher says of the regions of each class, counted in the plainest way.
fn predictions(state: &State) -> BTreeMap<u32, BTreeMap<u32, u64>> {
    let store = state.set().unwrap().store().unwrap();
    let mut found: BTreeMap<u32, BTreeMap<u32, u64>> = BTreeMap::new();
    for image in 0..store.len() {
        let truth = store.truth(image).unwrap();
        for label in store.labels(image).unwrap() {
            *found.entry(truth).or_default().entry(label.top()[0].0).or_default() += 1;
        }
    }
    found
}

#[test]
fn rows_are_those_of_mining_the_store() {
    let mut harness = pane(PaneKind::Classes, scenes(), 700.0);
    let state = harness.state_mut();
    let settings = state.experiment.settings;
    let mined = mine(state.set().unwrap().store().unwrap(), &settings.rule(), settings.confidence).unwrap();
    let mut study = std::mem::take(&mut state.study.classes);
    (study.column, study.is_descending) = (Column::Name, false);
    study.advance(&state.question(), true);
    let rows = study.rows().unwrap();
    assert_eq!(rows.len(), mined.classes.len());
    for (row, class) in rows.iter().zip(&mined.classes) {
        assert_eq!((&row.name, row.kinds), (&class.name, class.kinds));
        assert!((row.mean - class.mean_confidence).abs() < 1e-9);
    }
}

#[test]
fn confusions_are_those_of_every_stored_label() {
    let mut harness = pane(PaneKind::Classes, scenes(), 420.0);
    let plain = predictions(harness.state());
    let study = &harness.state().study.classes;
    assert!(study.walk.is_done() && study.error.is_none());
    for (&truth, said) in &plain {
        let all: u64 = said.values().sum();
        let mut others: Vec<(u32, u64)> = said
            .iter()
            .filter(|(prediction, _)| **prediction != truth)
            .map(|(&prediction, &times)| (prediction, times))
            .collect();
        others.sort_by_key(|&(prediction, times)| (std::cmp::Reverse(times), prediction));
        assert_eq!(study.confusions.taken_for(truth), others);
        assert_eq!(study.confusions.wrong(truth), Some((all - said[&truth]) as f64 / all as f64));
        harness.get_all_by_label(&percent((all - said[&truth]) as f64 / all as f64)).next().unwrap();
    }
    // Other labels, other confusions.
    harness.state_mut().look_at(Data::Photos);
    harness.run();
    assert_eq!(harness.state().study.classes.confusions.regions(0), 0);
}

/// Names of the classes, from the top of the table on.
fn order(harness: &Harness<'_, State>) -> Vec<String> {
    let set = harness.state().set().unwrap();
    let mut rows: Vec<(f32, String)> = set
        .classes
        .names
        .iter()
        .filter_map(|name| {
            Some((harness.query_by_role_and_label(Role::Button, name)?.rect().top(), name.clone()))
        })
        .collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    rows.into_iter().map(|(_, name)| name).collect()
}

#[test]
fn every_column_sorts_both_ways() {
    let mut harness = pane(PaneKind::Classes, scenes(), 700.0);
    let mined = {
        let settings = harness.state().experiment.settings;
        let store = harness.state().set().unwrap().store().unwrap().clone();
        mine(&store, &settings.rule(), settings.confidence).unwrap()
    };
    let wrong: Vec<f64> =
        (0..10).map(|class| harness.state().study.classes.confusions.wrong(class).unwrap()).collect();
    let share = |kind: usize| -> Vec<f64> { mined.classes.iter().map(|c| c.kinds.shares()[kind]).collect() };
    let columns: [(&str, Vec<f64>); 8] = [
        ("Sort by number of regions", mined.classes.iter().map(|c| c.kinds.total() as f64).collect()),
        ("Sort by share of discarded regions", share(0)),
        ("Sort by share of context regions", share(1)),
        ("Sort by share of important regions", share(2)),
        ("Sort by share of trivial regions", share(3)),
        ("Sort by mean confidence", mined.classes.iter().map(|c| c.mean_confidence).collect()),
        ("Sort by share taken for another class", wrong),
        ("Sort by name", (0..10).map(f64::from).collect()),
    ];
    for (name, values) in columns {
        for _ in 0..2 {
            harness.get_by_label(name).click();
            harness.run();
            let is_descending = harness.state().study.classes.is_descending;
            let mut expected: Vec<usize> = (0..10).collect();
            expected.sort_by(|&a, &b| {
                let order = values[a].total_cmp(&values[b]);
                (if is_descending { order.reverse() } else { order }).then(a.cmp(&b))
            });
            let expected: Vec<String> = expected.iter().map(usize::to_string).collect();
            assert_eq!(order(&harness), expected, "{name}, descending {is_descending}");
        }
    }
}

#[test]
fn a_class_is_filtered_by_and_its_confusions_lead_to_their_regions() {
    let mut harness = pane(PaneKind::Classes, scenes(), 420.0);
    harness.get_by_role_and_label(Role::Button, "7").click();
    harness.run();
    assert_eq!(harness.state().filters.class, Some(7));
    let image = harness.state().experiment.image;
    assert_eq!(harness.state().set().unwrap().class_of(image).unwrap(), Some(7));
    let study = &harness.state().study.classes;
    let (prediction, times) = study.confusions.taken_for(7)[0];
    let share = percent(times as f64 / study.confusions.regions(7) as f64);
    harness.get_by_label(&format!("{prediction} · {share}")).click();
    harness.run();
    let listing = harness.state().study.classes.listing.as_ref().unwrap();
    assert_eq!(listing.found.len() as u64, times);
    let (image, region, p) = listing.found[1];
    let label = harness.state().set().unwrap().store().unwrap().label(image, region).unwrap();
    assert_eq!(label.top()[0], (prediction, p));
    harness.get_by_label(&format!("Image {}, region {region}", image + 1)).click();
    harness.run();
    let experiment = &harness.state().experiment;
    assert_eq!((experiment.image, experiment.region), (image, Some(region)));
    harness.get_by_label("Show all classes").click();
    harness.run();
    assert_eq!(harness.state().filters.class, None);
}

#[test]
fn bars_say_their_counts_to_those_who_do_not_see_them() {
    let harness = pane(PaneKind::Classes, photos(), 420.0);
    let settings = harness.state().experiment.settings;
    let store = harness.state().set().unwrap().store().unwrap().clone();
    for class in mine(&store, &settings.rule(), settings.confidence).unwrap().classes {
        let counts = class.kinds.0;
        harness.get_by_label_contains(&format!("{}: {} discarded", class.name, counts[0]));
    }
}
