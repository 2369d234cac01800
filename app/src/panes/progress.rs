//! How far something is found out, and why it is not known yet.

use ferkd_method::Error;

use crate::labels::walk::Walk;

/// A line that says how far a walk has come; asks for the next frame.
pub(crate) fn progress(walk: &Walk, what: &str, ui: &mut egui::Ui) {
    if walk.is_done() {
        return;
    }
    let text = format!("{what}: {} of {} images", walk.at, walk.end);
    ui.add(egui::ProgressBar::new(walk.share()).desired_height(16.0).text(text));
    ui.ctx().request_repaint();
}

/// Why something is not known: how far it is counted where it is, else in words.
pub(crate) fn missing(error: &Error, counting: Option<&Walk>, ui: &mut egui::Ui) {
    match counting {
        Some(walk) => progress(walk, "Counting", ui),
        None if error.is_pending() => {
            ui.weak(error.to_string());
        }
        None => {
            ui.colored_label(ui.visuals().error_fg_color, error.to_string());
        }
    }
}
