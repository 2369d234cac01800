//! A kind's letter, for what is painted on the kind's colour.

use egui::{Align2, FontId, Painter, Pos2, Visuals};
use ferkd_method::mining::RegionKind;

use crate::theme;

/// Paints a kind's letter around `at`, so many points high, in what can be read on the kind's colour.
pub(crate) fn paint_letter(kind: RegionKind, at: Pos2, points: f32, painter: &Painter, visuals: &Visuals) {
    let font = FontId::proportional(points);
    painter.text(at, Align2::CENTER_CENTER, kind.letter().to_string(), font, theme::on_kind(kind, visuals));
}
