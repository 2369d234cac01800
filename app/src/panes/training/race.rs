//! The race: held-out accuracy by step, students of one seed side by side, and behind each how far several seeds of it
//! lie apart, so that no one takes noise for an effect.

use egui::{Stroke, Ui};
use egui_plot::{FilledArea, HoverPosition, Line, MarkerShape, Plot, PlotPoints, Points};
use ferkd_train::config::Supervision;

use crate::panes::curves::{self, in_percent, percent};
use crate::panes::shared::swatch;
use crate::snapshot::{Record, Spread};
use crate::state::State;
use crate::state::training::{Effect, Training};
use crate::theme;

/// One student's curve, and the spread behind it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lane {
    pub supervision: Supervision,
    /// Step and accuracy in 0..=1.
    pub curve: Vec<[f64; 2]>,
    /// Of several seeds; empty where none is known.
    pub spread: Vec<Spread>,
}

/// The students that race; those that were trained before, up to where they can go on, while there are no others.
pub(super) fn lanes(state: &State) -> Vec<Lane> {
    let training = &state.training;
    let spread = |supervision| record(state).map_or_else(Vec::new, |record| record.spread(supervision));
    if !training.students.is_empty() {
        let steps = steps_an_epoch(training);
        let lane = |student: &crate::state::student::StudentState| Lane {
            supervision: student.supervision,
            curve: student.accuracy.iter().map(|[epoch, share]| [epoch * steps, *share]).collect(),
            spread: spread(student.supervision),
        };
        return training.students.iter().map(lane).collect();
    }
    let Some(record) = record(state) else { return Vec::new() };
    let lane = |supervision: Supervision| {
        let point = |point: &crate::snapshot::RunPoint| [point.step as f64, record.accuracy(point.right)];
        Lane {
            supervision,
            curve: record.before(supervision).map(point).collect(),
            spread: spread(supervision),
        }
    };
    let known = |supervision: &Supervision| record.student(*supervision).is_some();
    state.experiment.training.supervisions.iter().copied().filter(known).map(lane).collect()
}

/// What is known of several seeds, where it is of runs as long as those at hand, mixed alike.
fn record(state: &State) -> Option<&Record> {
    let (epochs, mix) = match &state.training.asked {
        Some(asked) => (asked.epochs, asked.mix),
        None => (state.experiment.training.epochs, state.experiment.training.mix),
    };
    state.training.record.as_deref().filter(|record| (record.epochs, record.mix) == (epochs, mix))
}

/// Steps of an epoch.
pub(super) fn steps_an_epoch(training: &Training) -> f64 {
    let asked = training.asked.as_ref().map(|asked| (training.steps, asked.epochs));
    let trained = training.record.as_ref().map(|record| (record.steps, record.epochs));
    match asked.filter(|(steps, _)| *steps > 0).or(trained) {
        Some((steps, epochs)) => steps as f64 / epochs.max(1) as f64,
        None => 1.0,
    }
}

/// A plot by step, as long as the run; or, where nothing is known of whole runs, twice as long now and then.
pub(super) fn plot<'a>(id: &'static str, training: &Training, ui: &Ui) -> Plot<'a> {
    let epochs = training.asked.as_ref().map(|asked| asked.epochs);
    let known = training.record.as_ref().filter(|record| epochs.is_none_or(|epochs| record.epochs == epochs));
    let end = match known {
        Some(record) => record.steps as f64,
        None => {
            // Early curves would be a few points at the edge of the whole run.
            let epochs = epochs.unwrap_or(1).max(1) as f64;
            let reached = (training.epoch().max(0.9) * 1.05).ceil() as u32;
            f64::from(reached.next_power_of_two()).min(epochs) * steps_an_epoch(training)
        }
    };
    curves::plot(id, 168.0, ui).default_x_bounds(0.0, end).auto_bounds([false, true]).reset()
}

/// What is said of the point under the pointer: whose it is, its step, and its value by `said`.
pub(super) fn hover(said: impl Fn(f64) -> String) -> impl Fn(&HoverPosition<'_>) -> Option<String> {
    move |at| match at {
        HoverPosition::NearDataPoint { plot_name, position, .. } => {
            Some(format!("{plot_name}\nstep {:.0}: {}", position.x, said(position.y)))
        }
        HoverPosition::Elsewhere { .. } => None,
    }
}

