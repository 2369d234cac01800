//! What the panes show and change: one state, fed by the engine's replies, asking through an outbox.

mod ask;
mod beside;
mod decide;

use std::cell::RefCell;
use std::collections::BTreeMap;

use ferkd::census::Census;
use ferkd::data::classes::ClassSpace;
use ferkd::label::SoftLabel;
use ferkd::mining::{Kind, KindCounts, Thresholds};
use ferkd::region::Region;
use ferkd::{Error, Result};

use crate::actions::Action;
use crate::assets::Asset;
use crate::dataset::{DataSet, Shown};
use crate::engine::Request;
use crate::experiment::{Data, Experiment, History, Settings};
use crate::lesson::LessonState;
use crate::panes::PaneKind;
use crate::run::RunView;
use crate::screen::Screen;
use crate::slices::Opening;
use crate::tour::Tour;

use crate::study::census::counting;
use crate::study::{Study, Walk};
pub use decide::Decisions;

/// Everything that the panes show and change.
pub struct State {
    /// What is looked at, and how: the part that a link holds.
    pub experiment: Experiment,
    /// What undo goes back to.
    pub history: History,
    /// The data sets that are loaded.
    sets: BTreeMap<DataKey, DataSet>,
    /// The image that is looked at; an error where it cannot be shown.
    shown: Option<(Data, u64, Result<Shown>)>,
    /// Quantiles that were asked for last, and the thresholds that they fall on: every region asks for them.
    resolved: RefCell<Vec<(Quantiles, Thresholds)>>,
    /// What computes pictures for the screen.
    pub(crate) screen: RefCell<Screen>,
    /// Raised when labels of a set change.
    generation: u64,
    /// What panes find out about the whole set.
    pub(crate) study: Study,
    /// The region that the pointer was on in the last frame, in whatever pane.
    pub hovered: Option<u32>,
    /// The region that the pointer is on: a pane that sees it says so here.
    pub hovering: Option<u32>,
    /// Only regions with a confidence in here are shown.
    pub filter: Option<std::ops::RangeInclusive<f32>>,
    /// Only regions of this kind are shown.
    pub kind_filter: Option<Kind>,
    /// The confidences of the bar that the pointer was on in the last frame.
    pub hovered_bar: Option<std::ops::RangeInclusive<f32>>,
    /// The confidences of the bar that the pointer is on.
    pub hovering_bar: Option<std::ops::RangeInclusive<f32>>,
    /// Only images of this class are shown.
    pub class_filter: Option<u32>,
    /// A region of the user's own.
    pub probe: Option<Probe>,
    /// The stored region that the teacher was asked about again.
    pub asked_again: Option<AskedAgain>,
    /// Seconds that each measurement of the teacher took.
    pub measured: Vec<f64>,
    /// The set that stays shown while thresholds move.
    pub frozen: Option<Thresholds>,
    /// Weights and labels on their way: bytes that are here, and in all.
    pub loading: BTreeMap<&'static str, (u64, u64)>,
    /// The teachers that are ready, with their classes.
    pub teachers: BTreeMap<String, ClassSpace>,
    /// What computes, in words.
    pub device: Option<String>,
    /// Things that went wrong or deserve a word, newest last.
    pub notices: Vec<Notice>,
    /// What the reader says of regions, by the identity of the data set.
    decided: BTreeMap<String, Decisions>,
    /// The run that is looked at.
    pub run: Option<RunView>,
    /// The run that was looked at before it.
    pub run_before: Option<RunView>,
    /// A store or a run that is on its way.
    pub opening: Option<Opening>,
    /// Whether the right side of a comparison is the store that was open before.
    pub with_before: bool,
    /// Where the reader is on the tour.
    pub tour: Option<Tour>,
    /// The pane to bring to the front.
    pub focus: Option<PaneKind>,
    /// The students.
    pub lesson: LessonState,
    /// What panes ask the window to do next.
    pub asked: Vec<Action>,
    /// What the engine is asked next.
    pub outbox: Vec<Request>,
    /// Jobs that the engine works on.
    jobs: BTreeMap<u64, Job>,
    next_job: u64,
    /// The picture that the engine was sent last.
    sent_picture: Option<u64>,
    /// How often a data set was taken up.
    loaded: u64,
}

/// Quantiles of the confidence of some labels.
type Quantiles = (Data, u64, ferkd::mining::Confidence, Thresholds);

/// Thresholds that are remembered: those of both sides of a comparison, and where they were before.
const RESOLVED: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct DataKey(u8);

