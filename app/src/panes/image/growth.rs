//! Where confidence comes from: the same object in growing boxes, each with what the teacher says of it now.

use egui::{Align2, CornerRadius, FontId, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};
use ferkd_method::label::SoftLabel;
use ferkd_method::region::Region;

use super::switch::Switch;
use crate::dataset::Shown;
use crate::growth::{BOXES, Growth, REGION};
use crate::panes::context::PaneContext;
use crate::panes::letter::paint_letter;
use crate::panes::photo::texture;
use crate::state::State;
use crate::state::action::Action;
use crate::study::Watched;
use crate::theme;

/// Height of the strip, in points.
pub(super) const HEIGHT: f32 = LARGEST + 38.0;

/// Largest side of a box's picture, in points.
const LARGEST: f32 = 72.0;

/// Space between pictures, in points.
const GAP: f32 = 6.0;

/// Whether the strip is shown.
pub(super) const SWITCH: Switch = Switch {
    title: "Growing boxes",
    hint: "Where does confidence come from? The teacher looks at growing boxes about the region that is chosen",
};

/// Draws the strip; the teacher is asked while it is in sight.
pub(super) fn ui(state: &State, shown: &Shown, cx: &mut PaneContext, ui: &mut Ui) {
    cx.push(Action::Watch(Watched::Growth));
    if let Some(missing) = missing(state, shown) {
        ui.weak(missing);
        return;
    }
    let growth = state
        .teachers
        .growth
        .as_ref()
        .filter(|growth| growth.of.0 == state.experiment.data && growth.of.1 == shown.image);
    let Some(growth) = growth else {
        ui.weak("No region of this image has a label to begin with");
        return;
    };
    if growth.has_failed {
        ui.weak("The teacher could not look at these boxes: choose another region");
        return;
    }
    let side = ((ui.available_width() - (BOXES - 1) as f32 * GAP) / BOXES as f32).clamp(24.0, LARGEST);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = GAP;
        for (number, region) in growth.boxes.iter().enumerate() {
            let label = growth.labels.as_ref().and_then(|labels| labels.get(number));
            cell(state, shown, growth, (number, region, label), side, ui);
        }
    });
}

/// Why the teacher cannot be asked.
fn missing(state: &State, shown: &Shown) -> Option<String> {
    if shown.picture.is_none() {
        return Some("The picture is not here: there is nothing for the teacher to look at".into());
    }
    if state.teacher().is_some() {
        return None;
    }
    let name = state.set()?.teacher();
    let is_coming = state.loading.keys().any(|asset| asset.teacher() == Some(name));
    Some(match is_coming {
        true => format!("{name} is on its way: it looks at the boxes as soon as it is here"),
        false => {
            format!("{name}, which labelled these images, is not at hand: it cannot be asked about boxes")
        }
    })
}

/// One box: what it shows, and how sure the teacher is.
fn cell(
    state: &State,
    shown: &Shown,
    growth: &Growth,
    (number, region, label): (usize, &Region, Option<&SoftLabel>),
    side: f32,
    ui: &mut Ui,
) {
    let (place, response) = ui.allocate_exact_size(vec2(side, side + 34.0), Sense::hover());
    let judged = label.and_then(|label| state.judge(&state.experiment.settings, label, shown.truth));
    let top = label.and_then(|label| label.top().first().copied());
    let area = f64::from(region.width) * f64::from(region.height);
    let share = 100.0 * area / (f64::from(shown.size.0) * f64::from(shown.size.1)).max(1.0);
    let said = match (judged, top) {
        (Some((c, kind)), Some((class, p))) => format!(
            "Box {} of {BOXES}, {share:.0} % of the picture: confidence {c:.3}, {}; top-1 prediction {} {p:.3}",
            number + 1,
            kind.name(),
            state.class_name(class)
        ),
        _ => format!("Box {} of {BOXES}, {share:.0} % of the picture: the teacher is looking", number + 1),
    };
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &said));
    let visuals = ui.visuals();
    let color = judged.map_or(theme::neutral(visuals), |(_, kind)| theme::kind(kind, visuals));
    let square = Rect::from_min_size(place.min, vec2(side, side));
    ui.painter().rect_filled(square, CornerRadius::ZERO, theme::card(visuals));
    if let Some(picture) = &shown.picture {
        // As it is: a region is stretched only when a network sees it.
        let size = vec2(region.width as f32, region.height as f32);
        let rect = Rect::from_center_size(square.center(), size * (side / size.max_elem().max(1.0)));
        let whole = vec2(shown.size.0 as f32, shown.size.1 as f32);
        let min = pos2(region.left as f32 / whole.x, region.top as f32 / whole.y);
        let uv = Rect::from_min_size(min, size / whole);
        ui.painter().image(texture(shown, picture, ui.ctx()).id(), rect, uv, theme::TINT.0);
    }
    let width = if number == REGION { 3.0 } else { 1.5 };
    ui.painter().rect_stroke(square, CornerRadius::ZERO, Stroke::new(width, color), StrokeKind::Inside);
    let font = FontId::proportional(theme::CAPTION);
    let at = pos2(square.center().x, square.bottom() + 2.0);
    match (judged, top) {
        (Some((c, kind)), Some((class, _))) => {
            let badge = Rect::from_min_size(square.min, vec2(16.0, 15.0));
            ui.painter().rect_filled(badge, CornerRadius::ZERO, color);
            paint_letter(kind, badge.center(), theme::AXIS, ui.painter(), visuals);
            ui.painter().text(at, Align2::CENTER_TOP, format!("{c:.3}"), font, visuals.text_color());
            let name = state.class_name(class);
            let galley =
                ui.painter().layout_no_wrap(name, FontId::proportional(theme::TINY), theme::weak(visuals));
            let clip = Rect::from_min_size(pos2(square.left(), at.y + 15.0), vec2(side, 14.0));
            let left = (square.center().x - galley.size().x / 2.0).max(square.left());
            let painter = ui.painter().with_clip_rect(clip.intersect(ui.clip_rect()));
            painter.galley(pos2(left, clip.top()), galley, theme::weak(visuals));
        }
        _ => {
            ui.painter().text(at, Align2::CENTER_TOP, "…", font, theme::weak(visuals));
        }
    }
    let own = if number == REGION { "The region itself. " } else { "" };
    let flips = if growth.of.2.flip { " Mirrored, as the region is." } else { "" };
    response.on_hover_text(format!("{own}{said}.{flips}"));
}
