//! A checkpoint of the run that is looked at: what it says of the regions of the shown image.

use ferkd_method::label::SoftLabel;

use crate::experiment::Data;

/// An image: the data set, which of those that were loaded there, and its number.
pub(super) type Of = (Data, u64, u64);

/// A checkpoint that is asked about regions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checkpoint {
    /// Its file, by which the engine knows it.
    pub name: String,
    /// Whether the engine has taken up its weights.
    pub is_ready: bool,
    /// Why it says nothing.
    pub problem: Option<String>,
    /// What it says of each region of the shown image, as far as it was asked.
    pub labels: Vec<Option<SoftLabel>>,
    pub(super) of: Option<Of>,
    /// The job that it works on, of which image, and its first region.
    pub(super) pending: Option<(u64, Of, usize)>,
}

impl Checkpoint {
    /// Looks at another image, where it is another one.
    pub(super) fn turn_to(&mut self, of: Of, regions: usize) {
        if self.of == Some(of) {
            return;
        }
        let is_other_set = self.of.is_none_or(|before| (before.0, before.1) != (of.0, of.1));
        if self.is_ready && is_other_set {
            // What it had against the classes of one set is nothing against those of another.
            self.problem = None;
        }
        (self.of, self.labels) = (Some(of), vec![None; regions]);
    }
}
