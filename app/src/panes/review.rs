//! Regions of the whole set that deserve a look: listed, gone through by key, tagged, saved.

use egui::{Button, RichText, Ui};
use egui_extras::{Column, TableBuilder};
use ferkd::demo::settings::VISIBLE;
use ferkd::mining::Kind;

use super::label::badge;
use super::{count, percent, shared};
use crate::actions::Action;
use crate::state::State;
use crate::study::review::{MOST_LISTED, ReviewStudy, What};
use crate::study::{missing, progress};
use crate::theme;

/// Height of a line of the list, in points.
const LINE: f32 = 24.0;

/// Draws the pane.
pub fn ui(state: &mut State, ui: &mut Ui) {
    let mut review = std::mem::take(&mut state.study.review);
    review.advance(state);
    question(state, &mut review, ui);
    progress(&review.walk, "Looking", ui);
    if let Some(error) = &review.error {
        ui.colored_label(ui.visuals().error_fg_color, error);
    }
    match review.shown(state).map(<[_]>::len) {
        Err(error) => missing(&error, state.counting(&state.experiment.settings), ui),
        Ok(lines) => {
            filters(state, &mut review, ui);
            heading(&review, lines, ui);
            list(state, &mut review, lines, ui);
            chosen(state, ui);
        }
    }
    state.study.review = review;
    exports(state, ui);
}

fn question(state: &State, review: &mut ReviewStudy, ui: &mut Ui) {
    if state.set().is_some_and(|set| set.knows_truth()) {
        ui.horizontal_wrapped(|ui| {
            for what in [What::Disagreements, What::Mistakes] {
                ui.selectable_value(&mut review.what, what, what.title());
            }
        });
    }
    match review.what {
        What::Disagreements => ui.weak(
            "Regions whose first guess is not the image's class: either may be wrong. The wider the margin by \
             which the teacher prefers its guess, the more a look is worth.",
        ),
        What::Mistakes => ui.weak(format!(
            "Regions that count as showing the digit though less than {:.0} % of its ink is in them, or the other \
             way round. Scenes know the truth; photos do not.",
            100.0 * VISIBLE
        )),
    };
}

fn filters(state: &mut State, review: &mut ReviewStudy, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        for kind in Kind::ALL {
            let hidden = &mut review.wanted.hidden[kind as usize];
            let mut text = RichText::new(format!(" {} ", kind.letter()));
            if !*hidden {
                let fill = theme::kind(kind, ui.visuals());
                text = text.color(theme::on_kind(kind, ui.visuals())).background_color(fill);
            }
            let said = format!("{} {} regions", if *hidden { "Show" } else { "Hide" }, kind.name());
            let button = ui.add(Button::new(text).frame(false)).accessible_name(&said).on_hover_text(&said);
            if button.clicked() {
                *hidden = !*hidden;
            }
        }
        ui.checkbox(&mut review.wanted.undecided, "Undecided only");
        ui.checkbox(&mut review.wanted.one_per_image, "One per image");
        ui.checkbox(&mut review.wanted.by_image, "In image order");
        if let Some(class) = state.class_filter {
            let name = state.set().map(|set| set.class_name(class)).unwrap_or_default();
            if ui.button(format!("{name} ×")).on_hover_text("Of all classes").clicked() {
                state.filter_class(None);
            }
        }
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

fn list(state: &mut State, review: &mut ReviewStudy, lines: usize, ui: &mut Ui) {
    if lines == 0 {
        return;
    }
    let height = (ui.clip_rect().height() * 0.5).clamp(140.0, 480.0);
    let weight = if review.what == What::Mistakes { "Visible" } else { "Margin" };
    let here = (state.experiment.image, state.experiment.region);
    let mut opened = None;
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
            for title in ["Region", "", weight, "Class, first guess"] {
                header.col(|ui| {
                    ui.strong(title);
                });
            }
        })
        .body(|body| {
            body.rows(LINE, lines, |mut line| {
                let at = line.index();
                let Some((one, kind)) = review.line(at) else { return };
                let is_open = here == (one.image, Some(one.region));
                line.set_selected(is_open);
                line.col(|ui| {
                    let text = format!("{} · {}", one.image + 1, one.region);
                    let said = format!("Image {}, region {}", one.image + 1, one.region);
                    let button = ui.add(Button::selectable(is_open, text)).accessible_name(&said);
                    if button.on_hover_text(&said).clicked() {
                        opened = Some((at, one.image, one.region));
                    }
                });
                line.col(|ui| shared::letter(kind, ui));
                line.col(|ui| {
                    ui.monospace(match review.what {
                        What::Disagreements => format!("{:.3}", one.weight(review.what)),
                        What::Mistakes => one.visible.map(percent).unwrap_or_default(),
                    });
                });
                line.col(|ui| {
                    let Some(set) = state.set() else { return };
                    let [truth, guess] = [one.truth, one.guess].map(|class| set.class_name(class));
                    let text = match state.verdict(one.image, one.region) {
                        Some(verdict) => format!("{truth}, {guess} · {}", verdict.title().to_lowercase()),
                        None => format!("{truth}, {guess}"),
                    };
                    let hint =
                        format!("Class {truth}: {:.3}\nFirst guess {guess}: {:.3}", one.p_truth, one.p_guess);
                    ui.add(egui::Label::new(text).truncate()).on_hover_text(hint);
                });
            });
        });
    if let Some((at, image, region)) = opened {
        review.went_to(at);
        state.look_at_region(image, region);
    }
}

