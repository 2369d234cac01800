//! Two stores of the same images: which one stands on the right, and how their labels differ.

use egui::Ui;

use crate::experiment::Data;
use crate::panes::context::PaneContext;
use crate::panes::label_bars::bars;
use crate::panes::numbers::{count, percent};
use crate::state::State;
use crate::state::action::Action;
use crate::study::compare::CompareStudy;

/// Lets the reader choose the store on the right, once a second one was opened.
pub(super) fn choice(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    if state.experiment.data != Data::Yours || !state.labels.has(Data::Before) {
        return;
    }
    let name = |data| state.labels.set_of(data).map_or_else(String::new, |set| set.name.clone());
    let [now, before] = [Data::Yours, Data::Before].map(name);
    let fits = state.labels.before_fits();
    ui.horizontal_wrapped(|ui| {
        ui.label("Labels on the right:");
        let mut with_before = state.labels.with_before && fits.is_ok();
        ui.selectable_value(&mut with_before, false, now);
        ui.add_enabled_ui(fits.is_ok(), |ui| {
            let before = format!("{before} (opened before)");
            ui.selectable_value(&mut with_before, true, before);
        });
        if fits.is_ok() && with_before != state.labels.with_before {
            cx.push(Action::CompareBefore(with_before));
        }
    });
    if let Err(error) = fits {
        ui.weak(error.to_string());
    }
}

/// How the labels differ: in all, and those of the region that is chosen.
pub(super) fn differ(state: &State, study: &CompareStudy, ui: &mut Ui) {
    if !study.is_of_two() {
        return;
    }
    let labels = study.labels;
    if labels.regions == 0 {
        ui.weak("The stores have different classes: kinds can be compared, labels cannot");
    } else {
        let regions = labels.regions as f64;
        ui.label(format!(
            "{} of {} regions have another top-1 prediction ({}); mean total variation {:.4}",
            count(labels.predictions),
            count(labels.regions),
            percent(labels.predictions as f64 / regions),
            labels.total_variation / regions
        ));
    }
    let Some(region) = state.experiment.region else { return };
    let image = state.experiment.image;
    let sides = [(Data::Yours, Some(state.experiment.settings)), (Data::Before, state.experiment.other)];
    let found = sides.map(|(data, settings)| {
        let set = state.labels.set_of(data)?;
        let found = set.region(image, region).ok()?;
        let label = found.label?;
        let (_, kind) = state.labels.judge(data, &settings?, &label, found.truth)?;
        Some((set, label, found.truth, kind))
    });
    let [Some((left, a, ..)), Some((right, b, ..))] = &found else { return };
    ui.strong(format!("Image {}, region {region}", image + 1));
    ui.columns_const(|columns: &mut [Ui; 2]| {
        for ((column, side), title) in columns.iter_mut().zip(&found).zip(["Left", "Right"]) {
            let Some((set, label, truth, kind)) = side else { continue };
            bars(column, title, label, *truth, *kind, &|class| set.class_name(class));
        }
    });
    if left.classes.ids == right.classes.ids {
        ui.weak(format!("Total variation {:.4}", a.total_variation(b)));
    }
}