/// The plot, who is who, and a sentence that says how it stands.
pub(super) fn ui(state: &State, ui: &mut Ui) {
    let (lanes, record) = (lanes(state), record(state));
    let seeds = lanes.iter().filter_map(|lane| Some(record?.seeds(lane.supervision))).max().unwrap_or(0);
    ui.horizontal_wrapped(|ui| {
        ui.strong("Accuracy");
        let bands = if seeds > 1 { format!("; bands: lowest to highest of {seeds} seeds") } else { String::new() };
        let found = ui.weak(format!("of held-out scenes by step{bands}"));
        if let Some(record) = record.filter(|_| seeds > 1) {
            let (tuning, t) = (record.tuning, record.tuning.thresholds);
            found.on_hover_text(format!(
                "The bands are of whole runs at learning rate {}, epsilon {} and thresholds {:.3}, {:.3}, {:.3}",
                tuning.lr, tuning.epsilon, t.low, t.mid, t.high
            ));
        }
    });
    let visuals = ui.visuals().clone();
    let plot = plot("accuracy", &state.training, ui).label_formatter(hover(percent));
    let response = in_percent(plot.include_y(0.0).include_y(0.5)).show(ui, |plot| {
        for lane in lanes.iter().filter(|lane| !lane.spread.is_empty()) {
            let color = theme::student(lane.supervision, &visuals);
            let of = |value: fn(&Spread) -> f64| -> Vec<f64> { lane.spread.iter().map(value).collect() };
            let (low, high) = (of(|at| at.low), of(|at| at.high));
            let band = FilledArea::new(lane.supervision.name(), &of(|at| at.step as f64), &low, &high);
            let band = band.fill_color(color.gamma_multiply(0.16));
            plot.add(band.allow_hover(false).id((lane.supervision, "band")));
        }
        for lane in &lanes {
            let (color, name) = (theme::student(lane.supervision, &visuals), lane.supervision.name());
            let line = Line::new(name, PlotPoints::from(lane.curve.clone()));
            let line = line.stroke(Stroke::new(2.0, color)).allow_hover(false);
            plot.line(line.id((lane.supervision, "line")));
            let points = Points::new(name, PlotPoints::from(lane.curve.clone())).radius(2.5).color(color);
            plot.points(points.shape(MarkerShape::Circle));
        }
    });
    let summary = summary(&lanes);
    let said = format!("Held-out accuracy by step. {summary}");
    response.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, &said));
    ui.horizontal_wrapped(|ui| {
        for lane in &lanes {
            swatch(theme::student(lane.supervision, ui.visuals()), ui);
            ui.small(lane.supervision.name());
        }
    });
    ui.small(summary);
}

/// How the race stands, and how far apart seeds lie there.
pub(super) fn summary(lanes: &[Lane]) -> String {
    let last = |lane: &Lane| Some((lane.supervision, *lane.curve.last()?));
    let standing: Vec<(Supervision, [f64; 2])> = lanes.iter().filter_map(last).collect();
    let Some(step) = standing.iter().map(|(_, [step, _])| *step).reduce(f64::max) else {
        return "No student has been evaluated yet.".into();
    };
    let said: Vec<String> = standing
        .iter()
        .map(|(supervision, [_, share])| format!("{} {}", supervision.name(), percent(*share)))
        .collect();
    let text = format!("After step {step:.0}: {}", said.join(", "));
    match apart(lanes, step) {
        Some(points) => format!(
            "{text}; seeds of one student lie up to {points:.1} points apart there: a smaller difference may be noise."
        ),
        None => format!("{text}."),
    }
}

/// The widest spread of a student at the last evaluation of several seeds that is not past `step`, in points.
fn apart(lanes: &[Lane], step: f64) -> Option<f64> {
    let at =
        |lane: &Lane| lane.spread.iter().rfind(|at| at.step as f64 <= step + 0.5).map(|at| at.high - at.low);
    lanes.iter().filter_map(at).reduce(f64::max).map(|share| 100.0 * share)
}

/// Whether a student looks at thresholds.
fn is_mined(supervision: Supervision) -> bool {
    supervision.needs_store() && supervision != Supervision::Fkd
}

/// What has become of students since thresholds changed.
pub(super) fn effect(training: &Training, ui: &mut Ui) {
    let Some(retuned) = &training.retuned else { return };
    ui.label(match training.effect() {
        found if found.is_empty() => {
            format!(
                "Thresholds or ε changed at step {}: let students go on to see what that does.",
                retuned.step
            )
        }
        found => effect_words(retuned.step, &found),
    });
}

/// The same in words.
pub(super) fn effect_words(step: u64, found: &[Effect]) -> String {
    let list = |mined: bool| -> String {
        let of = found.iter().filter(|effect| is_mined(effect.supervision) == mined);
        let said = of.map(|Effect { supervision, before, now }| {
            format!("{} {:+.1} points", supervision.name(), 100.0 * (now - before))
        });
        said.collect::<Vec<_>>().join(", ")
    };
    let text = match (list(true), list(false)) {
        (mined, others) if others.is_empty() => mined,
        (mined, others) if mined.is_empty() => format!("{others}, which look at no threshold"),
        (mined, others) => format!("{mined}; without thresholds {others}"),
    };
    format!(
        "Since thresholds or ε changed at step {step}: {text}. What the others gained too, and what lies within the bands, \
         is not the thresholds' doing."
    )
}
