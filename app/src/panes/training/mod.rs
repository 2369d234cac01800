//! Students side by side: what they learn from, how they do, and where they err.

mod confusion;
mod controls;
mod curves;
mod look;
mod race;
mod regions;
mod scenes;
mod table;
#[cfg(test)]
mod tests;

use egui::Ui;

use self::look::Look;
use super::context::PaneContext;
use crate::assets::Asset;
use crate::experiment::Data;
use crate::state::State;
use crate::state::action::Action;

/// Draws the pane.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let mut look: Look = ui.data(|data| data.get_temp(Look::id())).unwrap_or_default();
    controls::ui(state, cx, ui);
    if state.resumes_by_itself() {
        cx.push(Action::Resume);
    }
    if state.training.students.is_empty() {
        introduction(state, ui);
        controls::settings(state, cx, ui);
        look.sections = 0;
    } else {
        look.sections = (look.sections + 1).min(SECTIONS.len());
        for (i, section) in SECTIONS[..look.sections].iter().enumerate() {
            if i > 0 {
                ui.add_space(4.0);
            }
            section(state, &mut look, cx, ui);
        }
        if look.sections < SECTIONS.len() {
            ui.ctx().request_repaint();
        }
    }
    ui.data_mut(|data| data.insert_temp(Look::id(), look));
}

/// A part of what is shown of students.
type Section = fn(&State, &mut Look, &mut PaneContext, &mut Ui);

/// What is shown of students, from above.
const SECTIONS: [Section; 6] = [
    |state, _, _, ui| curves::ui(state, ui),
    |state, _, cx, ui| controls::settings(state, cx, ui),
    |state, look, _, ui| table::ui(&state.training, look, ui),
    |state, look, _, ui| confusion::ui(state, look, ui),
    |state, look, _, ui| scenes::samples(state, look, ui),
    |state, _, cx, ui| regions::ui(state, cx, ui),
];

/// How students fared that were trained before, what there is to see once others learn, and what is missing.
fn introduction(state: &State, ui: &mut Ui) {
    if state.training.record.is_some() && !state.training.is_opening {
        race::ui(state, ui);
    }
    ui.add_space(8.0);
    ui.vertical_centered(|ui| {
        ui.set_max_width(ui.available_width().min(460.0));
        if state.training.is_opening {
            ui.spinner();
            ui.label("Drawing scenes and students");
            return;
        }
        ui.strong("Students of the same size, seed and order of images, side by side");
        ui.label(
            "Each learns the same scenes from another supervision: the bare class, the teacher at every step, \
             stored labels as they are, or stored labels adapted region by region.",
        );
        match state.training_missing() {
            Some(missing) => {
                ui.colored_label(ui.visuals().warn_fg_color, missing);
                if !state.labels.has(Data::Scenes)
                    && let Some((here, all)) = state.loading.get(&Asset::Scenes)
                {
                    ui.add(egui::ProgressBar::new(*here as f32 / (*all).max(1) as f32).desired_width(220.0));
                }
            }
            None => {
                ui.weak("Press play: curves, predictions and confusions appear as they learn.");
            }
        }
    });
    ui.add_space(8.0);
}
