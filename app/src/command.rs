//! Everything that the reader can do by name: one list gives buttons, shortcuts, palette and help.

use egui::{Key, KeyboardShortcut, Modifiers};

use crate::pane_kind::PaneKind;
use crate::verdict::Verdict;

/// Something that the reader can do by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
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
    /// Open images, a packed label store, or a network in an ONNX file.
    OpenFiles,
    /// Open the folder of a label store, of a run, or of images.
    OpenFolder,
    /// Let the teacher that ships label again, in the place of the reader's own.
    ShippedTeacher,
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
    /// Save the regions that are picked in the Gallery pane as CSV.
    SavePickedCsv,
    /// Save the regions that are picked in the Gallery pane as JSONL.
    SavePickedJsonl,
    /// Save a pane as PNG.
    SavePicture(PaneKind),
    /// Copy the command line that does the same.
    CopyCommand,
    /// Copy a link to what is shown.
    CopyLink,
    /// Put all panes where they were at first.
    ResetLayout,
    /// Say what this is.
    Welcome,
    /// Begin the tour.
    Tour,
    /// Switch between dark and light.
    Theme,
    /// Find a command by name.
    Palette,
    /// List commands and shortcuts.
    Help,
}

impl Command {
    /// All commands, in the order in which they are listed.
    pub fn all() -> impl Iterator<Item = Self> {
        let before = [
            Self::OpenFiles,
            Self::OpenFolder,
            Self::ShippedTeacher,
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
            Self::SavePickedCsv,
            Self::SavePickedJsonl,
        ];
        let pictures = PaneKind::ALL.map(Self::SavePicture);
        before.into_iter().chain(pictures).chain([
            Self::ResetLayout,
            Self::Theme,
            Self::Welcome,
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
            Self::ShippedTeacher => "Back to EfficientNet-Lite0",
            Self::SaveToml => "Save thresholds as TOML…",
            Self::SaveCsv => "Save counts as CSV…",
            Self::SaveDecisions => "Save decisions as JSONL…",
            Self::SaveReview => "Save review as CSV…",
            Self::SavePickedCsv => "Save picked regions as CSV…",
            Self::SavePickedJsonl => "Save picked regions as JSONL…",
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
            Self::Welcome => "What is this?",
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
}
