//! The tour's stop at hand: what is to be understood, and what is to be done.

use egui::Ui;

use crate::panes::context::PaneContext;
use crate::state::State;
use crate::state::action::Action;
use crate::state::tour_stops::STOPS;
use crate::theme;

/// Draws the stop at hand; its buttons lead to others.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let Some((tour, stop)) = state.tour.as_ref().and_then(|tour| Some((tour, STOPS.get(tour.stop)?))) else {
        return;
    };
    let (at, last) = (tour.stop, tour.stop + 1 == STOPS.len());
    ui.horizontal_wrapped(|ui| {
        ui.strong(format!("{} of {} · {}", at + 1, STOPS.len(), stop.title));
        if ui.button("Back").clicked() && at > 0 {
            cx.push(Action::Tour(Some(at - 1)));
        }
        let title = match (tour.is_done, last) {
            (_, true) => "Finish",
            (true, false) => "Next",
            (false, false) => "Skip",
        };
        let button = egui::Button::new(title);
        let button = if tour.is_done { button.fill(theme::good(ui.visuals())) } else { button };
        if ui.add(button).clicked() {
            cx.push(Action::Tour((!last).then_some(at + 1)));
        }
        if ui.button("End tour").clicked() {
            cx.push(Action::Tour(None));
        }
    });
    ui.label(stop.text);
    let mark = if tour.is_done { "Done:" } else { "→" };
    ui.label(egui::RichText::new(format!("{mark} {}", stop.task)).strong());
}
