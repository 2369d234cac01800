//! Two settings, stores or runs side by side: counts, what goes where, and the regions whose kind differs.

mod differing;
mod flows;
mod presets;
mod runs;
mod settings;
mod stores;
#[cfg(test)]
mod tests;

use egui::{RichText, Ui};
use ferkd_method::mining::{KindCounts, RegionKind};

use super::context::PaneContext;
use super::kinds_bar;
use super::label_bars::badge;
use super::numbers::{count, percent};
use super::progress::progress;
use crate::experiment::{Data, Settings};
use crate::state::State;
use crate::state::action::Action;
use crate::study::Watched;

/// From this width on, in points, things that belong together stand side by side.
const TWO_COLUMNS: f32 = 740.0;

/// Draws the pane.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    runs::ui(state, cx, ui);
    stores::choice(state, cx, ui);
    if state.experiment.other.is_none() {
        ui.label("Hold two settings against each other: which regions do they judge differently?");
        ui.weak("Left are the settings of all panes. Choose what stands on the right:");
        presets::ui(state, cx, ui);
        return;
    }
    commands(state, cx, ui);
    let is_wide = ui.available_width() >= TWO_COLUMNS;
    if is_wide {
        ui.columns_const(|[first, second]| {
            settings::ui(state, cx, first);
            counts(state, second);
        });
    } else {
        settings::ui(state, cx, ui);
        counts(state, ui);
    }
    let Some(sides) = sides(state) else { return };
    let data = data(state);
    let thresholds = |side: usize| state.labels.thresholds(data[side], &sides[side]);
    let [Ok(left), Ok(right)] = [thresholds(0), thresholds(1)] else { return };
    cx.push(Action::Watch(Watched::Compare));
    let study = &state.study.compare;
    if let Some(error) = &study.error {
        ui.colored_label(ui.visuals().error_fg_color, error);
    }
    // Of one confidence the census knows at once, and exactly, what the walk will find.
    let transitions = match state.census(&sides[0]) {
        Some(Ok(census)) if sides[0].confidence == sides[1].confidence && data[0] == data[1] => {
            census.transitions(&left, &right)
        }
        _ => study.transitions,
    };
    ui.add_space(4.0);
    stores::differ(state, study, ui);
    if is_wide {
        ui.columns_const(|[first, second]| {
            flows::ui(&transitions, study.only, cx, first);
            progress(&study.walk, "Comparing", second);
            differing::ui(state, cx, second);
        });
    } else {
        flows::ui(&transitions, study.only, cx, ui);
        progress(&study.walk, "Comparing", ui);
        differing::ui(state, cx, ui);
    }
}

/// The settings of both sides, where there are two.
fn sides(state: &State) -> Option<[Settings; 2]> {
    state.experiment.other.map(|other| [state.experiment.settings, other])
}

/// The data sets of both sides.
fn data(state: &State) -> [Data; 2] {
    [state.experiment.data, state.right_data()]
}

fn commands(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        ui.menu_button("Preset", |ui| {
            if presets::list(state, cx, ui) {
                ui.close();
            }
        });
        if ui.button("Copy from left").on_hover_text("Make the right side the same as the left").clicked() {
            cx.push(Action::Compare(Some(state.experiment.settings)));
        }
        if ui.button("Swap").on_hover_text("Change sides: all panes follow the left one").clicked() {
            cx.push(Action::SwapSides);
        }
        if ui.button("Remove").on_hover_text("Compare no longer").clicked() {
            cx.push(Action::Compare(None));
        }
    });
}

/// Counts and shares of both sides, and what is done with the regions.
fn counts(state: &State, ui: &mut Ui) {
    let Some(sides) = sides(state) else { return };
    let (mut counted, data) = ([KindCounts::default(); 2], data(state));
    for (at, name) in ["Left", "Right"].into_iter().enumerate() {
        if let Err(error) = state.labels.thresholds(data[at], &sides[at]) {
            match state.labels.counting(data[at], &sides[at]) {
                Some(walk) => progress(walk, "Counting", ui),
                None => {
                    ui.colored_label(ui.visuals().error_fg_color, format!("{name}: {error}"));
                }
            }
            return;
        }
        let Some(kinds) = state.labels.kinds(data[at], &sides[at]) else {
            match state.labels.counting(data[at], &sides[at]) {
                Some(walk) => progress(walk, "Counting", ui),
                None => {
                    ui.weak("The labels are on their way");
                }
            }
            return;
        };
        counted[at] = kinds;
    }
    for (name, kinds) in ["Left", "Right"].into_iter().zip(&counted) {
        ui.horizontal(|ui| {
            ui.add_sized([36.0, 18.0], egui::Label::new(RichText::new(name).strong()));
            kinds_bar::bar(kinds, name, egui::vec2(ui.available_width(), 20.0), ui);
        });
    }
    let treated = [0, 1].map(|side| Treatment::of(&sides[side], &counted[side]));
    egui::Grid::new("counts of both").num_columns(4).striped(true).spacing([10.0, 3.0]).show(ui, |ui| {
        for title in ["", "Left", "Right", "Change"] {
            ui.strong(title);
        }
        ui.end_row();
        let shares = counted.map(|counts| counts.shares());
        for kind in RegionKind::ALL {
            badge(kind, ui);
            row([0, 1].map(|side| (counted[side].of(kind), shares[side][kind as usize])), ui);
        }
        let total = counted[0].total().max(1) as f64;
        let share = |regions: u64| (regions, regions as f64 / total);
        type Count = fn(&Treatment) -> u64;
        let lines: [(&str, Count); 3] = [
            ("Teacher's label", Treatment::kept),
            ("Calibrated", |treatment| treatment.calibrated),
            ("Left out", |treatment| treatment.removed),
        ];
        for (name, of) in lines {
            ui.label(name);
            row([share(of(&treated[0])), share(of(&treated[1]))], ui);
        }
    });
}

fn row([left, right]: [(u64, f64); 2], ui: &mut Ui) {
    for (regions, share) in [left, right] {
        ui.label(format!("{} · {}", count(regions), percent(share)));
    }
    match right.0.cmp(&left.0) {
        std::cmp::Ordering::Equal => ui.weak("0"),
        std::cmp::Ordering::Greater => ui.label(format!("+{}", count(right.0 - left.0))),
        std::cmp::Ordering::Less => ui.label(format!("−{}", count(left.0 - right.0))),
    };
    ui.end_row();
}

/// What settings do with the regions.
struct Treatment {
    all: u64,
    calibrated: u64,
    removed: u64,
}

impl Treatment {
    fn of(settings: &Settings, kinds: &KindCounts) -> Self {
        let sum = |is: &dyn Fn(RegionKind) -> bool| {
            RegionKind::ALL.into_iter().filter(|&kind| is(kind)).map(|kind| kinds.of(kind)).sum()
        };
        let adaptation = settings.adaptation;
        Self {
            all: kinds.total(),
            calibrated: sum(&|kind| adaptation.calibrates(kind) && !adaptation.removes(kind)),
            removed: sum(&|kind| adaptation.removes(kind)),
        }
    }

    fn kept(&self) -> u64 {
        self.all - self.calibrated - self.removed
    }
}
