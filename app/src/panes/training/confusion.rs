//! What a student takes for what: ten by ten cells that open their scenes.

use egui::{Align2, CornerRadius, FontId, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};

use super::look::Look;
use super::scenes;
use crate::experiment::Data;
use crate::scenes::held_out;
use crate::state::State;
use crate::state::student::StudentState;
use crate::theme;

/// Classes of the scenes.
const CLASSES: u32 = 10;

/// Matrix and open cell; side by side where there is room.
pub(super) fn ui(state: &State, look: &mut Look, ui: &mut Ui) {
    let Some(student) = state.training.students.get(look.student) else { return };
    if student.predictions.is_empty() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.strong("Confusions");
        ui.colored_label(theme::student(student.supervision, ui.visuals()), student.supervision.name());
        ui.weak("rows: the digit; columns: the prediction. Click a cell to see its scenes");
    });
    let width = ui.available_width();
    if width < 560.0 {
        matrix(student, look, width.min(340.0), ui);
        open_cell(state, student, look, ui);
        return;
    }
    ui.horizontal_top(|ui| {
        matrix(student, look, (width * 0.45).min(320.0), ui);
        ui.vertical(|ui| open_cell(state, student, look, ui));
    });
}

fn matrix(student: &StudentState, look: &mut Look, width: f32, ui: &mut Ui) {
    let counts = counts(student);
    let margin = 18.0;
    let side = ((width - margin) / CLASSES as f32).floor();
    let size = egui::Vec2::splat(margin + side * CLASSES as f32);
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    response.widget_info(|| {
        let name = format!("Confusions of {}: {}", student.supervision.name(), in_words(&counts));
        egui::WidgetInfo::labeled(egui::Role::Figure, true, name)
    });
    let visuals = ui.visuals().clone();
    let text = |at, text: String, color| {
        ui.painter().text(at, Align2::CENTER_CENTER, text, FontId::proportional(theme::AXIS), color);
    };
    let place = |truth: u32, prediction: u32| {
        let min = rect.min + vec2(margin + prediction as f32 * side, margin + truth as f32 * side);
        Rect::from_min_size(min, egui::Vec2::splat(side)).shrink(1.0)
    };
    for class in 0..CLASSES {
        let weak = theme::weak(&visuals);
        text(pos2(place(0, class).center().x, rect.top() + margin / 2.0), class.to_string(), weak);
        text(pos2(rect.left() + margin / 2.0, place(class, 0).center().y), class.to_string(), weak);
    }
    for truth in 0..CLASSES {
        let row = counts[truth as usize];
        let most = row.iter().sum::<u32>().max(1) as f32;
        for prediction in 0..CLASSES {
            let count = row[prediction as usize];
            let cell = place(truth, prediction);
            let response = ui.interact(cell, ui.scope_id().with(("cell", truth, prediction)), Sense::click());
            let scenes = if count == 1 { "scene" } else { "scenes" };
            let name = match truth == prediction {
                true => format!("{truth} seen as {prediction}: {count} {scenes}"),
                false => format!("{truth} taken for {prediction}: {count} {scenes}"),
            };
            let is_open = look.cell == Some((truth, prediction));
            response
                .widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, is_open, name.clone()));
            // Roots: one error must be seen beside forty right predictions.
            let strength = (count as f32 / most).sqrt();
            let color = if truth == prediction {
                theme::student(student.supervision, &visuals)
            } else {
                theme::wrong(&visuals)
            };
            ui.painter().rect_filled(cell, CornerRadius::same(2), theme::card(&visuals));
            ui.painter().rect_filled(cell, CornerRadius::same(2), color.gamma_multiply(0.85 * strength));
            if count > 0 {
                let is_strong = strength > if visuals.dark_mode { 0.6 } else { 0.8 };
                let color = if is_strong { theme::ON_PICTURE } else { visuals.text_color() };
                text(cell.center(), count.to_string(), color);
            }
            if is_open || response.hovered() || response.has_focus() {
                let stroke = Stroke::new(if is_open { 2.0 } else { 1.5 }, theme::accent(&visuals));
                ui.painter().rect_stroke(cell, CornerRadius::same(2), stroke, StrokeKind::Outside);
            }
            if response.on_hover_text(name).clicked() {
                look.cell = if is_open { None } else { Some((truth, prediction)) };
                look.scene = student.taken_for(truth, prediction).next();
            }
        }
    }
}

/// How many scenes of a digit, row by row, are seen as which.
type Counts = [[u32; CLASSES as usize]; CLASSES as usize];

fn counts(student: &StudentState) -> Counts {
    let mut counts = Counts::default();
    for (scene, &prediction) in held_out().iter().zip(&student.predictions) {
        let cell = counts.get_mut(scene.class as usize).and_then(|row| row.get_mut(prediction as usize));
        cell.into_iter().for_each(|count| *count += 1);
    }
    counts
}

/// What the matrix says to the eye: how many are right, and the most frequent errors.
fn in_words(counts: &Counts) -> String {
    /// Errors that are named.
    const NAMED: usize = 3;
    let all: u32 = counts.iter().flatten().sum();
    let right: u32 = counts.iter().enumerate().map(|(class, row)| row[class]).sum();
    let cells = counts.iter().enumerate().flat_map(|(truth, row)| {
        row.iter().enumerate().map(move |(prediction, count)| (*count, truth, prediction))
    });
    let mut errors: Vec<_> =
        cells.filter(|(count, truth, prediction)| *count > 0 && truth != prediction).collect();
    errors.sort_by_key(|(count, ..)| std::cmp::Reverse(*count));
    let mut said = format!("{right} of {all} scenes right");
    for (i, (count, truth, prediction)) in errors.iter().take(NAMED).enumerate() {
        let lead = if i == 0 { "; most often " } else { ", " };
        said += &format!("{lead}{truth} taken for {prediction} ({count})");
    }
    said
}

/// The scenes of the open cell.
fn open_cell(state: &State, student: &StudentState, look: &mut Look, ui: &mut Ui) {
    let Some((truth, prediction)) = look.cell else {
        scenes::large(state, look, ui);
        return;
    };
    let found: Vec<usize> = student.taken_for(truth, prediction).collect();
    ui.label(match (found.len(), truth == prediction) {
        (0, _) => format!("No {truth} is taken for {prediction}"),
        (1, true) => format!("One scene of {truth}, seen as {prediction}"),
        (1, false) => format!("One scene of {truth}, taken for {prediction}"),
        (n, true) => format!("{n} scenes of {truth}, seen as {prediction}"),
        (n, false) => format!("{n} scenes of {truth}, taken for {prediction}"),
    });
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        for number in found {
            scenes::thumbnail(state.labels.set_of(Data::Scenes), number, look, 36.0, ui);
        }
    });
    scenes::large(state, look, ui);
}
