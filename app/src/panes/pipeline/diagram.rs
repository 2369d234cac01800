//! The stages as cards with arrows between them, in as many rows as the width asks for.

use egui::{Align2, CornerRadius, FontId, Pos2, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};

use super::contents::Contents;
use super::miniature;
use super::walk::Walk;
use crate::explain::Stage;
use crate::state::State;
use crate::theme;

/// Between two cards of a row; between two rows.
const GAP: egui::Vec2 = vec2(22.0, 22.0);

/// Narrowest card.
const NARROWEST: f32 = 118.0;

/// Height of a card.
const HEIGHT: f32 = 118.0;

/// All stages; clicking one chooses it.
pub(super) fn ui(state: &State, contents: &Contents, walk: &mut Walk, ui: &mut Ui) {
    let now = ui.input(|input| input.time);
    let cards = places(ui.available_rect_before_wrap().min, ui.available_width());
    let all = cards.iter().fold(Rect::NOTHING, |all, card| all.union(*card));
    ui.allocate_rect(all, Sense::hover());
    for (i, pair) in cards.windows(2).enumerate() {
        // The point travels from the stage that is reached to the next one.
        let leaves = walk.at.is_some_and(|at| at == Stage::ALL[i]);
        let point = (walk.is_playing && leaves).then(|| walk.progress(now));
        arrow(pair[0], pair[1], walk.at == Some(Stage::ALL[i + 1]), point, ui);
    }
    for (stage, rect) in Stage::ALL.into_iter().zip(cards) {
        card(state, contents, stage, rect, walk, ui);
    }
}

/// Where the cards are: rows of as equal length as can be.
fn places(origin: Pos2, width: f32) -> Vec<Rect> {
    let count = Stage::ALL.len();
    let most = (((width + GAP.x) / (NARROWEST + GAP.x)) as usize).clamp(1, count);
    let columns = count.div_ceil(count.div_ceil(most));
    let size = vec2((width - GAP.x * (columns - 1) as f32) / columns as f32, HEIGHT);
    let place = |i: usize| {
        let at = vec2((i % columns) as f32, (i / columns) as f32) * (size + GAP);
        Rect::from_min_size(origin + at, size)
    };
    (0..count).map(place).collect()
}

/// An arrow between two cards, down to the next row where there is one; a point travels along it.
fn arrow(from: Rect, to: Rect, is_lit: bool, point: Option<f32>, ui: &Ui) {
    let visuals = ui.visuals();
    let color = if is_lit { theme::accent(visuals) } else { theme::neutral(visuals) };
    let stroke = Stroke::new(if is_lit { 2.0 } else { 1.5 }, color);
    let is_row = to.top() < from.bottom();
    let path = if is_row {
        vec![from.right_center() + vec2(3.0, 0.0), to.left_center() - vec2(3.0, 0.0)]
    } else {
        let middle = (from.bottom() + to.top()) / 2.0;
        vec![
            from.center_bottom() + vec2(0.0, 2.0),
            pos2(from.center().x, middle),
            pos2(to.center().x, middle),
            to.center_top() - vec2(0.0, 3.0),
        ]
    };
    let (tip, along) = match path[..] {
        [.., before, tip] => (tip, (tip - before).normalized()),
        _ => return,
    };
    let across = along.rot90() * 4.0;
    let head = vec![tip, tip - along * 6.0 + across, tip - along * 6.0 - across];
    let painter = ui.painter();
    if let Some(share) = point {
        painter.circle_filled(along_path(&path, share), 4.0, theme::accent(visuals));
    }
    let mut line = path;
    if let Some(last) = line.last_mut() {
        *last -= along * 5.0;
    }
    painter.add(egui::Shape::line(line, stroke));
    painter.add(egui::Shape::convex_polygon(head, color, Stroke::NONE));
}

/// The point at a share of a path's length.
fn along_path(path: &[Pos2], share: f32) -> Pos2 {
    let lengths: Vec<f32> = path.windows(2).map(|pair| pair[0].distance(pair[1])).collect();
    let mut left = share * lengths.iter().sum::<f32>();
    for (pair, length) in path.windows(2).zip(&lengths) {
        if left <= *length {
            return pair[0].lerp(pair[1], left / length.max(1e-3));
        }
        left -= length;
    }
    path.last().copied().unwrap_or_default()
}

