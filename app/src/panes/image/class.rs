//! The class of an image that is labelled while you look on: proposed by the teacher, or found by name.

use egui::Ui;

use crate::live_image::proposal;
use crate::panes::context::PaneContext;
use crate::state::State;
use crate::state::action::Action;

/// Classes that are listed at once.
const LISTED: usize = 12;

/// Asks for the class of the shown image, if it is labelled while you look on.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let Some(set) = state.set() else { return };
    let Some(image) = set.live_images().and_then(|images| images.get(state.experiment.image as usize)) else {
        return;
    };
    let number = state.experiment.image;
    let proposed = match image.truth {
        None => proposal(image).map(|class| (class, set.class_name(class))),
        Some(_) => None,
    };
    let mut chosen = None;
    if let Some((class, name)) = &proposed {
        let hint = "The class that the teacher's labels speak for most";
        if ui.button(format!("It is: {name}")).on_hover_text(hint).clicked() {
            chosen = Some(*class);
        }
    }
    let title = if image.truth.is_some() { "Change class…" } else { "Choose class…" };
    ui.menu_button(title, |ui| {
        let id = egui::Id::unique("class search");
        let mut text: String = ui.data(|data| data.get_temp(id)).unwrap_or_default();
        let edit = ui.add(egui::TextEdit::singleline(&mut text).hint_text("Class name…"));
        if !edit.has_focus() && text.is_empty() {
            edit.request_focus();
        }
        let wanted = text.to_lowercase();
        let names = set.classes.names.iter().zip(&set.classes.ids).enumerate();
        let fits = names.filter(|(_, (name, id))| name.to_lowercase().contains(&wanted) || **id == wanted);
        for (class, (name, _)) in fits.take(LISTED) {
            if ui.button(name).clicked() {
                chosen = Some(class as u32);
                text.clear();
                ui.close();
            }
        }
        ui.data_mut(|data| data.insert_temp(id, text));
    });
    if let Some((done, all)) = state.labels.labelling(state.experiment.data) {
        ui.add(egui::ProgressBar::new(done as f32 / all as f32).desired_width(120.0).text("Labelling"));
    }
    if let Some(class) = chosen {
        cx.push(Action::Classify(number, class));
    }
}
