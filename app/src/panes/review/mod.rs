//! Regions of the whole set that are worth a look: listed, gone through by key, tagged, saved.

#[cfg(test)]
mod tests;

use egui::{Button, Ui};
use egui_extras::{Column, TableBuilder};
use ferkd_method::mining::RegionKind;
use ferkd_train::demo::settings::VISIBLE;

use super::context::PaneContext;
use super::label_bars::badge;
use super::letter::{letter, letter_button};
use super::numbers::{count, percent};
use super::progress::{missing, progress};
use super::shared;
use crate::command::Command;
use crate::state::State;
use crate::state::action::Action;
use crate::study::Watched;
use crate::study::review::{MOST_LISTED, ReviewStudy, Wanted, What};

/// Height of a line of the list, in points.
const LINE: f32 = 24.0;

/// Draws the pane.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    cx.push(Action::Watch(Watched::Review));
    let review = &state.study.review;
    let (mut what, mut wanted) = (review.what, review.wanted);
    question(state, &mut what, ui);
    progress(&review.walk, "Looking", ui);
    if let Some(error) = &review.error {
        ui.colored_label(ui.visuals().error_fg_color, error);
    }
    match review.len() {
        Err(error) => missing(error, state.counting(&state.experiment.settings), ui),
        Ok(lines) => {
            filters(state, &mut wanted, cx, ui);
            heading(review, lines, ui);
            // Above the list, so that it is there however small the window is.
            chosen(state, cx, ui);
            list(state, review, lines, cx, ui);
        }
    }
    if (what, wanted) != (review.what, review.wanted) {
        cx.push(Action::Review(what, wanted));
    }
    exports(state, cx, ui);
}

fn question(state: &State, what: &mut What, ui: &mut Ui) {
    if state.set().is_some_and(super::super::dataset::DataSet::knows_truth) {
        ui.horizontal_wrapped(|ui| {
            for one in [What::Disagreements, What::Mistakes] {
                ui.selectable_value(what, one, one.title());
            }
        });
    }
    match what {
        What::Disagreements => ui.weak(
            "Regions whose top-1 prediction is not the image's class: either may be wrong. The wider the margin by \
             which the teacher prefers its prediction, the more a look is worth.",
        ),
        What::Mistakes => ui.weak(format!(
            "Regions that count as showing the digit though less than {:.0} % of its ink is in them, or the other \
             way round. Scenes know the truth; photos do not.",
            100.0 * VISIBLE
        )),
    };
}

fn filters(state: &State, wanted: &mut Wanted, cx: &mut PaneContext, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        for kind in RegionKind::ALL {
            let hidden = &mut wanted.hidden[kind as usize];
            let said = format!("{} {} regions", if *hidden { "Show" } else { "Hide" }, kind.name());
            if letter_button(kind, !*hidden, false, &said, ui).clicked() {
                *hidden = !*hidden;
            }
        }
        ui.checkbox(&mut wanted.undecided, "Undecided only");
        ui.checkbox(&mut wanted.one_per_image, "One per image");
        ui.checkbox(&mut wanted.by_image, "In image order");
        shared::class_filter(state, cx, ui);
    });
}

fn heading(review: &ReviewStudy, lines: usize, ui: &mut Ui) {
    let (found, regions) = (review.count, review.regions.max(1));
    let text = match review.what {
        What::Disagreements => format!(
            "{} of {} regions disagree ({})",
            count(found),
            count(review.regions),
            percent(found as f64 / regions as f64)
        ),
        What::Mistakes => format!("{} regions looked at", count(review.regions)),
    };
    ui.horizontal_wrapped(|ui| {
        ui.strong(format!("{} listed", count(lines as u64)));
        ui.weak(text);
        if review.what == What::Disagreements && found > MOST_LISTED as u64 {
            ui.weak(format!("· the {} with the widest margin are kept", count(MOST_LISTED as u64)));
        }
        if review.walk.is_done() && review.regions == 0 {
            ui.weak("· no image has a class: give them one in the Image pane");
        }
    });
}

