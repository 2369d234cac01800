//! The pane as it is used: every control by role and label.

use egui::Role;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};

use ferkd_method::label::TopK;

use crate::engine::{Reply, Request};
use crate::experiment::Experiment;
use crate::explain::Stage;
use crate::pane_kind::PaneKind;
use crate::panes::context::PaneContext;
use crate::panes::testing::frame;
use crate::state::State;
use crate::state::tour::Tour;
use crate::state::tour_stops::STOPS;

fn harness<'a>(width: f32) -> Harness<'a, State> {
    let experiment = Experiment { region: Some(3), ..Experiment::default() };
    let mut cx = PaneContext::default();
    let pane = move |ui: &mut egui::Ui, state: &mut State| frame(PaneKind::Pipeline, state, &mut cx, ui);
    let mut harness = Harness::builder()
        .with_size([width, 1000.0])
        .with_context_setup(crate::theme::apply)
        .build_ui_state(pane, State::new(experiment));
    harness.run_steps(2);
    harness
}

#[test]
fn every_stage_is_a_button_that_explains_itself() {
    for width in [360.0, 900.0] {
        let mut harness = harness(width);
        for stage in Stage::ALL {
            let card = format!("{}:", stage.title());
            let found = harness
                .query_all_by_role(Role::Button)
                .find(|node| node.accesskit_node().label().is_some_and(|label| label.starts_with(&card)));
            found.unwrap_or_else(|| panic!("{card}")).click();
            harness.run_steps(2);
            harness.get_by_label(stage.text());
            harness.get_by_label(stage.formula());
            harness.get_by_role_and_label(Role::Button, "Open pane").click();
            harness.run_steps(2);
            assert_eq!(harness.state_mut().focus.take(), Some(stage.pane()), "{card}");
        }
    }
}

#[test]
fn the_numbers_at_hand_stand_in_the_explanation() {
    let harness = harness(900.0);
    let label = harness.state().shown().unwrap().labels[3].clone().unwrap();
    let (c, kind) = harness.state().judge(&harness.state().experiment.settings, &label, None).unwrap();
    harness.get_by_label_contains(&format!("c = max p = {}", ferkd_report::number::confidence(c)));
    harness.get_by_label_contains(&format!("Mining: {}", kind.name()));
}

#[test]
fn a_region_is_led_step_by_step_and_by_itself() {
    let mut harness = harness(900.0);
    harness.get_by_role_and_label(Role::Button, "Step").click();
    harness.run_steps(2);
    harness.get_by_label("Now: Image");
    assert_eq!(harness.query_all_by_label_contains("Regions:").count(), 1);
    harness.get_by_role_and_label(Role::Button, "Step").click();
    harness.run_steps(2);
    harness.get_by_label("Now: Regions");
    harness.get_by_role_and_label(Role::SpinButton, "Speed").set_value_accesskit(4.0);
    harness.get_by_role_and_label(Role::Button, "Play").click();
    // A frame of the harness is a quarter of a second.
    harness.run_steps(4);
    harness.get_by_role_and_label(Role::Button, "Pause").click();
    harness.run_steps(2);
    assert!(harness.query_by_label("Now: Regions").is_none(), "the walk went on");
    harness.get_by_role_and_label(Role::Button, "Show all").click();
    harness.run_steps(2);
    harness.get_by_label("Click a stage to read what it does");
}

#[test]
fn a_pane_comes_to_the_front_when_it_is_asked_for() {
    for width in [1000.0, 400.0] {
        let mut layout = crate::layout::Layout::default();
        let mut cx = PaneContext::default();
        let mut state = State::new(Experiment::default());
        state.refresh();
        let mut harness = Harness::builder()
            .with_size([width, 900.0])
            .with_context_setup(crate::theme::apply)
            .allow_missing_glyphs()
            .build_ui_state(
                move |ui: &mut egui::Ui, state: &mut State| {
                    state.refresh();
                    let focus = state.focus.take();
                    layout.show(state, focus, &mut cx, &mut crate::meter::Clock::start(), ui);
                    state.apply(cx.take());
                },
                state,
            );
        harness.run_steps(3);
        assert!(harness.query_by_label("Click a stage to read what it does").is_none());
        harness.state_mut().focus = Some(PaneKind::Pipeline);
        harness.run_steps(3);
        harness.get_by_label("Click a stage to read what it does");
        assert_eq!(harness.state().focus, None);
    }
}

#[test]
fn the_teachers_stage_asks_the_teacher_and_compares() {
    let mut harness = harness(900.0);
    let teacher = harness.state().set().unwrap().teacher().to_owned();
    let classes = harness.state().set().unwrap().classes.clone();
    let (ids, names) = (classes.ids, classes.names);
    harness.state_mut().hear(Reply::Teacher { name: teacher, ids, names });
    for _ in 0..3 {
        harness.get_by_role_and_label(Role::Button, "Step").click();
        harness.run_steps(2);
    }
    harness.get_by_label("Now: Teacher");
    let stored = harness.state().shown().unwrap().labels[3].clone().unwrap();
    let asked: Vec<Request> = std::mem::take(&mut harness.state_mut().outbox);
    let job = asked.iter().find_map(|request| match request {
        Request::Label(job) => Some(job.clone()),
        _ => None,
    });
    let job = job.unwrap();
    assert_eq!(job.regions, [harness.state().shown().unwrap().regions[3]]);
    let (ids, p): (Vec<u32>, Vec<f32>) = stored.top().iter().copied().unzip();
    let top = TopK { classes: ids, probabilities: p };
    harness.state_mut().hear(Reply::Labels { id: job.id, labels: vec![top], time_s: 0.25 });
    harness.run_steps(2);
    harness.get_by_label_contains("Asked again, in 0.25 s: total variation 0.0000");
}

#[test]
fn the_tour_leads_the_region_to_its_stages() {
    let mut harness = harness(900.0);
    let now = harness.state().experiment.clone();
    for (stop, stage) in STOPS.iter().map(|stop| stop.stage).enumerate() {
        harness.state_mut().tour = Some(Tour::at(stop, &now));
        harness.run_steps(2);
        harness.get_by_label(&format!("Now: {}", stage.title()));
        harness.get_by_label(stage.text());
    }
    harness.state_mut().tour = None;
    harness.run_steps(2);
    harness.get_by_label("Click a stage to read what it does");
}
