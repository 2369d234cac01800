//! Teachers that are ready, what they were asked, and what they answered: the reader's own box, a stored region once
//! more, the reader's own images.

use std::collections::{BTreeMap, BTreeSet};

use ferkd_data::classes::ClassSpace;
use ferkd_method::Result;
use ferkd_method::label::{Codec, SoftLabel, TopK};
use ferkd_method::region::{Region, RegionSampler};
use image::RgbImage;

use crate::dataset::DataSet;
use crate::engine::{LabelJob, Picture, Request};
use crate::experiment::Data;
use crate::growth::Growth;
use crate::labels::Labels;
use crate::live_image::LiveImage;

/// Regions of the user's images that are sent to the teacher at once, at the most.
const AT_ONCE: usize = 8;

/// Seconds that a slow teacher is left alone with regions of the user's images: other questions wait as long.
const LEFT_ALONE_S: f64 = 0.5;

/// Pairs kept of a label that is made while you look on.
pub(super) const TOP_K: usize = 5;

/// Teachers, and the jobs that they work on.
#[derive(Default)]
pub struct Teachers {
    /// Those that are ready, with their classes.
    pub ready: BTreeMap<String, ClassSpace>,
    /// A region of the user's own.
    pub probe: Option<Probe>,
    /// The stored region that the teacher was asked about again.
    pub asked_again: Option<AskedAgain>,
    /// The boxes that grow about a region, and what the teacher says of them.
    pub growth: Option<Growth>,
    /// Seconds that each measurement of the teacher took.
    pub measured: Vec<f64>,
    /// What the engine works on, by the number of the job; the data set that it is about.
    jobs: BTreeMap<u64, (Data, Job)>,
    next_job: u64,
    /// The picture that the engine was sent last.
    sent_picture: Option<u64>,
    /// Data sets whose images could not be labelled: they wait for others, or for another teacher.
    live_failed: BTreeSet<Data>,
    /// Seconds a region that the teacher took last for images that are labelled while you look on.
    live_s: Option<f64>,
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
    /// The region that the teacher failed at: it is not asked about the same one again.
    pub failed: Option<Region>,
}

impl Probe {
    /// A region that the teacher has not looked at yet.
    pub fn new(region: Region) -> Self {
        Self { region, label: None, is_pending: false, time_s: None, failed: None }
    }
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

#[derive(Debug, Clone)]
enum Job {
    Probe(Region),
    /// A region whose label was stored.
    Again,
    /// Boxes that grow about a region of an image.
    Growth(Data, u64, Region),
    /// Regions that are labelled for the time that it takes.
    Measure,
    /// Regions of an image that is labelled while you look on, from this one on.
    Live {
        image: u64,
        first: usize,
        count: usize,
    },
}

impl Job {
    fn is_live(&self) -> bool {
        matches!(self, Self::Live { .. })
    }
}

impl Teachers {
    /// A teacher is ready.
    pub fn insert(&mut self, name: String, classes: ClassSpace) {
        self.ready.insert(name, classes);
        self.live_failed.clear();
    }

    /// A teacher is not needed any more.
    pub fn remove(&mut self, name: &str) {
        self.ready.remove(name);
    }

    /// The teacher that labels a data set, once it is ready.
    pub fn of(&self, set: &DataSet) -> Option<(&str, &ClassSpace)> {
        self.ready.get_key_value(set.teacher()).map(|(name, classes)| (name.as_str(), classes))
    }

    /// Whether a teacher is looking at regions.
    pub fn is_labelling(&self) -> bool {
        !self.jobs.is_empty()
    }

    /// Whether a teacher is looking at the user's region.
    fn is_probing(&self) -> bool {
        self.jobs.values().any(|(_, job)| matches!(job, Job::Probe(_)))
    }

    /// Another data set stands where one was: answers about its images are of no use.
    pub fn forget(&mut self, data: Data) {
        self.sent_picture = None;
        self.growth = self.growth.take().filter(|growth| growth.of.0 != data);
        self.asked_again = self.asked_again.take().filter(|asked| asked.data != data);
        self.jobs.retain(|_, (of, _)| *of != data);
        let is_pending = self.is_probing();
        if let Some(probe) = &mut self.probe {
            probe.is_pending = is_pending;
        }
        self.live_failed.remove(&data);
        self.live_s = None;
    }

