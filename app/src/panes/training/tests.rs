//! The pane as it is used: every control by role and label.

use std::sync::Arc;

use egui::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use ferkd_method::mining::KindCounts;
use ferkd_train::config::Supervision;
use ferkd_train::demo::settings::{SUPERVISIONS, TEACHER};

use crate::assets::Asset;
use crate::engine::{Reply, Request, StudentStep};
use crate::experiment::{Data, Experiment};
use crate::pane_kind::PaneKind;
use crate::panes::context::PaneContext;
use crate::panes::testing::frame;
use crate::panes::training::race;
use crate::scenes::held_out;
use crate::snapshot::tests::snapshot;
use crate::state::State;
use crate::state::training::Effect;

fn harness<'a>(width: f32, state: State) -> Harness<'a, State> {
    let mut cx = PaneContext::default();
    let pane = move |ui: &mut egui::Ui, state: &mut State| frame(PaneKind::Training, state, &mut cx, ui);
    let mut harness = Harness::builder()
        .with_size([width, 1400.0])
        .with_context_setup(crate::theme::apply)
        .build_ui_state(pane, state);
    harness.run_steps(2);
    harness
}

fn ready() -> State {
    let mut state = State::new(Experiment::default());
    for asset in [Asset::Scenes, Asset::Digits] {
        state.load(asset, asset.embedded().unwrap());
    }
    state.hear(Reply::Teacher { name: TEACHER.into(), ids: Vec::new(), names: Vec::new() });
    state.outbox.clear();
    state
}

/// Students that take every three for an eight.
fn taught() -> State {
    let mut state = ready();
    state.refresh();
    state.begin_training();
    state.outbox.clear();
    state.hear(Reply::TrainingOpened {
        number: 0,
        supervisions: SUPERVISIONS.to_vec(),
        steps: 1014,
        step: 0,
        parameters: 1000,
    });
    for step in 0..3 {
        let of = |supervision: Supervision| StudentStep {
            supervision,
            step,
            epoch: (step + 1) as f64 * 0.02,
            loss: 2.3 - step as f64 * 0.1,
            lr: 1e-4,
            kinds: if supervision.needs_store() { KindCounts([0, 5, 27, 0]) } else { KindCounts::default() },
        };
        state.hear(Reply::Step(SUPERVISIONS.map(of).to_vec()));
    }
    let predictions: Vec<u32> =
        held_out().iter().map(|scene| if scene.class == 3 { 8 } else { scene.class }).collect();
    for supervision in SUPERVISIONS {
        let (predictions, confidences) = (predictions.clone(), vec![0.75; predictions.len()]);
        let samples = vec![(4, 0.5); state.training.asked.as_ref().unwrap().samples.len()];
        state.hear(Reply::Evaluated {
            supervision,
            step: 3,
            epoch: 0.06,
            predictions,
            confidences,
            samples,
            loss: 0.4,
        });
    }
    state
}

#[test]
fn what_is_missing_stands_there_and_nothing_can_be_played() {
    let mut harness = harness(500.0, State::new(Experiment::default()));
    harness.get_by_label_contains("labels are still on their way");
    harness.get_by_role_and_label(Role::Button, "Play").click();
    harness.run_steps(2);
    assert!(harness.state().outbox.is_empty(), "the button is disabled");
}

#[test]
fn play_pause_step_and_reset_ask_the_engine() {
    let mut harness = harness(700.0, ready());
    harness.get_by_role_and_label(Role::Button, "Play").click();
    harness.run_steps(2);
    let asked = std::mem::take(&mut harness.state_mut().outbox);
    assert!(matches!(&asked[..], [Request::Learn(_), Request::Play(None)]), "{asked:?}");
    harness.get_by_role_and_label(Role::Button, "Pause").click();
    harness.run_steps(2);
    assert_eq!(std::mem::take(&mut harness.state_mut().outbox), [Request::Pause]);

    let mut harness = self::harness(700.0, taught());
    harness.get_by_role_and_label(Role::Button, "Step").click();
    harness.run_steps(2);
    assert_eq!(std::mem::take(&mut harness.state_mut().outbox), [Request::Play(Some(1))]);
    harness.get_by_role_and_label(Role::Button, "Train anew").click();
    harness.run_steps(2);
    let asked = std::mem::take(&mut harness.state_mut().outbox);
    assert!(matches!(&asked[..], [Request::Learn(_)]), "{asked:?}");
    assert!(harness.state().training.students.is_empty());
}

