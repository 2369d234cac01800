//! A run that was opened: how far it is, its curves and its regions by kind, and what its checkpoints say; a sweep.

mod checkpoints;
mod kinds;
mod sweep;
#[cfg(test)]
mod tests;

use egui::Ui;
use ferkd_method::mining::RegionKind;
use ferkd_train::config::Supervision;

use super::context::PaneContext;
use super::curves::{self, Quantity};
use crate::command::Command;
use crate::monitor::Status;
use crate::run::RunView;
use crate::state::State;
use crate::state::action::Action;
use crate::theme;

/// The sweep and the run that were opened.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    if state.runs.is_empty() {
        ui.weak("Open the folder of a run or of a sweep to see its curves");
    }
    if let Some(of) = &state.runs.sweep {
        sweep::ui(of, cx, ui);
    }
    if let Some(run) = &state.runs.current {
        one(state, run, cx, ui);
    }
}

/// Progress, curves, kinds, checkpoints.
fn one(state: &State, run: &RunView, cx: &mut PaneContext, ui: &mut Ui) {
    reload(run, cx, ui);
    let monitor = &run.monitor;
    ui.horizontal_wrapped(|ui| {
        ui.strong(&run.name);
        let text = match &monitor.status {
            Status::Idle if monitor.total == 0 => "nothing read yet".into(),
            Status::Idle | Status::Running => format!("{} of {} steps", monitor.done, monitor.total),
            Status::Done => "done".into(),
            Status::Failed(why) => format!("failed: {why}"),
        };
        ui.weak(text);
        if run.is_followed && monitor.status == Status::Running {
            ui.weak("· followed as it grows");
        }
    });
    ui.add(egui::ProgressBar::new(monitor.share() as f32).show_percentage());
    let color = theme::student(Supervision::Ferkd, ui.visuals());
    let curve = |quantity, points: &[_], ui: &mut Ui| {
        curves::of_runs(quantity, "run", 168.0, &[(run.name.as_str(), color, points)], ui);
    };
    curves::pair(
        ui,
        |ui| curve(Quantity::Loss, &monitor.loss, ui),
        |ui| curve(Quantity::Top1, &monitor.accuracy, ui),
    );
    let shares = monitor.kinds.shares();
    if monitor.kinds.total() > 0 {
        ui.horizontal_wrapped(|ui| {
            ui.weak("Regions trained on:");
            for kind in RegionKind::ALL {
                let text = format!("{} {:.1} %", kind.letter(), 100.0 * shares[kind as usize]);
                ui.colored_label(theme::kind(kind, ui.visuals()), text);
            }
        });
        kinds::by_epoch(&monitor.kinds_by_epoch, ui);
    }
    checkpoints::ui(state, run, cx, ui);
}

/// A button that reads the log again, where it does not come by itself; a folder that cannot be read again is
/// opened once more.
fn reload(run: &RunView, cx: &mut PaneContext, ui: &mut Ui) {
    let Some(log) = &run.log else { return };
    let hint = match log.is_live {
        true => "Read what the run has written since",
        false => "The browser read the folder as it was: open it again",
    };
    if ui.button("Reload").on_hover_text(hint).clicked() {
        cx.push(Action::ReloadRun);
        if !log.is_live {
            cx.push(Command::OpenFolder);
        }
    }
}
