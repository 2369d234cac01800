//! Every control by its name, and numbers against core.

use egui::Role;
use egui_kittest::kittest::Queryable;
use ferkd_method::selfmix::{Draw, Mix, MixPartners, MixStrength, Mixing, box_similarity, partners};

use super::{adapted, hand_draw, parents};
use crate::experiment::MixSettings;
use crate::link;
use crate::pane_kind::PaneKind;
use crate::panes::testing::{pane, photos, scenes};
use crate::state::State;
use crate::study::mixes::{DRAWS, SEED, SIDE};
use crate::study::spread::Way;

/// What the pane must say of the mixture within the image.
fn expected(state: &State, side: u32) -> String {
    let settings = state.experiment.settings;
    let shown = state.shown().unwrap();
    let adapted = adapted(state, &state.thresholds(&settings).unwrap(), shown);
    let (a, b) = parents(state, shown, &adapted).unwrap();
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
    let settings = MixSettings { draw: 3, l: 0.25, by_box: true, ..MixSettings::default() };
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
fn labels_mixed_within_an_image_stay_nearer_to_their_parents_and_similar_ones_nearest() {
    let harness = pane(PaneKind::Selfmix, scenes(), 420.0);
    let study = &harness.state().study.mixes;
    assert_eq!((study.done, study.mixed, study.error.clone()), (DRAWS, DRAWS, None));
    let mean = |way| study.spread(way).mean().unwrap();
    assert!(mean(Way::Overlap) < mean(Way::Random), "{} {}", mean(Way::Overlap), mean(Way::Random));
    for across in [Way::Mixup, Way::Cutmix] {
        assert!(mean(Way::Random) < mean(across), "{across:?}: {} {}", mean(Way::Random), mean(across));
    }
    for way in Way::ALL {
        harness.get_by_label(&format!("{}: mean {:.3}", way.title(), mean(way)));
        let figure = format!("Distribution of total variation. {}: mean {:.3}", way.title(), mean(way));
        harness.get_by_role_and_label(Role::Figure, &figure);
    }
    // Slices of another length come to the same.
    let again = pane(PaneKind::Selfmix, scenes(), 800.0);
    for way in Way::ALL {
        assert_eq!(again.state().study.mixes.spread(way), study.spread(way));
    }
}

#[test]
fn the_partner_is_the_one_that_a_batch_mixes_with() {
    let mut harness = pane(PaneKind::Selfmix, photos(), 700.0);
    let partner = |state: &State| {
        let shown = state.shown().unwrap();
        let thresholds = state.thresholds(&state.experiment.settings).unwrap();
        let adapted = adapted(state, &thresholds, shown);
        let met: Vec<u32> = (0..adapted.len() as u32)
            .filter(|number| adapted[*number as usize].as_ref().is_some_and(|one| one.is_met))
            .collect();
        (parents(state, shown, &adapted).unwrap(), met, shown.regions.clone())
    };
    for _ in 0..3 {
        let state = harness.state();
        let ((a, b), met, _) = partner(state);
        let at = met.iter().position(|number| *number == a).unwrap();
        let drawn = partners(Mix::Selfmix, SEED, state.experiment.mixing.draw, &[met.len()])[at];
        assert_eq!(b, met[drawn as usize]);
        harness.get_by_label("Draw again").click();
        harness.run();
    }
    harness.get_by_label("Largest overlap").click();
    harness.run();
    let state = harness.state();
    assert_eq!(state.experiment.mixing.partners, MixPartners::Overlap);
    let ((a, b), met, places) = partner(state);
    let overlap = |number: u32| box_similarity(&places[a as usize], &places[number as usize]);
    assert!(met.iter().filter(|number| **number != a).all(|number| overlap(*number) <= overlap(b)));
    harness.get_by_label(&format!("Their boxes overlap by {:.2} (intersection over union)", overlap(b)));
    harness.get_by_label(&expected(state, SIDE));
}

#[test]
fn at_a_smaller_probability_the_same_draws_mix_alike_and_others_stay() {
    let mut state = scenes();
    state.experiment.mixing.probability = 0.5;
    let half = pane(PaneKind::Selfmix, state, 420.0);
    let study = &half.state().study.mixes;
    let strength = half.state().experiment.mixing.strength();
    let mixes = |step: &u64| Draw::of(Mix::Selfmix, &strength, SEED, *step, 16).unwrap().is_some();
    let expected = (0..DRAWS).filter(mixes).count() as u64;
    assert_eq!((study.done, study.mixed), (DRAWS, expected));
    assert!((DRAWS / 3..2 * DRAWS / 3).contains(&expected), "{expected}");
    half.get_by_label(&format!("{expected} of {DRAWS} draws mix; the others leave their labels as they are"));
    let unmixed = (0..DRAWS).find(|step| !mixes(step)).unwrap();
    let mut state = scenes();
    (state.experiment.mixing.probability, state.experiment.mixing.draw) = (0.5, unmixed);
    pane(PaneKind::Selfmix, state, 420.0)
        .get_by_label("At a probability of 0.50 this draw stays unmixed: below is what it would be");
}
