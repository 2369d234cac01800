//! The palette, where a command is found by name, and the help sheet.

use egui::Key;

use crate::command::Command;
use crate::state::State;

/// The palette and the help sheet.
#[derive(Debug, Default)]
pub struct Palette {
    palette: Option<String>,
    help: bool,
}

impl Palette {
    /// Opens the palette.
    pub fn open_palette(&mut self) {
        self.palette = Some(String::new());
    }

    /// Opens the help sheet.
    pub fn open_help(&mut self) {
        self.help = true;
    }

    /// The commands whose keys were pressed. Longer shortcuts first: one may contain another.
    pub fn hear_keys(&mut self, ctx: &egui::Context) -> Vec<Command> {
        if self.palette.is_some() || ctx.egui_wants_keyboard_input() {
            return Vec::new();
        }
        let mut commands: Vec<Command> = Command::all().collect();
        commands
            .sort_by_key(|command| std::cmp::Reverse(command.shortcut().is_some_and(|s| s.modifiers.shift)));
        let pressed = |command: &Command| {
            command
                .shortcut()
                .is_some_and(|shortcut| ctx.input_mut(|input| input.consume_shortcut(&shortcut)))
        };
        commands.into_iter().filter(pressed).collect()
    }

    /// Draws what is open; the command that was chosen in it.
    pub fn show(&mut self, ctx: &egui::Context, state: &State) -> Option<Command> {
        if self.help {
            let modal = egui::Modal::new(egui::Id::unique("help")).show(ctx, help);
            self.help = !modal.should_close();
        }
        let mut text = self.palette.take()?;
        let mut chosen = None;
        let modal = egui::Modal::new(egui::Id::unique("palette")).show(ctx, |ui| {
            ui.set_width(360.0);
            let edit = ui.add(
                egui::TextEdit::singleline(&mut text).hint_text("Find action…").desired_width(f32::INFINITY),
            );
            edit.request_focus();
            let wanted = text.to_lowercase();
            let fits = |command: &Command| command.title().to_lowercase().contains(&wanted);
            let found: Vec<Command> = Command::all().filter(|a| *a != Command::Palette && fits(a)).collect();
            if ui.input(|input| input.key_pressed(Key::Enter)) {
                chosen = found.first().copied();
            }
            for command in found {
                let keys = command.shortcut().map(|s| ui.ctx().format_shortcut(&s)).unwrap_or_default();
                let button = egui::Button::new(command.title()).shortcut_text(keys).frame(false);
                let button = button.min_size(egui::vec2(ui.available_width(), 0.0));
                if ui.add_enabled(state.can(command), button).clicked() {
                    chosen = Some(command);
                }
            }
        });
        if chosen.is_none() && !modal.should_close() {
            self.palette = Some(text);
        }
        chosen
    }
}

fn help(ui: &mut egui::Ui) {
    ui.set_width(420.0);
    ui.heading("What you can do");
    egui::Grid::new("actions").num_columns(2).striped(true).show(ui, |ui| {
        for command in Command::all() {
            ui.label(command.title());
            ui.monospace(command.shortcut().map(|s| ui.ctx().format_shortcut(&s)).unwrap_or_default());
            ui.end_row();
        }
    });
    ui.add_space(6.0);
    ui.label("Drag on the photo to draw a box of your own; drag a threshold in the histogram; click a bar to filter.");
}
