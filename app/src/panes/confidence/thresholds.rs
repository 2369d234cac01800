//! The three thresholds under the hand: dragged in the histogram, or typed.

use egui::{Pos2, RichText, Ui};
use ferkd_method::mining::Thresholds;

use crate::experiment::Settings;
use crate::panes::context::PaneContext;
use crate::state::State;
use crate::state::action::Action;

/// The settings once the hand has moved the threshold that it has taken, if it has.
pub(super) fn drag(
    state: &State,
    thresholds: &Thresholds,
    handles: &[egui::Response; 3],
    to_c: impl Fn(Pos2) -> f32,
    ui: &Ui,
) -> Option<Settings> {
    let id = egui::Id::unique("threshold drag");
    if handles.iter().any(egui::Response::drag_started)
        && let Some(start) = ui.input(|input| input.pointer.press_origin())
    {
        // Where handles overlap, the nearest threshold is meant.
        let values = [thresholds.low, thresholds.mid, thresholds.high];
        let distance = |which: &usize| (values[*which] - to_c(start)).abs();
        let nearest = (0..values.len()).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        ui.data_mut(|data| data.insert_temp(id, nearest));
    }
    let taken: Option<usize> = ui.data(|data| data.get_temp::<Option<usize>>(id)).flatten();
    let at = handles.iter().filter(|handle| handle.dragged()).find_map(egui::Response::interact_pointer_pos);
    if handles.iter().any(|handle| handle.hovered() || handle.dragged()) {
        ui.set_cursor_icon(egui::CursorIcon::ResizeHorizontal);
    }
    taken.zip(at).and_then(|(which, at)| with_threshold(state, which, to_c(at)))
}

/// The settings with threshold `which` (0 low, 1 mid, 2 high) at confidence `c`; under quantiles, at the quantile
/// there. No threshold passes another one.
fn with_threshold(state: &State, which: usize, c: f32) -> Option<Settings> {
    let mut settings = state.experiment.settings;
    let wanted = match (settings.by_quantile, state.census(&settings)) {
        (false, _) => c,
        (true, Some(Ok(census))) => census.quantile_of(c),
        (true, _) => return None,
    };
    let numbers = settings.numbers_mut();
    let mut values = [numbers.low, numbers.mid, numbers.high];
    /// Thresholds never touch.
    const GAP: f32 = 0.001;
    let floor = if which > 0 { values[which - 1] + GAP } else { 0.0 };
    let ceiling = if which < 2 { values[which + 1] - GAP } else { 1.0 };
    values[which] = wanted.clamp(floor.min(ceiling), ceiling.max(floor));
    let [low, mid, high] = values;
    *numbers = Thresholds { low, mid, high };
    (settings != state.experiment.settings).then_some(settings)
}

/// The thresholds as numbers, for the keyboard.
pub(super) fn fields(state: &State, found: Option<Thresholds>, cx: &mut PaneContext, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        let mut settings = state.experiment.settings;
        // An order that makes no sense is shown as an error, not silently mended: the reader may be on the way.
        let numbers = settings.numbers_mut();
        for (name, value) in
            [("low", &mut numbers.low), ("mid", &mut numbers.mid), ("high", &mut numbers.high)]
        {
            let label = ui.label(name);
            let drag = egui::DragValue::new(value).speed(0.002).range(0.0..=1.0).max_decimals(4);
            ui.add(drag).labelled_by(label.id);
        }
        let label =
            ui.label("ε").on_hover_text("Probability that a calibrated label spreads over the other classes");
        let drag = egui::DragValue::new(&mut settings.epsilon).speed(0.005).range(0.0..=0.9).max_decimals(3);
        ui.add(drag).labelled_by(label.id);
        if settings.by_quantile
            && let Some(t) = found
        {
            let text = format!("= confidences {:.3}, {:.3}, {:.3}", t.low, t.mid, t.high);
            ui.add(egui::Label::new(RichText::new(text).weak()).extend());
        }
        if settings != state.experiment.settings {
            cx.push(Action::Settings(settings));
        }
    });
}
