//! Where the teacher is right, over the histogram: the monotone fit, and the thresholds that set themselves.

use egui::{Align2, FontId, Painter, Pos2, Rect, Stroke, Ui, Visuals, pos2};
use ferkd_method::mining::{RightFit, Thresholds};

use crate::experiment::Settings;
use crate::panes::context::PaneContext;
use crate::state::State;
use crate::state::action::Action;
use crate::theme;

/// Takes the thresholds that the fit gives.
pub(super) fn auto_button(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let right = &state.study.right;
    let settings = state.experiment.settings;
    let wanted = right.auto.and_then(|auto| with(settings, auto));
    let hint = match (right.auto, wanted) {
        (Some(auto), Some(_)) => format!(
            "Where the teacher begins to be right more often than chance, in one half of the regions, and always: \
             {:.3}, {:.3}, {:.3}",
            auto.low, auto.mid, auto.high
        ),
        (Some(_), None) => "Two of the thresholds that the fit gives coincide on these labels".into(),
        (None, _) if right.walk.is_done() => right
            .error
            .clone()
            .unwrap_or_else(|| "No image has a class: nothing says where the teacher is right".into()),
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

/// Settings with these thresholds as confidences; none where two of them coincide.
fn with(settings: Settings, thresholds: Thresholds) -> Option<Settings> {
    let Thresholds { low, mid, high } = thresholds;
    (low < mid && mid < high).then_some(Settings { thresholds, by_quantile: false, ..settings })
}

/// Draws the share of regions that the teacher names rightly, from nothing at the ground to all at the top, and marks
/// the thresholds that `auto` takes.
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
    let (font, said) = (FontId::proportional(11.0), "the teacher is right in one half");
    painter.text(pos2(rect.left() + 2.0, half - 1.0), Align2::LEFT_BOTTOM, said, font.clone(), color);
    let Some(auto) = state.study.right.auto else { return };
    for c in [auto.low, auto.mid, auto.high] {
        let foot = at(c, 0.0);
        let mark =
            vec![foot + egui::vec2(-4.0, 0.0), foot + egui::vec2(0.0, -7.0), foot + egui::vec2(4.0, 0.0)];
        painter.add(egui::Shape::convex_polygon(mark, theme::accent(visuals), Stroke::NONE));
    }
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
    fn thresholds_that_coincide_are_not_taken() {
        let usual = Settings::default();
        assert_eq!(with(usual, Thresholds { low: 0.2, mid: 0.2, high: 0.9 }), None);
        let found = with(usual, Thresholds { low: 0.1, mid: 0.2, high: 0.9 }).unwrap();
        assert!(!found.by_quantile && found.thresholds.mid == 0.2 && found.epsilon == usual.epsilon);
    }
}
