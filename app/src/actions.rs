//! Everything that the reader can do by name: one list gives buttons, shortcuts, palette and help.

use egui::{Key, KeyboardShortcut, Modifiers};

use crate::export::Verdict;
use crate::panes::PaneKind;
use crate::state::State;

/// Something that the reader can do by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Take the last change back.
    Undo,
    /// Make the change again that was taken back.
    Redo,
    /// Look at the next image.
    NextImage,
    /// Look at the image before.
    PreviousImage,
    /// Look at the next region of the Review pane's list.
    NextListed,
    /// Look at the region before in the Review pane's list.
    PreviousListed,
    /// Say who is wrong about the region that is chosen.
    Decide(Verdict),
    /// Open images, or a packed label store.
    OpenFiles,
    /// Open the folder of a label store, of a run, or of images.
    OpenFolder,
    /// Copy the thresholds as TOML that `ferkd train` reads.
    CopyToml,
    /// Save the thresholds as TOML that `ferkd train` reads.
    SaveToml,
    /// Save the counts as CSV.
    SaveCsv,
    /// Save what was said of regions as JSONL.
    SaveDecisions,
    /// Save the regions that the Review pane lists as CSV.
    SaveReview,
    /// Save a pane as PNG.
    SavePicture(PaneKind),
    /// Copy the command line that does the same.
    CopyCommand,
    /// Copy a link to what is shown.
    CopyLink,
    /// Put all panes where they were at first.
    ResetLayout,
    /// Begin the tour.
    Tour,
    /// Switch between dark and light.
    Theme,
    /// Find an action by name.
    Palette,
    /// List actions and shortcuts.
    Help,
}

impl Action {
    /// All actions, in the order in which they are listed.
    pub fn all() -> impl Iterator<Item = Self> {
        let before = [
            Self::OpenFiles,
            Self::OpenFolder,
            Self::Undo,
            Self::Redo,
            Self::NextImage,
            Self::PreviousImage,
            Self::NextListed,
            Self::PreviousListed,
            Self::Decide(Verdict::TeacherWrong),
            Self::Decide(Verdict::ClassWrong),
            Self::Decide(Verdict::Ambiguous),
            Self::CopyLink,
            Self::CopyToml,
            Self::CopyCommand,
            Self::SaveToml,
            Self::SaveCsv,
            Self::SaveDecisions,
            Self::SaveReview,
        ];
        let pictures = PaneKind::ALL.map(Self::SavePicture);
        before.into_iter().chain(pictures).chain([
            Self::ResetLayout,
            Self::Theme,
            Self::Tour,
            Self::Palette,
            Self::Help,
        ])
    }

    /// Those with a button in the bar.
    pub const BAR: [Self; 6] =
        [Self::Tour, Self::Undo, Self::Redo, Self::CopyLink, Self::Palette, Self::Help];

    /// What it is called.
    pub fn title(self) -> String {
        let title = match self {
            Self::SavePicture(pane) => return format!("Save {} pane as PNG…", pane.title()),
            Self::Decide(verdict) => return format!("Decide: {}", verdict.title().to_lowercase()),
            Self::OpenFiles => "Open files…",
            Self::OpenFolder => "Open folder…",
            Self::SaveToml => "Save thresholds as TOML…",
            Self::SaveCsv => "Save counts as CSV…",
            Self::SaveDecisions => "Save decisions as JSONL…",
            Self::SaveReview => "Save review as CSV…",
            Self::Undo => "Undo",
            Self::Redo => "Redo",
            Self::NextImage => "Next image",
            Self::PreviousImage => "Previous image",
            Self::NextListed => "Next region of the review",
            Self::PreviousListed => "Previous region of the review",
            Self::CopyToml => "Copy thresholds as TOML",
            Self::CopyCommand => "Copy command line",
            Self::CopyLink => "Copy link",
            Self::ResetLayout => "Reset layout",
            Self::Theme => "Dark or light",
            Self::Tour => "Tour",
            Self::Palette => "Find action…",
            Self::Help => "Help",
        };
        title.into()
    }

