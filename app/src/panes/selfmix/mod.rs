//! Two regions of one image, mixed: what a student sees, what it is trained with, and how far that lies from what
//! mixing across images would give.

mod mixture;
mod spread;
#[cfg(test)]
mod tests;

use egui::{Slider, Ui};
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::Thresholds;
use ferkd_method::selfmix::{
    Draw, Mix, MixPartners, MixStrength, Mixing, Operator, box_similarity, label_similarity, partners,
    similar_partners,
};

use self::mixture::{Mixture, Parent};
use super::context::PaneContext;
use super::progress::missing;
use super::shared::keep_together;
use crate::dataset::Shown;
use crate::experiment::MixSettings;
use crate::state::State;
use crate::state::action::Action;
use crate::study::Watched;
use crate::study::mixes::{Adapted, SEED, SIDE, adapt, side};

/// Rules for the partner of a region: what they are called, and what they do.
const PARTNERS: [(MixPartners, &str, &str); 3] = [
    (MixPartners::Random, "Random partner", "Any other region of the image, drawn anew"),
    (MixPartners::Overlap, "Largest overlap", "The region whose box overlaps most with that of a"),
    (MixPartners::Label, "Nearest label", "The region whose label is nearest to that of a"),
];

/// Below this width, in points, the two cards come one below the other.
const TWO_CARDS: f32 = 620.0;

/// Draws the pane.
pub fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let settings = state.experiment.settings;
    let thresholds = match state.thresholds(&settings) {
        Ok(thresholds) => thresholds,
        Err(error) => {
            missing(&error, state.counting(&settings), ui);
            return;
        }
    };
    let Some(shown) = state.shown() else {
        ui.weak("Nothing to show yet");
        return;
    };
    let side = state.set().map_or(SIDE, side);
    let adapted = adapted(state, &thresholds, shown);
    let Some((a, b)) = parents(state, shown, &adapted) else {
        ui.weak("SelfMix needs two labelled regions of one image; with one region it changes nothing");
        return;
    };
    cx.push(Action::Watch(Watched::Mixes));
    controls(state, (a, b), &adapted, side, cx, ui);
    let mixing = match hand_draw(&state.experiment.mixing, side) {
        Ok(draw) => draw.mixing(side),
        Err(error) => {
            ui.colored_label(ui.visuals().error_fg_color, error.to_string());
            return;
        }
    };
    say_mixing(state, &mixing, side, ui);
    let parent = |number: u32, which| {
        let adapted = adapted.get(number as usize)?.clone()?;
        let place = *shown.regions.get(number as usize)?;
        let name = format!("region {number}");
        Some(Parent { name, place, picture: shown.picture.clone(), adapted, which })
    };
    let (Some(a), Some(b)) = (parent(a, 0), parent(b, 1)) else { return };
    say_overlap(&a, &b, ui);
    let study = &state.study.mixes;
    let found = study.other(&state.experiment);
    let other = found.flatten().cloned().map(|other| Parent {
        name: format!("image {}, region {}", other.image + 1, other.region),
        place: other.place,
        picture: other.picture,
        adapted: other.adapted,
        which: 2,
    });
    let elsewhere = match mixing.operator {
        Operator::Pixels => "Mixup, with another image",
        Operator::Paste { .. } => "CutMix, with another image",
    };
    let title = "SelfMix, within the image";
    let within = Mixture { title, slot: "selfmix", a: &a, b: Some(&b), is_known: true, mixing, side };
    let is_known = found.is_some();
    let across = Mixture { title: elsewhere, slot: "across", b: other.as_ref(), is_known, ..within };
    if ui.available_width() >= TWO_CARDS {
        ui.columns_const(|[first, second]| {
            within.ui(state, cx, first);
            across.ui(state, cx, second);
        });
    } else {
        within.ui(state, cx, ui);
        ui.add_space(4.0);
        across.ui(state, cx, ui);
    }
    spread::ui(study, ui);
}

/// The adapted label of each region, where it is known.
fn adapted(state: &State, thresholds: &Thresholds, shown: &Shown) -> Vec<Option<Adapted>> {
    let settings = &state.experiment.settings;
    let temperature = state.softening(settings).temperature;
    let adapted = |label: &SoftLabel| adapt(settings, thresholds, label, shown.truth, temperature);
    shown.labels.iter().map(|label| adapted(label.as_ref()?)).collect()
}

