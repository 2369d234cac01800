//! What the teacher takes the regions of one class for, and the regions of one such confusion.

use egui::{Button, Ui};
use egui_extras::{Column as Width, TableBuilder};

use crate::panes::context::PaneContext;
use crate::panes::numbers::{count, percent};
use crate::panes::progress::progress;
use crate::state::State;
use crate::state::action::Action;
use crate::state::selection::Item;
use crate::study::classes::{Listing, MOST_LISTED};

/// Confusions with a button of their own.
const MOST_SHOWN: usize = 12;

/// Draws the confusions of the class that is filtered by.
pub(super) fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let Some(class) = state.filters.class else { return };
    let study = &state.study.classes;
    let name = |class: u32| state.class_name(class);
    let truth = name(class);
    let all = study.confusions.regions(class);
    let others = study.confusions.taken_for(class);
    ui.add_space(4.0);
    ui.strong(format!("What the teacher takes {truth} for"));
    if others.is_empty() {
        let text = match study.walk.is_done() {
            true => "It names the right class for each of its regions",
            false => "Nothing else, so far",
        };
        ui.weak(text);
        return;
    }
    ui.horizontal_wrapped(|ui| {
        for &(prediction, times) in others.iter().take(MOST_SHOWN) {
            let is_chosen =
                study.listing.as_ref().is_some_and(|l| (l.truth, l.prediction) == (class, prediction));
            let share = times as f64 / all.max(1) as f64;
            let text = format!("{} · {}", name(prediction), percent(share));
            let hint = format!("{} of {} regions of {truth}: list them", count(times), count(all));
            if ui.add(Button::selectable(is_chosen, text).frame(true)).on_hover_text(hint).clicked() {
                cx.push(Action::ListConfusion((!is_chosen).then_some((class, prediction))));
            }
        }
        if others.len() > MOST_SHOWN {
            ui.weak(format!("and {} more", others.len() - MOST_SHOWN));
        }
    });
    if let Some(listing) = &study.listing {
        regions(state, listing, &name(listing.prediction), cx, ui);
    }
}

/// The regions that were found, each of which can be looked at.
fn regions(state: &State, listing: &Listing, prediction: &str, cx: &mut PaneContext, ui: &mut Ui) {
    progress(&listing.walk, "Looking for them", ui);
    let found = &listing.found;
    let more = if found.len() >= MOST_LISTED { "the first " } else { "" };
    ui.weak(format!("{more}{} regions that the teacher takes for {prediction}", count(found.len() as u64)));
    let height = (ui.clip_rect().height() * 0.3).clamp(110.0, 260.0);
    TableBuilder::new(ui)
        .id_salt("confused regions")
        .striped(true)
        .auto_shrink([false, true])
        .min_scrolled_height(height.min(28.0 * found.len().max(1) as f32))
        .max_scroll_height(height)
        .cell_layout(egui::Layout::left_to_right(egui::Align::Center))
        .column(Width::exact(150.0))
        .column(Width::remainder().clip(true))
        .body(|body| {
            body.rows(22.0, found.len(), |mut line| {
                let Some(&(image, region, p)) = found.get(line.index()) else { return };
                let is_open = (state.experiment.image, state.experiment.region) == (image, Some(region));
                line.set_selected(is_open);
                line.col(|ui| {
                    let text = format!("Image {}, region {region}", image + 1);
                    let response = ui.add(Button::selectable(is_open, text.as_str()));
                    if response.on_hover_text("Look at it").clicked() {
                        cx.push(Action::Choose(Item::Region { image, region }));
                    }
                });
                line.col(|ui| {
                    ui.weak(format!("{prediction} · {p:.3}"));
                });
            });
        });
}
