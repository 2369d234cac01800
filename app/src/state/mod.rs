//! What the panes show: one state, divided by subject. It is fed by the engine's replies, asks through an outbox,
//! and changes where a pane asked for it in one place: [`State::apply`].
//!
//! A subject has a file and a type of its own here, which this file puts together; what concerns several of them
//! (`refresh`, `apply`, `hear` and the like) stands in files above this one.

pub mod action;
mod apply;
mod ask_checkpoint;
mod ask_own_teacher;
mod ask_training;
pub mod checkpoint;
pub mod decisions;
mod files;
pub mod filters;
mod hear;
mod look;
pub mod notices;
pub mod opening;
pub mod own_teacher;
mod refresh;
pub mod runs;
pub mod selection;
pub mod student;
pub mod teachers;
#[cfg(test)]
mod tests;
pub mod tour;
pub mod tour_stops;
pub mod training;

use std::collections::BTreeMap;

use ferkd_data::census::Census;
use ferkd_data::classes::ClassSpace;
use ferkd_method::calibration::Softening;
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::{KindCounts, RegionKind, Thresholds};
use ferkd_method::{Error, Result};

use self::decisions::AllDecisions;
use self::filters::Filters;
use self::notices::Notices;
use self::own_teacher::OwnTeacher;
use self::runs::Runs;
use self::selection::Selection;
use self::teachers::Teachers;
use self::tour::Tour;
use self::training::Training;
use crate::assets::Asset;
use crate::command::Command;
use crate::dataset::{DataSet, Shown};
use crate::engine::Request;
use crate::experiment::{Data, Experiment, Settings};
use crate::history::History;
use crate::labels::Labels;
use crate::labels::walk::Walk;
use crate::pane_kind::PaneKind;
use crate::study::{Question, Study};
use crate::verdict::{Decisions, Verdict};

/// Everything that the panes show.
#[derive(Default)]
pub struct State {
    /// What is looked at, and how: the part that a link holds.
    pub experiment: Experiment,
    /// What undo goes back to.
    pub history: History,
    /// The data sets and their labels.
    pub labels: Labels,
    /// What the pointer was on in the last frame, in whatever pane.
    pub hovered: Selection,
    /// Which images and regions are shown.
    pub filters: Filters,
    /// Teachers, and what they were asked.
    pub teachers: Teachers,
    /// An ONNX file of the reader's, which labels or waits.
    pub own: OwnTeacher,
    /// The students.
    pub training: Training,
    /// The runs that were opened.
    pub runs: Runs,
    /// What is found out about the whole set.
    pub(crate) study: Study,
    /// What the reader says of regions.
    pub decided: AllDecisions,
    /// Words to the user.
    pub notices: Notices,
    /// Whether it is said what this is, before anything else.
    pub welcome: bool,
    /// Where the reader is on the tour.
    pub tour: Option<Tour>,
    /// The pane to bring to the front.
    pub focus: Option<PaneKind>,
    /// What computes, in words.
    pub device: Option<String>,
    /// Weights and labels on their way: bytes that are here, and in all.
    pub loading: BTreeMap<Asset, (u64, u64)>,
    /// What the window is asked to do next: what has to do with files, clipboard or layout.
    pub asked: Vec<Command>,
    /// What the engine is asked next.
    pub outbox: Vec<Request>,
}

impl State {
    /// A state that looks at the photos, where the program holds them; else they are on their way.
    pub fn new(experiment: Experiment) -> Self {
        let mut state = Self { experiment, ..Self::default() };
        for asset in Asset::of_photos() {
            match asset.embedded() {
                Some(bytes) => state.load(asset, bytes),
                None => _ = state.loading.insert(asset, (0, 0)),
            }
        }
        state
    }

    /// Says that something went wrong.
    pub fn complain(&mut self, error: impl std::fmt::Display) {
        self.notices.complain(error);
    }

    /// What is chosen.
    pub fn chosen(&self) -> Selection {
        let Experiment { image, region, .. } = self.experiment;
        Selection { image: Some(image), region, bar: self.filters.bar.clone() }
    }

    /// The region of the shown image that the pointer is on.
    pub fn hovered_region(&self) -> Option<u32> {
        self.hovered.region_of(self.experiment.image)
    }

