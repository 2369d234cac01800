//! The teacher's label and the adapted one, side by side, and why.

use egui::Ui;
use ferkd_method::calibration::Adaptation;
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::RegionKind;

use super::context::PaneContext;
use super::label_bars::{badge, bars};
use super::shared;
use crate::state::State;

/// Two labels, their numbers, and a sentence.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let Some((what, label)) = looked_at(state) else {
        ui.weak("Point at a region, click one, or draw a box of your own");
        return;
    };
    let Some(shown) = state.shown() else { return };
    let settings = state.experiment.settings;
    let Some((c, kind)) = state.judge(&settings, &label, shown.truth) else {
        ui.weak("This image has no class: choose max for the confidence");
        return;
    };
    let truth = shown.truth;
    let removed = settings.adaptation.removes(kind);
    let adapted = match removed {
        true => None,
        false => settings.adaptation.adapt(label.clone(), kind, truth, state.softening(&settings)).ok(),
    };
    ui.horizontal_wrapped(|ui| {
        ui.strong(what);
        badge(kind, ui);
        ui.weak(format!("c = {c:.4}"));
        if let Some(adapted) = &adapted {
            ui.weak(format!(
                "· total variation {:.3}, KL divergence {} nats",
                label.total_variation(adapted),
                label.divergence(adapted).map_or("∞".into(), |d| format!("{d:.3}")),
            ));
        }
    });
    let spread = state.softening(&settings).spread(&label);
    sentence(state, (c, kind, spread), truth, settings.adaptation, ui);
    verdicts(state, &label, truth, cx, ui);
    let name = |class: u32| state.class_name(class);
    ui.columns(2, |columns| {
        bars(&mut columns[0], "Teacher", &label, truth, kind, &name);
        match &adapted {
            Some(adapted) => bars(&mut columns[1], "Adapted", adapted, truth, kind, &name),
            None => {
                columns[1].strong("Adapted");
                columns[1].weak(if removed { "Not trained on" } else { "Unknown: this image has no class" });
            }
        }
    });
}

/// Where teacher and class disagree, the reader may say who is wrong.
fn verdicts(state: &State, label: &SoftLabel, truth: Option<u32>, cx: &mut PaneContext, ui: &mut Ui) {
    let prediction = label.top().first().map(|&(class, _)| class);
    let (Some(region), Some(truth), true) = (state.experiment.region, truth, state.teachers.probe.is_none())
    else {
        return;
    };
    if prediction == Some(truth) || state.hovered_region().is_some_and(|hovered| hovered != region) {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.weak("Teacher and class disagree:");
        shared::verdicts(state, state.experiment.image, region, cx, ui);
    });
}

/// The label that is looked at: the reader's box, else the region under the pointer, else the chosen one.
fn looked_at(state: &State) -> Option<(String, SoftLabel)> {
    if let (Some(probe), None) = (&state.teachers.probe, state.hovered_region()) {
        return probe.label.as_ref().map(|(_, label)| ("Your box".into(), label.clone()));
    }
    let number = state.region_in_sight()?;
    let label = state.shown()?.labels.get(number as usize)?.clone()?;
    Some((format!("Region {number}"), label))
}

fn sentence(
    state: &State,
    (c, kind, spread): (f32, RegionKind, f32),
    truth: Option<u32>,
    adaptation: Adaptation,
    ui: &mut Ui,
) {
    let settings = &state.experiment.settings;
    let Ok(thresholds) = state.thresholds(settings) else { return };
    let name = match (truth, state.set()) {
        (Some(truth), Some(set)) => set.class_name(truth),
        _ => "its class".into(),
    };
    ui.label(ferkd_report::why(c, &thresholds, kind, &name, spread, adaptation));
}
