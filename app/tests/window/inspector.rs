//! The interface as it is used: controls are found by role and label, and do what they say.

use crate::common::{Recorder, open, open_with};
use egui::accesskit::Role;
use egui::{Key, Modifiers, vec2};
use egui_kittest::kittest::Queryable;
use ferkd_app::experiment::{Data, Experiment};
use ferkd_app::shell::Picked;
use ferkd_app::state::filters::Boxes;
use ferkd_method::mining::{Confidence, RegionKind};

#[test]
fn it_opens_to_a_photo_with_regions_of_every_kind() {
    let mut window = open(Experiment::default());
    window.run_steps(2);
    window.get_by_role_and_label(Role::Image, "n02124075/chelsea.jpg");
    let state = window.state_mut().state();
    let counts = state.kinds(&state.experiment.settings).unwrap();
    assert_eq!(counts.total(), 48 * state.set().unwrap().len());
    assert!(RegionKind::ALL.iter().all(|&kind| counts.of(kind) > 0), "{counts:?}");
}

#[test]
fn who_was_never_here_is_told_what_it_is_and_may_ask_again() {
    let mut window = open(Experiment::first());
    window.state_mut().restore(None);
    window.run_steps(3);
    for kind in RegionKind::ALL {
        window.get_by_role_and_label(Role::Image, &format!("A {} region", kind.name()));
    }
    window.get_by_label("Look around").click();
    window.run_steps(3);
    assert!(!window.state_mut().state().welcome && window.state_mut().state().tour.is_none());
    window.get_by_role_and_label(Role::Button, "FerKD").click();
    window.run_steps(3);
    window.get_by_label("Start the tour").click();
    window.run_steps(3);
    let state = window.state_mut().state();
    assert!(!state.welcome && state.tour.as_ref().is_some_and(|tour| tour.stop == 0));
    // A link says what is to be looked at.
    let mut window = open(Experiment::default());
    window.state_mut().restore(None);
    assert!(!window.state_mut().state().welcome);
}

#[test]
fn mid_sets_itself_where_the_teacher_begins_to_be_right() {
    let mut window = open(Experiment { data: Data::Scenes, ..Experiment::default() });
    crate::common::run_until(&mut window, |state| state.labels.has(Data::Scenes));
    window.run_steps(20);
    window.get_by_label("Auto").click();
    window.run_steps(3);
    let state = window.state_mut().state();
    let settings = state.experiment.settings;
    let (mid, counts) = (settings.thresholds.mid, state.kinds(&settings).unwrap());
    assert!(!settings.by_quantile && (0.2..0.6).contains(&mid), "{settings:?}");
    assert!(counts.of(RegionKind::Context) > 0, "{counts:?}");
}

#[test]
fn a_threshold_that_is_typed_changes_the_counts() {
    let mut window = open(Experiment::default());
    window.run_steps(2);
    let before = window.state_mut().state().kinds(&Default::default()).unwrap();
    window.get_by_role_and_label(Role::SpinButton, "mid").set_value_accesskit(0.5);
    window.run_steps(3);
    let state = window.state_mut().state();
    assert_eq!(state.experiment.settings.quantiles.mid, 0.5);
    let after = state.kinds(&state.experiment.settings).unwrap();
    assert!(after.of(RegionKind::Context) > before.of(RegionKind::Context) + 20, "{before:?} {after:?}");
}