impl From<Data> for DataKey {
    fn from(data: Data) -> Self {
        Self(data as u8)
    }
}

/// A word to the user.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What it says.
    pub text: String,
    /// Whether something went wrong.
    pub is_error: bool,
}

/// What the teacher says today of a region whose label was stored.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedAgain {
    /// The data set.
    pub data: Data,
    /// The image.
    pub image: u64,
    /// The region.
    pub region: u32,
    /// What the teacher says, once it has.
    pub label: Option<SoftLabel>,
    /// Seconds that it took.
    pub time_s: f64,
}

/// A region of the user's own, and what the teacher says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Where it is, in pixels of the picture.
    pub region: Region,
    /// What the teacher said last, and of which region.
    pub label: Option<(Region, SoftLabel)>,
    /// Whether the teacher is looking.
    pub is_pending: bool,
    /// Seconds that the last look took.
    pub time_s: Option<f64>,
}

#[derive(Debug, Clone)]
enum Job {
    Probe(Region),
    /// A region whose label was stored.
    Again,
    /// Regions that are labelled for the time that it takes.
    Measure,
    /// Regions of an image of the user's, from this one on.
    Live {
        image: u64,
        first: usize,
        count: usize,
    },
}

impl State {
    /// A state that looks at the photos.
    pub fn new(experiment: Experiment) -> Self {
        let mut state = Self {
            experiment,
            history: History::default(),
            sets: BTreeMap::new(),
            shown: None,
            resolved: RefCell::default(),
            screen: RefCell::default(),
            generation: 0,
            study: Study::default(),
            hovered: None,
            hovering: None,
            filter: None,
            kind_filter: None,
            hovered_bar: None,
            hovering_bar: None,
            class_filter: None,
            probe: None,
            asked_again: None,
            measured: Vec::new(),
            frozen: None,
            loading: BTreeMap::new(),
            teachers: BTreeMap::new(),
            device: None,
            notices: Vec::new(),
            decided: BTreeMap::new(),
            run: None,
            run_before: None,
            opening: None,
            with_before: false,
            tour: None,
            focus: None,
            lesson: LessonState::default(),
            asked: Vec::new(),
            outbox: Vec::new(),
            jobs: BTreeMap::new(),
            next_job: 0,
            sent_picture: None,
            loaded: 0,
        };
        match DataSet::photos() {
            Ok(photos) => state.insert(Data::Photos, photos),
            Err(error) => state.complain(error),
        }
        state
    }

    /// Takes up something that ships, once its bytes are here.
    pub fn load(&mut self, asset: Asset, bytes: &[u8]) {
        self.loading.remove(asset.title());
        if let Some(name) = asset.teacher() {
            self.outbox.push(Request::Teacher { name: name.into(), weights: bytes.to_vec() });
            return;
        }
        // Listing them takes a while: now, rather than in the first frame that shows a student.
        crate::lesson::held_out();
        match DataSet::scenes(bytes) {
            Ok(scenes) => self.insert(Data::Scenes, scenes),
            Err(error) => self.complain(error),
        }
        self.outbox.push(Request::Scenes(bytes.to_vec()));
    }

    /// Takes up a data set.
    pub fn insert(&mut self, data: Data, set: DataSet) {
        let identity = set.identity().to_owned();
        let before = self.sets.insert(data.into(), set);
        if data == Data::Yours
            && let Some(before) = before
            && before.store().is_some()
            && before.identity() != identity
        {
            self.sets.insert(Data::Before.into(), before);
        }
        self.loaded += 1;
        self.sent_picture = None;
        // Answers about what was there before are of no use.
        self.jobs.retain(|_, job| !(data == Data::Yours && matches!(job, Job::Live { .. })));
        self.changed(data);
    }

    /// Raised when labels of a set change: what was found in them before no longer holds.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether a data set is loaded.
    pub fn has(&self, data: Data) -> bool {
        self.sets.contains_key(&data.into())
    }

    /// Forgets what was derived from a data set's labels.
    pub(crate) fn changed(&mut self, data: Data) {
        self.generation += 1;
        if self.shown.as_ref().is_some_and(|(of, ..)| *of == data) {
            self.shown = None;
        }
    }

    /// Says that something went wrong.
    pub fn complain(&mut self, error: impl std::fmt::Display) {
        self.notices.push(Notice { text: error.to_string(), is_error: true });
    }

    /// Says a word.
    pub fn say(&mut self, text: impl Into<String>) {
        self.notices.push(Notice { text: text.into(), is_error: false });
    }

