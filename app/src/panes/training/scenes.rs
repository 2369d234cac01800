//! Held-out scenes: thumbnails, one large with every student's prediction, and a row of samples.

use egui::{CornerRadius, Grid, RichText, Sense, Stroke, StrokeKind, Ui, Vec2};

use super::look::Look;
use crate::dataset::DataSet;
use crate::experiment::Data;
use crate::panes::shared::{paint_scene, swatch};
use crate::scenes::held_out;
use crate::state::State;
use crate::state::student::StudentState;
use crate::theme;

/// Samples lie this many scenes apart: scenes are in the order of classes. Prime to their number.
const STRIDE: usize = 50;

/// A scene as a button; clicking shows it large.
pub(super) fn thumbnail(set: Option<&DataSet>, number: usize, look: &mut Look, side: f32, ui: &mut Ui) {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(side), Sense::click());
    let name = held_out().get(number).map_or_else(String::new, |scene| format!("Scene {}", scene.name));
    let is_open = look.scene == Some(number);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_open, &name));
    if ui.is_rect_visible(rect) {
        paint_scene(set, number, rect, ui);
        if is_open || response.hovered() || response.has_focus() {
            let stroke = Stroke::new(2.0, theme::accent(ui.visuals()));
            ui.painter().rect_stroke(rect, CornerRadius::same(2), stroke, StrokeKind::Outside);
        }
    }
    if response.on_hover_text(name).clicked() {
        look.scene = if is_open { None } else { Some(number) };
    }
}

/// The chosen scene, and what every student takes it for.
pub(super) fn large(state: &State, look: &Look, ui: &mut Ui) {
    let Some((number, scene)) = look.scene.and_then(|number| Some((number, held_out().get(number)?))) else {
        return;
    };
    egui::Frame::new().fill(theme::card(ui.visuals())).corner_radius(theme::RADIUS).inner_margin(8).show(
        ui,
        |ui| {
            ui.horizontal_top(|ui| {
                // Beside the words, which are as wide as the longest name and prediction.
                let side = (ui.available_width() - 236.0).clamp(64.0, 132.0);
                let (rect, response) = ui.allocate_exact_size(Vec2::splat(side), Sense::hover());
                let name = format!("Scene {}, large", scene.name);
                response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
                paint_scene(state.labels.set_of(Data::Scenes), number, rect, ui);
                ui.vertical(|ui| {
                    ui.strong(format!("This is a {}", scene.class));
                    for student in &state.training.students {
                        ui.horizontal(|ui| {
                            let color = theme::student(student.supervision, ui.visuals());
                            swatch(color, ui);
                            ui.label(student.supervision.name());
                            ui.label(words(student, number));
                        });
                    }
                });
            });
        },
    );
}

/// A student's prediction, with its confidence.
fn words(student: &StudentState, number: usize) -> RichText {
    let (Some(prediction), Some(c)) = (student.predictions.get(number), student.confidences.get(number))
    else {
        return RichText::new("not evaluated yet").weak();
    };
    let is_right = held_out().get(number).is_some_and(|scene| scene.class == *prediction);
    let text = format!("{}: {prediction} with {:.0} %", if is_right { "right" } else { "wrong" }, 100.0 * c);
    if is_right { RichText::new(text).weak() } else { RichText::new(text).strong() }
}

/// Some scenes, and what every student takes each for.
pub(super) fn samples(state: &State, look: &mut Look, ui: &mut Ui) {
    ui.horizontal_wrapped(|ui| {
        ui.strong("Samples");
        ui.weak("held-out scenes and the students' predictions; right ones stand out");
        if ui.button("Other samples").clicked() {
            look.sample = (look.sample + 7) % held_out().len().max(1);
        }
    });
    let room = ui.available_width() - 110.0;
    let count = ((room / 46.0) as usize).clamp(4, 10);
    let total = held_out().len().max(1);
    let numbers: Vec<usize> = (0..count).map(|i| (look.sample + i * STRIDE) % total).collect();
    let grid = Grid::new("samples").spacing([8.0, 3.0]);
    egui::ScrollArea::horizontal().id_salt("samples' table").show(ui, |ui| {
        grid.show(ui, |ui| {
            ui.label("");
            for &number in &numbers {
                thumbnail(state.labels.set_of(Data::Scenes), number, look, 38.0, ui);
            }
            ui.end_row();
            for student in &state.training.students {
                let color = theme::student(student.supervision, ui.visuals());
                ui.horizontal(|ui| {
                    swatch(color, ui);
                    ui.label(student.supervision.name());
                });
                for &number in &numbers {
                    prediction(student, number, ui);
                }
                ui.end_row();
            }
        })
    });
}

/// A top-1 prediction as a digit; a right one stands on its student's colour.
fn prediction(student: &StudentState, number: usize, ui: &mut Ui) {
    let Some(prediction) = student.predictions.get(number) else {
        ui.weak("–");
        return;
    };
    let is_right = held_out().get(number).is_some_and(|scene| scene.class == *prediction);
    let text = RichText::new(format!("  {prediction}  "));
    let text = if is_right {
        let color = theme::student(student.supervision, ui.visuals());
        text.strong().background_color(color.gamma_multiply(0.4))
    } else {
        text.weak()
    };
    let c = student.confidences.get(number).copied().unwrap_or_default();
    ui.label(text).on_hover_text(format!("{prediction} with {:.0} %", 100.0 * c));
}
