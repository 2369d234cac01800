//! The boxes on the picture: which are drawn, and what stands beside them.

use egui::{Color32, CornerRadius, Rect, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};
use ferkd_method::mining::RegionKind;
use ferkd_method::region::Region;

use super::view::View;
use crate::dataset::Shown;
use crate::explain::fate;
use crate::representative::representative;
use crate::state::State;
use crate::state::filters::Boxes;
use crate::theme;

/// A region that is shown: its number, where it is, confidence and kind.
pub(super) type Judged = (u32, Region, Option<(f32, RegionKind)>);

/// The regions that are drawn: all that pass the filter where one is set or the pointer is on the histogram, else the
/// representative ones, what is chosen, and what the pointer is on elsewhere.
pub(super) fn drawn_regions(state: &State, shown: &Shown) -> Vec<Judged> {
    let passing = passing_regions(state, shown);
    let Boxes(wanted) = state.filters.boxes;
    let is_asked = state.filters.leaves_out_regions() || state.hovered.bar.is_some();
    if is_asked || passing.len() <= wanted as usize {
        return passing;
    }
    let places: Vec<(Region, Option<RegionKind>)> =
        passing.iter().map(|(_, region, judged)| (*region, judged.map(|(_, kind)| kind))).collect();
    let mut is_drawn = vec![false; passing.len()];
    representative(&places, shown.size, wanted as usize).into_iter().for_each(|place| is_drawn[place] = true);
    let in_sight = [state.experiment.region, state.region_in_sight()];
    let drawn = passing.into_iter().zip(is_drawn);
    drawn.filter(|((number, ..), is)| *is || in_sight.contains(&Some(*number))).map(|(one, _)| one).collect()
}

/// The regions that pass the filter.
fn passing_regions(state: &State, shown: &Shown) -> Vec<Judged> {
    let settings = &state.experiment.settings;
    let judged = shown.regions.iter().zip(&shown.labels).enumerate().map(|(number, (region, label))| {
        let judged = label.as_ref().and_then(|label| state.judge(settings, label, shown.truth));
        (number as u32, *region, judged)
    });
    let passes = |judged: &Judged| state.filters.passes(judged.2);
    judged.filter(passes).collect()
}

/// The smallest region under the pointer: it is the one that cannot be reached otherwise.
pub(super) fn nearest(regions: &[Judged], view: &View, at: egui::Pos2) -> Option<u32> {
    let under = regions.iter().filter(|(_, region, _)| view.place(region).contains(at));
    under.min_by_key(|(_, region, _)| u64::from(region.width) * u64::from(region.height)).map(|r| r.0)
}

/// Draws boxes, and names as many of them as can be read.
pub(super) fn paint_regions(state: &State, regions: &[Judged], view: &View, ui: &Ui) {
    let visuals = ui.visuals();
    let painter = ui.painter().with_clip_rect(view.rect.expand(2.0));
    let chosen = state.experiment.region;
    let lit = state.region_in_sight();
    let mut order: Vec<&Judged> = regions.iter().collect();
    // What is chosen lies on top.
    order.sort_by_key(|(number, ..)| (Some(*number) == lit, Some(*number) == chosen));
    for (number, region, judged) in &order {
        let rect = view.place(region).shrink(0.5);
        let is_lit = lit == Some(*number) || chosen == Some(*number);
        let color = judged.map_or(theme::neutral(visuals), |(_, kind)| theme::kind(kind, visuals));
        let in_bar = state.hovered.bar.as_ref().map(|bar| judged.is_some_and(|(c, _)| bar.contains(&c)));
        let faint = (lit.is_some() && !is_lit) || in_bar == Some(false);
        let alpha = if faint { 0.25 } else { 1.0 };
        if is_lit {
            painter.rect_filled(rect, CornerRadius::ZERO, color.gamma_multiply(0.12));
            painter.rect_stroke(
                rect,
                CornerRadius::ZERO,
                Stroke::new(4.0, theme::UNDER_LINE),
                StrokeKind::Inside,
            );
        }
        let width = if is_lit || regions.len() <= WORDS { 2.5 } else { 1.25 };
        let stroke = Stroke::new(width, color.gamma_multiply(alpha));
        painter.rect_stroke(rect, CornerRadius::ZERO, stroke, StrokeKind::Inside);
    }
    let mut taken = Vec::new();
    // What lies on top is named first.
    for (number, region, judged) in order.into_iter().rev() {
        let Some((c, kind)) = judged else { continue };
        let is_lit = lit == Some(*number) || chosen == Some(*number);
        let faint = lit.is_some() && !is_lit;
        let few = regions.len() <= WORDS;
        let text = match (is_lit, few) {
            (true, true) => format!("{c:.3} {}", fate(*kind)),
            (true, false) => format!("{} {c:.3}", kind.letter()),
            // Beside the one that is looked at, the others stand back.
            (false, true) if !faint => fate(*kind).into(),
            (false, _) => kind.letter().to_string(),
        };
        let alpha = if faint { 0.25 } else { 1.0 };
        badge(&painter, view.place(region).shrink(0.5), &text, *kind, alpha, view.rect, visuals, &mut taken);
    }
}

