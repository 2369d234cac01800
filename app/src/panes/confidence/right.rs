//! Where the teacher is right, over the histogram: the monotone fit, and the `mid` that sets itself.

use egui::{Align2, FontId, Painter, Pos2, Rect, Stroke, Ui, Visuals, pos2};
use ferkd_method::mining::{RightFit, Thresholds};

use crate::experiment::Settings;
use crate::panes::context::PaneContext;
use crate::state::State;
use crate::state::action::Action;
use crate::theme;

/// Puts mid where the fit says.
pub(super) fn auto_button(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let right = &state.study.right;
    let settings = state.experiment.settings;
    let found = state.thresholds(&settings).ok();
    let wanted = right.auto.zip(found).and_then(|(mid, found)| with(settings, found, mid));
    let hint = match (right.auto, wanted) {
        (Some(mid), Some(_)) => {
            format!("Put mid where the teacher begins to be right in one half of the regions: {mid:.3}")
        }
        (Some(mid), None) => format!(
            "The teacher begins to be right in one half of the regions at {mid:.3}: that is not between low and high"
        ),
        (None, _) if right.walk.is_done() => {
            right.error.clone().unwrap_or_else(|| "Nothing says where the teacher begins to be right".into())
        }
        (None, _) => "Counting where the teacher is right".into(),
    };
    let is_chosen = wanted == Some(settings);
    let button = ui.add_enabled(wanted.is_some(), egui::Button::selectable(is_chosen, "Auto"));
    if button.on_hover_text(&hint).on_disabled_hover_text(hint).clicked()
        && let Some(settings) = wanted
    {
        cx.push(Action::Settings(settings));
    }
}

/// Settings with mid at a confidence, and the others where they are; none where that is no order.
fn with(settings: Settings, found: Thresholds, mid: f32) -> Option<Settings> {
    let thresholds = Thresholds { mid, ..found };
    (found.low < mid && mid < found.high).then_some(Settings { thresholds, by_quantile: false, ..settings })
}

/// Draws the share of regions that the teacher names rightly, from nothing at the ground to all at the top, and marks
/// what `auto` takes for mid.
pub(super) fn paint_fit(state: &State, rect: Rect, painter: &Painter, visuals: &Visuals) {
    let Some(fit) = &state.study.right.fit else { return };
    let at = |c: f32, share: f64| {
        pos2(rect.left() + c * rect.width(), rect.bottom() - share as f32 * rect.height())
    };
    let color = theme::weak(visuals);
    painter.line(
        outline(fit).into_iter().map(|(c, share)| at(c, share)).collect::<Vec<Pos2>>(),
        Stroke::new(1.5, color),
    );
    let half = at(0.0, 0.5).y;
    painter.extend(egui::Shape::dashed_line(
        &[pos2(rect.left(), half), pos2(rect.right(), half)],
        theme::line(visuals),
        3.0,
        5.0,
    ));
    let (font, said) = (FontId::proportional(theme::AXIS), "the teacher is right in one half");
    painter.text(pos2(rect.left() + 2.0, half - 1.0), Align2::LEFT_BOTTOM, said, font.clone(), color);
    let Some(mid) = state.study.right.auto else { return };
    let foot = at(mid, 0.0);
    let mark = vec![foot + egui::vec2(-4.0, 0.0), foot + egui::vec2(0.0, -7.0), foot + egui::vec2(4.0, 0.0)];
    painter.add(egui::Shape::convex_polygon(mark, theme::accent(visuals), Stroke::NONE));
}

/// The fit as corners of a line: a confidence in 0..=1 and a share in 0..=1 each.
fn outline(fit: &RightFit) -> Vec<(f32, f64)> {
    let mut corners = Vec::with_capacity(2 * fit.steps.len() + 1);
    let mut before = fit.steps.first().map_or(0.0, |step| step.1);
    corners.push((0.0, before));
    for &(from, share) in fit.steps.iter().skip(1) {
        corners.extend([(from, before), (from, share)]);
        before = share;
    }
    corners.push((1.0, before));
    corners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outline_steps_up_where_the_fit_does() {
        let fit = RightFit { steps: vec![(0.1, 0.0), (0.4, 0.5), (0.8, 1.0)] };
        let expected = [(0.0, 0.0), (0.4, 0.0), (0.4, 0.5), (0.8, 0.5), (0.8, 1.0), (1.0, 1.0)];
        assert_eq!(outline(&fit), expected);
    }

    #[test]
    fn a_mid_that_is_not_between_low_and_high_is_not_taken() {
        let (usual, found) = (Settings::default(), Thresholds { low: 0.1, mid: 0.3, high: 0.9 });
        assert!(with(usual, found, 0.1).is_none() && with(usual, found, 0.95).is_none());
        let taken = with(usual, found, 0.2).unwrap();
        assert!(!taken.by_quantile && taken.thresholds == Thresholds { low: 0.1, mid: 0.2, high: 0.9 });
    }
}