#[test]
fn a_threshold_that_is_dragged_changes_the_counts_as_one_step_of_undo() {
    let mut window = open(Experiment::default());
    window.run_steps(2);
    window.get_by_label("Absolute").click();
    window.run_steps(2);
    let state = window.state_mut().state();
    let (settings, before) = (state.experiment.settings, state.experiment.clone());
    let counts = state.kinds(&settings).unwrap();
    let rect = window.get_by_role_and_label(Role::Figure, "Histogram of confidence").rect();
    let x = |c: f32| rect.left() + 4.0 + c * (rect.width() - 8.0);
    let y = rect.center().y;
    window.drag_at(egui::pos2(x(settings.thresholds.mid), y));
    window.run_steps(1);
    for c in [0.55, 0.6, 0.65] {
        window.hover_at(egui::pos2(x(c), y));
        window.run_steps(1);
    }
    window.drop_at(egui::pos2(x(0.65), y));
    window.run_steps(2);
    let state = window.state_mut().state();
    let now = state.experiment.settings;
    assert!((now.thresholds.mid - 0.65).abs() < 0.02, "{:?}", now.thresholds);
    assert!(state.kinds(&now).unwrap().of(RegionKind::Context) > counts.of(RegionKind::Context));
    window.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    window.run_steps(2);
    assert_eq!(window.state_mut().state().experiment, before);
}

#[test]
fn a_click_on_a_box_chooses_its_region_and_shows_its_label() {
    let mut window = open(Experiment::default());
    window.state_mut().state().filters.boxes = Boxes(48);
    window.run_steps(2);
    let rect = window.get_by_role_and_label(Role::Image, "n02124075/chelsea.jpg").rect();
    let at = rect.center() + vec2(20.0, 30.0);
    window.drag_at(at);
    window.drop_at(at);
    window.run_steps(3);
    let chosen = window.state_mut().state().experiment.region.unwrap();
    window.hover_at(egui::pos2(1.0, 1.0));
    window.run_steps(3);
    window.get_by_label(&format!("Region {chosen}"));
    window.get_by_label("Adapted");
}

#[test]
fn keys_go_through_images_and_the_palette_finds_actions() {
    let mut window = open(Experiment::default());
    window.run_steps(2);
    window.key_press(Key::PageDown);
    window.run_steps(2);
    assert_eq!(window.state_mut().state().experiment.image, 1);
    window.key_press_modifiers(Modifiers::COMMAND, Key::K);
    window.run_steps(3);
    window.get_by_role(Role::TextInput).type_text("previous");
    window.run_steps(2);
    window.key_press(Key::Enter);
    window.run_steps(3);
    assert_eq!(window.state_mut().state().experiment.image, 0);
}

#[test]
fn the_confidence_of_the_target_is_another_histogram() {
    let mut window = open(Experiment::default());
    window.run_steps(2);
    window.get_by_label("target").click();
    window.run_steps(2);
    let state = window.state_mut().state();
    assert_eq!(state.experiment.settings.confidence, Confidence::Target);
    let census = state.census(&state.experiment.settings).unwrap().as_ref().unwrap();
    let max = state.set().unwrap().census(Confidence::Max).unwrap();
    assert_ne!(census.histogram(50), max.histogram(50));
}

#[test]
fn an_experiment_opens_as_its_link_says() {
    let mut experiment =
        Experiment { data: Data::Scenes, image: 12, region: Some(3), ..Experiment::default() };
    experiment.settings.epsilon = 0.25;
    let link = ferkd_app::link::to_fragment(&experiment);
    let mut window = open(ferkd_app::link::from_fragment(&link).unwrap());
    window.run_steps(3);
    let state = window.state_mut().state();
    assert_eq!((state.experiment.clone(), state.shown().unwrap().image), (experiment, 12));
}

#[test]
fn what_goes_out_is_offered_by_the_shell() {
    let shell = Recorder::default();
    let mut window = open_with(Experiment::default(), shell.clone());
    window.run_steps(2);
    for (typed, file) in [("thresholds as toml", "thresholds.toml"), ("counts as csv", "counts.csv")] {
        window.key_press_modifiers(Modifiers::COMMAND, Key::K);
        window.run_steps(3);
        window.get_by_role(Role::TextInput).type_text(&format!("save {typed}"));
        window.run_steps(2);
        window.key_press(Key::Enter);
        window.run_steps(3);
        assert_eq!(shell.saved().last().unwrap().0, file);
    }
}