#[test]
fn what_students_follow_is_told_to_them_once() {
    let mut harness = harness(900.0, taught());
    for (name, value) in
        [("Learning rate", 0.01), ("Epsilon", 0.3), ("Low", 0.05), ("Mid", 0.4), ("High", 0.9)]
    {
        harness.get_by_role_and_label(Role::SpinButton, name).set_value_accesskit(value);
        harness.run_steps(3);
        let asked = std::mem::take(&mut harness.state_mut().outbox);
        let [Request::Tune(tuning)] = &asked[..] else { panic!("{name}: {asked:?}") };
        assert_eq!(*tuning, harness.state().tuning().unwrap());
    }
    let state = harness.state();
    assert_eq!((state.experiment.training.lr, state.experiment.settings.epsilon), (0.01, 0.3));
    assert_eq!(state.experiment.settings.quantiles.mid, 0.4);
}

#[test]
fn what_needs_new_students_says_so() {
    let mut harness = harness(900.0, taught());
    assert!(harness.query_by_label_contains("take effect with new students").is_none());
    harness.get_by_role_and_label(Role::SpinButton, "Seed").set_value_accesskit(5.0);
    harness.get_by_role_and_label(Role::SpinButton, "Epochs").set_value_accesskit(2.0);
    harness.run_steps(3);
    harness.get_by_label_contains("take effect with new students");
    assert_eq!(harness.state().experiment.training.seed, 5);
    assert_eq!(harness.state().experiment.training.epochs, 4, "two passes of two regions");
    harness.get_by_role_and_label(Role::Button, "Student kd").click();
    harness.run_steps(2);
    assert!(!harness.state().experiment.training.supervisions.contains(&Supervision::Kd));
    for (combo, entry) in [("Speed", "5 steps a second"), ("Mixing", "Mixup: across images")] {
        harness.get_by_role_and_label(Role::ComboBox, combo).click();
        harness.run_steps(2);
        harness.get_by_label(entry).click();
        harness.run_steps(3);
    }
    assert_eq!(harness.state().experiment.training.steps_per_s, 5);
    assert_eq!(harness.state().experiment.training.mix, ferkd_method::selfmix::Mix::Mixup);
    assert!(harness.state().outbox.contains(&Request::Pace(5)));
}

#[test]
fn a_cell_opens_its_scenes_and_a_scene_its_guesses() {
    let threes = held_out().iter().filter(|scene| scene.class == 3).count();
    let first = held_out().iter().find(|scene| scene.class == 3).unwrap();
    for width in [380.0, 900.0] {
        let mut harness = harness(width, taught());
        let (all, name) = (held_out().len(), SUPERVISIONS[0].name());
        let right = all - threes;
        harness.get_by_label(&format!(
            "Confusions of {name}: {right} of {all} scenes right; most often 3 taken for 8 ({threes})"
        ));
        let cell = format!("3 taken for 8: {threes} scenes");
        harness.get_by_role_and_label(Role::Button, &cell).click();
        harness.run_steps(2);
        let scene = format!("Scene {}", first.name);
        harness.get_by_role_and_label(Role::Image, &format!("{scene}, large"));
        harness.get_by_label("This is a 3");
        assert!(harness.query_all_by_label("wrong: 8 with 75 %").count() == SUPERVISIONS.len());
        let open = harness
            .query_all_by_role(Role::Button)
            .filter(|node| node.accesskit_node().label().is_some_and(|label| label.starts_with("Scene 3/")));
        assert!(open.count() >= threes);
    }
}

#[test]
fn every_student_has_its_row_its_curves_and_its_samples() {
    let mut harness = harness(900.0, taught());
    harness.get_by_label("Loss by step");
    harness.get_by_label_contains("Held-out accuracy by step. After step");
    assert_eq!(harness.query_all_by_label_contains(": 0 discarded (").count(), 3);
    let scene = |harness: &Harness<'_, State>| {
        let first = harness
            .query_all_by_role(Role::Button)
            .find_map(|node| node.accesskit_node().label().filter(|label| label.starts_with("Scene ")));
        first.unwrap()
    };
    let before = scene(&harness);
    harness.get_by_role_and_label(Role::Button, "Other samples").click();
    harness.run_steps(2);
    assert_ne!(scene(&harness), before);
}

