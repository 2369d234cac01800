//! Steps that drive the interface for a newcomer.

use egui::Ui;

use crate::state::State;

/// Draws the pane.
pub fn ui(state: &mut State, ui: &mut Ui) {
    let _ = (state, ui);
}
