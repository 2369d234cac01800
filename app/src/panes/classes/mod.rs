//! By class: the share of each kind, the teacher's confidence, and what the teacher takes its regions for.

mod confusions;
#[cfg(test)]
mod tests;

use egui::{Button, RichText, Ui};
use egui_extras::{Column as Width, TableBuilder};
use ferkd_method::mining::RegionKind;

use super::context::PaneContext;
use super::kinds_bar;
use super::numbers::{count, percent};
use super::progress::{missing, progress};
use super::shared::mark_order;
use crate::state::State;
use crate::state::action::Action;
use crate::study::Watched;
use crate::study::classes::{ClassStudy, Column, Row};
use crate::theme;

/// From this width on, in points, there is room for all columns.
const WIDE: f32 = 640.0;

/// Height of a row, in points.
const ROW: f32 = 24.0;

/// Draws the pane.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    cx.push(Action::Watch(Watched::Classes));
    let study = &state.study.classes;
    progress(&study.walk, "Counting what the teacher says", ui);
    if let Some(error) = &study.error {
        ui.colored_label(ui.visuals().error_fg_color, error);
    }
    match study.rows() {
        // The next frame knows.
        Ok([]) if !study.has_begun() => {}
        Ok([]) => {
            ui.weak("These images have no classes: there is nothing to sort them by");
        }
        Ok(rows) => {
            say_filter(state, cx, ui);
            table(state, rows, cx, ui);
            confusions::ui(state, cx, ui);
        }
        Err(error) => missing(error, state.counting(&state.experiment.settings), ui),
    }
}

fn say_filter(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| match state.filters.class {
        Some(class) => {
            ui.label(format!("Only images of {}", state.class_name(class)));
            if ui.button("Show all classes").clicked() {
                cx.push(Action::FilterClass(None));
            }
        }
        None => {
            ui.weak("Click a class to look at its images alone, and at what the teacher takes them for");
        }
    });
}

fn table(state: &State, rows: &[Row], cx: &mut PaneContext, ui: &mut Ui) {
    let study = &state.study.classes;
    let is_wide = ui.available_width() >= WIDE;
    let height =
        (ui.clip_rect().height() * 0.5).clamp(150.0, 420.0).min(30.0 + rows.len() as f32 * (ROW + 6.0));
    let name = (ui.available_width() * 0.2).clamp(90.0, 220.0);
    let mut builder = TableBuilder::new(ui)
        .id_salt(("classes", is_wide))
        .striped(true)
        .auto_shrink([false, true])
        .min_scrolled_height(height)
        .max_scroll_height(height)
        .cell_layout(egui::Layout::left_to_right(egui::Align::Center));
    builder = match is_wide {
        true => builder
            .column(Width::exact(name).clip(true))
            .column(Width::exact(64.0))
            .column(Width::remainder().at_least(130.0).clip(true))
            .column(Width::exact(56.0))
            .column(Width::exact(60.0))
            .column(Width::exact(130.0)),
        false => builder
            .column(Width::remainder().at_least(64.0).clip(true))
            .column(Width::exact(118.0))
            .column(Width::exact(50.0))
            .column(Width::exact(56.0)),
    };
    let table = builder.header(30.0, |mut header| {
        header.col(|ui| sorter(study, Column::Name, "Class", "name", cx, ui));
        if is_wide {
            header.col(|ui| sorter(study, Column::Regions, "Regions", "number of regions", cx, ui));
        }
        header.col(|ui| {
            ui.spacing_mut().item_spacing.x = 3.0;
            RegionKind::ALL.into_iter().for_each(|kind| kind_sorter(study, kind, cx, ui));
        });
        header.col(|ui| sorter(study, Column::Mean, "Mean", "mean confidence", cx, ui));
        header.col(|ui| sorter(study, Column::Wrong, "Wrong", "share taken for another class", cx, ui));
        if is_wide {
            header.col(|ui| {
                ui.weak("Mostly as");
            });
        }
    });
    table.body(|body| {
        body.rows(ROW, rows.len(), |mut line| {
            let Some(row) = rows.get(line.index()) else { return };
            let is_chosen = state.filters.class == Some(row.class);
            line.set_selected(is_chosen);
            line.col(|ui| {
                let button = Button::selectable(is_chosen, row.name.as_str()).truncate();
                if ui.add(button).on_hover_text(format!("{}: show its images alone", row.name)).clicked() {
                    cx.push(Action::ListConfusion(None));
                    cx.push(Action::FilterClass((!is_chosen).then_some(row.class)));
                }
            });
            if is_wide {
                line.col(|ui| {
                    ui.label(count(row.kinds.total()));
                });
            }
            line.col(|ui| {
                let size = egui::vec2(ui.available_width(), 18.0);
                kinds_bar::bar(&row.kinds, &row.name, size, ui);
            });
            line.col(|ui| {
                ui.monospace(format!("{:.3}", row.mean));
            });
            line.col(|ui| {
                ui.label(row.wrong.map_or_else(|| "…".into(), percent));
            });
            if is_wide {
                line.col(|ui| mostly(state, study, row.class, ui));
            }
        });
    });
}

/// The class that a class is most often taken for.
fn mostly(state: &State, study: &ClassStudy, class: u32, ui: &mut Ui) {
    let Some((prediction, times)) = study.confusions.taken_for(class).first().copied() else { return };
    let share = times as f64 / study.confusions.regions(class).max(1) as f64;
    let name = state.class_name(prediction);
    let text = RichText::new(format!("{name} · {}", percent(share))).color(theme::weak(ui.visuals()));
    ui.add(egui::Label::new(text).truncate());
}

/// A column's title, which sorts by it.
fn sorter(study: &ClassStudy, column: Column, title: &str, what: &str, cx: &mut PaneContext, ui: &mut Ui) {
    let is_chosen = study.column == column;
    let button = Button::selectable(is_chosen, RichText::new(title).strong());
    let response = ui.add(button).accessible_name(format!("Sort by {what}"));
    if is_chosen {
        mark_order(study.is_descending, response.rect, ui);
    }
    if response.on_hover_text(format!("Sort by {what}")).clicked() {
        cx.push(Action::SortClasses(column));
    }
}

fn kind_sorter(study: &ClassStudy, kind: RegionKind, cx: &mut PaneContext, ui: &mut Ui) {
    let column = Column::Share(kind);
    let text = RichText::new(kind.letter()).color(theme::on_kind(kind, ui.visuals())).strong();
    let fill = theme::kind(kind, ui.visuals());
    let button = Button::new(text).fill(fill).small().min_size(egui::vec2(22.0, 18.0));
    let what = format!("Sort by share of {} regions", kind.name());
    let response = ui.add(button).accessible_name(what.clone());
    if study.column == column {
        mark_order(study.is_descending, response.rect, ui);
    }
    if response.on_hover_text(what).clicked() {
        cx.push(Action::SortClasses(column));
    }
}
