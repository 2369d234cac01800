//! Kinds and confusions by class.

use egui::Ui;

use crate::state::State;

/// Draws the pane.
pub fn ui(state: &mut State, ui: &mut Ui) {
    let _ = (state, ui);
}
