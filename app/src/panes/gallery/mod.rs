//! All regions of the set as a grid: by kind, class, confidence or disagreement; opened, picked, tagged.

#[cfg(test)]
mod tests;

use egui::{CornerRadius, Rect, Sense, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};
use ferkd_method::mining::RegionKind;

use super::context::PaneContext;
use super::letter::{letter_button, paint_letter};
use super::numbers::count;
use super::progress::{missing, progress};
use super::shared::class_filter;
use crate::command::Command;
use crate::dataset::DataSet;
use crate::state::State;
use crate::state::action::Action;
use crate::state::selection::Item;
use crate::study::Watched;
use crate::study::gallery::{MOST, Order, PICKED_AT_ONCE, Tile};
use crate::theme;
use crate::verdict::Verdict;

/// Side of a region's place in the grid, in points.
const CELL: f32 = 76.0;

/// Space between them.
const GAP: f32 = 4.0;

/// Draws the pane.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    cx.push(Action::Watch(Watched::Gallery));
    let gallery = &state.study.gallery;
    let Some(set) = state.set() else { return };
    let generation = state.labels.key(state.experiment.data).generation;
    cx.thumbnails.belong_to(&(set.identity().to_owned(), generation));
    tools(state, cx, ui);
    progress(&gallery.walk, "Looking", ui);
    if let Some(error) = &gallery.error {
        ui.colored_label(ui.visuals().error_fg_color, error);
    }
    match gallery.len() {
        Err(error) => missing(error, state.counting(&state.experiment.settings), ui),
        Ok(0) if gallery.walk.is_done() => {
            ui.weak("No region passes the filters");
        }
        Ok(tiles) => grid(state, set, tiles, cx, ui),
    }
}

/// Order, filters, and what may be done with what is picked.
fn tools(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let gallery = &state.study.gallery;
    ui.horizontal_wrapped(|ui| {
        let mut order = gallery.order;
        let label = ui.label("Order");
        let combo = egui::ComboBox::from_id_salt("gallery order").selected_text(order.title());
        let combo = combo.show_ui(ui, |ui| {
            for one in Order::ALL {
                ui.selectable_value(&mut order, one, one.title());
            }
        });
        combo.response.labelled_by(label.id);
        if order != gallery.order {
            cx.push(Action::OrderGallery(order));
        }
        for kind in RegionKind::ALL {
            let is_chosen = state.filters.kind == Some(kind);
            if letter_button(kind, true, is_chosen, &format!("{} only", kind.name()), ui).clicked() {
                cx.push(Action::FilterKind((!is_chosen).then_some(kind)));
            }
        }
        class_filter(state, cx, ui);
        if state.filters.leaves_out_regions() && ui.button("Clear filter").clicked() {
            cx.push(Action::ClearFilters);
        }
        let shown = gallery.len().unwrap_or(0) as u64;
        ui.weak(format!("{} of {} regions", count(shown), count(gallery.gathered() as u64)));
        if gallery.is_full() {
            ui.weak(format!("· the first {} of the set", count(MOST as u64)));
        }
    });
    ui.horizontal_wrapped(|ui| {
        let shown = gallery.len().unwrap_or(0);
        let all = match shown > PICKED_AT_ONCE {
            true => format!("Pick the first {}", count(PICKED_AT_ONCE as u64)),
            false => "Pick all shown".into(),
        };
        if ui.add_enabled(shown > 0, egui::Button::new(all)).clicked() {
            cx.push(Action::PickShown);
        }
        if gallery.picked.is_empty() {
            ui.weak(
                "Click a region to open it; with Ctrl or Shift, pick several: say who is wrong about them, or save them",
            );
            return;
        }
        ui.strong(format!("{} picked:", count(gallery.picked.len() as u64)));
        for verdict in Verdict::ALL {
            if ui.button(verdict.title()).clicked() {
                cx.push(Action::DecidePicked(verdict));
            }
        }
        if ui.button("Pick none").clicked() {
            cx.push(Action::PickNone);
        }
        if ui.add_enabled(state.can(Command::SaveDecisions), egui::Button::new("Save decisions…")).clicked()
        {
            cx.push(Command::SaveDecisions);
        }
        for (command, name) in
            [(Command::SavePickedCsv, "Save as CSV…"), (Command::SavePickedJsonl, "Save as JSONL…")]
        {
            if ui.button(name).on_hover_text(command.hint(ui.ctx())).clicked() {
                cx.push(command);
            }
        }
    });
}

