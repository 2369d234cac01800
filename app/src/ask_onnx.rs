//! What is asked about an ONNX file of the reader's before it labels: what it does not say itself.

use egui::{Button, ComboBox, DragValue, Grid, RichText, Ui};
use ferkd_data::pixels::{Filter, Normalisation};
use ferkd_nn::config_file::SIDES;
use ferkd_nn::preprocessing::InputOverrides;

use crate::onnx_form::OnnxForm;
use crate::panes::context::PaneContext;
use crate::state::State;
use crate::state::action::Action;

/// Width of the sheet where there is room for it, in points.
const WIDTH: f32 = 460.0;

/// How bytes become numbers, by the names that people know.
const NORMALISATIONS: [(&str, Normalisation); 4] = [
    ("ImageNet's mean and std (torchvision, most of timm)", Normalisation::IMAGENET),
    ("0.5 and 0.5 (Inception's, augreg transformers)", Normalisation { mean: [0.5; 3], std: [0.5; 3] }),
    ("CLIP's", Normalisation::CLIP),
    ("0 to 1, as they are", Normalisation { mean: [0.0; 3], std: [1.0; 3] }),
];

const FILTERS: [(&str, Filter); 2] = [("Bicubic", Filter::Bicubic), ("Bilinear", Filter::Bilinear)];

/// Draws the sheet before everything else, where a file waits.
pub fn ui(state: &State, cx: &mut PaneContext, ctx: &egui::Context) {
    let Some(form) = &state.own.form else { return };
    let frame = egui::Frame::popup(&ctx.global_style()).inner_margin(16);
    let modal = egui::Modal::new(egui::Id::unique("onnx")).frame(frame).show(ctx, |ui| {
        ui.set_width(WIDTH.min(ui.ctx().content_rect().width() - 64.0));
        ui.heading("A teacher of your own");
        ui.label(format!("{} labels the photos, and images of your own.", form.name));
        ui.add_space(8.0);
        Grid::new("onnx questions").num_columns(2).spacing([12.0, 8.0]).show(ui, |ui| questions(form, cx, ui));
        ui.add_space(8.0);
        if form.preprocessing.is_assumed() {
            ui.weak(
                "Nothing that came with the file says mean and std: with others than it was trained with, its labels \
                 are worse without a word.",
            );
        }
        if form.classes.is_none() {
            ui.weak(
                "Drop a text file with a name a line, or JSON, to name the classes, in the order of the outputs.",
            );
        }
        let problem = state.own.problem.clone().or_else(|| form.problem());
        if let Some(problem) = &problem {
            ui.label(RichText::new(problem).color(ui.visuals().error_fg_color));
        }
        ui.add_space(8.0);
        ui.horizontal_wrapped(|ui| {
            let text = RichText::new("Label with it").color(ui.visuals().selection.stroke.color);
            let button = Button::new(text).fill(ui.visuals().selection.bg_fill);
            if ui.add_enabled(form.problem().is_none(), button).clicked() {
                cx.push(Action::UseOnnx);
            }
            if ui.button("Cancel").clicked() {
                cx.push(Action::CloseOnnx);
            }
        });
    });
    if modal.should_close() {
        cx.push(Action::CloseOnnx);
    }
}

fn questions(form: &OnnxForm, cx: &mut PaneContext, ui: &mut Ui) {
    let seen = &form.preprocessing;
    let name = ui.label("Side");
    match form.side {
        Some(side) => _ = ui.label(format!("{side} pixels, as the file says")),
        None => {
            let mut side = seen.side;
            let drag = DragValue::new(&mut side).range(SIDES).suffix(" pixels");
            if ui.add(drag).labelled_by(name.id).changed() {
                cx.push(Action::OnnxInput(InputOverrides { side: Some(side), ..InputOverrides::default() }));
            }
        }
    }
    ui.end_row();
    let name = ui.label("Normalisation");
    let known = NORMALISATIONS.iter().find(|(_, one)| *one == seen.normalisation);
    let shown = known.map_or("As the files say", |(name, _)| name);
    let mut chosen = seen.normalisation;
    let width = ui.available_width().min(300.0);
    let combo = ComboBox::from_id_salt("onnx normalisation").selected_text(shown).truncate().width(width);
    let combo = combo.show_ui(ui, |ui| {
        for (name, one) in NORMALISATIONS {
            ui.selectable_value(&mut chosen, one, name);
        }
    });
    combo.response.labelled_by(name.id);
    if chosen != seen.normalisation {
        let Normalisation { mean, std } = chosen;
        let asked = InputOverrides { mean: Some(mean), std: Some(std), ..InputOverrides::default() };
        cx.push(Action::OnnxInput(asked));
    }
    ui.end_row();
    let name = ui.label("Resized by");
    let shown = FILTERS.iter().find(|(_, filter)| *filter == seen.filter).map_or("", |(name, _)| name);
    let mut chosen = seen.filter;
    let combo = ComboBox::from_id_salt("onnx filter").selected_text(shown).show_ui(ui, |ui| {
        for (name, filter) in FILTERS {
            ui.selectable_value(&mut chosen, filter, name);
        }
    });
    combo.response.labelled_by(name.id);
    if chosen != seen.filter {
        cx.push(Action::OnnxInput(InputOverrides { filter: Some(chosen), ..InputOverrides::default() }));
    }
    ui.end_row();
    ui.label("Classes");
    ui.label(form.naming());
    ui.end_row();
}

#[cfg(test)]
mod tests {
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable;

    use super::*;
    use crate::engine::Request;
    use crate::experiment::Experiment;
    use crate::onnx_form::testing::file;
    use crate::theme;

    /// The sheet over nothing, with a file of two classes.
    fn sheet<'a>(side: i64, width: f32) -> Harness<'a, State> {
        let mut state = State::new(Experiment::default());
        state.take_files(vec![("own.onnx".into(), file(side, 2))]);
        let show = |ui: &mut Ui, state: &mut State| {
            let mut cx = PaneContext::default();
            super::ui(state, &mut cx, ui.ctx());
            state.apply(cx.take());
        };
        let builder = Harness::builder().with_size([width, 640.0]).with_max_steps(2000);
        let mut harness = builder.with_context_setup(theme::apply).build_ui_state(show, state);
        harness.run();
        harness
    }

    #[test]
    fn a_file_is_asked_about_and_used_or_left() {
        for width in [360.0, 900.0] {
            let mut harness = sheet(96, width);
            harness.get_by_label_contains("own.onnx labels the photos");
            harness.get_by_label_contains("96 pixels, as the file says");
            harness.get_by_label_contains("2 classes without names");
            harness.get_by_label_contains("says mean and std");
            harness.get_by_label("Cancel").click();
            harness.run();
            assert!(harness.state().own.form.is_none() && harness.state().outbox.is_empty());
            let mut harness = sheet(0, width);
            assert!(harness.query_by_label_contains("as the file says").is_none());
            harness.get_by_label("Label with it").click();
            harness.run();
            assert!(matches!(&harness.state().outbox[..], [Request::Onnx(asked)] if asked.side == 224));
        }
    }
}
