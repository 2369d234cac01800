//! Students side by side: what they learn from, how they do, and where they err.

mod confusion;
mod controls;
mod curves;
mod regions;
mod scenes;
mod table;
#[cfg(test)]
mod tests;

use egui::{Id, Ui};

use crate::experiment::Data;
use crate::state::State;

/// What is looked at among the students; no part of the experiment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Look {
    /// Number of the student whose confusions are shown.
    student: usize,
    /// Truth and guess of the cell that is open.
    cell: Option<(u32, u32)>,
    /// The held-out scene that is shown large.
    scene: Option<usize>,
    /// The first of the scenes that are shown as samples.
    sample: usize,
    /// Sections that are shown: when students begin to learn, one a frame, so that no frame draws all for the first time.
    sections: usize,
}

impl Look {
    fn id() -> Id {
        Id::unique("students looked at")
    }
}

/// Draws the pane.
pub fn ui(state: &mut State, ui: &mut Ui) {
    let mut look: Look = ui.data(|data| data.get_temp(Look::id())).unwrap_or_default();
    controls::ui(state, ui);
    if state.lesson.students.is_empty() {
        introduction(state, ui);
        look.sections = 0;
    } else {
        look.sections = (look.sections + 1).min(SECTIONS.len());
        for (i, section) in SECTIONS[..look.sections].iter().enumerate() {
            if i > 0 {
                ui.add_space(4.0);
            }
            section(state, &mut look, ui);
        }
        if look.sections < SECTIONS.len() {
            ui.ctx().request_repaint();
        }
    }
    ui.data_mut(|data| data.insert_temp(Look::id(), look));
}

/// What is shown of students, from above.
const SECTIONS: [fn(&mut State, &mut Look, &mut Ui); 5] = [
    |state, _, ui| curves::ui(&state.lesson, ui),
    |state, look, ui| table::ui(&state.lesson, look, ui),
    |state, look, ui| confusion::ui(state, look, ui),
    |state, look, ui| scenes::samples(state, look, ui),
    |state, _, ui| regions::ui(state, ui),
];

/// What there is to see once students learn, and what is missing.
fn introduction(state: &State, ui: &mut Ui) {
    ui.add_space(8.0);
    ui.vertical_centered(|ui| {
        ui.set_max_width(460.0);
        if state.lesson.is_opening {
            ui.spinner();
            ui.label("Drawing the students' weights");
            return;
        }
        ui.strong("Students of the same size, seed and order of images, side by side");
        ui.label(
            "Each learns the same scenes from another supervision: the bare class, the teacher at every step, \
             stored labels as they are, or stored labels adapted region by region.",
        );
        match state.lesson_missing() {
            Some(missing) => {
                ui.colored_label(ui.visuals().warn_fg_color, missing);
                if !state.has(Data::Scenes)
                    && let Some((here, all)) = state.loading.get(crate::assets::Asset::Scenes.title())
                {
                    ui.add(egui::ProgressBar::new(*here as f32 / (*all).max(1) as f32).desired_width(220.0));
                }
            }
            None => {
                ui.weak("Press play: curves, guesses and confusions appear as they learn.");
            }
        }
    });
}
