//! The photo and its M regions: which kind each is, and a box of the reader's own that the teacher follows.

mod boxes;
mod class;
mod growth;
mod heat;
#[cfg(test)]
mod tests;
mod view;

use egui::{Color32, CornerRadius, Pos2, Rect, Response, Sense, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};

use self::boxes::{drawn_regions, nearest, paint_regions};
use self::view::View;
use super::context::PaneContext;
use super::photo::texture;
use super::progress::missing;
use super::shared::keep_together;
use crate::command::Command;
use crate::dataset::Shown;
use crate::experiment::Data;
use crate::state::State;
use crate::state::action::Action;
use crate::state::filters::Boxes;
use crate::state::selection::Item;
use crate::state::teachers::Probe;
use crate::theme;

/// How far from an edge the pointer still takes it, in points.
const GRIP: f32 = 7.0;

/// The picture, its regions, and the hand on them.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    // Tools that are too wide for the pane take no room from the picture.
    let right = ui.max_rect().right();
    toolbar(state, cx, ui);
    if let Some(error) = state.shown_error() {
        missing(error, None, ui);
        return;
    }
    let Some(shown) = state.shown() else {
        ui.weak("Nothing to show yet");
        return;
    };
    let mut space = ui.available_rect_before_wrap();
    space.max.x = space.max.x.min(right);
    let has_strip = growth::is_on(ui);
    if has_strip {
        space.max.y -= growth::HEIGHT + ui.spacing().item_spacing.y;
    }
    let (width, height) = shown.size;
    let scale = (space.width() / width as f32).min(space.height() / height as f32).max(0.05);
    let size = vec2(width as f32, height as f32) * scale;
    let rect = Rect::from_min_size(space.min + vec2((space.width() - size.x) / 2.0, 0.0), size);
    let response = ui.allocate_rect(rect, Sense::click_and_drag());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &*shown.name));

    paint_picture(state, shown, rect, ui);
    let view = View { rect, scale };
    let has_heat = heat::is_on(ui);
    if has_heat {
        heat::paint(state, shown, &view, cx, ui);
    }
    let regions = drawn_regions(state, shown);
    let pointed = response.hover_pos().and_then(|at| nearest(&regions, &view, at));
    let pointed = pointed.map(|region| Item::Region { image: shown.image, region });
    if let Some(item) = pointed.clone().filter(|_| response.hovered()) {
        cx.push(Action::Hover(item));
    }
    paint_regions(state, &regions, &view, ui);
    if has_heat {
        heat::legend(&view, ui);
    }
    handle_probe(state, shown, &view, &response, cx, ui);
    if response.clicked() {
        cx.push(Action::Choose(pointed.unwrap_or(Item::Image(shown.image))));
    }
    if has_strip {
        growth::ui(state, shown, cx, ui);
    }
}

fn toolbar(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        let count = state.set().map_or(0, super::super::dataset::DataSet::len);
        let image = state.experiment.image;
        if ui.add_enabled(image > 0, egui::Button::new("◀")).on_hover_text("Previous image").clicked() {
            cx.push(Command::PreviousImage);
        }
        if ui.add_enabled(image + 1 < count, egui::Button::new("▶")).on_hover_text("Next image").clicked() {
            cx.push(Command::NextImage);
        }
        if let (Some(shown), Some(set)) = (state.shown(), state.set()) {
            let class = shown.truth.map(|class| set.class_name(class));
            ui.strong(class.unwrap_or_else(|| "No class".into()));
            ui.weak(format!("{} · {} of {count}", shown.name, shown.image + 1));
        }
        class::ui(state, cx, ui);
        if let Some(class) = state.filters.class {
            let name = state.class_name(class);
            let chip = egui::Button::new(format!("Only {name} ×")).selected(true);
            if ui.add(chip).on_hover_text("Show images of all classes again").clicked() {
                cx.push(Action::FilterClass(None));
            }
        }
        heat::toggle(ui);
        growth::toggle(ui);
        density(state, cx, ui);
        let has_box = state.teachers.probe.is_some();
        if has_box && ui.button("Remove my box").clicked() {
            cx.push(Action::Box(None));
        }
        if !has_box {
            keep_together(150.0, ui);
            ui.weak("Drag a box of your own");
        }
    });
}

