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
    window.run_steps(3);
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
fn a_stage_of_the_road_opens_its_pane() {
    let mut window = open(Experiment::default());
    window.state_mut().state().focus = Some(PaneKind::Pipeline);
    window.run_steps(3);
    let student = window.query_all_by_label_contains("Student: ").next();
    student.expect("the stage is a button").click();
    window.run_steps(2);
    window.get_by_role_and_label(Role::Button, "Open pane").click();
    window.run_steps(3);
    window.get_by_role_and_label(Role::Button, "Reset");
}
