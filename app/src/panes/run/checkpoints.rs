//! A checkpoint's predictions for the regions of the shown image, beside what the teacher said of them.

use egui::Ui;
use ferkd_method::label::SoftLabel;

use crate::panes::context::PaneContext;
use crate::panes::letter::letter;
use crate::run::RunView;
use crate::state::State;
use crate::state::action::Action;
use crate::state::checkpoint::Checkpoint;
use crate::theme;

/// The run's checkpoints, and what the chosen one says.
pub(super) fn ui(state: &State, run: &RunView, cx: &mut PaneContext, ui: &mut Ui) {
    if run.checkpoints.is_empty() {
        return;
    }
    ui.add_space(theme::SPACE[1]);
    ui.strong("Checkpoints");
    ui.weak("What a checkpoint says of the shown image's regions, beside the teacher");
    let chosen = state.runs.checkpoint.as_ref();
    ui.horizontal_wrapped(|ui| {
        for file in &run.checkpoints {
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            let is_chosen = chosen.is_some_and(|chosen| chosen.name == file.display().to_string());
            if ui.selectable_label(is_chosen, &*name).clicked() {
                cx.push(if is_chosen {
                    Action::CloseCheckpoint
                } else {
                    Action::OpenCheckpoint(file.clone())
                });
            }
        }
    });
    if let Some(checkpoint) = chosen {
        predictions(state, checkpoint, cx, ui);
    }
}

/// The top-1 prediction of a label, and its probability.
fn first(label: &SoftLabel) -> Option<(u32, f32)> {
    label.top().first().copied()
}

fn predictions(state: &State, checkpoint: &Checkpoint, cx: &mut PaneContext, ui: &mut Ui) {
    if let Some(problem) = &checkpoint.problem {
        ui.label(egui::RichText::new(problem).color(ui.visuals().error_fg_color));
        return;
    }
    let Some(shown) = state.shown() else { return };
    if shown.picture.is_none() {
        ui.weak("The picture is not here: open the images too, and the checkpoint can look at it");
        return;
    }
    if !checkpoint.is_ready {
        ui.spinner();
        return;
    }
    let said = checkpoint.labels.iter().flatten().count();
    let truth = shown.truth;
    let predicted = || checkpoint.labels.iter().flatten().filter_map(first);
    let right = predicted().filter(|(class, _)| Some(*class) == truth).count();
    let pairs =
        checkpoint.labels.iter().zip(&shown.labels).filter_map(|(a, b)| Some((a.as_ref()?, b.as_ref()?)));
    let alike = pairs.filter(|(a, b)| first(a).map(|top| top.0) == first(b).map(|top| top.0)).count();
    let right = if truth.is_some() { format!("right on {right}, ") } else { String::new() };
    ui.label(format!(
        "{said} of {} regions of {}: {right}the same as the teacher on {alike}",
        shown.regions.len(),
        shown.name,
    ));
    egui::Grid::new("checkpoint").num_columns(4).striped(true).show(ui, |ui| {
        for title in ["Region", "Kind", "Teacher", "Checkpoint"] {
            ui.strong(title);
        }
        ui.end_row();
        for (number, found) in checkpoint.labels.iter().enumerate() {
            let stored = shown.labels.get(number).and_then(Option::as_ref);
            let judged = stored.and_then(|label| state.judge(&state.experiment.settings, label, truth));
            if !state.filters.passes(judged) {
                continue;
            }
            let is_chosen = state.experiment.region == Some(number as u32);
            if ui.selectable_label(is_chosen, number.to_string()).clicked() {
                cx.push(Action::ChooseRegion(number as u32));
            }
            match judged {
                Some((_, kind)) => letter(kind, ui),
                None => _ = ui.weak("…"),
            }
            for label in [stored, found.as_ref()] {
                let text = label.and_then(first).map(|(class, p)| {
                    let mark = if Some(class) == truth { "● " } else { "" };
                    format!("{mark}{} {p:.2}", state.class_name(class))
                });
                ui.label(text.unwrap_or_else(|| "…".into()));
            }
            ui.end_row();
        }
    });
}
