//! A box of the reader's own, that the teacher follows: drawn by the pointer, or between two fingers.

use egui::{Color32, CornerRadius, Pos2, Rect, Response, Stroke, StrokeKind, Ui, Vec2, vec2};

use super::view::View;
use crate::dataset::Shown;
use crate::panes::context::PaneContext;
use crate::state::State;
use crate::state::action::Action;
use crate::state::teachers::Probe;
use crate::{theme, touch};

/// How far from an edge the pointer still takes it, in points.
const GRIP: f32 = 7.0;

/// Draws, moves and resizes the reader's own box.
pub(super) fn handle_probe(
    state: &State,
    shown: &Shown,
    view: &View,
    response: &Response,
    cx: &mut PaneContext,
    ui: &Ui,
) {
    let probe = state.teachers.probe.as_ref();
    let grip = theme::grip(GRIP, ui.ctx());
    let fingers =
        touch::two(ui.ctx()).filter(|both| both.iter().all(|at| response.interact_rect.contains(*at)));
    let id = egui::Id::unique("box drag");
    if response.drag_started()
        && let Some(start) = ui.input(|input| input.pointer.press_origin())
    {
        let before = probe.map(|probe| view.place(&probe.region));
        let taken = before.map_or(Grip::New, |before| Grip::at(before, start, grip));
        ui.data_mut(|data| data.insert_temp(id, (start, taken, before)));
    }
    let drag: Option<(Pos2, Grip, Option<Rect>)> = ui.data(|data| data.get_temp(id));
    if let Some([a, b]) = fingers {
        let region = view.region(a, b, shown.size);
        if probe.is_none_or(|probe| probe.region != region) {
            cx.push(Action::Box(Some(region)));
        }
    } else if touch::were_two(ui.ctx()) || theme::one_finger_scrolls(ui.ctx()) {
        // One finger draws nothing: neither the one that is lifted last, nor one that scrolls.
    } else if let (true, Some((start, grip, before)), Some(now)) =
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
            ui.set_cursor_icon(Grip::at(view.place(&probe.region), at, grip).cursor());
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
    /// What the hand takes at a point, where it takes edges from `grip` points away.
    fn at(rect: Rect, at: Pos2, grip: f32) -> Self {
        if !rect.expand(grip).contains(at) {
            return Self::New;
        }
        let near = |value: f32, low: f32, high: f32| match () {
            () if (value - low).abs() <= grip => -1,
            () if (value - high).abs() <= grip => 1,
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
    let color = judged.map_or(theme::ON_PICTURE, |(_, kind)| theme::kind(kind, visuals));
    painter.rect_stroke(rect, CornerRadius::ZERO, Stroke::new(5.0, theme::UNDER_LINE), StrokeKind::Middle);
    painter.rect_stroke(rect, CornerRadius::ZERO, Stroke::new(3.0, color), StrokeKind::Middle);
    for corner in [rect.left_top(), rect.right_top(), rect.left_bottom(), rect.right_bottom()] {
        let handle = Rect::from_center_size(corner, Vec2::splat(8.0));
        painter.rect(
            handle,
            CornerRadius::ZERO,
            theme::ON_PICTURE,
            Stroke::new(1.0, theme::UNDER_LINE),
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
    let font = egui::FontId::proportional(theme::TEXT);
    let ink = judged.map_or(theme::ON_MARK, |(_, kind)| theme::on_kind(kind, ui.visuals()));
    let galley = painter.layout_no_wrap(text, font, ink);
    let size = galley.size() + vec2(8.0, 4.0);
    let above = rect.left_top() - vec2(1.5, size.y);
    let at = if above.y < view.rect.top() { rect.left_top() + vec2(3.0, 3.0) } else { above };
    painter.rect_filled(Rect::from_min_size(at, size), CornerRadius::ZERO, color);
    painter.galley(at + vec2(4.0, 2.0), galley, Color32::PLACEHOLDER);
}