/// Boxes that are few enough to be named in words.
const WORDS: usize = 6;

/// What a box is, in a corner of it that no other name has taken; nothing where there is none left.
#[expect(clippy::too_many_arguments, reason = "a name, its box, and what is around")]
fn badge(
    painter: &egui::Painter,
    region: Rect,
    text: &str,
    kind: RegionKind,
    alpha: f32,
    picture: Rect,
    visuals: &egui::Visuals,
    taken: &mut Vec<Rect>,
) {
    let font = egui::FontId::proportional(if text.len() > 1 { theme::CAPTION } else { theme::TINY });
    let galley =
        painter.layout_no_wrap(text.into(), font, theme::on_kind(kind, visuals).gamma_multiply(alpha));
    let size = galley.size() + vec2(6.0, 2.0);
    let Some(rect) = free_corner(region, size, picture, taken) else { return };
    taken.push(rect);
    painter.rect_filled(rect, CornerRadius::ZERO, theme::kind(kind, visuals).gamma_multiply(alpha));
    painter.galley(rect.min + vec2(3.0, 1.0), galley, Color32::PLACEHOLDER);
}

/// Where a name of `size` fits at a box, within the picture: the first place of its corners, within and above or below
/// it, that overlaps none that are taken.
fn free_corner(region: Rect, size: Vec2, picture: Rect, taken: &[Rect]) -> Option<Rect> {
    let (left, right) = (region.left(), region.right() - size.x);
    let (top, bottom) = (region.top(), region.bottom() - size.y);
    let (above, below) = (region.top() - size.y, region.bottom());
    let corners = [(left, top), (left, bottom), (right, top), (right, bottom), (left, above), (left, below)];
    let within = |(x, y): (f32, f32)| {
        let x = x.min(picture.right() - size.x).max(picture.left());
        let y = y.min(picture.bottom() - size.y).max(picture.top());
        Rect::from_min_size(pos2(x, y), size)
    };
    corners
        .map(within)
        .into_iter()
        .find(|rect| taken.iter().all(|other| !other.shrink(0.5).intersects(*rect)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lie_within_the_picture_and_on_no_other() {
        let picture = Rect::from_min_size(pos2(10.0, 10.0), vec2(300.0, 200.0));
        let size = vec2(120.0, 14.0);
        let mut taken = Vec::new();
        // Boxes at the same corner, and one that reaches beyond the edge.
        for right in [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 250.0] {
            let region = Rect::from_min_size(pos2(12.0 + right, 12.0), vec2(130.0, 80.0));
            if let Some(found) = free_corner(region, size, picture, &taken) {
                assert!(picture.contains_rect(found), "{found:?}");
                taken.push(found);
            }
        }
        assert!((3..7).contains(&taken.len()), "{taken:?}");
        for (at, one) in taken.iter().enumerate() {
            assert!(taken[at + 1..].iter().all(|other| !other.shrink(0.5).intersects(*one)));
        }
    }
}
