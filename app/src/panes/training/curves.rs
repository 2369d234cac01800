//! Loss and held-out accuracy of every student, while they learn.

use egui::{Stroke, Ui};
use egui_plot::{Line, MarkerShape, Plot, PlotPoints, Points};

use crate::panes::curves::{self, named};
use crate::panes::shared::describe;
use crate::state::training::{StudentState, Training};
use crate::theme;

/// Points of a curve that are drawn: more are finer than the screen.
const DRAWN: usize = 1200;

/// Both plots.
pub(super) fn ui(training: &Training, ui: &mut Ui) {
    curves::pair(ui, |ui| loss(training, ui), |ui| accuracy(training, ui));
}

fn plot<'a>(id: &'static str, training: &Training, ui: &Ui) -> Plot<'a> {
    let epochs = training.asked.as_ref().map_or(1, |asked| asked.epochs);
    // The scale doubles now and then: early curves would be a few points at the edge of the whole run.
    let last = training.students.iter().filter_map(|s| s.loss.last()).map(|last| last[0]).fold(0.9, f64::max);
    let end = f64::from(((last * 1.05).ceil() as u32).next_power_of_two()).min(epochs.max(1) as f64);
    curves::plot(id, 168.0, ui).default_x_bounds(0.0, end).auto_bounds([false, true]).reset()
}

fn loss(training: &Training, ui: &mut Ui) {
    ui.horizontal(|ui| {
        ui.strong("Loss");
        ui.weak("nats by epoch, smoothed; faint: every step");
    });
    let visuals = ui.visuals().clone();
    // What is smoothed fills the plot; the faint lines may leave it.
    let smooth = || training.students.iter().flat_map(|student| &student.smooth_loss).map(|point| point[1]);
    let (low, high) = (smooth().fold(f64::INFINITY, f64::min), smooth().fold(f64::NEG_INFINITY, f64::max));
    let margin = (0.2 * (high - low)).max(0.02);
    let plot = match low <= high {
        true => plot("loss", training, ui).default_y_bounds(low - margin, high + margin).auto_bounds(false),
        false => plot("loss", training, ui),
    };
    let response = plot.label_formatter(curves::hover(curves::nats)).show(ui, |plot| {
        for student in &training.students {
            let faint = theme::student(student.supervision, &visuals).gamma_multiply(0.22);
            let raw = Line::new(student.supervision.name(), thinned(&student.loss));
            plot.line(
                raw.stroke(Stroke::new(1.0, faint)).allow_hover(false).id((student.supervision, "raw")),
            );
        }
        for student in &training.students {
            let color = theme::student(student.supervision, &visuals);
            let smooth = Line::new(student.supervision.name(), thinned(&student.smooth_loss));
            plot.line(smooth.stroke(Stroke::new(2.0, color)));
        }
    });
    named(&response.response, "Loss by epoch");
    describe(&response.response, || {
        ends(training, |student| student.smooth_loss.last().copied(), curves::nats)
    });
}

fn accuracy(training: &Training, ui: &mut Ui) {
    ui.horizontal(|ui| {
        ui.strong("Accuracy");
        ui.weak("of held-out scenes, by epoch");
    });
    let plot = plot("accuracy", training, ui)
        .label_formatter(curves::hover(curves::percent))
        .include_y(0.0)
        .include_y(0.5);
    let plot = curves::in_percent(plot);
    let visuals = ui.visuals().clone();
    let response = plot.show(ui, |plot| {
        for student in &training.students {
            let color = theme::student(student.supervision, &visuals);
            let name = student.supervision.name();
            plot.line(
                Line::new(name, thinned(&student.accuracy))
                    .stroke(Stroke::new(2.0, color))
                    .allow_hover(false)
                    .id((student.supervision, "line")),
            );
            let points = Points::new(name, thinned(&student.accuracy)).radius(3.0).color(color);
            plot.points(points.shape(MarkerShape::Circle));
        }
    });
    named(&response.response, "Held-out accuracy by epoch");
    describe(&response.response, || {
        ends(training, |student| student.accuracy.last().copied(), curves::percent)
    });
}

/// Where the students' curves end, in words.
fn ends(
    training: &Training,
    last: impl Fn(&StudentState) -> Option<[f64; 2]>,
    said: fn(f64) -> String,
) -> String {
    let end = |student: &StudentState| {
        let [epoch, value] = last(student)?;
        Some(format!("{}: {} at epoch {epoch:.1}", student.supervision.name(), said(value)))
    };
    training.students.iter().filter_map(end).collect::<Vec<_>>().join("; ")
}

fn thinned(points: &[[f64; 2]]) -> PlotPoints<'static> {
    let every = points.len().div_ceil(DRAWN).max(1);
    // From the end: the last point is the one that is looked at.
    let mut drawn: Vec<[f64; 2]> = points.iter().rev().step_by(every).copied().collect();
    drawn.reverse();
    drawn.into()
}
