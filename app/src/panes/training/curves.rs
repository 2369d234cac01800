//! Loss of every student, while they learn, beside the race of their accuracies.

use egui::{Stroke, Ui};
use egui_plot::{Line, PlotPoints};

use super::race;
use crate::panes::curves::{self, named};
use crate::panes::shared::describe;
use crate::state::State;
use crate::state::student::StudentState;
use crate::state::training::Training;
use crate::theme;

/// Points of a curve that are drawn: more are finer than the screen.
const DRAWN: usize = 1200;

/// Both plots, and what has become of students since thresholds changed.
pub(super) fn ui(state: &State, ui: &mut Ui) {
    // The race first: where there is no room for both side by side, it is what is seen.
    curves::pair(ui, |ui| race::ui(state, ui), |ui| loss(&state.training, ui));
    race::effect(&state.training, ui);
}

fn loss(training: &Training, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        ui.strong("Loss");
        ui.weak("nats by step, smoothed; faint: every step");
    });
    let visuals = ui.visuals().clone();
    // What is smoothed fills the plot; the faint lines may leave it.
    let smooth = || training.students.iter().flat_map(|student| &student.smooth_loss).map(|point| point[1]);
    let (low, high) = (smooth().fold(f64::INFINITY, f64::min), smooth().fold(f64::NEG_INFINITY, f64::max));
    let margin = (0.2 * (high - low)).max(0.02);
    let plot = race::plot("loss", training, ui);
    let plot = match low <= high {
        true => plot.default_y_bounds(low - margin, high + margin).auto_bounds(false),
        false => plot,
    };
    let by_step = |points: &[[f64; 2]]| thinned(points, race::steps_an_epoch(training));
    let response = plot.label_formatter(race::hover(curves::nats)).show(ui, |plot| {
        for student in &training.students {
            let faint = theme::student(student.supervision, &visuals).gamma_multiply(0.22);
            let raw = Line::new(student.supervision.name(), by_step(&student.loss));
            plot.line(
                raw.stroke(Stroke::new(1.0, faint)).allow_hover(false).id((student.supervision, "raw")),
            );
        }
        for student in &training.students {
            let color = theme::student(student.supervision, &visuals);
            let smooth = Line::new(student.supervision.name(), by_step(&student.smooth_loss));
            plot.line(smooth.stroke(Stroke::new(2.0, color)));
        }
    });
    named(&response.response, "Loss by step");
    describe(&response.response, || ends(training));
}

/// Where the students' curves end, in words.
fn ends(training: &Training) -> String {
    let end = |student: &StudentState| {
        let [epoch, loss] = *student.smooth_loss.last()?;
        Some(format!("{}: {} at epoch {epoch:.1}", student.supervision.name(), curves::nats(loss)))
    };
    training.students.iter().filter_map(end).collect::<Vec<_>>().join("; ")
}

/// Points by epoch as points by step, not more of them than are seen.
fn thinned(points: &[[f64; 2]], steps_an_epoch: f64) -> PlotPoints<'static> {
    let every = points.len().div_ceil(DRAWN).max(1);
    let at = |&[epoch, value]: &[f64; 2]| [epoch * steps_an_epoch, value];
    // From the end: the last point is the one that is looked at.
    let mut drawn: Vec<[f64; 2]> = points.iter().rev().step_by(every).map(at).collect();
    drawn.reverse();
    drawn.into()
}
