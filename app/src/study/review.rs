//! Regions that are worth a look: where teacher and class disagree, or where mining is mistaken about a scene.

use std::collections::HashSet;

use ferkd_method::label::SoftLabel;
use ferkd_method::mining::{Confidence, RegionKind, Thresholds};
use ferkd_method::{Error, Result};
use ferkd_train::demo::settings::{VISIBLE, is_mistake};

use super::question::Question;
use crate::dataset::DataSet;
use crate::labels::walk::{LabelsKey, Walk};

/// Disagreements that are listed at the most, those with the largest margin: a store may hold millions.
pub(crate) const MOST_LISTED: usize = 10_000;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum What {
    /// Regions whose top-1 prediction is not the image's class.
    #[default]
    Disagreements,
    /// Regions of scenes that mining takes for showing the digit and that do not, or the other way round.
    Mistakes,
}

impl What {
    /// What its list is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Disagreements => "Teacher against class",
            Self::Mistakes => "Mistakes of mining",
        }
    }
}

/// A region that may be listed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    /// Its image.
    pub image: u64,
    /// Its number.
    pub region: u32,
    /// The image's class.
    pub truth: u32,
    /// The teacher's top-1 prediction.
    pub prediction: u32,
    /// The teacher's probability of it.
    pub p_prediction: f32,
    /// The teacher's probability of the class.
    pub p_truth: f32,
    /// Share of the digit's ink that lies in it, in 0..=1, on scenes.
    pub visible: Option<f64>,
}

impl Found {
    fn of(image: u64, region: u32, truth: u32, label: &SoftLabel) -> Option<Self> {
        Some(Self {
            image,
            region,
            truth,
            prediction: label.prediction()?,
            p_prediction: Confidence::Max.of(label, Some(truth)).ok()?,
            p_truth: Confidence::Target.of(label, Some(truth)).ok()?,
            visible: None,
        })
    }

    /// Its confidence.
    pub fn confidence(&self, which: Confidence) -> f32 {
        match which {
            Confidence::Max => self.p_prediction,
            Confidence::Target => self.p_truth,
        }
    }

    /// How much it is worth a look: how far the prediction is ahead of the class, or how clearly the digit is seen or
    /// hidden against what its kind says; both grow with how wrong someone is.
    pub fn weight(&self, what: What) -> f64 {
        match what {
            What::Disagreements => f64::from(self.p_prediction) - f64::from(self.p_truth),
            What::Mistakes => self.visible.map_or(0.0, |share| (share - VISIBLE).abs()),
        }
    }
}

/// What is asked of the list.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Wanted {
    /// Kinds that are left out, in the order of [`RegionKind::ALL`].
    pub hidden: [bool; 4],
    /// Whether regions are left out of which something was said.
    pub undecided: bool,
    /// Whether each image comes once, with the first of its regions.
    pub one_per_image: bool,
    /// Whether the order is that of the images, and not by weight.
    pub by_image: bool,
}

/// The list and how far it is made.
#[derive(Default)]
pub(crate) struct ReviewStudy {
    of: Option<(LabelsKey, What)>,
    /// What is listed.
    pub what: What,
    /// What is asked of the list.
    pub wanted: Wanted,
    /// How far the regions are looked through.
    pub walk: Walk,
    /// Why they cannot be.
    pub error: Option<String>,
    /// Regions looked at so far, of images with a class.
    pub regions: u64,
    /// Regions found so far; more than are kept, perhaps.
    pub count: u64,
    found: Vec<Found>,
    shown_of: Option<ShownKey>,
    shown: Vec<(u32, RegionKind)>,
    /// Why there is no list.
    list_error: Option<Error>,
    /// Where in the list the reader was last.
    at: usize,
}

/// What decides which regions are shown.
type ShownKey = (u64, Confidence, Thresholds, Wanted, Option<u32>, u64);

impl ReviewStudy {
    /// A study of one question.
    #[cfg(test)]
    pub(crate) fn of(what: What) -> Self {
        Self { what, ..Self::default() }
    }

    /// Whether nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// Forgets what was found in other labels; goes on for a slice of time where it is watched.
    pub fn advance(&mut self, question: &Question<'_>, is_watched: bool) {
        let Some(set) = question.set() else { return };
        if !set.knows_truth() {
            self.what = What::Disagreements;
        }
        let key = (question.key(), self.what);
        if self.of != Some(key) {
            let (what, wanted) = (self.what, self.wanted);
            *self = Self { of: Some(key), what, wanted, walk: Walk::over(set), ..Self::default() };
        }
        if !is_watched {
            return;
        }
        if self.error.is_none() && !self.walk.is_done() {
            self.error = self.look(set).err().map(|error| error.to_string());
        }
        self.list(question);
    }

    fn look(&mut self, set: &DataSet) -> Result<()> {
        let (what, begun) = (self.what, self.found.len());
        let (found, regions, count) = (&mut self.found, &mut self.regions, &mut self.count);
        self.walk.advance(set, &mut |image, class, region, label| {
            let Some(one) = class.and_then(|truth| Found::of(image, region, truth, label)) else { return };
            *regions += 1;
            if what == What::Mistakes || one.prediction != one.truth {
                found.push(one);
                *count += 1;
            }
            if what == What::Disagreements && found.len() == 2 * MOST_LISTED {
                keep_heaviest(found);
            }
        })?;
        if what == What::Disagreements {
            if self.walk.is_done() && self.found.len() > MOST_LISTED {
                keep_heaviest(&mut self.found);
            }
            return Ok(());
        }
        let mut shares: Option<(u64, Vec<f64>)> = None;
        for one in &mut self.found[begun..] {
            if shares.as_ref().is_none_or(|(image, _)| *image != one.image) {
                shares = Some((one.image, set.visible(one.image)?.unwrap_or_default()));
            }
            one.visible = shares.as_ref().and_then(|(_, shares)| shares.get(one.region as usize).copied());
        }
        Ok(())
    }