    /// Its keys.
    pub fn shortcut(self) -> Option<KeyboardShortcut> {
        let keys = |modifiers, key| Some(KeyboardShortcut::new(modifiers, key));
        match self {
            Self::Undo => keys(Modifiers::COMMAND, Key::Z),
            Self::Redo => keys(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z),
            Self::NextImage => keys(Modifiers::NONE, Key::PageDown),
            Self::PreviousImage => keys(Modifiers::NONE, Key::PageUp),
            Self::NextListed => keys(Modifiers::NONE, Key::J),
            Self::PreviousListed => keys(Modifiers::NONE, Key::K),
            Self::Decide(Verdict::TeacherWrong) => keys(Modifiers::NONE, Key::Num1),
            Self::Decide(Verdict::ClassWrong) => keys(Modifiers::NONE, Key::Num2),
            Self::Decide(Verdict::Ambiguous) => keys(Modifiers::NONE, Key::Num3),
            Self::Palette => keys(Modifiers::COMMAND, Key::K),
            Self::Help => keys(Modifiers::NONE, Key::Questionmark),
            Self::OpenFiles => keys(Modifiers::COMMAND, Key::O),
            _ => None,
        }
    }

    /// What the pointer is told on its button.
    pub fn hint(self, ctx: &egui::Context) -> String {
        match self.shortcut() {
            Some(shortcut) => format!("{} ({})", self.title(), ctx.format_shortcut(&shortcut)),
            None => self.title(),
        }
    }

    /// Whether there is something to do.
    pub fn is_enabled(self, state: &State) -> bool {
        match self {
            Self::Undo => state.history.can_undo(),
            Self::Redo => state.history.can_redo(),
            Self::SaveDecisions => !state.decisions().is_empty(),
            Self::NextListed | Self::PreviousListed | Self::SaveReview => !state.study.review.is_empty(),
            Self::Decide(_) => state.experiment.region.is_some(),
            _ => true,
        }
    }
}

/// The palette and the help sheet.
#[derive(Debug, Default)]
pub struct Command {
    palette: Option<String>,
    help: bool,
}

impl Command {
    /// Opens the palette.
    pub fn open_palette(&mut self) {
        self.palette = Some(String::new());
    }

    /// Opens the help sheet.
    pub fn open_help(&mut self) {
        self.help = true;
    }

    /// The actions whose keys were pressed. Longer shortcuts first: one may contain another.
    pub fn hear_keys(&mut self, ctx: &egui::Context) -> Vec<Action> {
        if self.palette.is_some() || ctx.egui_wants_keyboard_input() {
            return Vec::new();
        }
        let mut actions: Vec<Action> = Action::all().collect();
        actions.sort_by_key(|action| std::cmp::Reverse(action.shortcut().is_some_and(|s| s.modifiers.shift)));
        let pressed = |action: &Action| {
            action.shortcut().is_some_and(|shortcut| ctx.input_mut(|input| input.consume_shortcut(&shortcut)))
        };
        actions.into_iter().filter(pressed).collect()
    }

    /// Draws what is open; the action that was chosen in it.
    pub fn show(&mut self, ctx: &egui::Context, state: &State) -> Option<Action> {
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
            let fits = |action: &Action| action.title().to_lowercase().contains(&wanted);
            let found: Vec<Action> = Action::all().filter(|a| *a != Action::Palette && fits(a)).collect();
            if ui.input(|input| input.key_pressed(Key::Enter)) {
                chosen = found.first().copied();
            }
            for action in found {
                let keys = action.shortcut().map(|s| ui.ctx().format_shortcut(&s)).unwrap_or_default();
                let button = egui::Button::new(action.title()).shortcut_text(keys).frame(false);
                let button = button.min_size(egui::vec2(ui.available_width(), 0.0));
                if ui.add_enabled(action.is_enabled(state), button).clicked() {
                    chosen = Some(action);
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
        for action in Action::all() {
            ui.label(action.title());
            ui.monospace(action.shortcut().map(|s| ui.ctx().format_shortcut(&s)).unwrap_or_default());
            ui.end_row();
        }
    });
    ui.add_space(6.0);
    ui.label("Drag on the photo to draw a box of your own; drag a threshold in the histogram; click a bar to filter.");
}
