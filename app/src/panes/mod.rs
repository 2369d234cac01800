//! The panes: what each is called, and how it is drawn. A pane reads and changes the [`State`](crate::State);
//! it knows no other pane.

mod confidence;
mod image;
mod label;

use serde::{Deserialize, Serialize};

use crate::state::State;

/// A pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaneKind {
    /// The photo and its regions.
    Image,
    /// The histogram and its thresholds.
    Confidence,
    /// The teacher's label and the adapted one.
    Label,
}

impl PaneKind {
    /// All panes, in the order of the menu.
    pub const ALL: [Self; 3] = [Self::Image, Self::Confidence, Self::Label];

    /// Those that share a place behind tabs, at first.
    pub const TABS: [Self; 0] = [];

    /// Whether it is open at first where panes come one below the other.
    pub fn opens_first(self) -> bool {
        matches!(self, Self::Image | Self::Confidence | Self::Label)
    }

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Image => "Image",
            Self::Confidence => "Confidence",
            Self::Label => "Label",
        }
    }

    /// Draws it.
    pub fn ui(self, state: &mut State, ui: &mut egui::Ui) {
        match self {
            Self::Image => image::ui(state, ui),
            Self::Confidence => confidence::ui(state, ui),
            Self::Label => label::ui(state, ui),
        }
    }
}