/// The regions, as many rows as are in sight.
fn grid(state: &State, set: &DataSet, tiles: usize, cx: &mut PaneContext, ui: &mut Ui) {
    let columns = (((ui.available_width() + GAP) / (CELL + GAP)) as usize).max(1);
    let rows = tiles.div_ceil(columns);
    ui.spacing_mut().item_spacing = Vec2::splat(GAP);
    // Panes that stand one below the other scroll themselves: the grid takes what is in sight of it.
    let height = (ui.clip_rect().bottom() - ui.cursor().top()).clamp(2.0 * CELL, 4096.0);
    let area = egui::ScrollArea::vertical().id_salt("gallery").auto_shrink(false).max_height(height);
    area.show_rows(ui, CELL, rows, |ui, sight| {
        for row in sight {
            ui.horizontal(|ui| {
                for place in row * columns..((row + 1) * columns).min(tiles) {
                    if let Some((tile, kind)) = state.study.gallery.tile(place) {
                        cell(state, set, tile, kind, cx, ui);
                    }
                }
            });
        }
    });
}

/// A region: its picture on the colour of its kind, with letter and confidence; marked where it is picked or open.
fn cell(state: &State, set: &DataSet, tile: &Tile, kind: RegionKind, cx: &mut PaneContext, ui: &mut Ui) {
    let &Tile { image, region, c, .. } = tile;
    let (place, response) = ui.allocate_exact_size(Vec2::splat(CELL), Sense::click());
    let is_picked = state.study.gallery.picked.contains(&(image, region));
    let is_open = (state.experiment.image, state.experiment.region) == (image, Some(region));
    let name = format!("Image {}, region {region}: {}, {c:.3}", image + 1, kind.name());
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_picked, &name));
    if !ui.is_rect_visible(place) {
        return;
    }
    let visuals = ui.visuals().clone();
    let color = theme::kind(kind, &visuals);
    let radius = CornerRadius::same(theme::RADIUS);
    ui.painter().rect_filled(place, radius, theme::card(&visuals));
    if let Some(texture) = cx.thumbnails.get(set, image, region, ui.ctx()) {
        let size = texture.size_vec2() * ((CELL - 4.0) / texture.size_vec2().max_elem());
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        let rect = Rect::from_center_size(place.center(), size);
        ui.painter().image(texture.id(), rect, whole, theme::TINT.0);
    }
    let badge = Rect::from_min_size(place.min, vec2(16.0, 15.0));
    ui.painter().rect_filled(badge, radius, color);
    paint_letter(kind, badge.center(), 11.0, ui.painter(), &visuals);
    let verdict = state.verdict(image, region).is_some();
    let stroke = match (is_picked || is_open, response.hovered()) {
        (true, _) => Stroke::new(3.0, theme::accent(&visuals)),
        (false, true) => Stroke::new(3.0, color),
        (false, false) => Stroke::new(2.0, color.gamma_multiply(0.7)),
    };
    ui.painter().rect_stroke(place, radius, stroke, StrokeKind::Inside);
    if verdict {
        ui.painter().circle_filled(place.right_top() + vec2(-8.0, 8.0), 4.0, theme::accent(&visuals));
    }
    if response.hovered() {
        cx.push(Action::Hover(Item::Region { image, region }));
    }
    let adds = ui.input(|input| input.modifiers.command || input.modifiers.shift);
    let response = response.on_hover_ui(|ui| hint(state, set, tile, kind, ui));
    if response.clicked() {
        cx.push(match adds {
            true => Action::Pick(image, region),
            false => Action::LookAtRegion(state.experiment.data, image, region),
        });
    }
}

/// What a region is, in words.
fn hint(state: &State, set: &DataSet, tile: &Tile, kind: RegionKind, ui: &mut Ui) {
    ui.strong(format!("{}, c = {:.3}", kind.name(), tile.c));
    let Ok(found) = set.region(tile.image, tile.region) else { return };
    let top = found.label.as_ref().and_then(|label| label.top().first().copied());
    if let Some((class, p)) = top {
        ui.label(format!("Top-1 prediction: {} {p:.3}", set.class_name(class)));
    }
    if let Some(truth) = found.truth {
        ui.label(format!("Class: {}", set.class_name(truth)));
    }
    ui.weak(format!("{}, region {}", found.image, tile.region));
    if let Some(verdict) = state.verdict(tile.image, tile.region) {
        ui.label(verdict.title());
    }
}