    /// Asks about the user's region, unless the teacher is looking already: the latest region wins.
    pub fn ask_about_probe(&mut self, labels: &Labels, data: Data) -> Option<Request> {
        let probe = self.probe.as_ref()?;
        let region = probe.region;
        let is_known = probe.label.as_ref().is_some_and(|(of, _)| *of == region);
        if probe.is_pending || is_known || probe.failed == Some(region) {
            return None;
        }
        let asked = self.ask_of_shown(labels, data, vec![region], Job::Probe(region));
        if let (Some(_), Some(probe)) = (&asked, &mut self.probe) {
            probe.is_pending = true;
        }
        asked
    }

    /// Asks about a region of the shown image again, whose label was stored: does it still say the same?
    pub fn ask_again(&mut self, labels: &Labels, data: Data, region: u32) -> Option<Request> {
        if self.jobs.values().any(|(_, job)| matches!(job, Job::Again)) {
            return None;
        }
        let shown = labels.shown()?;
        let (image, place) = (shown.image, *shown.regions.get(region as usize)?);
        let asked = self.ask_of_shown(labels, data, vec![place], Job::Again)?;
        self.asked_again = Some(AskedAgain { data, image, region, label: None, time_s: 0.0 });
        Some(asked)
    }

    /// Asks about the boxes that grow about a region of the shown image, unless the teacher is looking at some: the latest
    /// region wins.
    pub fn ask_about_growth(&mut self, labels: &Labels, data: Data, region: Region) -> Option<Request> {
        let shown = labels.shown()?;
        let of = (data, shown.image, region);
        if self.growth.as_ref().is_none_or(|growth| growth.of != of) {
            self.growth = region.fits(shown.size.0, shown.size.1).then(|| Growth::new(of, shown.size));
        }
        let growth = self.growth.as_ref()?;
        let is_looking = self.jobs.values().any(|(_, job)| matches!(job, Job::Growth(..)));
        if is_looking || growth.has_failed || growth.labels.is_some() {
            return None;
        }
        let boxes = growth.boxes.to_vec();
        self.ask_of_shown(labels, data, boxes, Job::Growth(data, shown.image, region))
    }

    /// Asks for labels of so many regions of the shown image, for the time that it takes.
    pub fn measure(&mut self, labels: &Labels, data: Data, regions: u32) -> Option<Request> {
        let (width, height) = labels.shown()?.size;
        self.ask_of_shown(
            labels,
            data,
            RegionSampler::new(1).regions(0, regions, width, height),
            Job::Measure,
        )
    }

    /// Asks about images that are labelled while you look on, a few regions at a time: other questions come in between.
    /// The image that is looked at, by its data set and number, comes first.
    pub fn ask_about_live(&mut self, labels: &Labels, looked_at: (Data, u64)) -> Option<Request> {
        if self.jobs.values().any(|(_, job)| job.is_live()) {
            return None;
        }
        let others = [Data::Photos, Data::Yours].into_iter().filter(|data| *data != looked_at.0);
        for data in std::iter::once(looked_at.0).chain(others) {
            let Some(images) = labels.set_of(data).and_then(DataSet::live_images) else { continue };
            let waits = |image: &LiveImage| image.labels.iter().any(Option::is_none);
            let in_sight = usize::try_from(looked_at.1).ok().filter(|_| data == looked_at.0);
            let in_sight = in_sight.filter(|&image| images.get(image).is_some_and(waits));
            let next = in_sight.or_else(|| images.iter().position(waits));
            let Some(image) = next.filter(|_| !self.live_failed.contains(&data)) else { continue };
            let found = &images[image];
            let first = found.labels.iter().position(Option::is_none).unwrap_or_default();
            let regions: Vec<Region> =
                found.regions.iter().skip(first).take(self.live_at_once()).copied().collect();
            let (image, count) = (image as u64, regions.len());
            let job = Job::Live { image, first, count };
            if let Some(asked) = self.ask(labels, (data, image), &found.picture, regions, job) {
                return Some(asked);
            }
        }
        None
    }

    /// Regions that are sent to the teacher at once: fewer to a slow one.
    fn live_at_once(&self) -> usize {
        match self.live_s {
            // How fast it is, is not known yet.
            None => 1,
            Some(seconds) => ((LEFT_ALONE_S / seconds.max(1e-6)) as usize).clamp(1, AT_ONCE),
        }
    }

    /// Asks about regions of the shown picture.
    fn ask_of_shown(
        &mut self,
        labels: &Labels,
        data: Data,
        regions: Vec<Region>,
        job: Job,
    ) -> Option<Request> {
        let shown = labels.shown()?;
        self.ask(labels, (data, shown.image), shown.picture.as_ref()?, regions, job)
    }

