//! What is looked at while something is found out about a whole set.

use std::ops::RangeInclusive;

use ferkd_method::Result;
use ferkd_method::mining::{RegionKind, Thresholds};

use crate::dataset::DataSet;
use crate::experiment::{Data, Experiment};
use crate::labels::Labels;
use crate::labels::walk::LabelsKey;
use crate::verdict::Decisions;

/// Labels and settings at hand.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    /// The data sets.
    pub labels: &'a Labels,
    /// Which of them is looked at, and how.
    pub experiment: &'a Experiment,
    /// Only images of this class count.
    pub class: Option<u32>,
    /// Only regions of this kind are shown.
    pub kind: Option<RegionKind>,
    /// Only regions of these confidences are shown.
    pub bar: Option<&'a RangeInclusive<f32>>,
    /// What was said of regions of the data set that is looked at.
    pub decisions: &'a Decisions,
}

impl<'a> Question<'a> {
    /// The data set that is looked at; the photos while it is not loaded.
    pub fn set(&self) -> Option<&'a DataSet> {
        self.labels.set_or_photos(self.experiment.data)
    }

    /// The data set on the right side of a comparison.
    pub fn right_data(&self) -> Data {
        self.labels.right_of(self.experiment.data)
    }

    /// Which labels are looked at.
    pub fn key(&self) -> LabelsKey {
        self.labels.key(self.experiment.data)
    }

    /// The thresholds at hand, as confidences.
    ///
    /// # Errors
    /// Thresholds that do not ascend, or labels that are not counted yet.
    pub fn thresholds(&self) -> Result<Thresholds> {
        self.labels.thresholds(self.experiment.data, &self.experiment.settings)
    }
}
