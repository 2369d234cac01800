//! The tour's stop at hand: what is to be understood, and what is to be done.

use egui::text::{LayoutJob, TextFormat};
use egui::{CornerRadius, LayerId, Order, Rect, Stroke, StrokeKind, TextStyle, Ui, pos2};

use crate::explain::Stage;
use crate::layout::Layout;
use crate::panes::context::PaneContext;
use crate::panes::shared::describe;
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
    way(stop.stage, ui);
    ui.label(stop.text);
    let mark = if tour.is_done { "Done:" } else { "→" };
    ui.label(egui::RichText::new(format!("{mark} {}", stop.task)).strong());
}

/// The stages of the pipeline in a line, the stop's among them marked.
fn way(at: Stage, ui: &mut Ui) {
    let mut line = LayoutJob::default();
    let font = TextStyle::Small.resolve(ui.style());
    for (i, stage) in Stage::ALL.into_iter().enumerate() {
        let color = if stage == at { theme::accent(ui.visuals()) } else { theme::weak(ui.visuals()) };
        let lead = if i == 0 { "" } else { "  ›  " };
        line.append(lead, 0.0, TextFormat::simple(font.clone(), theme::weak(ui.visuals())));
        line.append(stage.title(), 0.0, TextFormat::simple(font.clone(), color));
    }
    let response = ui.label(line);
    describe(&response, || format!("This stop is about the stage {}", at.title()));
}

/// Dims all panes but the one that the stop at hand is about; they go on working.
pub fn point(state: &State, layout: &Layout, ctx: &egui::Context) {
    let stop = state.tour.as_ref().and_then(|tour| STOPS.get(tour.stop));
    let Some(place) = stop.and_then(|stop| layout.place(stop.pane)) else { return };
    let Some(all) = layout.all() else { return };
    let painter = ctx.layer_painter(LayerId::new(Order::Middle, egui::Id::unique("tour")));
    for part in around(place, all) {
        painter.rect_filled(part, CornerRadius::ZERO, theme::DIM);
    }
    let stroke = Stroke::new(2.0, theme::accent(&ctx.global_style().visuals));
    painter.rect_stroke(place.shrink(1.0), CornerRadius::same(theme::RADIUS), stroke, StrokeKind::Inside);
}

/// What of `all` lies around `place`: above, below, left, right.
fn around(place: Rect, all: Rect) -> [Rect; 4] {
    [
        Rect::from_min_max(all.min, pos2(all.right(), place.top())),
        Rect::from_min_max(pos2(all.left(), place.bottom()), all.max),
        Rect::from_min_max(pos2(all.left(), place.top()), pos2(place.left(), place.bottom())),
        Rect::from_min_max(pos2(place.right(), place.top()), pos2(all.right(), place.bottom())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_around_a_pane_is_covered_once() {
        let all = Rect::from_min_max(pos2(0.0, 30.0), pos2(400.0, 300.0));
        let place = Rect::from_min_max(pos2(100.0, 80.0), pos2(250.0, 200.0));
        let parts = around(place, all);
        let area: f32 = parts.iter().map(Rect::area).sum();
        assert_eq!(area, all.area() - place.area());
        assert!(parts.iter().all(|part| part.is_positive() && !part.shrink(0.5).intersects(place)));
    }
}
