//! How far mixed labels lie from their parents over many draws: within images upwards, across images downwards.

use egui::{Align2, CornerRadius, FontId, Rect, Sense, Stroke, Ui, pos2, vec2};

use crate::study::mixes::{BINS, DRAWS, MixStudy, Spread};
use crate::theme;

/// From this width on, in points, the legend stands on one line.
const ONE_LINE: f32 = 540.0;

/// Draws the distribution.
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
    let (within, across) = (study.within.mean(), study.across.mean());
    let (Some(within), across) = (within, across) else {
        ui.weak("No image has two regions that survive mining");
        return;
    };
    let mean = |name: &str, value: Option<f64>| match value {
        Some(value) => format!("{name}: mean {value:.3}"),
        None => format!("{name}: no other image"),
    };
    let texts = [mean("Within one image", Some(within)), mean("Across images", across)];
    let legend = |ui: &mut Ui| {
        for (text, which) in texts.iter().zip([1, 2]) {
            // Colour and words stay on one line.
            ui.horizontal(|ui| {
                let (rect, _) = ui.allocate_exact_size(vec2(12.0, 12.0), Sense::hover());
                ui.painter().rect_filled(rect, CornerRadius::same(2), theme::parent(which, ui.visuals()));
                ui.label(text);
            });
        }
        let draws = study.done;
        let times = across.filter(|_| within > 0.0).map(|across| across / within);
        ui.weak(
            times.map_or(format!("{draws} draws"), |times| format!("{times:.1} times as far, {draws} draws")),
        );
    };
    if ui.available_width() >= ONE_LINE {
        ui.horizontal(legend)
    } else {
        ui.vertical(legend)
    };
    chart(study, &texts, ui);
}

fn chart(study: &MixStudy, texts: &[String; 2], ui: &mut Ui) {
    let (all, response) = ui.allocate_exact_size(vec2(ui.available_width(), 132.0), Sense::hover());
    let said = format!("Distribution of total variation. {}. {}", texts[0], texts[1]);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, &said));
    let rect = Rect::from_min_max(all.min + vec2(4.0, 2.0), all.max - vec2(4.0, 16.0));
    let visuals = ui.visuals();
    let painter = ui.painter();
    let spreads = [(&study.within, 1, -1.0), (&study.across, 2, 1.0)];
    let peak = spreads.iter().flat_map(|(spread, ..)| spread.bins).max().unwrap_or(1).max(1) as f32;
    let x = |value: f64| rect.left() + value as f32 * rect.width();
    let middle = rect.center().y;
    let half = rect.height() / 2.0 - 1.0;
    for (spread, which, way) in spreads {
        let color = theme::parent(which, visuals);
        bars(spread, |share| middle + way * share * half, &x, peak, middle, color, painter);
        if let Some(mean) = spread.mean() {
            let at = x(mean);
            painter.line_segment(
                [pos2(at, middle), pos2(at, middle + way * half)],
                Stroke::new(2.0, theme::accent(visuals)),
            );
            let (y, anchor) = match (way < 0.0, at > rect.center().x) {
                (true, false) => (rect.top(), Align2::LEFT_TOP),
                (true, true) => (rect.top(), Align2::RIGHT_TOP),
                (false, false) => (rect.bottom(), Align2::LEFT_BOTTOM),
                (false, true) => (rect.bottom(), Align2::RIGHT_BOTTOM),
            };
            let gap = if at > rect.center().x { -5.0 } else { 5.0 };
            let text = format!("mean {mean:.3}");
            painter.text(pos2(at + gap, y), anchor, text, FontId::proportional(11.0), theme::accent(visuals));
        }
    }
    painter.hline(rect.x_range(), middle, theme::line(visuals));
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let anchor = match tick {
            0.0 => Align2::LEFT_TOP,
            1.0 => Align2::RIGHT_TOP,
            _ => Align2::CENTER_TOP,
        };
        let at = pos2(x(tick), rect.bottom() + 3.0);
        painter.text(at, anchor, format!("{tick}"), FontId::proportional(11.0), theme::weak(visuals));
    }
    response.on_hover_text(
        "Upwards: two regions of one image. Downwards: regions of two images, with the same draw",
    );
}

fn bars(
    spread: &Spread,
    to_y: impl Fn(f32) -> f32,
    x: &impl Fn(f64) -> f32,
    peak: f32,
    middle: f32,
    color: egui::Color32,
    painter: &egui::Painter,
) {
    for (i, &count) in spread.bins.iter().enumerate() {
        if count == 0 {
            continue;
        }
        // Square roots, as in the histogram of confidence: what is rare must be seen too.
        let y = to_y((count as f32 / peak).sqrt());
        let (left, right) = (x(i as f64 / BINS as f64) + 0.5, x((i + 1) as f64 / BINS as f64) - 0.5);
        let bar = Rect::from_two_pos(pos2(left, middle), pos2(right, y));
        painter.rect_filled(bar, CornerRadius::ZERO, color.gamma_multiply(0.85));
    }
}
