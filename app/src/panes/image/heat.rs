//! The heat map over the picture: how sure the teacher is where, and which colour says what.

use egui::{Align2, CornerRadius, FontId, Rect, Sense, Ui, pos2, vec2};
use ferkd_method::heat::colour;
use ferkd_method::region::Region;

use super::switch::Switch;
use super::view::View;
use crate::dataset::Shown;
use crate::panes::context::PaneContext;
use crate::screen::HeatPicture;
use crate::state::State;
use crate::theme;

/// Width and height of the legend's colours, in points.
const SCALE: (f32, f32) = (150.0, 10.0);

/// Steps of the legend's colours: one a point is smooth.
const STEPS: u16 = 150;

/// Whether the heat map is shown.
pub(super) const SWITCH: Switch =
    Switch { title: "Heat map", hint: "Mean confidence of the regions at each pixel" };

/// Draws it over the picture.
pub(super) fn paint(state: &State, shown: &Shown, view: &View, cx: &mut PaneContext, ui: &Ui) {
    let settings = &state.experiment.settings;
    let regions: Vec<(Region, f32)> = shown
        .regions
        .iter()
        .zip(&shown.labels)
        .filter_map(|(region, label)| Some((*region, state.judge(settings, label.as_ref()?, shown.truth)?.0)))
        .collect();
    let (regions, confidences): (Vec<Region>, Vec<f32>) = regions.into_iter().unzip();
    let HeatPicture { texture, grid } = cx.screen.heat(shown.size, &regions, &confidences, ui.ctx());
    // Points are the middles of the texture's pixels; those behind the picture's edge are cut off.
    let (columns, rows) = (grid.columns as f32, grid.rows as f32);
    let half = vec2(0.5 / (columns + 1.0), 0.5 / (rows + 1.0));
    let rect = Rect::from_min_size(view.rect.min, vec2(columns, rows) * grid.cell * view.scale);
    let uv = Rect::from_min_max(half.to_pos2(), pos2(1.0, 1.0) - half);
    let painter = ui.painter().with_clip_rect(view.rect.intersect(ui.clip_rect()));
    painter.image(texture, rect, uv, theme::HEAT);
}

/// Which colour stands for which confidence, in the lower right corner of the picture.
pub(super) fn legend(view: &View, ui: &Ui) {
    let (width, height) = (SCALE.0.min(view.rect.width() - 32.0), SCALE.1);
    if width < 40.0 {
        return;
    }
    let size = vec2(width + 16.0, height + 34.0);
    let card = Rect::from_min_size(view.rect.max - size - vec2(6.0, 6.0), size);
    let response = ui.interact(card, SWITCH.id().with("legend"), Sense::hover());
    let said = "Colours of the heat map: mean confidence from 0, dark violet, to 1, bright yellow";
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, said));
    let painter = ui.painter();
    // On any photo: the colours mean nothing on a ground that shines through.
    let (ground, ink) = theme::LEGEND;
    painter.rect_filled(card, CornerRadius::same(theme::RADIUS), ground);
    let font = FontId::proportional(theme::AXIS);
    let top = card.min + vec2(8.0, 4.0);
    painter.text(top, Align2::LEFT_TOP, "mean confidence", font.clone(), ink);
    let scale = Rect::from_min_size(top + vec2(0.0, 14.0), vec2(width, height));
    for step in 0..STEPS {
        let (low, high) = (f32::from(step) / f32::from(STEPS), f32::from(step + 1) / f32::from(STEPS));
        let color = theme::heat(colour((low + high) / 2.0));
        let min = pos2(scale.left() + low * width, scale.top());
        let part = Rect::from_min_max(min, pos2(scale.left() + high * width + 0.5, scale.bottom()));
        painter.rect_filled(part.intersect(scale), CornerRadius::ZERO, color);
    }
    for (c, anchor) in [
        (0.0, Align2::LEFT_TOP),
        (0.25, Align2::CENTER_TOP),
        (0.5, Align2::CENTER_TOP),
        (0.75, Align2::CENTER_TOP),
        (1.0, Align2::RIGHT_TOP),
    ] {
        let at = pos2(scale.left() + c * width, scale.bottom() + 1.0);
        painter.text(at, anchor, format!("{c}"), font.clone(), ink);
    }
}
