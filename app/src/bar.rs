//! The bar at the top: what is looked at, what can be done, what is on its way; and the words at the bottom.

use crate::command::Command;
use crate::experiment::Data;
use crate::meter::{Frame, Meter};
use crate::panes::context::PaneContext;
use crate::state::State;
use crate::state::action::Action;
use crate::theme;

/// Draws the bar: everything in sight where there is room, else one row and a menu for the rest.
pub fn ui(state: &State, frame_ms: &Meter, cx: &mut PaneContext, ui: &mut egui::Ui) {
    match theme::is_one_column(ui.ctx()) {
        true => narrow(state, frame_ms, cx, ui),
        false => wide(state, frame_ms, cx, ui),
    }
}

fn wide(state: &State, frame_ms: &Meter, cx: &mut PaneContext, ui: &mut egui::Ui) {
    ui.horizontal_wrapped(|ui| {
        name(cx, ui);
        ui.separator();
        data_sets(state, cx, ui);
        ui.menu_button("Open", |ui| open(cx, ui))
            .response
            .on_hover_text(
                "Images, a label store (its folder, or packed with tar), a run, a sweep, or a network in an ONNX file",
            );
        own_teacher(state, cx, ui);
        ui.separator();
        commands(state, cx, ui);
        on_the_way(state, ui);
        let layout = egui::Layout::right_to_left(egui::Align::Center);
        ui.with_layout(layout, |ui| {
            ui.menu_button("Theme", themes);
            corner(state, frame_ms, ui);
        });
    });
}

/// One row that is never wider than a phone.
fn narrow(state: &State, frame_ms: &Meter, cx: &mut PaneContext, ui: &mut egui::Ui) {
    ui.horizontal(|ui| {
        name(cx, ui);
        data_sets(state, cx, ui);
        let layout = egui::Layout::right_to_left(egui::Align::Center);
        ui.with_layout(layout, |ui| {
            ui.menu_button("Menu", |ui| {
                open(cx, ui);
                own_teacher(state, cx, ui);
                ui.separator();
                commands(state, cx, ui);
                ui.separator();
                themes(ui);
                ui.separator();
                on_the_way(state, ui);
                corner(state, frame_ms, ui);
            });
            if !state.loading.is_empty() || state.runs.opening.is_some() {
                ui.spinner();
            }
        });
    });
}

fn name(cx: &mut PaneContext, ui: &mut egui::Ui) {
    let name = egui::RichText::new("FerKD").strong().size(theme::HEADING);
    let name = egui::Button::new(name).frame(false);
    if ui.add(name).on_hover_text(Command::Welcome.title()).clicked() {
        cx.push(Command::Welcome);
    }
}

fn data_sets(state: &State, cx: &mut PaneContext, ui: &mut egui::Ui) {
    for (data, name) in [(Data::Photos, "Photos"), (Data::Scenes, "Scenes"), (Data::Yours, "Yours")] {
        let there = state.labels.has(data);
        let chosen = state.experiment.data == data;
        if ui.add_enabled(there, egui::Button::selectable(chosen, name)).clicked() {
            cx.push(Action::LookAt(data));
        }
    }
}

fn open(cx: &mut PaneContext, ui: &mut egui::Ui) {
    for (command, name) in [(Command::OpenFiles, "Files…"), (Command::OpenFolder, "Folder…")] {
        if ui.button(name).clicked() {
            cx.push(command);
            ui.close();
        }
    }
}

/// The reader's own teacher, and the way back from it.
fn own_teacher(state: &State, cx: &mut PaneContext, ui: &mut egui::Ui) {
    let Some(name) = state.own.name() else { return };
    if state.own.is_opening() {
        ui.spinner();
        ui.weak(format!("Opening {name}"));
    }
    let command = Command::ShippedTeacher;
    let hint = format!("Photos and images of your own are labelled by {name}");
    if ui.button(command.title()).on_hover_text(hint).clicked() {
        cx.push(command);
    }
}

fn commands(state: &State, cx: &mut PaneContext, ui: &mut egui::Ui) {
    for command in Command::BAR {
        let button = egui::Button::new(command.title());
        let hint = command.hint(ui.ctx());
        if ui.add_enabled(state.can(command), button).on_hover_text(hint).clicked() {
            cx.push(command);
        }
    }
}

/// What is being loaded or opened.
fn on_the_way(state: &State, ui: &mut egui::Ui) {
    for (title, (here, all)) in state.loading_by_title() {
        let share = if all > 0 { here as f32 / all as f32 } else { 0.0 };
        let bar = egui::ProgressBar::new(share).desired_width(150.0).text(title);
        ui.add(bar);
    }
    if let Some(opening) = &state.runs.opening {
        ui.spinner();
        ui.weak(format!("Opening {}", opening.name()));
    }
}

fn themes(ui: &mut egui::Ui) {
    let mut theme = ui.ctx().options(|options| options.theme_preference);
    for (choice, name) in [
        (egui::ThemePreference::Dark, "Dark"),
        (egui::ThemePreference::Light, "Light"),
        (egui::ThemePreference::System, "As the system"),
    ] {
        if ui.selectable_value(&mut theme, choice, name).clicked() {
            ui.ctx().set_theme(theme);
            ui.close();
        }
    }
}

/// What computes, and how long a frame takes.
fn corner(state: &State, frame_ms: &Meter, ui: &mut egui::Ui) {
    let ms = frame_ms.mean();
    let Frame { ms: most, longest: (part, of) } = frame_ms.peak();
    ui.weak(format!("{ms:.1} ms")).on_hover_text(format!(
        "The interface's own work per frame: {ms:.2} ms on average, {most:.2} ms at the most ({of:.2} ms of it \
         for {part}), over the last {} frames",
        frame_ms.len(),
    ));
    ui.weak(state.device.as_deref().unwrap_or("no device yet"));
}

/// The last words to the user, each with a button that closes it.
pub fn notices(state: &State, cx: &mut PaneContext, ui: &mut egui::Ui) {
    // A screen reader reads what comes in here.
    ui.ctx().accesskit_node_builder(ui.unique_id(), |node| node.set_role(egui::Role::Status));
    for (i, notice) in state.notices.iter().enumerate().rev().take(3) {
        ui.horizontal(|ui| {
            if ui.small_button("×").on_hover_text("Close").clicked() {
                cx.push(Action::Dismiss(i));
            }
            let text = egui::RichText::new(&notice.text);
            let text = if notice.is_error { text.color(ui.visuals().error_fg_color) } else { text };
            ui.add(egui::Label::new(text).wrap());
        });
    }
}
