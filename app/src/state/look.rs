//! What is looked at: data set, image, region; and what is said of it.

use ferkd_method::Result;
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::RegionKind;
use ferkd_method::region::Region;

use super::State;
use super::filters::Filters;
use crate::dataset::DataSet;
use crate::experiment::Data;
use crate::pane_kind::PaneKind;
use crate::representative::{AT_FIRST, representative};
use crate::run::RunView;
use crate::study::seek::{Seek, Sought};
use crate::sweep::SweepView;
use crate::verdict::{Decision, Verdict};

impl State {
    /// Takes up a data set.
    pub fn insert(&mut self, data: Data, set: DataSet) {
        self.labels.insert(data, set);
        self.teachers.forget(data);
    }

    /// Looks at another data set.
    pub fn look_at(&mut self, data: Data) {
        if self.experiment.data != data {
            (self.experiment.data, self.experiment.image, self.experiment.region) = (data, 0, None);
            self.filters = Filters { boxes: self.filters.boxes, ..Filters::default() };
            self.teachers.probe = None;
            self.study.seek = None;
        }
    }

    /// Looks at another image.
    pub fn look_at_image(&mut self, image: u64) {
        if self.experiment.image != image {
            (self.experiment.image, self.experiment.region) = (image, None);
            self.teachers.probe = None;
        }
    }

    /// Looks at one region of an image.
    pub fn look_at_region(&mut self, image: u64, region: u32) {
        self.look_at_image(image);
        (self.experiment.region, self.teachers.probe) = (Some(region), None);
    }

    /// Takes up a run; the one before stays at hand for a comparison. What it did with its labels becomes what
    /// is shown.
    pub fn take_run(&mut self, run: RunView) {
        if let Some(settings) = run.settings {
            self.experiment.settings = settings;
        }
        if self.runs.current.as_ref().is_some_and(|before| before.name != run.name) {
            self.close_checkpoint();
        }
        self.runs.take(run);
        self.focus = Some(PaneKind::Run);
    }

    /// Takes up a sweep.
    pub fn take_sweep(&mut self, sweep: SweepView) {
        self.runs.sweep = Some(sweep);
        self.focus = Some(PaneKind::Run);
    }

    /// Looks at the next or the previous image: of the class that is filtered by, where one is.
    pub fn step_image(&mut self, is_forward: bool) {
        let Some(set) = self.set() else { return };
        let image = self.experiment.image;
        if let Some(class) = self.filters.class {
            self.study.seek = Some(Seek::from(set, class, image, is_forward));
            return self.seek();
        }
        let next = if is_forward { image + 1 } else { image.saturating_sub(1) };
        if next < set.len() {
            self.look_at_image(next);
        }
    }

    /// Looks only at images of a class from now on, or at all; goes to the first one if need be.
    pub fn filter_class(&mut self, class: Option<u32>) {
        (self.filters.class, self.study.seek) = (class, None);
        let (Some(class), Some(set)) = (class, self.set()) else { return };
        if self.shown().and_then(|shown| shown.truth) != Some(class) {
            self.study.seek = Some(Seek::all(set, class));
            self.seek();
        }
    }

    /// Goes on looking for an image of a class, for a slice of time.
    pub(super) fn seek(&mut self) {
        let (Some(mut seek), Some(set)) = (self.study.seek.take(), self.set()) else { return };
        match seek.advance(set) {
            Ok(Sought::Found(image)) => self.look_at_image(image),
            Ok(Sought::GoesOn) => self.study.seek = Some(seek),
            Ok(Sought::Nothing) => {}
            Err(error) => self.complain(error),
        }
    }

    /// The region that boxes grow about: the reader's own box, else the region that is chosen, else the important one that
    /// is drawn first.
    pub fn growing_region(&self) -> Option<Region> {
        let shown = self.shown()?;
        if let Some(probe) = &self.teachers.probe {
            return Some(probe.region);
        }
        if let Some(chosen) = self.experiment.region {
            return shown.regions.get(chosen as usize).copied();
        }
        let kind = |label: &Option<SoftLabel>| {
            let judged = self.judge(&self.experiment.settings, label.as_ref()?, shown.truth);
            judged.map(|(_, kind)| kind)
        };
        let labelled = shown.regions.iter().zip(&shown.labels);
        let regions: Vec<_> = labelled.map(|(region, label)| (*region, kind(label))).collect();
        let first = representative(&regions, shown.size, AT_FIRST as usize);
        let important = first.iter().find(|&&place| regions[place].1 == Some(RegionKind::Important));
        important.or(first.first()).map(|&place| regions[place].0)
    }

    /// Looks at the next or the previous region of the review.
    pub fn step_review(&mut self, is_forward: bool) {
        let (image, region) = (self.experiment.image, self.experiment.region);
        let mut review = std::mem::take(&mut self.study.review);
        review.list(&self.question());
        if review.len().is_ok()
            && let Some((image, region)) = review.step(image, region, is_forward)
        {
            self.look_at_region(image, region);
        }
        self.study.review = review;
    }

    /// Takes note of what the reader says of a region, shown or not; saying it again takes it back.
    pub fn decide(&mut self, image: u64, region: u32, verdict: Verdict) {
        let is_said = self.verdict(image, region) == Some(verdict);
        let Some(set) = self.set() else { return };
        let of = set.identity().to_owned();
        if is_said {
            return self.decided.remove(&of, image, region);
        }
        match self.decision(set, image, region, verdict) {
            Ok(decision) => self.decided.insert(&of, image, region, decision),
            Err(error) => self.complain(error),
        }
    }

    /// Takes note of what the reader says of all regions that are picked in the gallery.
    pub fn decide_picked(&mut self, verdict: Verdict) {
        let picked: Vec<(u64, u32)> = self.study.gallery.picked.iter().copied().collect();
        for (image, region) in picked {
            if self.verdict(image, region) != Some(verdict) {
                self.decide(image, region, verdict);
            }
        }
    }

    /// Takes note of what the reader says of the region that is chosen, if any.
    pub fn decide_chosen(&mut self, verdict: Verdict) {
        if let Some(region) = self.experiment.region {
            self.decide(self.experiment.image, region, verdict);
        }
    }

    /// Takes up decisions that were kept; says so where they cannot be read.
    pub fn restore_decisions(&mut self, text: &str) {
        if let Err(error) = self.decided.restore(text) {
            self.complain(format!("the decisions of the last visit cannot be read: {error}"));
        }
    }

    fn decision(&self, set: &DataSet, image: u64, region: u32, verdict: Verdict) -> Result<Decision> {
        let found = set.region(image, region)?;
        let prediction = found.label.as_ref().and_then(|label| label.top().first().copied());
        let judged =
            found.label.as_ref().and_then(|label| self.judge(&self.experiment.settings, label, found.truth));
        Ok(Decision {
            image: found.image,
            region,
            class: found.truth.map(|class| set.class_name(class)),
            teacher: prediction.map(|(class, _)| set.class_name(class)),
            probability: prediction.map(|(_, p)| p),
            kind: judged.map(|(_, kind)| kind),
            confidence: judged.map(|(c, _)| c),
            verdict,
        })
    }
}