    /// Asks the teacher of a data set about regions of one of its pictures; nothing while that is not ready.
    fn ask(
        &mut self,
        labels: &Labels,
        (data, image): (Data, u64),
        picture: &RgbImage,
        regions: Vec<Region>,
        job: Job,
    ) -> Option<Request> {
        let set = labels.set_of(data)?;
        let (teacher, _) = self.of(set)?;
        let teacher = (teacher.to_owned(), set.temperature());
        let (id, request) = self.request(labels, (data, image), picture, regions, teacher)?;
        self.jobs.insert(id, (data, job));
        Some(request)
    }

    /// The number of a new job, and what asks a teacher, under a temperature, about regions of a picture.
    pub(super) fn request(
        &mut self,
        labels: &Labels,
        (data, image): (Data, u64),
        picture: &RgbImage,
        regions: Vec<Region>,
        (teacher, temperature): (String, f32),
    ) -> Option<(u64, Request)> {
        let classes = labels.set_of(data)?.classes.ids.clone();
        // Data sets come and go: what is kept of one must not be taken for another.
        let key = (data as u64) << 56 | (labels.loaded() & 0xff) << 48 | image;
        let picture = (self.sent_picture != Some(key)).then(|| Picture {
            width: picture.width(),
            height: picture.height(),
            rgb: picture.as_raw().clone(),
        });
        self.sent_picture = Some(key);
        let id = self.next_job;
        self.next_job += 1;
        let job = LabelJob { id, teacher, key, picture, regions, classes, temperature, k: TOP_K };
        Some((id, Request::Label(job)))
    }

    /// Takes in the labels of a job.
    ///
    /// # Errors
    /// Labels that cannot be read.
    pub fn take(&mut self, id: u64, found: &[TopK], time_s: f64, labels: &mut Labels) -> Result<()> {
        let Some((data, job)) = self.jobs.get(&id) else { return Ok(()) };
        let (data, job) = (*data, job.clone());
        let classes = labels.set_of(data).map_or(0, |set| set.classes.len());
        let (codec, _) = Codec::MarginalSmoothing.resolve(TOP_K, classes);
        let decoded: Result<Vec<SoftLabel>> = found.iter().map(|top| top.decode(codec, classes)).collect();
        let mut decoded = decoded.inspect_err(|_| self.fail(id))?;
        self.jobs.remove(&id);
        match job {
            Job::Probe(region) => {
                let is_pending = self.is_probing();
                if let Some(probe) = &mut self.probe {
                    (probe.is_pending, probe.time_s) = (is_pending, Some(time_s));
                    probe.label = decoded.pop().map(|label| (region, label));
                }
            }
            Job::Measure => self.measured.push(time_s),
            Job::Growth(data, image, region) => {
                if let Some(growth) = self.growth_of((data, image, region)) {
                    growth.labels = Some(decoded);
                }
            }
            Job::Again => {
                if let Some(asked) = &mut self.asked_again {
                    (asked.label, asked.time_s) = (decoded.pop(), time_s);
                }
            }
            Job::Live { image, first, count } => {
                self.live_s = Some(time_s / count.max(1) as f64);
                let images = labels.set_mut(data).and_then(DataSet::live_images_mut);
                if let Some(found) = images.and_then(|images| images.get_mut(image as usize)) {
                    for (slot, label) in found.labels.iter_mut().skip(first).take(count).zip(decoded) {
                        *slot = Some(label);
                    }
                    labels.changed(data);
                }
            }
        }
        Ok(())
    }

    /// The growing boxes at hand, where they are these.
    fn growth_of(&mut self, of: (Data, u64, Region)) -> Option<&mut Growth> {
        self.growth.as_mut().filter(|growth| growth.of == of)
    }

    /// A job has failed: what it was for waits no longer, and nothing else is touched.
    pub fn fail(&mut self, id: u64) {
        // The picture that came with it may not have arrived.
        self.sent_picture = None;
        let Some((data, job)) = self.jobs.remove(&id) else { return };
        match job {
            Job::Probe(region) => {
                let is_pending = self.is_probing();
                if let Some(probe) = &mut self.probe {
                    (probe.is_pending, probe.failed) = (is_pending, Some(region));
                }
            }
            Job::Again => self.asked_again = None,
            Job::Growth(data, image, region) => {
                if let Some(growth) = self.growth_of((data, image, region)) {
                    growth.has_failed = true;
                }
            }
            Job::Measure => {}
            Job::Live { .. } => _ = self.live_failed.insert(data),
        }
    }
}
