//! Both settings, line by line, each with its controls.

use egui::{ComboBox, DragValue, Ui};
use ferkd_method::calibration::Adaptation;
use ferkd_method::mining::Confidence;

use crate::experiment::Settings;
use crate::panes::context::PaneContext;
use crate::state::State;
use crate::state::action::Action;

/// What is done with each kind, and what that is called.
const ADAPTATIONS: [(Adaptation, &str); 4] = [
    (Adaptation::Full, "FerKD"),
    (Adaptation::DropOnly, "drop only"),
    (Adaptation::CalibrateOnly, "calibrate only"),
    (Adaptation::None, "FKD"),
];

/// Draws the controls of both sides.
pub(super) fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let Some(mut right) = state.experiment.other else { return };
    let mut left = state.experiment.settings;
    egui::Grid::new("both settings").num_columns(3).spacing([12.0, 4.0]).show(ui, |ui| {
        ui.label("");
        ui.strong("Left");
        ui.strong("Right");
        ui.end_row();
        type Draw = fn(&mut Settings, &str, &mut Ui);
        let lines: [(&str, Draw); 7] = [
            ("confidence", confidence),
            ("thresholds", rule),
            ("low", |settings, name, ui| number(&mut settings.numbers_mut().low, name, ui)),
            ("mid", |settings, name, ui| number(&mut settings.numbers_mut().mid, name, ui)),
            ("high", |settings, name, ui| number(&mut settings.numbers_mut().high, name, ui)),
            ("ε", |settings, name, ui| number(&mut settings.epsilon, name, ui)),
            ("adaptation", adaptation),
        ];
        for (name, draw) in lines {
            ui.label(name);
            draw(&mut left, &format!("{name}, left"), ui);
            draw(&mut right, &format!("{name}, right"), ui);
            ui.end_row();
        }
    });
    if left != state.experiment.settings {
        cx.push(Action::Settings(left));
    }
    if Some(right) != state.experiment.other {
        cx.push(Action::Compare(Some(right)));
    }
}

fn number(value: &mut f32, name: &str, ui: &mut Ui) {
    let most = if name.starts_with('ε') { 0.9 } else { 1.0 };
    // As many digits as it takes: a step of the hand is smaller than the smallest share worth moving.
    let drag = DragValue::new(value).speed(0.002).range(0.0..=most).max_decimals(4);
    ui.add(drag).accessible_name(name);
}

fn confidence(settings: &mut Settings, name: &str, ui: &mut Ui) {
    choose(&mut settings.confidence, &[(Confidence::Max, "max"), (Confidence::Target, "target")], name, ui);
}

fn rule(settings: &mut Settings, name: &str, ui: &mut Ui) {
    choose(&mut settings.by_quantile, &[(false, "absolute"), (true, "quantiles")], name, ui);
}

fn adaptation(settings: &mut Settings, name: &str, ui: &mut Ui) {
    choose(&mut settings.adaptation, &ADAPTATIONS, name, ui);
}

fn choose<T: Copy + PartialEq>(value: &mut T, all: &[(T, &str)], name: &str, ui: &mut Ui) {
    let now = all.iter().find(|(of, _)| of == value).map_or("", |(_, text)| text);
    let combo = ComboBox::from_id_salt(name).width(104.0).selected_text(now).show_ui(ui, |ui| {
        for (of, text) in all {
            ui.selectable_value(value, *of, *text);
        }
    });
    combo.response.accessible_name(name);
}
