//! How far mixed labels lie from their parents over many draws, a row for each way of mixing.

use egui::{Align2, CornerRadius, FontId, Rect, Sense, Stroke, Ui, pos2, vec2};

use crate::study::mixes::{DRAWS, MixStudy};
use crate::study::spread::{BINS, Spread, Way};
use crate::theme;

/// Height of a row of bars, in points.
const ROW: f32 = 34.0;

/// Draws the distributions.
pub(super) fn ui(study: &MixStudy, ui: &mut Ui) {
    ui.add_space(4.0);
    ui.strong("Total variation from the parents, over many draws");
    if let Some(error) = &study.error {
        ui.colored_label(ui.visuals().error_fg_color, error);
        return;
    }
    if study.done < DRAWS {
        let share = study.done as f32 / DRAWS as f32;
        let text = format!("{} of {DRAWS} draws", study.done);
        ui.add(egui::ProgressBar::new(share).desired_height(16.0).text(text));
        ui.ctx().request_repaint();
    }
    let Some(nearest) = study.spread(Way::Random).mean() else {
        ui.weak(match study.done < DRAWS || study.mixed > 0 {
            true => "…",
            false => {
                "No draw mixes: the probability is too small, or no image has two regions that survive mining"
            }
        });
        return;
    };
    ui.weak(format!(
        "{} of {} draws mix; the others leave their labels as they are",
        study.mixed, study.done
    ));
    // One scale for all: heights are compared, too.
    let peak = Way::ALL.iter().flat_map(|way| study.spread(*way).bins).max().unwrap_or(1).max(1);
    for way in Way::ALL {
        row(way, study.spread(way), nearest, peak, ui);
    }
    axis(ui);
}

/// The words and the bars of one way.
fn row(way: Way, spread: &Spread, nearest: f64, peak: u32, ui: &mut Ui) {
    let color = theme::parent(if way.is_within() { 1 } else { 2 }, ui.visuals());
    let text = match spread.mean() {
        Some(mean) => format!("{}: mean {mean:.3}", way.title()),
        None => format!("{}: there is no other image", way.title()),
    };
    ui.horizontal_wrapped(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(12.0, 12.0), Sense::hover());
        ui.painter().rect_filled(rect, CornerRadius::same(2), color);
        ui.label(&text);
        if let Some(mean) = spread.mean().filter(|_| way != Way::Random && nearest > 0.0) {
            ui.weak(format!("{:.2} times the random partner's", mean / nearest));
        }
    });
    let (all, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::hover());
    let said = format!("Distribution of total variation. {text}");
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, &said));
    let rect = all.shrink2(vec2(4.0, 0.0));
    let (visuals, painter) = (ui.visuals(), ui.painter());
    let x = |value: f64| rect.left() + value as f32 * rect.width();
    for (bin, &count) in spread.bins.iter().enumerate().filter(|(_, count)| **count > 0) {
        // Square roots, as in the histogram of confidence: what is rare must be seen too.
        let top = rect.bottom() - (count as f32 / peak as f32).sqrt() * rect.height();
        let (left, right) = (x(bin as f64 / BINS as f64) + 0.5, x((bin + 1) as f64 / BINS as f64) - 0.5);
        let bar = Rect::from_min_max(pos2(left, top), pos2(right, rect.bottom()));
        painter.rect_filled(bar, CornerRadius::ZERO, color.gamma_multiply(0.85));
    }
    painter.hline(rect.x_range(), rect.bottom(), theme::line(visuals));
    if let Some(mean) = spread.mean() {
        painter.vline(x(mean), rect.y_range(), Stroke::new(2.0, theme::accent(visuals)));
    }
    response.on_hover_text("From each of both parents, over the draws that mix; the line is the mean");
}

/// The numbers below the bars.
fn axis(ui: &mut Ui) {
    let (all, _) = ui.allocate_exact_size(vec2(ui.available_width(), 14.0), Sense::hover());
    let rect = all.shrink2(vec2(4.0, 0.0));
    for tick in [0.0f32, 0.25, 0.5, 0.75, 1.0] {
        let anchor = match tick {
            0.0 => Align2::LEFT_TOP,
            1.0 => Align2::RIGHT_TOP,
            _ => Align2::CENTER_TOP,
        };
        let at = pos2(rect.left() + tick * rect.width(), rect.top());
        let font = FontId::proportional(theme::AXIS);
        ui.painter().text(at, anchor, format!("{tick}"), font, theme::weak(ui.visuals()));
    }
}
