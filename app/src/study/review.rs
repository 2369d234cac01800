//! Regions that deserve a look: where teacher and class disagree, or where mining is mistaken about a scene.

use std::collections::HashSet;

use ferkd::Result;
use ferkd::demo::settings::{VISIBLE, is_mistake};
use ferkd::label::SoftLabel;
use ferkd::mining::{Confidence, Kind, Thresholds};

use super::{LabelsKey, Walk};
use crate::dataset::DataSet;
use crate::state::State;

/// Disagreements that are listed at the most, those with the largest margin: a store may hold millions.
pub(crate) const MOST_LISTED: usize = 10_000;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum What {
    /// Regions whose first guess is not the image's class.
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
    /// What the teacher takes it for.
    pub guess: u32,
    /// The teacher's probability of its guess.
    pub p_guess: f32,
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
            guess: label.guess()?,
            p_guess: Confidence::Max.of(label, Some(truth)).ok()?,
            p_truth: Confidence::Target.of(label, Some(truth)).ok()?,
            visible: None,
        })
    }

    /// Its confidence.
    pub fn confidence(&self, which: Confidence) -> f32 {
        match which {
            Confidence::Max => self.p_guess,
            Confidence::Target => self.p_truth,
        }
    }

    /// How much it deserves a look: how far the guess is ahead of the class, or how clearly the digit is seen or
    /// hidden against what its kind says; both grow with how wrong somebody is.
    pub fn weight(&self, what: What) -> f64 {
        match what {
            What::Disagreements => f64::from(self.p_guess) - f64::from(self.p_truth),
            What::Mistakes => self.visible.map_or(0.0, |share| (share - VISIBLE).abs()),
        }
    }
}

/// What is asked of the list.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Wanted {
    /// Kinds that are left out, in the order of [`Kind::ALL`].
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
    shown: Vec<(u32, Kind)>,
    /// Where in the list the reader was last.
    at: usize,
}

/// What decides which regions are shown.
type ShownKey = (u64, Confidence, Thresholds, Wanted, Option<u32>, u64);

impl ReviewStudy {
    /// Whether nothing is listed.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// Goes on for a slice of time; begins anew where the labels or the question have changed.
    pub fn advance(&mut self, state: &State) {
        let Some(set) = state.set() else { return };
        if !set.knows_truth() {
            self.what = What::Disagreements;
        }
        let key = (LabelsKey::of(state), self.what);
        if self.of != Some(key) {
            let (what, wanted) = (self.what, self.wanted);
            *self = Self { of: Some(key), what, wanted, walk: Walk::over(set), ..Self::default() };
        }
        if self.error.is_none() && !self.walk.is_done() {
            self.error = self.look(set).err().map(|error| error.to_string());
        }
    }

