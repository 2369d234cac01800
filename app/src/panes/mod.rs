//! The panes: what each is called, and how it is drawn. A pane reads and changes the [`State`];
//! it knows no other pane.

pub(crate) mod classes;
mod compare;
pub(crate) mod confidence;
mod curves;
mod image;
pub(crate) mod label;
mod pipeline;
mod regions;
mod review;
mod run;
mod selfmix;
mod shared;
mod training;

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
    /// The road from image to student, stage by stage.
    Pipeline,
    /// Two regions of one image, mixed.
    Selfmix,
    /// Students side by side.
    Training,
    /// Kinds and confusions by class.
    Classes,
    /// Two settings side by side.
    Compare,
    /// Regions of the whole set that deserve a look.
    Review,
    /// The regions as a table.
    Regions,
    /// A run that was opened.
    Run,
}

impl PaneKind {
    /// All panes, in the order of the menu.
    pub const ALL: [Self; 11] = [
        Self::Pipeline,
        Self::Image,
        Self::Confidence,
        Self::Label,
        Self::Selfmix,
        Self::Training,
        Self::Classes,
        Self::Compare,
        Self::Review,
        Self::Regions,
        Self::Run,
    ];

    /// Those that share a place behind tabs, at first.
    pub const TABS: [Self; 7] = [
        Self::Training,
        Self::Pipeline,
        Self::Selfmix,
        Self::Classes,
        Self::Compare,
        Self::Review,
        Self::Run,
    ];

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
            Self::Pipeline => "Pipeline",
            Self::Selfmix => "SelfMix",
            Self::Training => "Training",
            Self::Classes => "Classes",
            Self::Compare => "Compare",
            Self::Review => "Review",
            Self::Regions => "Regions",
            Self::Run => "Run",
        }
    }

    /// Draws it.
    pub fn ui(self, state: &mut State, ui: &mut egui::Ui) {
        match self {
            Self::Image => image::ui(state, ui),
            Self::Confidence => confidence::ui(state, ui),
            Self::Label => label::ui(state, ui),
            Self::Pipeline => pipeline::ui(state, ui),
            Self::Selfmix => selfmix::ui(state, ui),
            Self::Training => training::ui(state, ui),
            Self::Classes => classes::ui(state, ui),
            Self::Compare => compare::ui(state, ui),
            Self::Review => review::ui(state, ui),
            Self::Regions => regions::ui(state, ui),
            Self::Run => run::ui(state, ui),
        }
    }
}

/// A count as core writes it, in characters that the interface's font has.
pub(crate) fn count(n: u64) -> String {
    in_font(ferkd::report::number::count(n))
}

/// A share as core writes it, in characters that the interface's font has.
pub(crate) fn percent(share: f64) -> String {
    in_font(ferkd::report::number::percent(share))
}

/// The font lacks core's narrow space.
fn in_font(text: String) -> String {
    text.replace('\u{202F}', "\u{A0}")
}