fn card(state: &State, contents: &Contents, stage: Stage, rect: Rect, walk: &mut Walk, ui: &mut Ui) {
    let response = ui.interact(rect, ui.scope_id().with(stage.title()), Sense::click());
    let is_chosen = walk.chosen == stage;
    let caption = miniature::caption(state, contents, stage);
    let name = format!("{}: {caption}", stage.title());
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_chosen, &name));
    if response.clicked() {
        walk.chosen = stage;
    }
    let works = walk.at == Some(stage) || is_working(state, stage);
    let light = ui.ctx().animate_bool(response.id.with("light"), works);
    let is_reached = walk.has_reached(stage);
    let visuals = ui.visuals().clone();
    let painter = ui.painter();
    let round = CornerRadius::same(6);
    if light > 0.0 {
        let glow = visuals.selection.bg_fill;
        painter.rect_filled(rect.expand(5.0), CornerRadius::same(10), glow.gamma_multiply(0.35 * light));
        painter.rect_filled(rect.expand(2.5), CornerRadius::same(8), glow.gamma_multiply(0.6 * light));
    }
    painter.rect_filled(rect, round, theme::card(&visuals));
    let edge = match () {
        () if is_chosen => Stroke::new(2.0, theme::accent(&visuals)),
        () if response.hovered() || response.has_focus() => Stroke::new(1.5, theme::neutral(&visuals)),
        () => theme::line(&visuals),
    };
    painter.rect_stroke(rect, round, edge, StrokeKind::Inside);
    let inside = rect.shrink(8.0);
    let clipped = painter.with_clip_rect(inside);
    let text = if is_reached { visuals.strong_text_color() } else { theme::weak(&visuals) };
    clipped.text(inside.left_top(), Align2::LEFT_TOP, stage.title(), FontId::proportional(theme::TEXT), text);
    let at = inside.left_bottom();
    let weak = theme::weak(&visuals);
    if is_reached {
        let galley = clipped.layout_job({
            let font = FontId::proportional(theme::AXIS);
            let mut job = egui::text::LayoutJob::simple_singleline(caption, font, weak);
            job.wrap = egui::text::TextWrapping::truncate_at_width(inside.width());
            job
        });
        clipped.galley(at - vec2(0.0, galley.size().y), galley, weak);
        let middle = Rect::from_min_max(inside.min + vec2(0.0, 20.0), inside.max - vec2(0.0, 18.0));
        miniature::paint(state, contents, stage, middle, ui);
    } else {
        clipped.text(at, Align2::LEFT_BOTTOM, "not reached yet", FontId::proportional(theme::AXIS), weak);
    }
    response.on_hover_text(name);
}

/// Whether a stage is at work, walk or no walk.
fn is_working(state: &State, stage: Stage) -> bool {
    match stage {
        Stage::Teacher => state.teachers.is_labelling(),
        Stage::Student => {
            state.training.is_playing || state.training.is_stepping || state.training.is_opening
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_fit_any_width_and_do_not_touch() {
        for width in [300.0, 360.0, 480.0, 700.0, 900.0, 1400.0] {
            let cards = places(Pos2::ZERO, width);
            assert_eq!(cards.len(), Stage::ALL.len());
            assert!(
                cards.iter().all(|card| card.right() <= width + 0.01 && card.width() >= 100.0),
                "{width}"
            );
            for (i, a) in cards.iter().enumerate() {
                assert!(cards[i + 1..].iter().all(|b| !a.intersects(*b)), "{width}");
            }
        }
        assert!(
            places(Pos2::ZERO, 1400.0).iter().all(|card| card.top() == 0.0),
            "one row where there is room"
        );
    }

    #[test]
    fn the_point_travels_the_whole_path() {
        let path = [pos2(0.0, 0.0), pos2(10.0, 0.0), pos2(10.0, 30.0)];
        assert_eq!(along_path(&path, 0.0), path[0]);
        assert_eq!(along_path(&path, 0.25), path[1]);
        assert_eq!(along_path(&path, 1.0), path[2]);
    }
}
