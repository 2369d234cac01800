//! The teacher's label and the adapted one, side by side, and why.

use egui::{Align2, CornerRadius, FontId, Rect, Sense, Ui, pos2, vec2};
use ferkd::calibration::Adaptation;
use ferkd::label::SoftLabel;
use ferkd::mining::Kind;

use super::shared;
use crate::state::State;
use crate::theme;

/// Classes with a bar of their own.
const TOP: usize = 5;

/// Two labels, their numbers, and a sentence.
pub fn ui(state: &mut State, ui: &mut Ui) {
    let Some((what, label)) = looked_at(state) else {
        ui.weak("Point at a region, click one, or draw a box of your own");
        return;
    };
    let Some(shown) = state.shown() else { return };
    let settings = state.experiment.settings;
    let Some((c, kind)) = state.judge(&settings, &label, shown.truth) else {
        ui.weak("This image has no class: choose max for the confidence");
        return;
    };
    let truth = shown.truth;
    let removed = settings.adaptation.removes(kind);
    let adapted = match removed {
        true => None,
        false => settings.adaptation.adapt(label.clone(), kind, truth, settings.epsilon).ok(),
    };
    ui.horizontal_wrapped(|ui| {
        ui.strong(what);
        badge(kind, ui);
        ui.weak(format!("c = {c:.4}"));
        if let Some(adapted) = &adapted {
            ui.weak(format!(
                "· total variation {:.3}, KL divergence {} nats",
                label.total_variation(adapted),
                label.divergence(adapted).map_or("∞".into(), |d| format!("{d:.3}")),
            ));
        }
    });
    sentence(state, c, kind, truth, settings.adaptation, ui);
    verdicts(state, &label, truth, ui);
    let name = |class: u32| state.set().map_or_else(String::new, |set| set.class_name(class));
    ui.columns(2, |columns| {
        bars(&mut columns[0], "Teacher", &label, truth, kind, &name);
        match &adapted {
            Some(adapted) => bars(&mut columns[1], "Adapted", adapted, truth, kind, &name),
            None => {
                columns[1].strong("Adapted");
                columns[1].weak(if removed { "Not trained on" } else { "Unknown: this image has no class" });
            }
        }
    });
}

/// Where teacher and class disagree, the reader may say who is wrong.
fn verdicts(state: &mut State, label: &SoftLabel, truth: Option<u32>, ui: &mut Ui) {
    let guess = label.top().first().map(|&(class, _)| class);
    let (Some(region), Some(truth), true) = (state.experiment.region, truth, state.probe.is_none()) else {
        return;
    };
    if guess == Some(truth) || state.hovered.is_some_and(|hovered| hovered != region) {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.weak("Teacher and class disagree:");
        shared::verdicts(state, state.experiment.image, region, ui);
    });
}

/// The label that is looked at: the reader's box, else the region under the pointer, else the chosen one.
fn looked_at(state: &State) -> Option<(String, SoftLabel)> {
    let number = state.hovered.or(state.experiment.region);
    if let (Some(probe), None) = (&state.probe, state.hovered) {
        return probe.label.as_ref().map(|(_, label)| ("Your box".into(), label.clone()));
    }
    let number = number?;
    let label = state.shown()?.labels.get(number as usize)?.clone()?;
    Some((format!("Region {number}"), label))
}

/// The kind's letter on its colour, and its name.
pub(crate) fn badge(kind: Kind, ui: &mut Ui) {
    let text = egui::RichText::new(format!(" {} {} ", kind.letter(), kind.name()));
    ui.label(
        text.color(theme::on_kind(kind, ui.visuals())).background_color(theme::kind(kind, ui.visuals())),
    );
}

fn sentence(state: &State, c: f32, kind: Kind, truth: Option<u32>, adaptation: Adaptation, ui: &mut Ui) {
    let settings = &state.experiment.settings;
    let Ok(thresholds) = state.thresholds(settings) else { return };
    let name = match (truth, state.set()) {
        (Some(truth), Some(set)) => set.class_name(truth),
        _ => "its class".into(),
    };
    ui.label(ferkd::report::why(c, &thresholds, kind, &name, settings.epsilon, adaptation));
}

/// A label as bars: its first classes, then the rest; the image's class is marked.
pub(crate) fn bars(
    ui: &mut Ui,
    title: &str,
    label: &SoftLabel,
    truth: Option<u32>,
    kind: Kind,
    name: &impl Fn(u32) -> String,
) {
    ui.horizontal(|ui| {
        ui.strong(title);
        ui.weak(format!("entropy {:.2} nats", label.entropy()));
    });
    let listed = label.top().iter().take(TOP);
    let mut mass = 0.0;
    for &(class, p) in listed {
        mass += p;
        bar(ui, &name(class), p, truth == Some(class), theme::kind(kind, ui.visuals()));
    }
    let others = label.classes() as usize - label.top().len().min(TOP);
    if others > 0 {
        let text = format!("{others} other classes");
        bar(ui, &text, (1.0 - mass).max(0.0), false, theme::neutral(ui.visuals()));
    }
}

fn bar(ui: &mut Ui, name: &str, p: f32, is_truth: bool, color: egui::Color32) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 19.0), Sense::hover());
    let painter = ui.painter();
    let visuals = ui.visuals();
    painter.rect_filled(rect, CornerRadius::same(3), theme::card(visuals));
    let filled =
        Rect::from_min_max(rect.min, pos2(rect.left() + rect.width() * p.clamp(0.0, 1.0), rect.bottom()));
    painter.rect_filled(filled, CornerRadius::same(3), color.gamma_multiply(0.45));
    let number = painter.text(
        rect.right_center() - vec2(5.0, 0.0),
        Align2::RIGHT_CENTER,
        format!("{p:.3}"),
        FontId::monospace(11.0),
        visuals.text_color(),
    );
    let text = if is_truth { format!("● {name}") } else { name.to_owned() };
    let clipped =
        painter.with_clip_rect(Rect::from_min_max(rect.min, pos2(number.left() - 4.0, rect.bottom())));
    let left = rect.left_center() + vec2(5.0, 0.0);
    clipped.text(left, Align2::LEFT_CENTER, text, FontId::proportional(12.0), visuals.text_color());
    response.on_hover_text(if is_truth { format!("{name}: the image's class") } else { name.to_owned() });
}