/// How many boxes are drawn.
fn density(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let regions = state.shown().map_or(0, |shown| shown.regions.len() as u32);
    if regions < 2 {
        return;
    }
    let before = state.filters.boxes.0.min(regions);
    let mut wanted = before;
    keep_together(200.0, ui);
    ui.spacing_mut().slider_width = 72.0;
    let slider = egui::Slider::new(&mut wanted, 1..=regions).text("boxes");
    let hint = "Boxes that are drawn: one of each kind first. All while the pointer is on the histogram";
    ui.add(slider).on_hover_text(hint);
    if wanted != before {
        cx.push(Action::Boxes(Boxes(wanted)));
    }
}

fn paint_picture(state: &State, shown: &Shown, rect: Rect, ui: &Ui) {
    let Some(picture) = &shown.picture else {
        ui.painter().rect_filled(rect, CornerRadius::ZERO, theme::card(ui.visuals()));
        let is_coming = state.experiment.data == Data::Photos && !state.loading.is_empty();
        let text = match is_coming {
            true => "The picture is on its way",
            false => "The picture is not here: boxes and labels alone",
        };
        let color = theme::weak(ui.visuals());
        ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, text, egui::FontId::default(), color);
        return;
    };
    let texture = texture(shown, picture, ui.ctx());
    let whole = Rect::from_min_max(Pos2::ZERO, pos2(1.0, 1.0));
    ui.painter().image(texture.id(), rect, whole, Color32::WHITE);
}

/// Draws, moves and resizes the reader's own box.
fn handle_probe(
    state: &State,
    shown: &Shown,
    view: &View,
    response: &Response,
    cx: &mut PaneContext,
    ui: &Ui,
) {
    let probe = state.teachers.probe.as_ref();
    let id = egui::Id::unique("box drag");
    if response.drag_started()
        && let Some(start) = ui.input(|input| input.pointer.press_origin())
    {
        let before = probe.map(|probe| view.place(&probe.region));
        let grip = before.map_or(Grip::New, |before| Grip::at(before, start));
        ui.data_mut(|data| data.insert_temp(id, (start, grip, before)));
    }
    let drag: Option<(Pos2, Grip, Option<Rect>)> = ui.data(|data| data.get_temp(id));
    if let (true, Some((start, grip, before)), Some(now)) =
        (response.dragged(), drag, response.interact_pointer_pos())
    {
        let (a, b) = grip.corners(start, now, before.unwrap_or(Rect::NOTHING), view.rect);
        let region = view.region(a, b, shown.size);
        if probe.is_none_or(|probe| probe.region != region) {
            cx.push(Action::Box(Some(region)));
        }
    }
    if let Some(probe) = probe {
        paint_probe(state, probe, shown, view, ui);
        if let Some(at) = response.hover_pos() {
            ui.set_cursor_icon(Grip::at(view.place(&probe.region), at).cursor());
        }
    } else if response.hovered() {
        ui.set_cursor_icon(egui::CursorIcon::Crosshair);
    }
}

/// What of a box the hand has taken.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Grip {
    New,
    Whole,
    /// Left or right edge, top or bottom edge: -1, 0 or 1 each.
    Edge(i8, i8),
}

impl Grip {
    fn at(rect: Rect, at: Pos2) -> Self {
        if !rect.expand(GRIP).contains(at) {
            return Self::New;
        }
        let near = |value: f32, low: f32, high: f32| match () {
            () if (value - low).abs() <= GRIP => -1,
            () if (value - high).abs() <= GRIP => 1,
            () => 0,
        };
        match (near(at.x, rect.left(), rect.right()), near(at.y, rect.top(), rect.bottom())) {
            (0, 0) => Self::Whole,
            (x, y) => Self::Edge(x, y),
        }
    }

