//! Students in the whole window, with the engine on its thread.

use crate::common::{open, run_until};
use egui::accesskit::Role;
use egui_kittest::kittest::Queryable;
use ferkd_app::experiment::Experiment;
use ferkd_app::pane_kind::PaneKind;

#[test]
fn students_play_follow_a_threshold_and_pause_together() {
    let mut window = open(Experiment::default());
    run_until(&mut window, |state| state.teachers.ready.len() == 2);
    window.state_mut().state().focus = Some(PaneKind::Training);
    // From the start: of trained students, three steps more change little.
    run_until(&mut window, |state| state.training.begun_at > 0);
    window.run_steps(3);
    window.get_by_role_and_label(Role::Button, "Train anew").click();
    run_until(&mut window, |state| state.training.has_begun && state.training.begun_at == 0);
    window.get_by_role_and_label(Role::Button, "Play").click();
    let context = |state: &ferkd_app::State| {
        let ferkd = state.training.students.iter().find(|s| s.supervision.name() == "ferkd");
        ferkd.map_or(0.0, |student| student.kinds.shares()[1])
    };
    run_until(&mut window, |state| state.training.step() >= 3);
    let before = context(window.state_mut().state());
    // Nearly everything becomes context.
    window.state_mut().state().experiment.settings.quantiles.mid = 0.97;
    run_until(&mut window, |state| state.training.step() >= 12);
    window.get_by_role_and_label(Role::Button, "Pause").click();
    run_until(&mut window, |state| !state.training.is_playing);
    let state = window.state_mut().state();
    assert!(context(state) > before + 0.2, "{before} then {}", context(state));
    let steps: Vec<u64> = state.training.students.iter().map(|student| student.step).collect();
    assert!(steps.len() == 5 && steps.iter().all(|&step| step == steps[0]), "{steps:?}");
    // Those that rest are evaluated as they are.
    let epoch = state.training.students[0].loss.last().map(|last| last[0]);
    run_until(&mut window, |state| {
        state.training.students.iter().all(|s| s.accuracy.last().map(|last| last[0]) == epoch)
    });
}

#[test]
fn trained_students_are_there_at_once_and_go_on_at_their_step() {
    let mut window = open(Experiment::default());
    window.state_mut().state().focus = Some(PaneKind::Training);
    let is_evaluated = |state: &ferkd_app::State, step: u64| {
        let mut students = state.training.students.iter();
        students.len() == 5 && students.all(|s| !s.predictions.is_empty() && s.evaluated_at == step)
    };
    run_until(&mut window, |state| state.training.record.is_some());
    let step = window.state_mut().state().training.record.as_ref().unwrap().step;
    run_until(&mut window, |state| is_evaluated(state, step));
    let state = window.state_mut().state();
    let record = state.training.record.clone().unwrap();
    for student in &state.training.students {
        let kept = record.student(student.supervision).unwrap();
        let off = (student.accuracy.last().unwrap()[1] - record.accuracy(kept.right)).abs();
        // Another processor may take one scene for something else.
        assert!(off <= record.accuracy(1) + 1e-9, "{}", student.supervision.name());
        assert!(student.accuracy.len() > 2 && student.samples.len() == 12);
    }
    assert!(window.query_all_by_label_contains("points apart there").count() > 0);
    window.get_by_role_and_label(Role::Button, "Step").click();
    run_until(&mut window, |state| is_evaluated(state, step + 1));
}

#[test]
fn a_stage_of_the_pipeline_opens_its_pane() {
    let mut window = open(Experiment::default());
    window.state_mut().state().focus = Some(PaneKind::Pipeline);
    window.run_steps(3);
    let student = window.query_all_by_label_contains("Student: ").next();
    student.expect("the stage is a button").click();
    window.run_steps(2);
    window.get_by_role_and_label(Role::Button, "Open pane").click();
    window.run_steps(3);
    window.get_by_role_and_label(Role::Button, "Train anew");
}