fn list(state: &State, review: &ReviewStudy, lines: usize, cx: &mut PaneContext, ui: &mut Ui) {
    if lines == 0 {
        return;
    }
    let height = (ui.clip_rect().height() * 0.5).clamp(140.0, 480.0);
    let weight = if review.what == What::Mistakes { "Visible" } else { "Margin" };
    let here = (state.experiment.image, state.experiment.region);
    TableBuilder::new(ui)
        .id_salt("review")
        .striped(true)
        .auto_shrink([false, true])
        .min_scrolled_height(height.min((LINE + 2.0) * lines as f32))
        .max_scroll_height(height)
        .cell_layout(egui::Layout::left_to_right(egui::Align::Center))
        .column(Column::exact(76.0))
        .column(Column::exact(26.0))
        .column(Column::exact(58.0))
        .column(Column::remainder().at_least(80.0).clip(true))
        .header(22.0, |mut header| {
            for title in ["Region", "", weight, "Class, top-1 prediction"] {
                header.col(|ui| {
                    ui.strong(title);
                });
            }
        })
        .body(|body| {
            body.rows(LINE, lines, |mut line| {
                let Some((one, kind)) = review.line(line.index()) else { return };
                let is_open = here == (one.image, Some(one.region));
                line.set_selected(is_open);
                line.col(|ui| {
                    let text = format!("{} · {}", one.image + 1, one.region);
                    let said = format!("Image {}, region {}", one.image + 1, one.region);
                    let button = ui.add(Button::selectable(is_open, text)).accessible_name(&said);
                    if button.on_hover_text(&said).clicked() {
                        cx.push(Action::OpenListed(one.image, one.region));
                    }
                });
                line.col(|ui| letter(kind, ui));
                line.col(|ui| {
                    ui.monospace(match review.what {
                        What::Disagreements => format!("{:.3}", one.weight(review.what)),
                        What::Mistakes => one.visible.map(percent).unwrap_or_default(),
                    });
                });
                line.col(|ui| {
                    let Some(set) = state.set() else { return };
                    let [truth, prediction] = [one.truth, one.prediction].map(|class| set.class_name(class));
                    let text = match state.verdict(one.image, one.region) {
                        Some(verdict) => {
                            format!("{truth}, {prediction} · {}", verdict.title().to_lowercase())
                        }
                        None => format!("{truth}, {prediction}"),
                    };
                    let hint = format!(
                        "Class {truth}: {:.3}\nTop-1 prediction {prediction}: {:.3}",
                        one.p_truth, one.p_prediction
                    );
                    ui.add(egui::Label::new(text).truncate()).on_hover_text(hint);
                });
            });
        });
}

/// What may be said of the region that is chosen, whether it is listed or not.
fn chosen(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let image = state.experiment.image;
    let Some(region) = state.experiment.region else {
        ui.weak("Choose a line, or press J. Then 1, 2 and 3 say who is wrong; J and K go on and back.");
        return;
    };
    let judged = state.shown().and_then(|shown| {
        let label = shown.labels.get(region as usize)?.as_ref()?;
        state.judge(&state.experiment.settings, label, shown.truth)
    });
    ui.horizontal_wrapped(|ui| {
        ui.strong(format!("Image {}, region {region}:", image + 1));
        if let Some((c, kind)) = judged {
            badge(kind, ui);
            ui.weak(format!("c = {c:.3}"));
        }
        shared::verdicts(state, image, region, cx, ui);
    });
}

/// Takes list and decisions out of the window.
fn exports(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        for command in [Command::SaveDecisions, Command::SaveReview] {
            let button = Button::new(command.title());
            if ui.add_enabled(state.can(command), button).clicked() {
                cx.push(command);
            }
        }
        let said = state.decisions().len();
        let plural = if said == 1 { "" } else { "s" };
        ui.weak(format!("{said} decision{plural} on this set, kept between visits"));
    });
}