    /// Brings the list up to date.
    pub fn list(&mut self, question: &Question<'_>) {
        self.list_error = self.try_list(question).err();
    }

    fn try_list(&mut self, question: &Question<'_>) -> Result<()> {
        let confidence = question.experiment.settings.confidence;
        let thresholds = question.thresholds()?;
        let decided = if self.wanted.undecided { question.decisions.len() as u64 } else { 0 };
        let key = (self.walk.at, confidence, thresholds, self.wanted, question.class, decided);
        if self.shown_of == Some(key) {
            return Ok(());
        }
        let what = self.what;
        let mut shown = Vec::new();
        for (at, one) in self.found.iter().enumerate() {
            let kind = thresholds.kind(one.confidence(confidence))?;
            let is_wrong =
                what == What::Disagreements || one.visible.is_some_and(|share| is_mistake(kind, share));
            let is_wanted = !self.wanted.hidden[kind as usize]
                && question.class.is_none_or(|class| class == one.truth)
                && !(self.wanted.undecided && question.decisions.contains_key(&(one.image, one.region)));
            if is_wrong && is_wanted {
                shown.push((at as u32, kind));
            }
        }
        let found = &self.found;
        let one = |at: u32| &found[at as usize];
        if !self.wanted.by_image {
            shown.sort_by(|a, b| one(b.0).weight(what).total_cmp(&one(a.0).weight(what)).then(a.0.cmp(&b.0)));
        } else {
            shown.sort_by_key(|&(at, _)| (one(at).image, one(at).region));
        }
        if self.wanted.one_per_image {
            let mut seen = HashSet::new();
            shown.retain(|&(at, _)| seen.insert(one(at).image));
        }
        (self.shown, self.shown_of) = (shown, Some(key));
        Ok(())
    }

    /// Number of regions that are listed.
    ///
    /// # Errors
    /// Why there is no list: thresholds that are not known, or do not ascend.
    pub fn len(&self) -> std::result::Result<usize, &Error> {
        match &self.list_error {
            Some(error) => Err(error),
            None => Ok(self.shown.len()),
        }
    }

    /// A line of the list that was shown last.
    pub fn line(&self, at: usize) -> Option<(&Found, RegionKind)> {
        let &(found, kind) = self.shown.get(at)?;
        self.found.get(found as usize).map(|one| (one, kind))
    }

    /// All lines of the list that was shown last.
    pub fn lines(&self) -> impl Iterator<Item = (&Found, RegionKind)> {
        (0..self.shown.len()).filter_map(|at| self.line(at))
    }

    /// The line after or before a region; where the region has left the list, the one that took its place.
    pub fn step(&mut self, image: u64, region: Option<u32>, is_forward: bool) -> Option<(u64, u32)> {
        let here = self.lines().position(|(one, _)| one.image == image && Some(one.region) == region);
        let next = match (here, is_forward) {
            (Some(at), true) => (at + 1).min(self.shown.len().saturating_sub(1)),
            (None, true) => self.at.min(self.shown.len().saturating_sub(1)),
            (here, false) => here.unwrap_or(self.at).saturating_sub(1),
        };
        let (one, _) = self.line(next)?;
        let found = (one.image, one.region);
        self.at = next;
        Some(found)
    }

    /// Takes note of the region that the reader has gone to, where it is listed.
    pub fn went_to(&mut self, image: u64, region: u32) {
        let here = self.lines().position(|(one, _)| (one.image, one.region) == (image, region));
        self.at = here.unwrap_or(self.at);
    }
}

/// Keeps those with the largest weight, in the order of the images.
fn keep_heaviest(found: &mut Vec<Found>) {
    let weight = |one: &Found| one.weight(What::Disagreements);
    found.select_nth_unstable_by(MOST_LISTED - 1, |a, b| {
        weight(b).total_cmp(&weight(a)).then((a.image, a.region).cmp(&(b.image, b.region)))
    });
    found.truncate(MOST_LISTED);
    found.sort_by_key(|one| (one.image, one.region));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_than_are_kept_the_heaviest_are() {
        let one = |at: usize| Found {
            image: at as u64,
            region: 0,
            truth: 0,
            prediction: 1,
            p_prediction: (at * 7919 % 20_011) as f32 / 20_011.0,
            p_truth: 0.0,
            visible: None,
        };
        let all: Vec<Found> = (0..2 * MOST_LISTED).map(one).collect();
        let mut kept = all.clone();
        keep_heaviest(&mut kept);
        assert_eq!(kept.len(), MOST_LISTED);
        assert!(kept.is_sorted_by_key(|one| one.image));
        let least = kept.iter().map(|one| one.p_prediction).fold(1.0, f32::min);
        assert_eq!(all.iter().filter(|one| one.p_prediction >= least).count(), MOST_LISTED);
    }
}
