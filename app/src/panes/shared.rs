//! What more than one pane draws: pictures of held-out scenes, a filter's button, verdicts, marks.

use std::time::Duration;

use egui::{Color32, CornerRadius, Rect, Sense, TextureHandle, Ui, pos2, vec2};
use image::RgbImage;
use web_time::Instant;

use super::context::PaneContext;
use crate::dataset::DataSet;
use crate::scenes::held_out;
use crate::state::State;
use crate::state::action::Action;
use crate::theme;
use crate::verdict::Verdict;

/// Tells a screen reader what something shows, beyond its name: the same as a chart or a picture says to the eye.
pub(crate) fn describe(response: &egui::Response, said: impl FnOnce() -> String) {
    if response.ctx.has_accesskit_node(response.id) {
        // Beforehand: egui is locked while a node is written.
        let said = said();
        response.ctx.accesskit_node_builder(response.id, |node| node.set_description(said));
    }
}

/// Begins a new row of a wrapping layout unless `width` points are left: a control stays beside its label.
pub(crate) fn keep_together(width: f32, ui: &mut Ui) {
    if ui.available_size_before_wrap().x < width {
        ui.end_row();
        // As high as a control from the start, so that the label stands level with it.
        ui.allocate_exact_size(vec2(0.0, ui.spacing().interact_size.y), Sense::hover());
        ui.add_space(-ui.spacing().item_spacing.x);
    }
}

/// A student's colour, before its name.
pub(crate) fn swatch(color: Color32, ui: &mut Ui) {
    let (rect, _) = ui.allocate_exact_size(vec2(8.0, 16.0), Sense::hover());
    ui.painter().circle_filled(rect.center(), 4.0, color);
}

/// Time of a frame for pictures that are drawn for the first time; the rest follow in the next frames.
const DRAWING: Duration = Duration::from_millis(3);

/// A small picture as a texture: drawn when it is first asked for, as far as the frame has time, and kept until the
/// window closes.
pub(crate) fn kept_texture(
    id: egui::Id,
    ctx: &egui::Context,
    draw: impl FnOnce() -> Option<RgbImage>,
) -> Option<TextureHandle> {
    if let Some(texture) = ctx.data(|data| data.get_temp(id)) {
        return Some(texture);
    }
    let (frame, clock) = (ctx.cumulative_frame_nr(), egui::Id::unique("pictures of this frame"));
    let (of, spent): (u64, Duration) = ctx.data(|data| data.get_temp(clock)).unwrap_or_default();
    let spent = if of == frame { spent } else { Duration::ZERO };
    if spent >= DRAWING {
        ctx.request_repaint();
        return None;
    }
    let begun = Instant::now();
    let picture = draw()?;
    let size = [picture.width() as usize, picture.height() as usize];
    let pixels = egui::ColorImage::from_rgb(size, picture.as_raw());
    let texture = ctx.load_texture("small picture", pixels, egui::TextureOptions::LINEAR);
    ctx.data_mut(|data| {
        data.insert_temp(clock, (frame, spent + begun.elapsed()));
        data.insert_temp(id, texture.clone());
    });
    Some(texture)
}

/// The picture of a held-out scene.
pub(crate) fn scene_texture(set: &DataSet, number: usize, ctx: &egui::Context) -> Option<TextureHandle> {
    let id = egui::Id::unique(("held-out scene", number));
    kept_texture(id, ctx, || set.scene(held_out().get(number)?.digit))
}

/// Draws a held-out scene into `rect`.
pub(crate) fn paint_scene(set: Option<&DataSet>, number: usize, rect: Rect, ui: &Ui) {
    paint_texture(set.and_then(|set| scene_texture(set, number, ui.ctx())), rect, ui);
}

/// Draws a texture into `rect`; an empty card where it is not there yet.
pub(crate) fn paint_texture(texture: Option<TextureHandle>, rect: Rect, ui: &Ui) {
    match texture {
        Some(texture) => {
            let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            ui.painter().image(texture.id(), rect, whole, theme::TINT.0);
        }
        None => {
            ui.painter().rect_filled(rect, CornerRadius::same(2), theme::card(ui.visuals()));
        }
    }
}

/// A triangle under the title that rows are sorted by: it points to where values grow less.
pub(crate) fn mark_order(is_descending: bool, title: Rect, ui: &Ui) {
    let at = title.center_bottom() + vec2(0.0, 2.5);
    let way = if is_descending { 2.5 } else { -2.5 };
    let corners = vec![at + vec2(-4.0, -way), at + vec2(4.0, -way), at + vec2(0.0, way)];
    let color = theme::accent(ui.visuals());
    ui.painter().add(egui::Shape::convex_polygon(corners, color, egui::Stroke::NONE));
}

/// The class that regions are filtered by, as a button that ends it; nothing where there is none.
pub(crate) fn class_filter(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let Some(class) = state.filters.class else { return };
    let name = state.class_name(class);
    if ui.button(format!("{name} ×")).on_hover_text("Of all classes").clicked() {
        cx.push(Action::FilterClass(None));
    }
}

/// What may be said of a region; what was said stands out.
pub(crate) fn verdicts(state: &State, image: u64, region: u32, cx: &mut PaneContext, ui: &mut Ui) {
    let said = state.verdict(image, region);
    for verdict in Verdict::ALL {
        if ui.selectable_label(said == Some(verdict), verdict.title()).clicked() {
            cx.push(Action::Decide(image, region, verdict));
        }
    }
}
