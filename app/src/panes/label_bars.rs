//! A label as bars, and a kind as a badge.

use egui::{Align2, CornerRadius, FontId, Rect, Sense, Ui, pos2, vec2};
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::RegionKind;

use super::letter::on_color;
use crate::theme;

/// Classes with a bar of their own.
const TOP: usize = 5;

/// The kind's letter on its colour, and its name.
pub(crate) fn badge(kind: RegionKind, ui: &mut Ui) {
    ui.label(on_color(kind, format!(" {} {} ", kind.letter(), kind.name()), ui.visuals()));
}

/// A label as bars: its first classes, then the rest; the image's class is marked.
pub(crate) fn bars(
    ui: &mut Ui,
    title: &str,
    label: &SoftLabel,
    truth: Option<u32>,
    kind: RegionKind,
    name: &impl Fn(u32) -> String,
) {
    ui.horizontal(|ui| {
        ui.strong(title);
        ui.weak(format!("entropy {:.2} nats", label.entropy()));
    });
    let height = bar_height(ui);
    ui.spacing_mut().item_spacing.y = (height - 12.0).clamp(2.0, 6.0);
    let listed = label.top().iter().take(TOP);
    let mut mass = 0.0;
    for &(class, p) in listed {
        mass += p;
        bar(ui, height, &name(class), p, truth == Some(class), theme::kind(kind, ui.visuals()));
    }
    let others = label.classes() as usize - label.top().len().min(TOP);
    if others > 0 {
        let text = format!("{others} other classes");
        bar(ui, height, &text, (1.0 - mass).max(0.0), false, theme::neutral(ui.visuals()));
    }
}

/// Height of a bar, in points: as much as lets all of them be seen in the pane, within reason.
fn bar_height(ui: &Ui) -> f32 {
    let room = ui.clip_rect().bottom() - ui.cursor().top();
    (room / (TOP + 1) as f32 - 4.0).clamp(14.0, 19.0)
}

fn bar(ui: &mut Ui, height: f32, name: &str, p: f32, is_truth: bool, color: egui::Color32) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let said = format!("{name}: {p:.3}{}", if is_truth { ", the image's class" } else { "" });
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, &said));
    let painter = ui.painter();
    let visuals = ui.visuals();
    painter.rect_filled(rect, CornerRadius::same(3), theme::card(visuals));
    let filled =
        Rect::from_min_max(rect.min, pos2(rect.left() + rect.width() * p.clamp(0.0, 1.0), rect.bottom()));
    painter.rect_filled(filled, CornerRadius::same(3), color.gamma_multiply(0.45));
    let number = painter.text(
        rect.right_center() - vec2(5.0, 0.0),
        Align2::RIGHT_CENTER,
        format!("{p:.3}"),
        FontId::monospace(theme::AXIS),
        visuals.text_color(),
    );
    let text = if is_truth { format!("● {name}") } else { name.to_owned() };
    let clipped =
        painter.with_clip_rect(Rect::from_min_max(rect.min, pos2(number.left() - 4.0, rect.bottom())));
    let left = rect.left_center() + vec2(5.0, 0.0);
    clipped.text(left, Align2::LEFT_CENTER, text, FontId::proportional(theme::CAPTION), visuals.text_color());
    response.on_hover_text(if is_truth { format!("{name}: the image's class") } else { name.to_owned() });
}