    /// The data set that is looked at; the photos while it is not loaded.
    pub fn set(&self) -> Option<&DataSet> {
        let asked = self.sets.get(&self.experiment.data.into());
        asked.or_else(|| self.sets.get(&Data::Photos.into()))
    }

    /// One of the data sets, once it is loaded.
    pub fn set_of(&self, data: Data) -> Option<&DataSet> {
        self.sets.get(&data.into())
    }

    /// Whether a teacher is looking at regions.
    pub fn is_labelling(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// The data set that is looked at, if its labels may change.
    pub fn set_mut(&mut self, data: Data) -> Option<&mut DataSet> {
        self.sets.get_mut(&data.into())
    }

    /// Looks at another data set.
    pub fn look_at(&mut self, data: Data) {
        if self.experiment.data != data {
            (self.experiment.data, self.experiment.image, self.experiment.region) = (data, 0, None);
            (self.filter, self.class_filter, self.frozen, self.probe) = (None, None, None, None);
            self.kind_filter = None;
            self.study.seek = None;
        }
    }

    /// Takes up a run; the one before stays at hand for a comparison. What it did with its labels becomes what
    /// is shown.
    pub fn take_run(&mut self, run: RunView) {
        if let Some(settings) = run.settings {
            self.experiment.settings = settings;
        }
        if let Some(before) = self.run.replace(run)
            && self.run.as_ref().is_some_and(|run| run.name != before.name)
        {
            self.run_before = Some(before);
        }
        self.focus = Some(PaneKind::Run);
    }

    /// Looks at another image.
    pub fn look_at_image(&mut self, image: u64) {
        if self.experiment.image != image {
            (self.experiment.image, self.experiment.region) = (image, None);
            self.probe = None;
        }
    }

    /// Looks at one region of an image.
    pub fn look_at_region(&mut self, image: u64, region: u32) {
        self.look_at_image(image);
        (self.experiment.region, self.probe) = (Some(region), None);
    }

    /// The image that is looked at.
    pub fn shown(&self) -> Option<&Shown> {
        self.shown.as_ref().and_then(|(.., shown)| shown.as_ref().ok())
    }

    /// Why the image that is looked at cannot be shown, or not yet.
    pub fn shown_error(&self) -> Option<&Error> {
        self.shown.as_ref().and_then(|(.., shown)| shown.as_ref().err())
    }

    /// Brings everything that is derived up to date; once a frame, before the panes.
    pub fn refresh(&mut self) {
        self.seek();
        self.go_on_opening();
        self.follow_log();
        let (data, image) = (self.experiment.data, self.experiment.image);
        let is_there = self.sets.contains_key(&data.into());
        let current = self.shown.as_ref().is_some_and(|(of, asked, shown)| {
            *of == data && *asked == image && !shown.as_ref().is_err_and(Error::is_pending)
        });
        if is_there && !current {
            let wanted = self.set().map(|set| (image.min(set.len().saturating_sub(1)), set));
            self.shown = wanted.map(|(image, set)| (data, image, set.show(image)));
            if let Some((_, image, _)) = &self.shown {
                self.experiment.image = *image;
            }
        }
        self.refresh_census(data, self.experiment.settings);
        if let Some(other) = self.experiment.other {
            self.refresh_census(self.right_data(), other);
        }
        // Students learn on the scenes, whatever is looked at.
        self.refresh_census(Data::Scenes, self.experiment.settings);
        self.follow_lesson();
        self.ask_about_probe();
        self.ask_about_yours();
    }

    fn refresh_census(&mut self, data: Data, settings: Settings) {
        if let Some(set) = self.sets.get(&data.into()) {
            self.study.census.advance((data, settings.confidence, self.generation), set);
        }
    }

    /// Every confidence of the data set, as some settings take it; none while it is not counted.
    pub fn census(&self, settings: &Settings) -> Option<&Result<Census>> {
        self.census_of(self.experiment.data, settings)
    }

    fn census_of(&self, data: Data, settings: &Settings) -> Option<&Result<Census>> {
        self.study.census.found((data, settings.confidence, self.generation))
    }

    /// How far the confidences are counted, while they are not all.
    pub(crate) fn counting(&self, settings: &Settings) -> Option<&Walk> {
        self.counting_in(self.experiment.data, settings)
    }

    /// How far the confidences of one of the data sets are counted, while they are not all.
    pub(crate) fn counting_in(&self, data: Data, settings: &Settings) -> Option<&Walk> {
        self.study.census.walk((data, settings.confidence, self.generation))
    }

    /// Whether something is counted or on its way: the next frame goes on.
    pub fn is_waiting(&self) -> bool {
        self.opening.is_some()
            || self.study.census.is_counting()
            || self.shown_error().is_some_and(Error::is_pending)
    }

    /// The thresholds of some settings, as confidences.
    ///
    /// # Errors
    /// Thresholds that do not ascend, or a data set without labels.
    pub fn thresholds(&self, settings: &Settings) -> Result<Thresholds> {
        self.thresholds_in(self.experiment.data, settings)
    }

    /// The thresholds of some settings, as confidences in one of the data sets.
    ///
    /// # Errors
    /// Thresholds that do not ascend, or a data set without labels.
    pub fn thresholds_in(&self, data: Data, settings: &Settings) -> Result<Thresholds> {
        if !settings.by_quantile {
            return settings.thresholds.checked();
        }
        let census = match self.census_of(data, settings) {
            Some(Ok(census)) => census,
            Some(Err(error)) => return Err(Error::usage("labels", error.to_string())),
            None => {
                let key = (data, settings.confidence, self.generation);
                return Err(counting(self.study.census.walk(key)));
            }
        };
        let key = (data, self.generation, settings.confidence, settings.quantiles);
        let mut resolved = self.resolved.borrow_mut();
        if let Some((_, found)) = resolved.iter().find(|(of, _)| *of == key) {
            return Ok(*found);
        }
        let found = census.thresholds(&settings.rule())?;
        if resolved.len() == RESOLVED {
            resolved.remove(0);
        }
        resolved.push((key, found));
        Ok(found)
    }

    /// The regions of each kind in the data set.
    pub fn kinds(&self, settings: &Settings) -> Option<KindCounts> {
        self.kinds_in(self.experiment.data, settings)
    }

    /// The regions of each kind in one of the data sets.
    pub fn kinds_in(&self, data: Data, settings: &Settings) -> Option<KindCounts> {
        let thresholds = self.thresholds_in(data, settings).ok()?;
        self.census_of(data, settings)?.as_ref().ok().map(|census| census.kinds(&thresholds))
    }

    /// Confidence and kind of a label under some settings.
    pub fn judge(&self, settings: &Settings, label: &SoftLabel, truth: Option<u32>) -> Option<(f32, Kind)> {
        self.judge_in(self.experiment.data, settings, label, truth)
    }

    /// Confidence and kind of a label of one of the data sets under some settings.
    pub fn judge_in(
        &self,
        data: Data,
        settings: &Settings,
        label: &SoftLabel,
        truth: Option<u32>,
    ) -> Option<(f32, Kind)> {
        let c = settings.confidence.of(label, truth).ok()?;
        let kind = self.thresholds_in(data, settings).ok()?.kind(c).ok()?;
        Some((c, kind))
    }

    /// Whether a region is shown: by the bar and the kind that were clicked. With a frozen set, kinds are those
    /// of the thresholds that it was frozen with.
    pub fn passes(&self, judged: Option<(f32, Kind)>) -> bool {
        let Some((c, kind)) = judged else { return self.filter.is_none() && self.kind_filter.is_none() };
        let kind = self.frozen.map_or(Some(kind), |frozen| frozen.kind(c).ok());
        self.filter.as_ref().is_none_or(|filter| filter.contains(&c))
            && self.kind_filter.is_none_or(|wanted| kind == Some(wanted))
    }

    /// The teacher that labels what is looked at, once it is ready.
    pub fn teacher(&self) -> Option<(&str, &ClassSpace)> {
        let name = self.set()?.teacher();
        self.teachers.get_key_value(name).map(|(name, classes)| (name.as_str(), classes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembered_thresholds_are_those_of_the_census() {
        let mut state = State::new(Experiment::default());
        state.refresh();
        for round in 0..2 {
            for step in 0..8u8 {
                let low = 0.02 + f32::from(step) / 100.0;
                let settings =
                    Settings { quantiles: Thresholds { low, mid: 0.3, high: 0.9 }, ..Settings::default() };
                let census = state.census(&settings).unwrap().as_ref().unwrap();
                let expected = census.thresholds(&settings.rule()).unwrap();
                assert_eq!(state.thresholds(&settings).unwrap(), expected, "{round} {step}");
            }
        }
        // Other labels, other thresholds.
        state.load(Asset::Scenes, include_bytes!("../../../assets/playground/scenes-store.tar"));
        let settings = Settings::default();
        let of_photos = state.thresholds(&settings);
        state.look_at(Data::Scenes);
        state.refresh();
        assert_ne!(of_photos.ok(), state.thresholds(&settings).ok());
    }
}
