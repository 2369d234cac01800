//! How each student stands, in numbers.

use egui::{Grid, RichText, Ui};

use super::controls::learns_from;
use super::look::Look;
use crate::panes::kinds_bar;
use crate::panes::shared::swatch;
use crate::state::training::Training;
use crate::theme;

/// One row a student; clicking a name shows its confusions.
pub(super) fn ui(training: &Training, look: &mut Look, ui: &mut Ui) {
    look.student = look.student.min(training.students.len().saturating_sub(1));
    let width = ui.available_width();
    // All students have taken as many steps, and the number stands above: on a phone it is left out.
    let shows_step = width > 430.0;
    let bar = (width - if shows_step { 304.0 } else { 254.0 }).clamp(56.0, 260.0);
    let best = training.students.iter().filter_map(|s| s.accuracy.last()).map(|a| a[1]).fold(0.0, f64::max);
    let grid = Grid::new("students").num_columns(5).striped(true).spacing([10.0, 4.0]);
    egui::ScrollArea::horizontal().id_salt("students' table").show(ui, |ui| {
        grid.show(ui, |ui| {
            for title in ["Student", "Step", "Loss", "Accuracy"] {
                if shows_step || title != "Step" {
                    ui.weak(title);
                }
            }
            ui.weak("Kinds seen")
                .on_hover_text("Share of each kind among the regions that it was trained on");
            ui.end_row();
            for (i, student) in training.students.iter().enumerate() {
                let color = theme::student(student.supervision, ui.visuals());
                ui.horizontal(|ui| {
                    swatch(color, ui);
                    let name = ui.selectable_label(look.student == i, student.supervision.name());
                    let hint = format!("{}. Click to see its confusions", learns_from(student.supervision));
                    if name.on_hover_text(hint).clicked() {
                        (look.student, look.cell, look.scene) = (i, None, None);
                    }
                });
                if shows_step {
                    ui.monospace(student.step.to_string());
                }
                let loss = student.smooth_loss.last().map(|last| format!("{:.3}", last[1]));
                let last = student.loss.last().map_or_else(String::new, |last| {
                    format!(
                        "Smoothed; the last step's was {:.4} nats, at learning rate {:.2e}",
                        last[1], student.lr
                    )
                });
                ui.monospace(loss.unwrap_or_else(|| "–".into())).on_hover_text(last);
                match student.accuracy.last() {
                    Some([_, share]) => {
                        let text = RichText::new(format!("{:.1} %", 100.0 * share)).monospace();
                        ui.label(if *share >= best { text.strong() } else { text });
                    }
                    None => {
                        ui.monospace("–");
                    }
                }
                if student.kinds.total() > 0 {
                    let whose = format!("Kinds seen by {}", student.supervision.name());
                    kinds_bar::bar(&student.kinds, &whose, egui::vec2(bar, 16.0), ui);
                } else {
                    let text =
                        if student.supervision.needs_store() { "all, unmined" } else { "no stored labels" };
                    let hint = "This supervision looks at no threshold: nothing is removed or calibrated";
                    let text = RichText::new(if student.step == 0 { "–" } else { text }).weak();
                    ui.scope(|ui| {
                        ui.set_max_width(bar);
                        ui.add(egui::Label::new(text).truncate()).on_hover_text(hint);
                    });
                }
                ui.end_row();
            }
        })
    });
}