/// The two regions that are mixed: those that were chosen; else the first that a student meets, and the partner that a
/// batch would mix it with.
fn parents(state: &State, shown: &Shown, adapted: &[Option<Adapted>]) -> Option<(u32, u32)> {
    let known = |number: &u32| adapted.get(*number as usize).is_some_and(Option::is_some);
    let numbers = || (0..adapted.len() as u32).filter(known);
    let is_met = |number: &u32| adapted[*number as usize].as_ref().is_some_and(|adapted| adapted.is_met);
    let a = state
        .experiment
        .region
        .filter(known)
        .or_else(|| numbers().find(is_met))
        .or_else(|| numbers().next())?;
    let mixing = &state.experiment.mixing;
    let chosen = mixing.partner.filter(|b| known(b) && *b != a);
    // Among those that a student meets, as in a batch; the first region is among them whatever it is.
    let met: Vec<u32> = numbers().filter(|number| is_met(number) || *number == a).collect();
    let b = chosen.or_else(|| partner(mixing, a, &met, shown, adapted));
    Some((a, b.or_else(|| numbers().find(|b| *b != a))?))
}

/// Whom a batch mixes region `a` with, by the rule of the settings; none where it is alone.
fn partner(
    mixing: &MixSettings,
    a: u32,
    met: &[u32],
    shown: &Shown,
    adapted: &[Option<Adapted>],
) -> Option<u32> {
    let at = met.iter().position(|number| *number == a)?;
    let place = |at: usize| shown.regions.get(met[at] as usize);
    let label = |at: usize| adapted[met[at] as usize].as_ref().map(|adapted| &adapted.label);
    let found = match mixing.partners {
        MixPartners::Random => partners(Mix::Selfmix, SEED, mixing.draw, &[met.len()])[at] as usize,
        MixPartners::Overlap => {
            let overlap = |i, j| Some(box_similarity(place(i)?, place(j)?));
            similar_partners(met.len(), |i, j| overlap(i, j).unwrap_or(0.0))[at]
        }
        MixPartners::Label => {
            let likeness = |i, j| Some(label_similarity(label(i)?, label(j)?));
            similar_partners(met.len(), |i, j| likeness(i, j).unwrap_or(0.0))[at]
        }
    };
    Some(met[found]).filter(|b| *b != a)
}

/// The draw that is shown: what chance gave, but for what the hand has changed.
fn hand_draw(settings: &MixSettings, side: u32) -> ferkd_method::Result<Draw> {
    let chance = Draw::of(Mix::Selfmix, &MixStrength::default(), SEED, settings.draw, side)?;
    let mut draw = chance.unwrap_or(Draw { by_pixels: true, l: 0.5, centre: (side / 2, side / 2) });
    draw.by_pixels = !settings.by_box;
    // As it was drawn to the last bit, unless the hand has moved it.
    if settings.l != draw.l as f32 {
        draw.l = f64::from(settings.l);
    }
    Ok(draw)
}

/// What chance draws next: operator, weight, box, and the region of another image.
fn draw_again(mut mixing: MixSettings, side: u32) -> Action {
    mixing.draw += 1;
    match Draw::of(Mix::Selfmix, &MixStrength::default(), SEED, mixing.draw, side) {
        Ok(drawn) => {
            if let Some(draw) = drawn {
                (mixing.by_box, mixing.l) = (!draw.by_pixels, draw.l as f32);
            }
            Action::Mixing(mixing)
        }
        Err(error) => Action::Complain(error.to_string()),
    }
}

