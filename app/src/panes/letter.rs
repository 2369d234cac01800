//! A kind's letter on the kind's colour: painted, as text, as a button.

use egui::{Align2, Button, FontId, Painter, Pos2, Response, RichText, Ui, Visuals};
use ferkd_method::mining::RegionKind;

use crate::theme;

/// Paints a kind's letter around `at`, so many points high, in what can be read on the kind's colour.
pub(crate) fn paint_letter(kind: RegionKind, at: Pos2, points: f32, painter: &Painter, visuals: &Visuals) {
    let font = FontId::proportional(points);
    painter.text(at, Align2::CENTER_CENTER, kind.letter().to_string(), font, theme::on_kind(kind, visuals));
}

/// Text on a kind's colour.
pub(crate) fn on_color(kind: RegionKind, text: String, visuals: &Visuals) -> RichText {
    RichText::new(text).color(theme::on_kind(kind, visuals)).background_color(theme::kind(kind, visuals))
}

/// A kind's letter on its colour; its name under the pointer.
pub(crate) fn letter(kind: RegionKind, ui: &mut Ui) {
    let text = on_color(kind, format!(" {} ", kind.letter()), ui.visuals());
    ui.label(text).on_hover_text(kind.name());
}

/// A kind's letter as a button, on its colour or without; `does` is what a click does, under the pointer and for those
/// who do not see it.
pub(crate) fn letter_button(
    kind: RegionKind,
    is_colored: bool,
    is_framed: bool,
    does: &str,
    ui: &mut Ui,
) -> Response {
    let text = format!(" {} ", kind.letter());
    let text = if is_colored { on_color(kind, text, ui.visuals()) } else { RichText::new(text) };
    ui.add(Button::new(text).frame(is_framed)).accessible_name(does).on_hover_text(does)
}
