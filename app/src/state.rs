//! What the panes show and change: one state, fed by the engine's replies, asking through an outbox.

use std::collections::BTreeMap;

use ferkd::census::Census;
use ferkd::data::classes::ClassSpace;
use ferkd::label::{Codec, SoftLabel};
use ferkd::mining::{Kind, KindCounts, Thresholds};
use ferkd::region::Region;
use ferkd::{Error, Result};

use crate::assets::Asset;
use crate::dataset::{DataSet, Shown};
use crate::engine::{LabelJob, Picture, Reply, Request};
use crate::experiment::{Data, Experiment, History, Settings};
use crate::lesson::LessonState;
use crate::yours::Wish;

/// Pairs kept of a label that is made while one looks on.
const TOP_K: usize = 5;

/// Regions of a live image that the teacher is asked about at once.
const LIVE: usize = 8;

/// Everything that the panes show and change.
pub struct State {
    /// What is looked at, and how: the part that a link holds.
    pub experiment: Experiment,
    /// What undo goes back to.
    pub history: History,
    /// The data sets that are loaded.
    sets: BTreeMap<DataKey, DataSet>,
    /// The image that is looked at; an error where it cannot be shown.
    shown: Option<(Data, Result<Shown>)>,
    censuses: Vec<(Data, ferkd::mining::Confidence, u64, Result<Census>)>,
    /// Raised when labels of a set change.
    generation: u64,
    /// The region that the pointer is on, in whatever pane.
    pub hovered: Option<u32>,
    /// Only regions with a confidence in here are shown.
    pub filter: Option<std::ops::RangeInclusive<f32>>,
    /// Only images of this class are shown.
    pub class_filter: Option<u32>,
    /// A region of the user's own.
    pub probe: Option<Probe>,
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
    /// The students.
    pub lesson: LessonState,
    /// Whether the shell around the inspector can show dialogs that open files.
    pub opens_files: bool,
    /// What the shell around the inspector is asked to show.
    pub wish: Option<Wish>,
    /// What the engine is asked next.
    pub outbox: Vec<Request>,
    /// Jobs that the engine works on.
    jobs: BTreeMap<u64, Job>,
    next_job: u64,
    /// The picture that the engine holds.
    sent_picture: Option<u64>,
}

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
            censuses: Vec::new(),
            generation: 0,
            hovered: None,
            filter: None,
            class_filter: None,
            probe: None,
            frozen: None,
            loading: BTreeMap::new(),
            teachers: BTreeMap::new(),
            device: None,
            notices: Vec::new(),
            lesson: LessonState::default(),
            opens_files: false,
            wish: None,
            outbox: Vec::new(),
            jobs: BTreeMap::new(),
            next_job: 0,
            sent_picture: None,
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
        match DataSet::scenes(bytes) {
            Ok(scenes) => self.insert(Data::Scenes, scenes),
            Err(error) => self.complain(error),
        }
        self.outbox.push(Request::Scenes(bytes.to_vec()));
    }

    /// Takes up a data set.
    pub fn insert(&mut self, data: Data, set: DataSet) {
        self.sets.insert(data.into(), set);
        self.changed(data);
    }

    /// Whether a data set is loaded.
    pub fn has(&self, data: Data) -> bool {
        self.sets.contains_key(&data.into())
    }

    /// Forgets what was derived from a data set's labels.
    fn changed(&mut self, data: Data) {
        self.generation += 1;
        if self.shown.as_ref().is_some_and(|(of, _)| *of == data) {
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

    /// The data set that is looked at, if its labels may change.
    pub fn set_mut(&mut self, data: Data) -> Option<&mut DataSet> {
        self.sets.get_mut(&data.into())
    }

    /// Looks at another data set.
    pub fn look_at(&mut self, data: Data) {
        if self.experiment.data != data {
            (self.experiment.data, self.experiment.image, self.experiment.region) = (data, 0, None);
            (self.filter, self.class_filter, self.frozen, self.probe) = (None, None, None, None);
        }
    }

    /// Looks at another image.
    pub fn look_at_image(&mut self, image: u64) {
        if self.experiment.image != image {
            (self.experiment.image, self.experiment.region) = (image, None);
            self.probe = None;
        }
    }

    /// The image that is looked at.
    pub fn shown(&self) -> Option<&Shown> {
        self.shown.as_ref().and_then(|(_, shown)| shown.as_ref().ok())
    }

    /// Why the image that is looked at cannot be shown.
    pub fn shown_error(&self) -> Option<&Error> {
        self.shown.as_ref().and_then(|(_, shown)| shown.as_ref().err())
    }

    /// Brings everything that is derived up to date; once a frame, before the panes.
    pub fn refresh(&mut self) {
        let (data, image) = (self.experiment.data, self.experiment.image);
        let is_there = self.sets.contains_key(&data.into());
        let current = self.shown.as_ref().is_some_and(|(of, shown)| {
            *of == data && shown.as_ref().map_or(true, |shown| shown.image == image)
        });
        if is_there && !current {
            let shown = self.set().map(|set| set.show(image.min(set.len().saturating_sub(1))));
            self.shown = shown.map(|shown| (data, shown));
            if let Some((_, Ok(shown))) = &self.shown {
                self.experiment.image = shown.image;
            }
            self.sent_picture = None;
        }
        self.refresh_census(self.experiment.settings);
        if let Some(other) = self.experiment.other {
            self.refresh_census(other);
        }
        self.ask_about_probe();
        self.ask_about_live_image();
    }

    fn refresh_census(&mut self, settings: Settings) {
        let key = (self.experiment.data, settings.confidence, self.generation);
        if self.censuses.iter().any(|(data, which, generation, _)| (*data, *which, *generation) == key) {
            return;
        }
        let Some(set) = self.sets.get(&key.0.into()) else { return };
        let census = set.census(settings.confidence);
        self.censuses.retain(|(_, _, generation, _)| *generation == key.2);
        self.censuses.push((key.0, key.1, key.2, census));
    }

    /// Every confidence of the data set, as some settings take it.
    pub fn census(&self, settings: &Settings) -> Option<&Result<Census>> {
        let data = self.experiment.data;
        let found = |(of, which, generation, _): &&(Data, _, u64, _)| {
            *of == data && *which == settings.confidence && *generation == self.generation
        };
        self.censuses.iter().find(found).map(|(_, _, _, census)| census)
    }

    /// The thresholds of some settings, as confidences.
    ///
    /// # Errors
    /// Thresholds that do not ascend, or a data set without labels.
    pub fn thresholds(&self, settings: &Settings) -> Result<Thresholds> {
        if !settings.by_quantile {
            return settings.thresholds.checked();
        }
        match self.census(settings) {
            Some(Ok(census)) => census.thresholds(&settings.rule()),
            Some(Err(error)) => Err(Error::usage("labels", error.to_string())),
            None => Err(Error::usage("labels", "they are still on their way")),
        }
    }

    /// The regions of each kind in the data set.
    pub fn kinds(&self, settings: &Settings) -> Option<KindCounts> {
        let thresholds = self.thresholds(settings).ok()?;
        self.census(settings)?.as_ref().ok().map(|census| census.kinds(&thresholds))
    }

    /// Confidence and kind of a label under some settings.
    pub fn judge(&self, settings: &Settings, label: &SoftLabel, truth: Option<u32>) -> Option<(f32, Kind)> {
        if settings.confidence == ferkd::mining::Confidence::Target && truth.is_none() {
            return None;
        }
        let c = settings.confidence.of(label, truth.unwrap_or_default());
        let kind = self.thresholds(settings).ok()?.kind(c).ok()?;
        Some((c, kind))
    }

    /// The teacher that labels what is looked at, once it is ready.
    pub fn teacher(&self) -> Option<(&str, &ClassSpace)> {
        let name = self.set()?.teacher();
        self.teachers.get_key_value(name).map(|(name, classes)| (name.as_str(), classes))
    }

    /// Asks the teacher about the user's region, unless it is looking already: the latest region wins.
    fn ask_about_probe(&mut self) {
        let Some(probe) = &self.probe else { return };
        let known = probe.label.as_ref().is_some_and(|(of, _)| *of == probe.region);
        if probe.is_pending || known || self.teacher().is_none() {
            return;
        }
        let region = probe.region;
        if self.ask(vec![region], Job::Probe(region))
            && let Some(probe) = &mut self.probe
        {
            probe.is_pending = true;
        }
    }

    /// Asks the teacher about the regions of a live image, a few at a time: the reader's own box comes between.
    fn ask_about_live_image(&mut self) {
        let is_asking = self.jobs.values().any(|job| matches!(job, Job::Live { .. }));
        if is_asking || self.experiment.data != Data::Yours || self.teacher().is_none() {
            return;
        }
        let Some(shown) = self.shown() else { return };
        let Some(first) = shown.labels.iter().position(Option::is_none) else { return };
        let regions: Vec<Region> = shown.regions.iter().skip(first).take(LIVE).copied().collect();
        let job = Job::Live { image: shown.image, first, count: regions.len() };
        self.ask(regions, job);
    }

    /// Sends regions of the shown picture to the teacher.
    fn ask(&mut self, regions: Vec<Region>, job: Job) -> bool {
        let (Some(set), Some(shown)) = (self.set(), self.shown()) else { return false };
        let Some(picture) = shown.picture.clone() else { return false };
        let key = (self.experiment.data as u64) << 48 | shown.image;
        let (teacher, temperature) = (set.teacher().to_owned(), set.temperature());
        let classes = set.classes.ids.clone();
        let travels = self.sent_picture != Some(key);
        let picture = travels.then(|| Picture {
            width: picture.width(),
            height: picture.height(),
            rgb: picture.as_raw().clone(),
        });
        self.sent_picture = Some(key);
        let id = self.next_job;
        self.next_job += 1;
        self.jobs.insert(id, job);
        let k = TOP_K;
        self.outbox.push(Request::Label(LabelJob {
            id,
            teacher,
            key,
            picture,
            regions,
            classes,
            temperature,
            k,
        }));
        true
    }

    /// Takes in what the engine says.
    pub fn hear(&mut self, reply: Reply) {
        match reply {
            Reply::Device(name) => self.device = Some(name),
            Reply::Teacher { name, ids, names } => {
                self.teachers.insert(name, ClassSpace { ids, names });
            }
            Reply::Labels { id, labels, time_s } => self.hear_labels(id, &labels, time_s),
            Reply::Failed { what, error } => {
                if let Some(probe) = &mut self.probe {
                    probe.is_pending = false;
                }
                self.complain(format!("{what}: {error}"));
            }
            reply => self.lesson.hear(reply),
        }
    }

    fn hear_labels(&mut self, id: u64, labels: &[ferkd::label::TopK], time_s: f64) {
        let Some(job) = self.jobs.remove(&id) else { return };
        let classes = self.set().map_or(0, |set| set.classes.len());
        let (codec, _) = Codec::MarginalSmoothing.resolve(TOP_K, classes);
        let decoded: Result<Vec<SoftLabel>> = labels.iter().map(|top| top.decode(codec, classes)).collect();
        match (job, decoded) {
            (_, Err(error)) => self.complain(error),
            (Job::Probe(region), Ok(mut labels)) => {
                let Some(probe) = &mut self.probe else { return };
                probe.is_pending = false;
                probe.time_s = Some(time_s);
                probe.label = labels.pop().map(|label| (region, label));
            }
            (Job::Live { image, first, count }, Ok(labels)) => {
                let images = self.set_mut(Data::Yours).and_then(DataSet::live_images_mut);
                let Some(found) = images.and_then(|images| images.get_mut(image as usize)) else { return };
                for (slot, label) in found.labels.iter_mut().skip(first).take(count).zip(labels) {
                    *slot = Some(label);
                }
                self.changed(Data::Yours);
            }
        }
    }
}
