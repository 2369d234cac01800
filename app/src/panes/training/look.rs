//! What is looked at among the students: kept by the window, no part of the experiment.

use egui::Id;

/// What is looked at among the students.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Look {
    /// Number of the student whose confusions are shown.
    pub student: usize,
    /// Truth and prediction of the cell that is open.
    pub cell: Option<(u32, u32)>,
    /// The held-out scene that is shown large.
    pub scene: Option<usize>,
    /// The first of the scenes that are shown as samples.
    pub sample: usize,
    /// Sections that are shown: when students begin to learn, one a frame, so that no frame draws all for the first time.
    pub sections: usize,
}

impl Look {
    pub fn id() -> Id {
        Id::unique("students looked at")
    }
}
