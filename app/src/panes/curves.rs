//! Curves by epoch, drawn alike wherever they are.

use egui::{Color32, Ui};
use egui_plot::{AxisHints, HoverPosition, Legend, Line, MarkerShape, Plot, PlotPoints, Points};

use super::shared::describe;
use crate::monitor::Point;
use crate::theme;

/// From this width on, in points, two plots stand side by side.
const SIDE_BY_SIDE: f32 = 520.0;

/// Curves of up to so many points show each of them.
const MARKED: usize = 64;

/// A plot that stands still, `height` points high.
pub(super) fn plot<'a>(id: impl std::hash::Hash + std::fmt::Debug, height: f32, ui: &Ui) -> Plot<'a> {
    // Labels this near to each other: a few of them even in a narrow plot.
    Plot::new(id)
        .custom_x_axes(vec![AxisHints::new_x().label_spacing(26.0..=52.0)])
        .custom_y_axes(vec![AxisHints::new_y().label_spacing(16.0..=36.0)])
        .height(height)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .show_background(false)
        .show_crosshair(false)
        .set_margin_fraction(egui::vec2(0.0, 0.06))
        .grid_color(theme::line(ui.visuals()).color)
        .y_axis_min_width(36.0)
}

/// Two plots, side by side where there is room.
pub(super) fn pair(ui: &mut Ui, first: impl FnOnce(&mut Ui), second: impl FnOnce(&mut Ui)) {
    if ui.available_width() < SIDE_BY_SIDE {
        first(ui);
        second(ui);
        return;
    }
    ui.columns(2, |columns| {
        first(&mut columns[0]);
        second(&mut columns[1]);
    });
}

/// What is said of the point under the pointer: whose it is, its epoch, and its value by `said`.
pub(super) fn hover(said: impl Fn(f64) -> String) -> impl Fn(&HoverPosition<'_>) -> Option<String> {
    move |at| match at {
        HoverPosition::NearDataPoint { plot_name, position, .. } => {
            Some(format!("{plot_name}\nepoch {:.1}: {}", position.x, said(position.y)))
        }
        HoverPosition::Elsewhere { .. } => None,
    }
}

/// A loss, as it is said.
pub(super) fn nats(value: f64) -> String {
    format!("{value:.3} nats")
}

/// An accuracy in 0..=1, as it is said.
pub(super) fn percent(value: f64) -> String {
    format!("{:.1} %", 100.0 * value)
}

/// An axis of accuracies.
pub(super) fn in_percent(plot: Plot<'_>) -> Plot<'_> {
    plot.y_axis_formatter(|mark, _| format!("{:.0} %", 100.0 * mark.value))
}

/// What is drawn by epoch.
#[derive(Debug, Clone, Copy)]
pub(super) enum Quantity {
    /// Training loss, in nats.
    Loss,
    /// Share of validation images whose top-1 prediction is right.
    Top1,
}

/// A name, a colour and a curve.
pub(super) type Curve<'a> = (&'a str, Color32, &'a [Point]);

/// Curves of a run or several, with a heading; nothing where there is no point at all.
pub(super) fn of_runs(quantity: Quantity, id: &str, height: f32, curves: &[Curve<'_>], ui: &mut Ui) {
    if curves.iter().all(|(_, _, points)| points.is_empty()) {
        return;
    }
    let (title, hint) = match quantity {
        Quantity::Loss => ("Training loss", "nats by epoch"),
        Quantity::Top1 => ("Accuracy", "top-1 of validation images by epoch"),
    };
    ui.horizontal(|ui| {
        ui.strong(title);
        ui.weak(hint);
    });
    let plot = plot((id, title), height, ui);
    let mut plot = match quantity {
        Quantity::Loss => plot.label_formatter(hover(nats)),
        Quantity::Top1 => in_percent(plot.label_formatter(hover(percent))),
    };
    if curves.len() > 1 {
        plot = plot.legend(Legend::default());
    }
    let shown = plot.show(ui, |plot| {
        for &(name, color, points) in curves {
            let at = || -> PlotPoints<'_> { points.iter().map(|point| [point.epoch, point.value]).collect() };
            plot.line(Line::new(name, at()).color(color).width(2.0));
            if points.len() <= MARKED {
                let marks = Points::new(name, at()).radius(2.5).color(color);
                plot.points(marks.shape(MarkerShape::Circle).allow_hover(false).id((name, "marks")));
            }
        }
    });
    named(&shown.response, title);
    describe(&shown.response, || {
        curves.iter().filter_map(|curve| said(quantity, curve)).collect::<Vec<_>>().join("; ")
    });
}

/// A curve in words: where it ends, and its best.
fn said(quantity: Quantity, (name, _, points): &Curve<'_>) -> Option<String> {
    let last = points.last()?;
    let values = points.iter().map(|point| point.value);
    let (best, number): (f64, fn(f64) -> String) = match quantity {
        Quantity::Loss => (values.fold(f64::INFINITY, f64::min), nats),
        Quantity::Top1 => (values.fold(f64::NEG_INFINITY, f64::max), percent),
    };
    Some(format!("{name}: {} at epoch {:.1}, best {}", number(last.value), last.epoch, number(best)))
}

/// What a screen reader says of a plot.
pub(super) fn named(response: &egui::Response, name: &'static str) {
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, name));
}
