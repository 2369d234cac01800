//! The regions of the shown image as a table: kind, confidence, top-1 prediction; linked to boxes and histogram.

use egui::{Sense, Ui};
use egui_extras::{Column, TableBuilder};
use ferkd_method::mining::RegionKind;

use super::context::PaneContext;
use super::label_bars::badge;
use crate::state::State;
use crate::state::action::Action;
use crate::state::selection::Item;

/// A row of the table.
struct Row {
    number: u32,
    judged: Option<(f32, RegionKind)>,
    prediction: String,
    is_right: Option<bool>,
    visible: Option<f64>,
}

/// The table, least confident first.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    // A row takes the click, not the text in it.
    ui.style_mut().interaction.selectable_labels = false;
    let rows = rows(state);
    if rows.is_empty() {
        ui.weak("No region passes the filter");
        return;
    }
    let shares = rows.iter().any(|row| row.visible.is_some());
    let mut table = TableBuilder::new(ui)
        .id_salt("regions")
        .striped(true)
        .sense(Sense::click())
        .column(Column::auto().at_least(28.0))
        .column(Column::auto().at_least(90.0))
        .column(Column::auto().at_least(56.0))
        .column(Column::remainder().clip(true));
    if shares {
        table = table.column(Column::auto().at_least(60.0));
    }
    let (hovered, chosen) = (state.hovered_region(), state.experiment.region);
    let image = state.experiment.image;
    table
        .header(20.0, |mut header| {
            for title in ["#", "Kind", "c", "Top-1 prediction"].into_iter().chain(shares.then_some("Visible"))
            {
                header.col(|ui| {
                    ui.strong(title);
                });
            }
        })
        .body(|body| {
            body.rows(22.0, rows.len(), |mut line| {
                let row = &rows[line.index()];
                line.set_selected(chosen == Some(row.number));
                line.set_hovered(hovered == Some(row.number));
                line.col(|ui| {
                    ui.monospace(row.number.to_string());
                });
                line.col(|ui| match row.judged {
                    Some((_, kind)) => badge(kind, ui),
                    None => {
                        ui.weak("…");
                    }
                });
                line.col(|ui| {
                    ui.monospace(row.judged.map_or(String::new(), |(c, _)| format!("{c:.3}")));
                });
                line.col(|ui| {
                    let mark = if row.is_right == Some(true) { "● " } else { "" };
                    ui.label(format!("{mark}{}", row.prediction));
                });
                if let Some(share) = row.visible {
                    line.col(|ui| {
                        ui.monospace(format!("{:3.0} %", 100.0 * share));
                    });
                }
                let response = line.response();
                let item = Item::Region { image, region: row.number };
                if response.contains_pointer() {
                    cx.push(Action::Hover(item.clone()));
                }
                if response.clicked() {
                    cx.push(Action::Choose(item));
                }
            });
        });
}

fn rows(state: &State) -> Vec<Row> {
    let (Some(shown), Some(set)) = (state.shown(), state.set()) else { return Vec::new() };
    let row = |number: usize| {
        let label = shown.labels[number].as_ref();
        let prediction = label.and_then(|label| label.top().first()).map(|&(class, _)| class);
        Row {
            number: number as u32,
            judged: label.and_then(|l| state.judge(&state.experiment.settings, l, shown.truth)),
            prediction: prediction.map_or_else(String::new, |class| set.class_name(class)),
            is_right: prediction.zip(shown.truth).map(|(class, truth)| class == truth),
            visible: shown.visible.as_ref().and_then(|visible| visible.get(number)).copied(),
        }
    };
    let mut rows: Vec<Row> =
        (0..shown.labels.len()).map(row).filter(|row| state.filters.passes(row.judged)).collect();
    rows.sort_by(|a, b| {
        let c = |row: &Row| row.judged.map_or(f32::INFINITY, |(c, _)| c);
        c(a).total_cmp(&c(b)).then(a.number.cmp(&b.number))
    });
    rows
}