    /// The region of the shown image that the pointer is on, else the one that is chosen.
    pub fn region_in_sight(&self) -> Option<u32> {
        self.hovered_region().or(self.experiment.region)
    }

    /// The data set that is looked at; the photos while it is not loaded.
    pub fn set(&self) -> Option<&DataSet> {
        self.labels.set_or_photos(self.experiment.data)
    }

    /// Name of a class of the data set that is looked at.
    pub fn class_name(&self, class: u32) -> String {
        self.set().map_or_else(String::new, |set| set.class_name(class))
    }

    /// The image that is looked at.
    pub fn shown(&self) -> Option<&Shown> {
        self.labels.shown()
    }

    /// Why the image that is looked at cannot be shown, or not yet.
    pub fn shown_error(&self) -> Option<&Error> {
        self.labels.shown_error()
    }

    /// Every confidence of the data set, as some settings take it; none while it is not counted.
    pub fn census(&self, settings: &Settings) -> Option<&Result<Census>> {
        self.labels.census(self.experiment.data, settings)
    }

    /// How far the confidences are counted, while they are not all.
    pub(crate) fn counting(&self, settings: &Settings) -> Option<&Walk> {
        self.labels.counting(self.experiment.data, settings)
    }

    /// The thresholds of some settings, as confidences.
    ///
    /// # Errors
    /// Thresholds that do not ascend, or a data set without labels.
    pub fn thresholds(&self, settings: &Settings) -> Result<Thresholds> {
        self.labels.thresholds(self.experiment.data, settings)
    }

    /// What a calibrated label of the data set says under some settings.
    pub fn softening(&self, settings: &Settings) -> Softening {
        let temperature = self.set().map_or(1.0, DataSet::temperature);
        Softening::new(settings.epsilon, temperature)
    }

    /// The regions of each kind in the data set.
    pub fn kinds(&self, settings: &Settings) -> Option<KindCounts> {
        self.labels.kinds(self.experiment.data, settings)
    }

    /// Confidence and kind of a label under some settings.
    pub fn judge(
        &self,
        settings: &Settings,
        label: &SoftLabel,
        truth: Option<u32>,
    ) -> Option<(f32, RegionKind)> {
        self.labels.judge(self.experiment.data, settings, label, truth)
    }

    /// The data set on the right side of a comparison.
    pub fn right_data(&self) -> Data {
        self.labels.right_of(self.experiment.data)
    }

    /// The teacher that labels what is looked at, once it is ready.
    pub fn teacher(&self) -> Option<(&str, &ClassSpace)> {
        self.teachers.of(self.set()?)
    }

    /// What the reader says of regions of the data set that is looked at.
    pub fn decisions(&self) -> &Decisions {
        self.decided.of(self.set().map(DataSet::identity))
    }

    /// What the reader says of a region.
    pub fn verdict(&self, image: u64, region: u32) -> Option<Verdict> {
        self.decisions().get(&(image, region)).map(|decision| decision.verdict)
    }

    /// Labels and settings at hand.
    pub(crate) fn question(&self) -> Question<'_> {
        Question {
            labels: &self.labels,
            experiment: &self.experiment,
            class: self.filters.class,
            kind: self.filters.kind,
            bar: self.filters.bar.as_ref(),
            decisions: self.decisions(),
        }
    }

    /// Whether something is counted, looked for or on its way: the next frame goes on.
    pub fn is_waiting(&self) -> bool {
        self.runs.opening.is_some()
            || self.study.seek.is_some()
            || self.labels.is_counting()
            || self.shown_error().is_some_and(Error::is_pending)
    }

    /// Whether there is something to do for a command.
    pub fn can(&self, command: Command) -> bool {
        match command {
            Command::Undo => self.history.can_undo(),
            Command::Redo => self.history.can_redo(),
            Command::SaveDecisions => !self.decisions().is_empty(),
            Command::NextListed | Command::PreviousListed | Command::SaveReview => {
                !self.study.review.is_empty()
            }
            Command::SavePickedCsv | Command::SavePickedJsonl => !self.study.gallery.picked.is_empty(),
            Command::Decide(_) => self.experiment.region.is_some(),
            Command::ShippedTeacher => self.own.name().is_some(),
            _ => true,
        }
    }
}