#[test]
fn dropped_pictures_are_labelled_once_the_teacher_is_ready() {
    let shell = Recorder::default();
    let mut window = open_with(Experiment::default(), shell.clone());
    window.run_steps(2);
    let bytes = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../assets/playground/photos/n07920052/coffee.jpg"
    ));
    shell.choose(Picked::Files(vec![("cup.jpg".into(), bytes.unwrap().into())]));
    crate::common::run_until(&mut window, |state| {
        state.experiment.data == Data::Yours
            && state.teachers.ready.len() == 2
            && state.labels.labelling(Data::Yours).is_none()
    });
    let state = window.state_mut().state();
    let image = &state.set().unwrap().live_images().unwrap()[0];
    let proposed = ferkd_app::live_image::proposal(image).unwrap();
    assert_eq!(state.set().unwrap().class_name(proposed), "espresso");
    window.run_steps(2);
    window.get_by_label("It is: espresso").click();
    window.run_steps(2);
    assert_eq!(window.state_mut().state().shown().unwrap().truth, Some(proposed));
}

#[test]
fn the_tour_waits_for_the_reader_and_goes_on() {
    let mut window = open(Experiment::default());
    window.run_steps(2);
    window.get_by_label("Tour").click();
    window.run_steps(2);
    window.get_by_label("Skip");
    window.state_mut().state().filters.boxes = Boxes(48);
    window.run_steps(1);
    let rect = window.get_by_role_and_label(Role::Image, "n02124075/chelsea.jpg").rect();
    window.hover_at(rect.center());
    window.run_steps(4);
    window.get_by_label("Next").click();
    window.run_steps(2);
    assert_eq!(window.state_mut().state().tour.as_ref().unwrap().stop, 1);
    window.get_by_label("End tour").click();
    window.run_steps(2);
    assert!(window.state_mut().state().tour.is_none());
}

#[test]
fn a_kind_shows_its_regions_only_and_a_kept_set_stays_while_thresholds_move() {
    let mut window = open(Experiment::default());
    window.run_steps(2);
    window.get_by_label("Show only context").click();
    window.run_steps(2);
    let shown = |window: &mut egui_kittest::Harness<'static, ferkd_app::Inspector>| {
        let state = window.state_mut().state();
        let image = state.shown().unwrap();
        let judge = |label: &Option<ferkd_method::label::SoftLabel>| {
            state.judge(&state.experiment.settings, label.as_ref().unwrap(), image.truth)
        };
        let passes = |i: &usize| state.filters.passes(judge(&image.labels[*i]));
        (0..image.labels.len()).filter(passes).collect::<Vec<usize>>()
    };
    let before = shown(&mut window);
    assert!(!before.is_empty() && before.len() < 24, "{before:?}");
    window.get_by_label("Keep set").click();
    window.run_steps(2);
    window.get_by_role_and_label(Role::SpinButton, "mid").set_value_accesskit(0.6);
    window.run_steps(2);
    assert_eq!(shown(&mut window), before);
    window.get_by_label("Keep set").click();
    window.run_steps(2);
    assert!(shown(&mut window).len() > before.len());
    window.get_by_label("Clear filter").click();
    window.run_steps(2);
    assert_eq!(shown(&mut window).len(), 48);
}

#[test]
fn the_table_lists_regions_and_a_row_chooses_one() {
    let mut window = open(Experiment::default());
    window.run_steps(2);
    window.get_by_label("Regions").click();
    window.run_steps(3);
    // The least confident region stands first.
    let state = window.state_mut().state();
    let image = state.shown().unwrap();
    let c = |i: &usize| Confidence::Max.of(image.labels[*i].as_ref().unwrap(), None).unwrap();
    let least = (0..48usize).min_by(|a, b| c(a).total_cmp(&c(b))).unwrap();
    let text = format!("{:.3}", c(&least));
    window.get_all_by_label(&text).next().unwrap().click();
    window.run_steps(3);
    assert_eq!(window.state_mut().state().experiment.region, Some(least as u32));
}
