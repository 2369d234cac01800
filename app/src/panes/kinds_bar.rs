//! Shares of the four kinds as one bar, with letters where there is room.

use egui::{CornerRadius, Rect, Sense, Ui, Vec2, pos2};
use ferkd_method::mining::{KindCounts, RegionKind};

use super::letter::paint_letter;
use super::numbers::{count, percent};
use crate::theme;

/// Counts and shares of the kinds, in words.
pub(crate) fn in_words(kinds: &KindCounts) -> String {
    let shares = kinds.shares();
    let said = RegionKind::ALL.map(|kind| {
        format!("{} {} ({})", count(kinds.of(kind)), kind.name(), percent(shares[kind as usize]))
    });
    said.join(", ")
}

/// Draws the bar; `whose` names it for those who cannot see it.
pub(crate) fn bar(kinds: &KindCounts, whose: &str, size: Vec2, ui: &mut Ui) {
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let shares = kinds.shares();
    let said = format!("{whose}: {}", in_words(kinds));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, &said));
    let visuals = ui.visuals();
    let painter = ui.painter();
    let mut left = rect.left();
    for kind in RegionKind::ALL {
        let width = shares[kind as usize] as f32 * rect.width();
        let right = (left + width).min(rect.right());
        // A hair between two kinds, also where colours are hard to tell apart.
        let piece = Rect::from_min_max(pos2(left, rect.top()), pos2((right - 1.0).max(left), rect.bottom()));
        painter.rect_filled(piece, CornerRadius::same(2), theme::kind(kind, visuals));
        if width >= 12.0 {
            paint_letter(kind, piece.center(), 12.0, painter, ui.visuals());
        }
        left = right;
    }
    response.on_hover_text(said);
}
