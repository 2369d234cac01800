//! Questions to the teacher and what it answers: the reader's own box, and the reader's own images.

use ferkd::Result;
use ferkd::data::classes::ClassSpace;
use ferkd::label::{Codec, SoftLabel, TopK};
use ferkd::region::{Region, RegionSampler};
use image::RgbImage;

use super::{AskedAgain, Job, State};
use crate::dataset::{DataSet, LiveImage};
use crate::engine::{LABELLING, LabelJob, Picture, Reply, Request};
use crate::experiment::Data;

/// Regions of the user's images that are sent to the teacher at once.
const AT_ONCE: usize = 8;

/// Pairs kept of a label that is made while one looks on.
const TOP_K: usize = 5;

impl State {
    /// Asks the teacher about the user's region, unless it is looking already: the latest region wins.
    pub(super) fn ask_about_probe(&mut self) {
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

    /// Asks the teacher about the chosen region again, whose label was stored: does it still say the same?
    pub fn ask_again(&mut self) {
        let (Some(region), Some(shown)) = (self.experiment.region, self.shown()) else { return };
        let (image, found) = (shown.image, shown.regions.get(region as usize).copied());
        if self.jobs.values().any(|job| matches!(job, Job::Again)) {
            return;
        }
        if let Some(found) = found
            && self.ask(vec![found], Job::Again)
        {
            let data = self.experiment.data;
            self.asked_again = Some(AskedAgain { data, image, region, label: None, time_s: 0.0 });
        }
    }

    /// Lets the teacher label so many regions of the shown picture, for the time that it takes; whether it can.
    pub fn measure(&mut self, regions: u32) -> bool {
        let Some((width, height)) = self.shown().map(|shown| shown.size) else { return false };
        self.ask(RegionSampler::new(1).regions(0, regions, width, height), Job::Measure)
    }

    /// Sends regions of the shown picture to the teacher.
    fn ask(&mut self, regions: Vec<Region>, job: Job) -> bool {
        let Some(shown) = self.shown() else { return false };
        let Some(picture) = shown.picture.clone() else { return false };
        self.ask_of(self.experiment.data, shown.image, &picture, regions, job)
    }

    /// Sends regions of a picture to the teacher of its data set.
    fn ask_of(&mut self, data: Data, image: u64, picture: &RgbImage, regions: Vec<Region>, job: Job) -> bool {
        let Some(set) = self.sets.get(&data.into()) else { return false };
        let (teacher, temperature) = (set.teacher().to_owned(), set.temperature());
        if !self.teachers.contains_key(&teacher) {
            return false;
        }
        let classes = set.classes.ids.clone();
        // Data sets come and go: what is kept of one must not be taken for another.
        let key = (data as u64) << 56 | (self.loaded & 0xff) << 48 | image;
        let picture = (self.sent_picture != Some(key)).then(|| Picture {
            width: picture.width(),
            height: picture.height(),
            rgb: picture.as_raw().clone(),
        });
        self.sent_picture = Some(key);
        let id = self.next_job;
        self.next_job += 1;
        self.jobs.insert(id, job);
        let job = LabelJob { id, teacher, key, picture, regions, classes, temperature, k: TOP_K };
        self.outbox.push(Request::Label(job));
        true
    }

    /// Asks the teacher about the user's images, a few regions at a time: other questions come in between.
    pub(super) fn ask_about_yours(&mut self) {
        if self.jobs.values().any(|job| matches!(job, Job::Live { .. })) {
            return;
        }
        let Some(images) = self.sets.get(&Data::Yours.into()).and_then(DataSet::live_images) else { return };
        let waiting = |image: &LiveImage| image.labels.iter().any(Option::is_none);
        let Some(image) = images.iter().position(waiting) else { return };
        let found = &images[image];
        let first = found.labels.iter().position(Option::is_none).unwrap_or_default();
        let regions: Vec<Region> = found.regions[first..].iter().take(AT_ONCE).copied().collect();
        let (picture, count) = (found.picture.clone(), regions.len());
        let image = image as u64;
        self.ask_of(Data::Yours, image, &picture, regions, Job::Live { image, first, count });
    }

    /// Regions of the user's images that have labels, and all of them; none if nothing is being labelled.
    pub fn labelling(&self) -> Option<(usize, usize)> {
        let images = self.sets.get(&Data::Yours.into())?.live_images()?;
        let all: usize = images.iter().map(|image| image.labels.len()).sum();
        let done = images.iter().flat_map(|image| &image.labels).flatten().count();
        (done < all).then_some((done, all))
    }

    /// Gives an image of the user's a class.
    pub fn classify(&mut self, image: u64, class: u32) {
        let images = self.set_mut(Data::Yours).and_then(DataSet::live_images_mut);
        if let Some(found) = images.and_then(|images| images.get_mut(image as usize)) {
            found.truth = Some(class);
            self.changed(Data::Yours);
        }
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
                // Jobs are answered in order: it is the oldest that failed.
                if what == LABELLING {
                    self.jobs.pop_first();
                }
                self.complain(format!("{what}: {error}"));
                self.lesson.hear(Reply::Failed { what, error });
            }
            reply => self.lesson.hear(reply),
        }
    }

    fn hear_labels(&mut self, id: u64, labels: &[TopK], time_s: f64) {
        let Some(job) = self.jobs.remove(&id) else { return };
        let data = match (&job, &self.asked_again) {
            (Job::Live { .. }, _) => Data::Yours,
            (Job::Again, Some(asked)) => asked.data,
            _ => self.experiment.data,
        };
        let classes = self.sets.get(&data.into()).map_or(0, |set| set.classes.len());
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
            (Job::Measure, Ok(_)) => self.measured.push(time_s),
            (Job::Again, Ok(mut labels)) => {
                if let Some(asked) = &mut self.asked_again {
                    (asked.label, asked.time_s) = (labels.pop(), time_s);
                }
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
