//! The panes by name: what links, menus and layouts keep of them.

use serde::{Deserialize, Serialize};

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
    /// The pipeline from image to student, stage by stage.
    Pipeline,
    /// Two regions of one image, mixed.
    Selfmix,
    /// Students side by side.
    Training,
    /// Kinds and confusions by class.
    Classes,
    /// Two settings side by side.
    Compare,
    /// Regions of the whole set that are worth a look.
    Review,
    /// All regions of the set as a grid.
    Gallery,
    /// The regions as a table.
    Regions,
    /// A run that was opened.
    Run,
}

impl PaneKind {
    /// All panes, in the order of the menu.
    pub const ALL: [Self; 12] = [
        Self::Pipeline,
        Self::Image,
        Self::Confidence,
        Self::Label,
        Self::Selfmix,
        Self::Training,
        Self::Classes,
        Self::Compare,
        Self::Review,
        Self::Gallery,
        Self::Regions,
        Self::Run,
    ];

    /// Those that share a place behind tabs, at first.
    pub const TABS: [Self; 8] = [
        Self::Training,
        Self::Pipeline,
        Self::Selfmix,
        Self::Classes,
        Self::Compare,
        Self::Review,
        Self::Gallery,
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
            Self::Gallery => "Gallery",
            Self::Regions => "Regions",
            Self::Run => "Run",
        }
    }
}
