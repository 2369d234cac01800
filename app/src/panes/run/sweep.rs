//! A sweep: accuracy of each arm at the end, as a mean and its 95 % interval over the seeds, and on the way.

use egui::{Align2, Color32, CornerRadius, FontId, Rect, Sense, Stroke, Ui, pos2, vec2};
use egui_plot::{FilledArea, Legend, Line, PlotPoints};
use ferkd_report::stats::Sample;

use crate::panes::context::PaneContext;
use crate::panes::curves::{self, named};
use crate::panes::numbers::percent;
use crate::panes::shared::describe;
use crate::state::action::Action;
use crate::sweep::{SweepCell, SweepView};
use crate::theme;

/// Height of an arm's row, in points.
const ROW: f32 = 22.0;

/// Arms whose curves are drawn at once: more cannot be told apart.
const MOST_CURVES: usize = 8;

/// Arms with their intervals, and the curves of one budget.
pub(super) fn ui(sweep: &SweepView, cx: &mut PaneContext, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        ui.strong(&sweep.name);
        let runs: usize = sweep.cells.iter().map(|cell| cell.accuracies.len()).sum();
        ui.weak(format!("{runs} runs finished"));
        if sweep.unfinished > 0 {
            ui.weak(format!("· {} not yet", sweep.unfinished));
        }
        if cfg!(feature = "desktop") && ui.button("Reload").on_hover_text("Read its folder again").clicked() {
            cx.push(Action::ReloadRun);
        }
    });
    let samples: Vec<(&SweepCell, Sample)> =
        sweep.cells.iter().filter_map(|cell| Some((cell, cell.accuracy()?))).collect();
    if samples.is_empty() {
        ui.weak("No run with an accuracy is finished yet");
        return;
    }
    let ends = samples.iter().flat_map(|(_, sample)| sample.interval().unwrap_or([sample.mean; 2]));
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), end| (a.min(end), b.max(end)));
    let margin = (0.05 * (high - low)).max(0.005);
    let budgets = sweep.budgets();
    for budget in &budgets {
        let of_budget = || samples.iter().filter(|(cell, _)| cell.epochs == *budget);
        // Where all arms have as many seeds, it is said once.
        let seeds = of_budget().map(|(_, sample)| sample.n).next();
        let seeds = seeds.filter(|n| of_budget().all(|(_, sample)| sample.n == *n));
        ui.horizontal_wrapped(|ui| {
            ui.strong(format!("{budget} epochs"));
            let over = seeds.map_or("the seeds".into(), seeds_in_words);
            ui.weak(format!("accuracy at the end: mean, and its 95 % interval over {over}"));
        });
        for (number, (cell, sample)) in of_budget().enumerate() {
            let color = theme::series(number, ui.visuals());
            row(cell, sample, seeds.is_none(), (low - margin, high + margin), color, ui);
        }
        on_the_way(sweep, *budget, ui);
    }
}

fn seeds_in_words(n: usize) -> String {
    if n == 1 { "1 seed".into() } else { format!("{n} seeds") }
}

/// What is shown of an arm, but for its seeds.
fn shown(cell: &SweepCell, sample: &Sample) -> String {
    let mean = percent(sample.mean);
    match sample.interval() {
        Some([low, high]) => format!("{}: {mean} [{}, {}]", cell.arm, percent(low), percent(high)),
        None => format!("{}: {mean}", cell.arm),
    }
}

/// What is said of an arm.
fn said(cell: &SweepCell, sample: &Sample) -> String {
    let none = if sample.interval().is_none() { ": no interval" } else { "" };
    format!("{}, {}{none}", shown(cell, sample), seeds_in_words(sample.n))
}

/// An arm as a mark and a line from end to end of its interval, with its numbers.
fn row(
    cell: &SweepCell,
    sample: &Sample,
    names_seeds: bool,
    (low, high): (f64, f64),
    color: Color32,
    ui: &mut Ui,
) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
    let said = said(cell, sample);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, &said));
    let visuals = ui.visuals();
    let painter = ui.painter();
    painter.rect_filled(rect, CornerRadius::same(theme::RADIUS), theme::card(visuals));
    // The name takes the left half, the interval the right one.
    let (names, plot) = rect.split_left_right_at_fraction(0.55);
    let clipped = painter.with_clip_rect(names.shrink(theme::SPACE[0]));
    let font = FontId::proportional(theme::CAPTION);
    clipped.text(
        names.left_center() + vec2(6.0, 0.0),
        Align2::LEFT_CENTER,
        if names_seeds { said.clone() } else { shown(cell, sample) },
        font,
        visuals.text_color(),
    );
    let plot = plot.shrink2(vec2(8.0, 0.0));
    let x = |value: f64| plot.left() + ((value - low) / (high - low)) as f32 * plot.width();
    if let Some([from, to]) = sample.interval() {
        let line = Rect::from_min_max(pos2(x(from), plot.center().y), pos2(x(to), plot.center().y));
        painter.line_segment([line.min, line.max], Stroke::new(2.0, color));
        for end in [line.min, line.max] {
            painter.line_segment([end - vec2(0.0, 4.0), end + vec2(0.0, 4.0)], Stroke::new(2.0, color));
        }
    }
    painter.circle_filled(pos2(x(sample.mean), plot.center().y), 4.0, color);
    response.on_hover_text(said);
}

/// Mean accuracy by epoch with the interval behind it, where the runs themselves were read.
fn on_the_way(sweep: &SweepView, budget: u64, ui: &mut Ui) {
    let curves: Vec<(&str, Vec<(f64, Sample)>)> = sweep
        .cells
        .iter()
        .filter(|cell| cell.epochs == budget)
        .map(|cell| (cell.arm.as_str(), cell.curve()))
        .collect();
    if curves.iter().all(|(_, curve)| curve.len() < 2) {
        return;
    }
    if curves.len() > MOST_CURVES {
        ui.weak(format!("Curves of the first {MOST_CURVES} arms of {}", curves.len()));
    }
    let visuals = ui.visuals().clone();
    let plot = curves::plot(("sweep", budget), 200.0, ui).legend(Legend::default());
    let plot = curves::in_percent(plot.label_formatter(curves::hover(curves::percent)));
    let shown = plot.show(ui, |plot| {
        for (number, (arm, curve)) in curves.iter().take(MOST_CURVES).enumerate() {
            let color = theme::series(number, &visuals);
            let band: Vec<(f64, [f64; 2])> =
                curve.iter().filter_map(|(epoch, sample)| Some((*epoch, sample.interval()?))).collect();
            if band.len() > 1 {
                let column = |of: fn(&(f64, [f64; 2])) -> f64| band.iter().map(of).collect::<Vec<f64>>();
                let (at, low, high) = (column(|(at, _)| *at), column(|(_, e)| e[0]), column(|(_, e)| e[1]));
                let area = FilledArea::new(*arm, &at, &low, &high).fill_color(color.gamma_multiply(0.18));
                plot.add(area.allow_hover(false).id((*arm, "interval")));
            }
            let points: PlotPoints<'_> = curve.iter().map(|(epoch, sample)| [*epoch, sample.mean]).collect();
            plot.line(Line::new(*arm, points).color(color).width(2.0));
        }
    });
    named(&shown.response, "Accuracy by epoch and arm");
    describe(&shown.response, || {
        let last = |(arm, curve): &(&str, Vec<(f64, Sample)>)| {
            curve.last().map(|(epoch, sample)| format!("{arm}: {} at epoch {epoch}", percent(sample.mean)))
        };
        curves.iter().take(MOST_CURVES).filter_map(last).collect::<Vec<_>>().join("; ")
    });
}