/// What may be said of the region that is chosen, whether it is listed or not.
fn chosen(state: &mut State, ui: &mut Ui) {
    let image = state.experiment.image;
    let Some(region) = state.experiment.region else {
        ui.weak("Choose a line, or press J. Then 1, 2 and 3 say who is wrong; J and K go on and back.");
        return;
    };
    ui.horizontal_wrapped(|ui| {
        ui.strong(format!("Image {}, region {region}:", image + 1));
        shared::verdicts(state, image, region, ui);
    });
    if let Some((c, kind)) = state.shown().and_then(|shown| {
        let label = shown.labels.get(region as usize)?.as_ref()?;
        state.judge(&state.experiment.settings, label, shown.truth)
    }) {
        ui.horizontal(|ui| {
            badge(kind, ui);
            ui.weak(format!("confidence {c:.3}"));
        });
    }
}

/// Takes list and decisions out of the window.
fn exports(state: &mut State, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        for action in [Action::SaveDecisions, Action::SaveReview] {
            let button = Button::new(action.title());
            if ui.add_enabled(action.is_enabled(state), button).clicked() {
                state.asked.push(action);
            }
        }
        let said = state.decisions().len();
        let plural = if said == 1 { "" } else { "s" };
        ui.weak(format!("{said} decision{plural} on this set, kept between visits"));
    });
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable;

    use super::Action;
    use crate::export::{Verdict, review_csv};
    use crate::panes::PaneKind;
    use crate::study::testing::{pane, photos, scenes};

    #[test]
    fn a_line_is_opened_tagged_and_saved() {
        let mut harness = pane(PaneKind::Review, scenes(), 480.0);
        let (image, region) = {
            let (one, _) = harness.state().study.review.line(1).unwrap();
            (one.image, one.region)
        };
        harness.get_by_label(&format!("Image {}, region {region}", image + 1)).click();
        harness.run();
        assert_eq!(harness.state().experiment.image, image);
        assert_eq!(harness.state().experiment.region, Some(region));
        harness.get_by_label("Class wrong").click();
        harness.run();
        assert_eq!(harness.state().verdict(image, region), Some(Verdict::ClassWrong));
        harness.get_by_label(&Action::SaveReview.title()).click();
        harness.run();
        assert_eq!(harness.state().asked, [Action::SaveReview]);
        let csv = review_csv(harness.state());
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 1 + harness.state().study.review.lines().count());
        assert!(lines[2].ends_with(",class-wrong"), "{}", lines[2]);
        assert!(lines[1].ends_with(','), "{}", lines[1]);
        assert!(lines.iter().all(|line| line.split(',').count() == lines[0].split(',').count()));
    }

    #[test]
    fn scenes_list_mistakes_and_photos_do_not() {
        let mut harness = pane(PaneKind::Review, scenes(), 480.0);
        harness.get_by_label("Mistakes of mining").click();
        harness.run();
        assert!(harness.state().study.review.lines().all(|(one, _)| one.visible.is_some()));
        assert!(!harness.state().study.review.is_empty());
        let harness = pane(PaneKind::Review, photos(), 480.0);
        assert!(harness.query_by_label("Mistakes of mining").is_none());
    }
}
