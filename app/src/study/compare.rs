//! Two settings on the same regions, of one store or of two: which kind each region has on either side.

use ferkd::label::SoftLabel;
use ferkd::mining::{Confidence, Kind, Thresholds, Transitions};

use super::{LabelsKey, Walk};
use crate::dataset::DataSet;
use crate::experiment::Data;
use crate::state::State;

/// Regions that are listed for one pair of kinds at the most: a store may hold millions.
pub(crate) const MOST_LISTED: u64 = 10_000;

/// What decides a region's kind.
type Side = (Confidence, Thresholds);

/// What is found out of two settings.
#[derive(Default)]
pub(crate) struct CompareStudy {
    of: Option<(LabelsKey, Data, Side, Side)>,
    /// How far the regions are counted.
    pub walk: Walk,
    /// How many regions go from each kind to each other one, so far.
    pub transitions: Transitions,
    /// Regions whose kind differs, in their order.
    pub differing: Vec<Differing>,
    /// Those of `differing` that are shown.
    shown: Vec<u32>,
    shown_of: Option<(Option<(Kind, Kind)>, usize)>,
    /// Only regions that go from this kind to that one are shown.
    pub only: Option<(Kind, Kind)>,
    /// How the labels of two stores differ, so far.
    pub labels: LabelsDiffer,
    /// Why it cannot be found out.
    pub error: Option<String>,
}

/// How the labels of two stores differ.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct LabelsDiffer {
    /// Regions that were compared.
    pub regions: u64,
    /// Those whose first guess is another one.
    pub guesses: u64,
    /// Sum of their total variations, each in 0..=1.
    pub total_variation: f64,
}

/// A region whose kind differs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Differing {
    /// Image.
    pub image: u64,
    /// Number of the region in it.
    pub region: u32,
    /// Confidence under the left and the right settings.
    pub c: [f32; 2],
    /// Kind under the left and the right settings.
    pub kinds: [Kind; 2],
}

impl CompareStudy {
    /// Goes on for a slice of time; begins anew where a side has changed.
    pub fn advance(&mut self, state: &State, left: Side, right: Side) {
        let data = state.right_data();
        let (Some(set), Some(other)) = (state.set(), state.set_of(data).or(state.set())) else { return };
        let key = (LabelsKey::of(state), data, left, right);
        if self.of != Some(key) {
            *self = Self { of: Some(key), walk: Walk::over(set), only: self.only, ..Self::default() };
        }
        if self.error.is_some() {
            return;
        }
        let second = (data != state.experiment.data).then_some(other);
        let same_classes = set.classes.ids == other.classes.ids;
        let (transitions, differing, labels) = (&mut self.transitions, &mut self.differing, &mut self.labels);
        let mut wrong = None;
        let walked = self.walk.advance(set, &mut |image, class, region, label| {
            let theirs = match second.map(|second| other_label(second, image, region)) {
                None => None,
                Some(Ok(Some(found))) => Some(found),
                // It has fewer regions an image: those are compared that both have.
                Some(Ok(None)) => return,
                Some(Err(error)) => return wrong = Some(error),
            };
            if let Some((theirs, _)) = theirs.as_ref().filter(|_| same_classes) {
                labels.regions += 1;
                labels.guesses += u64::from(theirs.guess() != label.guess());
                labels.total_variation += label.total_variation(theirs);
            }
            let (other, truth) = theirs.as_ref().map_or((label, class), |(label, class)| (label, *class));
            let judged =
                [(left, label, class), (right, other, truth)].map(|((which, thresholds), label, class)| {
                    let c = which.of(label, class)?;
                    thresholds.kind(c).map(|kind| (c, kind))
                });
            match judged {
                [Ok((a, before)), Ok((b, after))] => {
                    transitions.add(before, after, 1);
                    if before != after && transitions.of(before, after) <= MOST_LISTED {
                        let kinds = [before, after];
                        differing.push(Differing { image, region, c: [a, b], kinds });
                    }
                }
                [Err(error), _] | [_, Err(error)] => wrong = Some(error),
            }
        });
        let error = walked.err().or(wrong);
        self.error = error.map(|error| error.to_string());
        if self.error.is_some() {
            self.walk = Walk::default();
        }
    }

    /// Whether it is of two stores.
    pub fn is_of_two(&self) -> bool {
        self.of.is_some_and(|(_, data, ..)| data == Data::Before)
    }

    /// The regions that are shown, in their order.
    pub fn shown(&mut self) -> (&[u32], &[Differing]) {
        let key = (self.only, self.differing.len());
        if self.shown_of != Some(key) {
            let fits = |found: &Differing| self.only.is_none_or(|(a, b)| found.kinds == [a, b]);
            let listed = self.differing.iter().enumerate().filter(|(_, found)| fits(found));
            self.shown = listed.map(|(at, _)| at as u32).collect();
            self.shown_of = Some(key);
        }
        (&self.shown, &self.differing)
    }
}

/// The label of a region in another store, and the class of its image there; none where it has fewer regions.
fn other_label(set: &DataSet, image: u64, region: u32) -> ferkd::Result<Option<(SoftLabel, Option<u32>)>> {
    let Some(store) = set.store().filter(|store| region < store.per_image()) else { return Ok(None) };
    Ok(Some((store.label(image, region)?, store.class(image)?)))
}
