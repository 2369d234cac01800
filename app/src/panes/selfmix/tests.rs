//! Every control by its name, and numbers against core.

use egui::Role;
use egui_kittest::kittest::Queryable;
use ferkd_method::selfmix::{Draw, Mix, MixStrength, Mixing};

use super::{adapted, hand_draw, parents};
use crate::experiment::MixSettings;
use crate::link;
use crate::pane_kind::PaneKind;
use crate::panes::testing::{pane, photos, scenes};
use crate::state::State;
use crate::study::mixes::{DRAWS, SEED, SIDE};

/// What the pane must say of the mixture within the image.
fn expected(state: &State, side: u32) -> String {
    let settings = state.experiment.settings;
    let shown = state.shown().unwrap();
    let adapted = adapted(state, &state.thresholds(&settings).unwrap(), shown);
    let (a, b) = parents(state, &adapted).unwrap();
    let label = |number: u32| {
        let teacher = shown.labels[number as usize].clone().unwrap();
        let (_, kind) = state.judge(&settings, &teacher, shown.truth).unwrap();
        settings.adaptation.adapt(teacher, kind, shown.truth, state.softening(&settings)).unwrap()
    };
    let mixing = hand_draw(&state.experiment.mixing, side).unwrap().mixing(side);
    let (a, b) = (label(a), label(b));
    let mixed = a.mixed(&b, mixing.l).unwrap();
    let far = [mixed.total_variation(&a), mixed.total_variation(&b)];
    format!("SelfMix, within the image: Total variation {:.3} from a, {:.3} from b", far[0], far[1])
}

#[test]
fn the_mixed_labels_distances_are_cores() {
    let mut harness = pane(PaneKind::Selfmix, photos(), 700.0);
    harness.get_by_label(&expected(harness.state(), SIDE));
    for _ in 0..4 {
        harness.get_by_label("Draw again").click();
        harness.run();
        harness.get_by_label(&expected(harness.state(), SIDE));
    }
}

#[test]
fn drawing_again_gives_what_a_batch_is_mixed_with() {
    let mut harness = pane(PaneKind::Selfmix, scenes(), 420.0);
    let mut operators = std::collections::BTreeSet::new();
    for step in 1..12 {
        harness.get_by_label("Draw again").click();
        harness.run();
        let settings = harness.state().experiment.mixing;
        assert_eq!(settings.draw, step);
        let drawn = Mixing::draw(Mix::Selfmix, &MixStrength::default(), SEED, step, 16).unwrap().unwrap();
        assert_eq!(hand_draw(&settings, 16).unwrap().mixing(16), drawn);
        operators.insert(settings.by_box);
    }
    assert_eq!(operators.len(), 2, "both operators were drawn");
}

#[test]
fn a_hand_changes_the_weight_and_leaves_the_boxs_place() {
    let chance = Draw::of(Mix::Selfmix, &MixStrength::default(), SEED, 3, 64).unwrap().unwrap();
    let settings = MixSettings { draw: 3, l: 0.25, by_box: true, partner: None };
    let draw = hand_draw(&settings, 64).unwrap();
    assert_eq!((draw.l, draw.by_pixels, draw.centre), (0.25, false, chance.centre));
}

#[test]
fn slider_and_operator_are_found_by_name_and_change_the_mixture() {
    let mut harness = pane(PaneKind::Selfmix, photos(), 420.0);
    harness.get_by_role_and_label(Role::Slider, "l").set_value_accesskit(0.25);
    harness.run();
    assert_eq!(harness.state().experiment.mixing.l, 0.25);
    harness.get_by_label(&expected(harness.state(), SIDE));
    harness.get_by_label("By box").click();
    harness.run();
    assert!(harness.state().experiment.mixing.by_box);
    harness.get_by_label_contains("A box of");
    harness.get_by_label("CutMix, with another image");
    harness.get_by_label("By pixels").click();
    harness.run();
    harness.get_by_label("Mixup, with another image");
}

#[test]
fn both_regions_can_be_chosen() {
    let mut harness = pane(PaneKind::Selfmix, photos(), 420.0);
    let shown = harness.state().shown().unwrap().clone();
    let judged = |number: usize| {
        let label = shown.labels[number].as_ref().unwrap();
        harness.state().judge(&harness.state().experiment.settings, label, shown.truth).unwrap()
    };
    let entries = [5, 3].map(|number| {
        let (c, kind) = judged(number);
        format!("{number} · {} {c:.2}", kind.letter())
    });
    for (name, entry) in ["Region a", "Region b"].into_iter().zip(&entries) {
        harness.get_by_role_and_label(Role::ComboBox, name).click();
        harness.run();
        harness.get_by_label(entry).click();
        harness.run();
    }
    let state = harness.state();
    assert_eq!((state.experiment.region, state.experiment.mixing.partner), (Some(5), Some(3)));
    harness.get_by_label(&expected(state, SIDE));
}

#[test]
fn a_link_restores_what_is_mixed() {
    let mut harness = pane(PaneKind::Selfmix, photos(), 420.0);
    harness.get_by_label("Draw again").click();
    harness.run();
    let said = expected(harness.state(), SIDE);
    let fragment = link::to_fragment(&harness.state().experiment);
    let mut again = State::new(link::from_fragment(&fragment).unwrap());
    again.refresh();
    pane(PaneKind::Selfmix, again, 420.0).get_by_label(&said);
}

#[test]
fn labels_mixed_within_an_image_stay_nearer_to_their_parents() {
    let harness = pane(PaneKind::Selfmix, scenes(), 420.0);
    let study = &harness.state().study.mixes;
    assert_eq!((study.done, study.error.clone()), (DRAWS, None));
    let (within, across) = (study.within.mean().unwrap(), study.across.mean().unwrap());
    assert!(within < across, "{within} {across}");
    harness.get_by_label(&format!("Within one image: mean {within:.3}"));
    harness.get_by_label(&format!("Across images: mean {across:.3}"));
    harness.get_by_role(Role::Figure);
    // Slices of another length come to the same.
    let again = pane(PaneKind::Selfmix, scenes(), 800.0);
    assert_eq!(again.state().study.mixes.within, study.within);
    assert_eq!(again.state().study.mixes.across, study.across);
}
