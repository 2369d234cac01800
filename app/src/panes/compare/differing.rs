//! The regions whose kind differs; a click shows one.

use egui::{Button, Ui};
use egui_extras::{Column, TableBuilder};
use ferkd_method::mining::RegionKind;

use crate::panes::context::PaneContext;
use crate::panes::letter::letter;
use crate::panes::numbers::{count, percent};
use crate::state::State;
use crate::state::action::Action;
use crate::state::selection::Item;
use crate::study::compare::{CompareStudy, MOST_LISTED};

/// Draws the list.
pub(super) fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let study = &state.study.compare;
    heading(study, cx, ui);
    let pairs = RegionKind::ALL.into_iter().flat_map(|from| RegionKind::ALL.map(|to| (from, to)));
    let mut changes = pairs.filter(|(from, to)| from != to);
    let is_capped = changes.any(|(from, to)| study.transitions.of(from, to) > MOST_LISTED);
    let (shown, differing) = study.shown();
    if is_capped {
        ui.weak(format!("At most {} regions of each pair of kinds are listed", count(MOST_LISTED)));
    }
    if shown.is_empty() {
        return;
    }
    let height = (ui.clip_rect().height() * 0.4).clamp(130.0, 320.0);
    TableBuilder::new(ui)
        .id_salt("differing regions")
        .striped(true)
        .auto_shrink([false, true])
        .min_scrolled_height(height.min(28.0 * shown.len() as f32))
        .max_scroll_height(height)
        .cell_layout(egui::Layout::left_to_right(egui::Align::Center))
        .column(Column::exact(148.0))
        .column(Column::exact(86.0))
        .column(Column::remainder().at_least(60.0).clip(true))
        .header(22.0, |mut header| {
            for title in ["Region", "Confidence", "Left, right"] {
                header.col(|ui| {
                    ui.strong(title);
                });
            }
        })
        .body(|body| {
            body.rows(22.0, shown.len(), |mut line| {
                let Some(found) = shown.get(line.index()).and_then(|&at| differing.get(at as usize)) else {
                    return;
                };
                let at = (found.image, Some(found.region));
                let is_open = (state.experiment.image, state.experiment.region) == at;
                line.set_selected(is_open);
                line.col(|ui| {
                    let text = format!("Image {}, region {}", found.image + 1, found.region);
                    let response = ui.add(Button::selectable(is_open, text.as_str()));
                    if response.on_hover_text("Look at it").clicked() {
                        let (image, region) = (found.image, found.region);
                        cx.push(Action::Choose(Item::Region { image, region }));
                    }
                });
                line.col(|ui| {
                    let [a, b] = found.c;
                    let text = if a == b { format!("{a:.3}") } else { format!("{a:.3} {b:.3}") };
                    ui.monospace(text);
                });
                line.col(|ui| {
                    letter(found.kinds[0], ui);
                    ui.weak("to");
                    letter(found.kinds[1], ui);
                });
            });
        });
}

fn heading(study: &CompareStudy, cx: &mut PaneContext, ui: &mut Ui) {
    let (changed, all) = (study.transitions.changed(), study.transitions.before().total());
    ui.horizontal_wrapped(|ui| match study.only {
        Some((from, to)) => {
            let regions = study.transitions.of(from, to);
            ui.label(format!("{} regions, {} to {}", count(regions), from.name(), to.name()));
            if ui.button("List all").clicked() {
                cx.push(Action::ListChange(None));
            }
        }
        None if changed == 0 && study.walk.is_done() => {
            ui.weak("No region is of another kind; what is done with a kind may differ all the same");
        }
        None => {
            let share = percent(changed as f64 / all.max(1) as f64);
            ui.weak(format!("{} regions ({share}), in the order of the images", count(changed)));
        }
    });
}
