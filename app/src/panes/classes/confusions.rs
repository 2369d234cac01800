//! What the teacher takes the regions of one class for, and the regions of one such confusion.

use egui::{Button, Ui};
use egui_extras::{Column as Width, TableBuilder};

use crate::panes::{count, percent};
use crate::state::State;
use crate::study::classes::{ClassStudy, Listing, MOST_LISTED};
use crate::study::progress;

/// Confusions with a button of their own.
const MOST_SHOWN: usize = 12;

/// Draws the confusions of the class that is filtered by.
pub(super) fn ui(state: &mut State, study: &mut ClassStudy, ui: &mut Ui) {
    let Some(class) = state.class_filter else { return };
    let name = |class: u32| state.set().map_or_else(String::new, |set| set.class_name(class));
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
    let mut chosen = None;
    ui.horizontal_wrapped(|ui| {
        for &(guess, times) in others.iter().take(MOST_SHOWN) {
            let is_chosen = study.listing.as_ref().is_some_and(|l| (l.truth, l.guess) == (class, guess));
            let share = times as f64 / all.max(1) as f64;
            let text = format!("{} · {}", name(guess), percent(share));
            let hint = format!("{} of {} regions of {truth}: list them", count(times), count(all));
            if ui.add(Button::selectable(is_chosen, text).frame(true)).on_hover_text(hint).clicked() {
                chosen = Some((guess, is_chosen));
            }
        }
        if others.len() > MOST_SHOWN {
            ui.weak(format!("and {} more", others.len() - MOST_SHOWN));
        }
    });
    match chosen {
        Some((_, true)) => study.listing = None,
        Some((guess, false)) => study.list(class, guess, state),
        None => {}
    }
    if let Some(listing) = &study.listing {
        let guess = name(listing.guess);
        regions(state, listing, &guess, ui);
    }
}

/// The regions that were found, each of which can be looked at.
fn regions(state: &mut State, listing: &Listing, guess: &str, ui: &mut Ui) {
    progress(&listing.walk, "Looking for them", ui);
    let found = &listing.found;
    let more = if found.len() >= MOST_LISTED { "the first " } else { "" };
    ui.weak(format!("{more}{} regions that the teacher takes for {guess}", count(found.len() as u64)));
    let height = (ui.clip_rect().height() * 0.3).clamp(110.0, 260.0);
    let mut opened = None;
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
                        opened = Some((image, region));
                    }
                });
                line.col(|ui| {
                    ui.weak(format!("{guess} · {p:.3}"));
                });
            });
        });
    if let Some((image, region)) = opened {
        state.look_at_region(image, region);
    }
}