#[test]
fn sample_regions_are_of_every_kind_and_open_their_image() {
    let state = taught();
    let samples = state.training.asked.as_ref().unwrap().samples.clone();
    let store = state.labels.set_of(Data::Scenes).unwrap().store().unwrap().clone();
    let tuning = state.tuning().unwrap();
    let mut of_kind = [0; 4];
    for &(image, region) in &samples {
        let c = store.confidence(image, region, tuning.confidence).unwrap();
        of_kind[tuning.thresholds.kind(c).unwrap() as usize] += 1;
    }
    assert_eq!(of_kind, [3; 4]);
    let mut harness = harness(700.0, state);
    let (image, region) = samples[4];
    let name = format!("Image {}, region {region}", image + 1);
    harness.get_by_label(&name).scroll_to_me();
    harness.run_steps(3);
    harness.get_by_label(&name).click();
    harness.run_steps(2);
    let experiment = &harness.state().experiment;
    assert_eq!((experiment.data, experiment.image, experiment.region), (Data::Scenes, image, Some(region)));
}

/// A state with trained students of `ferkd`, after 10 of 20 steps, whose settings are at hand.
fn with_trained() -> State {
    let mut state = ready();
    state.training.record = Some(Arc::new(snapshot().record));
    let training = &mut state.experiment.training;
    (training.epochs, training.supervisions) = (4, vec![Supervision::Ferkd]);
    state
}

#[test]
fn the_race_is_run_before_the_spread_of_the_file() {
    let state = with_trained();
    let lanes = race::lanes(&state);
    assert_eq!((lanes.len(), &lanes[0].curve), (1, &vec![[0.0, 0.1], [10.0, 0.5]]));
    let spread: Vec<(u64, f64, f64)> = lanes[0].spread.iter().map(|at| (at.step, at.low, at.high)).collect();
    assert_eq!(spread, [(0, 0.08, 0.12), (10, 0.44, 0.56), (20, 0.7, 0.73)]);
    let said = race::summary(&lanes);
    assert!(
        said.starts_with("After step 10: ferkd 50.0 %; seeds of one student lie up to 12.0 points apart"),
        "{said}"
    );
    // Runs of another length have a spread of their own, which no one knows.
    let mut other = with_trained();
    other.experiment.training.epochs = 8;
    assert!(race::lanes(&other).is_empty());
    assert!(race::summary(&[]).contains("No student"));
}

#[test]
fn trained_students_come_by_themselves_once_and_again_when_asked_for() {
    let mut harness = harness(900.0, with_trained());
    let asked = std::mem::take(&mut harness.state_mut().outbox);
    assert!(matches!(&asked[..], [Request::Resume(_)]), "{asked:?}");
    let opened = |number, step| Reply::TrainingOpened {
        number,
        supervisions: vec![Supervision::Ferkd],
        steps: 20,
        step,
        parameters: 9,
    };
    harness.state_mut().hear(opened(0, 10));
    harness.run_steps(8);
    harness.get_by_label_contains("Step 10 of 20, epoch 2.0");
    harness.get_by_label_contains("Held-out accuracy by step. After step 0: ferkd 10.0 %");
    harness.get_by_role_and_label(Role::Button, "Train anew").click();
    harness.run_steps(2);
    let asked = std::mem::take(&mut harness.state_mut().outbox);
    assert!(matches!(&asked[..], [Request::Learn(_)]), "{asked:?}");
    harness.state_mut().hear(opened(1, 0));
    harness.run_steps(2);
    harness.get_by_role_and_label(Role::Button, "Trained students").click();
    harness.run_steps(2);
    let asked = std::mem::take(&mut harness.state_mut().outbox);
    assert!(matches!(&asked[..], [Request::Resume(_)]), "{asked:?}");
    // What was asked for before is answered late: nothing is shown of it.
    harness.state_mut().hear(opened(1, 0));
    assert!(harness.state().training.is_opening && harness.state().training.students.is_empty());
    harness.state_mut().hear(opened(2, 10));
    assert_eq!(harness.state().training.step(), 10);
}

#[test]
fn what_thresholds_did_stands_beside_what_the_others_gained() {
    let of = |supervision, before, now| Effect { supervision, before, now };
    let found = [of(Supervision::Fkd, 0.6, 0.62), of(Supervision::Ferkd, 0.6, 0.59)];
    let said = race::effect_words(40, &found);
    assert!(said.contains("step 40: ferkd -1.0 points; without thresholds fkd +2.0 points."), "{said}");
    let mut harness = harness(900.0, taught());
    harness.get_by_role_and_label(Role::SpinButton, "Mid").set_value_accesskit(0.5);
    harness.run_steps(4);
    harness.get_by_label_contains("changed at step 3: let students go on");
}
