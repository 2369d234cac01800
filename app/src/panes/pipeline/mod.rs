//! The pipeline from image to student, stage by stage: the diagram is the control panel.

mod contents;
mod diagram;
mod miniature;
#[cfg(test)]
mod tests;
mod walk;

use egui::{RichText, Ui};

use self::contents::Contents;
use self::walk::Walk;
use super::context::PaneContext;
use super::label_bars::badge;
use super::shared::keep_together;
use crate::explain::Stage;
use crate::state::State;
use crate::state::action::Action;
use crate::state::tour_stops::STOPS;
use crate::theme;

/// Draws the pane.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let mut walk: Walk = ui.data(|data| data.get_temp(Walk::id())).unwrap_or_default();
    let stop = state.tour.as_ref().and_then(|tour| Some((tour.stop, STOPS.get(tour.stop)?.stage)));
    walk.follow(stop);
    controls(state, &mut walk, cx, ui);
    go_on(state, &mut walk, cx, ui);
    let contents = Contents::of(state);
    diagram::ui(state, &contents, &mut walk, ui);
    ui.add_space(6.0);
    explanation(state, &contents, walk.chosen, cx, ui);
    ui.data_mut(|data| data.insert_temp(Walk::id(), walk));
}

fn controls(state: &State, walk: &mut Walk, cx: &mut PaneContext, ui: &mut Ui) {
    let now = ui.input(|input| input.time);
    ui.horizontal_wrapped(|ui| {
        let text = if walk.is_playing { "Pause" } else { "Play" };
        let fill = ui.visuals().selection.bg_fill;
        let text = RichText::new(text).color(ui.visuals().selection.stroke.color).strong();
        let play = egui::Button::new(text).fill(fill).min_size(egui::vec2(78.0, 0.0));
        if ui.add(play).on_hover_text("Lead one region after the other along the pipeline").clicked() {
            walk.toggle(now);
        }
        let hint = "Lead the region through the next stage";
        let step = egui::Button::new("Step");
        if ui.add_enabled(!walk.is_playing, step).on_hover_text(hint).clicked() {
            walk.step(state, cx);
        }
        let all = egui::Button::new("Show all");
        if ui.add_enabled(walk.at.is_some(), all).on_hover_text("Show every stage at once").clicked() {
            walk.stop();
        }
        keep_together(140.0, ui);
        let label = ui.label("Speed");
        // No slider: it would not wrap on a phone.
        let speed = egui::DragValue::new(&mut walk.stages_per_s).range(0.25..=8.0).speed(0.02);
        ui.add(speed.suffix(" stages/s").max_decimals(2)).labelled_by(label.id);
        let words = match walk.at {
            Some(stage) => format!("Now: {}", stage.title()),
            None => "Click a stage to read what it does".into(),
        };
        ui.weak(words);
    });
}

/// Takes the next step of a walk when it is time, and wakes up for the one after.
fn go_on(state: &State, walk: &mut Walk, cx: &mut PaneContext, ui: &Ui) {
    if !walk.is_playing {
        return;
    }
    let now = ui.input(|input| input.time);
    if walk.is_due(now) {
        walk.step(state, cx);
        walk.wait_from(now);
    }
    // The point that travels along the pipeline moves at every frame.
    ui.ctx().request_repaint();
}

fn explanation(state: &State, contents: &Contents, stage: Stage, cx: &mut PaneContext, ui: &mut Ui) {
    egui::Frame::new().fill(theme::card(ui.visuals())).corner_radius(theme::RADIUS).inner_margin(10).show(
        ui,
        |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal(|ui| {
                ui.label(RichText::new(stage.title()).strong().size(theme::TITLE));
                ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                    let hint = format!("Bring the {} pane to the front", stage.pane().title());
                    if ui.button("Open pane").on_hover_text(hint).clicked() {
                        cx.push(Action::Front(stage.pane()));
                    }
                });
            });
            ui.label(stage.text());
            ui.add_space(2.0);
            ui.label(RichText::new(stage.formula()).monospace().color(theme::accent(ui.visuals())));
            match stage.with_numbers(&contents.numbers) {
                Some(numbers) => ui.label(RichText::new(numbers).size(theme::CAPTION)),
                None => ui.weak(missing(stage)),
            };
            if stage == Stage::Teacher {
                again(state, contents, cx, ui);
            }
            if let Some((_, kind)) = contents.numbers.judged
                && stage == Stage::Mining
            {
                badge(kind, ui);
            }
        },
    );
}

/// Lets the teacher look at the region again, and says whether it still says what was stored.
fn again(state: &State, contents: &Contents, cx: &mut PaneContext, ui: &mut Ui) {
    let can_ask = state.teacher().is_some() && state.shown().is_some_and(|shown| shown.picture.is_some());
    let is_chosen = state.experiment.region.is_some();
    ui.horizontal_wrapped(|ui| {
        let button = egui::Button::new("Ask the teacher again");
        if ui
            .add_enabled(can_ask && is_chosen, button)
            .on_disabled_hover_text(if can_ask {
                "Choose a region"
            } else {
                "The teacher or the picture is not here"
            })
            .clicked()
        {
            cx.push(Action::AskAgain);
        }
        let here = (state.experiment.data, state.experiment.image, state.experiment.region);
        let asked = state.teachers.asked_again.as_ref();
        let Some(asked) = asked.filter(|asked| (asked.data, asked.image, Some(asked.region)) == here) else {
            return;
        };
        match (&asked.label, &contents.label) {
            (None, _) => ui.weak("looking…"),
            (Some(said), Some(stored)) if said.classes() == stored.classes() => ui.label(format!(
                "Asked again, in {:.2} s: total variation {:.4} from the stored label",
                asked.time_s,
                said.total_variation(stored)
            )),
            (Some(_), _) => ui.weak("It has other classes than the stored label"),
        };
    });
}

/// Why a stage has no numbers yet.
fn missing(stage: Stage) -> &'static str {
    match stage {
        Stage::Image | Stage::Regions => "No image is shown",
        Stage::Teacher | Stage::Mining | Stage::Calibration => {
            "The teacher has not looked at this region yet"
        }
        Stage::Selfmix => "No other region of this image is trained on",
        Stage::Student => "No student has learned yet: step on, or press play in the Training pane",
    }
}