    fn cursor(self) -> egui::CursorIcon {
        match self {
            Self::New => egui::CursorIcon::Crosshair,
            Self::Whole => egui::CursorIcon::Move,
            Self::Edge(_, 0) => egui::CursorIcon::ResizeHorizontal,
            Self::Edge(0, _) => egui::CursorIcon::ResizeVertical,
            Self::Edge(x, y) if x == y => egui::CursorIcon::ResizeNwSe,
            Self::Edge(..) => egui::CursorIcon::ResizeNeSw,
        }
    }

    /// Two opposite corners of the box once the pointer has gone from `start` to `now`.
    fn corners(self, start: Pos2, now: Pos2, before: Rect, bounds: Rect) -> (Pos2, Pos2) {
        let moved = now - start;
        match self {
            Self::New => (start, now),
            Self::Whole => {
                let low = bounds.min - before.min;
                let high = bounds.max - before.max;
                let moved = Vec2::new(moved.x.clamp(low.x, high.x), moved.y.clamp(low.y, high.y));
                (before.min + moved, before.max + moved)
            }
            Self::Edge(x, y) => {
                let (mut min, mut max) = (before.min, before.max);
                match x {
                    -1 => min.x += moved.x,
                    1 => max.x += moved.x,
                    _ => {}
                }
                match y {
                    -1 => min.y += moved.y,
                    1 => max.y += moved.y,
                    _ => {}
                }
                (min, max)
            }
        }
    }
}

fn paint_probe(state: &State, probe: &Probe, shown: &Shown, view: &View, ui: &Ui) {
    let rect = view.place(&probe.region);
    let visuals = ui.visuals();
    let painter = ui.painter();
    let judged = probe
        .label
        .as_ref()
        .and_then(|(_, label)| state.judge(&state.experiment.settings, label, shown.truth));
    let color = judged.map_or(Color32::WHITE, |(_, kind)| theme::kind(kind, visuals));
    painter.rect_stroke(
        rect,
        CornerRadius::ZERO,
        Stroke::new(5.0, Color32::from_black_alpha(150)),
        StrokeKind::Middle,
    );
    painter.rect_stroke(rect, CornerRadius::ZERO, Stroke::new(3.0, color), StrokeKind::Middle);
    for corner in [rect.left_top(), rect.right_top(), rect.left_bottom(), rect.right_bottom()] {
        let handle = Rect::from_center_size(corner, Vec2::splat(8.0));
        painter.rect(
            handle,
            CornerRadius::ZERO,
            Color32::WHITE,
            Stroke::new(1.0, Color32::BLACK),
            StrokeKind::Inside,
        );
    }
    let top = probe.label.as_ref().and_then(|(_, label)| label.top().first().copied());
    let name = |class| state.class_name(class);
    let text = match (judged, top) {
        (Some((c, kind)), Some((class, _))) => {
            format!("{} {c:.3}  {}", kind.letter(), name(class))
        }
        _ if state.teacher().is_none() => "the teacher is on its way".into(),
        _ => "…".into(),
    };
    let font = egui::FontId::proportional(13.0);
    let ink = judged.map_or(Color32::BLACK, |(_, kind)| theme::on_kind(kind, ui.visuals()));
    let galley = painter.layout_no_wrap(text, font, ink);
    let size = galley.size() + vec2(8.0, 4.0);
    let above = rect.left_top() - vec2(1.5, size.y);
    let at = if above.y < view.rect.top() { rect.left_top() + vec2(3.0, 3.0) } else { above };
    painter.rect_filled(Rect::from_min_size(at, size), CornerRadius::ZERO, color);
    painter.galley(at + vec2(4.0, 2.0), galley, Color32::PLACEHOLDER);
}