    fn look(&mut self, set: &DataSet) -> Result<()> {
        let (what, begun) = (self.what, self.found.len());
        let (found, regions, count) = (&mut self.found, &mut self.regions, &mut self.count);
        self.walk.advance(set, &mut |image, class, region, label| {
            let Some(one) = class.and_then(|truth| Found::of(image, region, truth, label)) else { return };
            *regions += 1;
            if what == What::Mistakes || one.guess != one.truth {
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

    /// The regions that are shown with their kinds, in their order.
    ///
    /// # Errors
    /// Thresholds that are not known, or do not ascend.
    pub fn shown(&mut self, state: &State) -> Result<&[(u32, Kind)]> {
        let settings = state.experiment.settings;
        let thresholds = state.thresholds(&settings)?;
        let decided = if self.wanted.undecided { state.decisions().len() as u64 } else { 0 };
        let key = (self.walk.at, settings.confidence, thresholds, self.wanted, state.class_filter, decided);
        if self.shown_of == Some(key) {
            return Ok(&self.shown);
        }
        let what = self.what;
        let mut shown = Vec::new();
        for (at, one) in self.found.iter().enumerate() {
            let kind = thresholds.kind(one.confidence(settings.confidence))?;
            let is_wrong =
                what == What::Disagreements || one.visible.is_some_and(|share| is_mistake(kind, share));
            let is_wanted = !self.wanted.hidden[kind as usize]
                && state.class_filter.is_none_or(|class| class == one.truth)
                && !(self.wanted.undecided && state.verdict(one.image, one.region).is_some());
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
        Ok(&self.shown)
    }

    /// A line of the list that was shown last.
    pub fn line(&self, at: usize) -> Option<(&Found, Kind)> {
        let &(found, kind) = self.shown.get(at)?;
        self.found.get(found as usize).map(|one| (one, kind))
    }

    /// All lines of the list that was shown last.
    pub fn lines(&self) -> impl Iterator<Item = (&Found, Kind)> {
        (0..self.shown.len()).filter_map(|at| self.line(at))
    }

    /// The line after or before a region; where the region has left the list, the one that took its place.
    fn step(&mut self, image: u64, region: Option<u32>, is_forward: bool) -> Option<(u64, u32)> {
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

    /// Takes note of the line that the reader has gone to.
    pub fn went_to(&mut self, at: usize) {
        self.at = at;
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

impl State {
    /// Looks at the next or the previous region of the review.
    pub fn step_review(&mut self, is_forward: bool) {
        let (image, region) = (self.experiment.image, self.experiment.region);
        let mut review = std::mem::take(&mut self.study.review);
        let listed = review.shown(self).map(|_| ());
        if listed.is_ok()
            && let Some((image, region)) = review.step(image, region, is_forward)
        {
            self.look_at_region(image, region);
        }
        self.study.review = review;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::Verdict;
    use crate::study::testing::scenes;

    fn reviewed(state: &mut State, what: What) -> ReviewStudy {
        let mut review = ReviewStudy { what, ..ReviewStudy::default() };
        loop {
            review.advance(state);
            assert_eq!(review.error, None);
            if review.walk.is_done() {
                review.shown(state).unwrap();
                return review;
            }
        }
    }

    #[test]
    fn disagreements_are_those_of_the_store_with_the_largest_margin_first() {
        let mut state = scenes();
        let review = reviewed(&mut state, What::Disagreements);
        let store = state.set().unwrap().store().unwrap().clone();
        let (mut expected, mut regions) = (Vec::new(), 0);
        for image in 0..store.len() {
            let class = store.class(image).unwrap().unwrap();
            for (label, region) in store.labels(image).unwrap().iter().zip(0u32..) {
                regions += 1;
                if label.guess() != Some(class) {
                    expected.push((image, region));
                }
            }
        }
        assert!(expected.len() > 100 && expected.len() < regions as usize);
        assert_eq!((review.regions, review.count), (regions, expected.len() as u64));
        let margins: Vec<f64> = review.lines().map(|(one, _)| one.weight(What::Disagreements)).collect();
        assert!(margins.is_sorted_by(|a, b| a >= b));
        let mut listed: Vec<(u64, u32)> = review.lines().map(|(one, _)| (one.image, one.region)).collect();
        listed.sort_unstable();
        assert_eq!(listed, expected);
    }

    #[test]
    fn mistakes_are_what_visible_share_and_kind_say() {
        let mut state = scenes();
        let review = reviewed(&mut state, What::Mistakes);
        let listed: HashSet<(u64, u32)> = review.lines().map(|(one, _)| (one.image, one.region)).collect();
        assert!(!listed.is_empty());
        for image in [0, 5, 40, 444] {
            state.look_at_image(image);
            state.refresh();
            let shown = state.shown().unwrap();
            for (region, (label, share)) in
                shown.labels.iter().zip(shown.visible.as_ref().unwrap()).enumerate()
            {
                let (_, kind) =
                    state.judge(&state.experiment.settings, label.as_ref().unwrap(), shown.truth).unwrap();
                assert_eq!(listed.contains(&(image, region as u32)), is_mistake(kind, *share));
            }
        }
    }

    #[test]
    fn filters_leave_what_they_say() {
        let mut state = scenes();
        let mut review = reviewed(&mut state, What::Disagreements);
        let all = review.lines().count();
        let of_kind = Kind::ALL.map(|kind| review.lines().filter(|(_, found)| *found == kind).count());
        review.wanted.hidden[Kind::Context as usize] = true;
        assert_eq!(review.shown(&state).unwrap().len(), all - of_kind[Kind::Context as usize]);
        review.wanted = Wanted { one_per_image: true, ..Wanted::default() };
        review.shown(&state).unwrap();
        let images: Vec<u64> = review.lines().map(|(one, _)| one.image).collect();
        assert_eq!(images.iter().collect::<HashSet<_>>().len(), images.len());
        assert!(images.len() < all);
        review.wanted = Wanted { by_image: true, ..Wanted::default() };
        review.shown(&state).unwrap();
        assert!(review.lines().map(|(one, _)| (one.image, one.region)).is_sorted());
        state.class_filter = Some(3);
        assert!(review.shown(&state).unwrap().len() < all);
        assert!(review.lines().all(|(one, _)| one.truth == 3));
    }

    #[test]
    fn going_through_the_undecided_skips_none() {
        let mut state = scenes();
        state.study.review = reviewed(&mut state, What::Disagreements);
        let order: Vec<(u64, u32)> =
            state.study.review.lines().map(|(one, _)| (one.image, one.region)).take(4).collect();
        state.study.review.wanted.undecided = true;
        for (image, region) in &order {
            state.step_review(true);
            assert_eq!((state.experiment.image, state.experiment.region), (*image, Some(*region)));
            state.decide_chosen(Verdict::TeacherWrong);
        }
        assert_eq!(state.decisions().len(), 4);
        let mut review = std::mem::take(&mut state.study.review);
        let left = review.shown(&state).unwrap().len() as u64;
        assert_eq!(left, review.count.min(MOST_LISTED as u64) - 4);
    }

    #[test]
    fn of_more_than_are_kept_the_heaviest_are() {
        let one = |at: usize| Found {
            image: at as u64,
            region: 0,
            truth: 0,
            guess: 1,
            p_guess: (at * 7919 % 20_011) as f32 / 20_011.0,
            p_truth: 0.0,
            visible: None,
        };
        let all: Vec<Found> = (0..2 * MOST_LISTED).map(one).collect();
        let mut kept = all.clone();
        keep_heaviest(&mut kept);
        assert_eq!(kept.len(), MOST_LISTED);
        assert!(kept.is_sorted_by_key(|one| one.image));
        let least = kept.iter().map(|one| one.p_guess).fold(1.0, f32::min);
        assert_eq!(all.iter().filter(|one| one.p_guess >= least).count(), MOST_LISTED);
    }
}