fn controls(
    state: &State,
    (a, b): (u32, u32),
    adapted: &[Option<Adapted>],
    side: u32,
    cx: &mut PaneContext,
    ui: &mut Ui,
) {
    let mut mixing = state.experiment.mixing;
    ui.horizontal_wrapped(|ui| {
        if let Some(chosen) = choose("Region a", a, adapted, ui) {
            cx.push(Action::ChooseRegion(chosen));
        }
        if let Some(chosen) = choose("Region b", b, adapted, ui) {
            mixing.partner = Some(chosen);
        }
    });
    ui.horizontal_wrapped(|ui| {
        let before = (mixing.partner, mixing.partners);
        let mut rule = mixing.partner.is_none().then_some(mixing.partners);
        for (partners, name, hint) in PARTNERS {
            ui.selectable_value(&mut rule, Some(partners), name).on_hover_text(hint);
        }
        if let Some(rule) = rule.filter(|rule| (None, *rule) != before) {
            (mixing.partner, mixing.partners) = (None, rule);
        }
        keep_together(230.0, ui);
        let label = ui.label("Probability").on_hover_text("Of mixing at all: other draws stay as they are");
        ui.spacing_mut().slider_width = 72.0;
        ui.add(Slider::new(&mut mixing.probability, 0.0..=1.0).fixed_decimals(2)).labelled_by(label.id);
    });
    ui.horizontal_wrapped(|ui| {
        ui.selectable_value(&mut mixing.by_box, false, "By pixels")
            .on_hover_text("Every pixel is l a + (1 - l) b");
        ui.selectable_value(&mut mixing.by_box, true, "By box").on_hover_text("A box of b is pasted into a");
        let label = ui.label("l").on_hover_text("Weight of region a, in picture and label");
        ui.spacing_mut().slider_width = (ui.max_rect().width() - 320.0).clamp(36.0, 140.0);
        // Rounded where it is shown alone: the weight that was drawn keeps all of its digits.
        let slider = Slider::new(&mut mixing.l, 0.0..=1.0).custom_formatter(|l, _| format!("{l:.2}"));
        ui.add(slider).labelled_by(label.id);
        if mixing != state.experiment.mixing {
            cx.push(Action::Mixing(mixing));
        }
        let hint = "Operator, l and box by chance, as a student's batch draws them, and another image";
        if ui.button("Draw again").on_hover_text(hint).clicked() {
            cx.push(draw_again(mixing, side));
        }
    });
}

/// A choice among the labelled regions; the one that was chosen just now.
fn choose(name: &str, now: u32, adapted: &[Option<Adapted>], ui: &mut Ui) -> Option<u32> {
    let label = ui.label(name);
    let text = |number: u32| match adapted.get(number as usize).and_then(Option::as_ref) {
        Some(adapted) => format!("{number} · {} {:.2}", adapted.kind.letter(), adapted.c),
        None => number.to_string(),
    };
    let mut chosen = None;
    let combo = egui::ComboBox::from_id_salt(name).width(92.0).selected_text(text(now)).show_ui(ui, |ui| {
        for number in (0..adapted.len() as u32).filter(|number| adapted[*number as usize].is_some()) {
            if ui.selectable_label(number == now, text(number)).clicked() {
                chosen = Some(number);
            }
        }
    });
    combo.response.labelled_by(label.id);
    chosen
}

fn say_mixing(state: &State, mixing: &Mixing, side: u32, ui: &mut Ui) {
    let text = match mixing.operator {
        Operator::Pixels => {
            format!("Every pixel is {:.2} a + {:.2} b; so is the label.", mixing.l, 1.0 - mixing.l)
        }
        Operator::Paste { top, bottom, left, right } => format!(
            "A box of {} × {} pixels comes from b: a keeps l = {:.3} of the picture, and of the label.",
            right - left,
            bottom - top,
            mixing.l
        ),
    };
    let settings = &state.experiment.mixing;
    ui.weak(format!("{text} Draw {}", settings.draw));
    // Only the gate: a draw that is mixed is mixed alike at any probability.
    if let Ok(None) = Draw::of(Mix::Selfmix, &settings.strength(), SEED, settings.draw, side) {
        ui.weak(format!(
            "At a probability of {:.2} this draw stays unmixed: below is what it would be",
            settings.probability
        ));
    }
}

/// How much the boxes of the two regions share.
fn say_overlap(a: &Parent, b: &Parent, ui: &mut Ui) {
    let overlap = box_similarity(&a.place, &b.place);
    ui.weak(format!("Their boxes overlap by {overlap:.2} (intersection over union)"));
}
