//! Two settings on the same regions, of one store or of two: which kind each region has on either side.

use ferkd_method::label::SoftLabel;
use ferkd_method::mining::{Confidence, RegionKind, Thresholds, Transitions};

use super::question::Question;
use crate::dataset::DataSet;
use crate::experiment::{Data, Settings};
use crate::labels::walk::{LabelsKey, Walk};

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
    shown_of: Option<(Option<(RegionKind, RegionKind)>, usize)>,
    /// Only regions that go from this kind to that one are shown.
    pub only: Option<(RegionKind, RegionKind)>,
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
    /// Those whose top-1 prediction is another one.
    pub predictions: u64,
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
    pub kinds: [RegionKind; 2],
}

impl CompareStudy {
    /// Forgets what was found of other sides; goes on for a slice of time where it is watched.
    pub fn advance(&mut self, question: &Question<'_>, is_watched: bool) {
        let data = question.right_data();
        let (settings, Some(other)) = (question.experiment.settings, question.experiment.other) else {
            return;
        };
        let side = |data, settings: &Settings| {
            let thresholds = question.labels.thresholds(data, settings).ok()?;
            Some((settings.confidence, thresholds))
        };
        let [Some(left), Some(right)] = [side(question.experiment.data, &settings), side(data, &other)]
        else {
            return;
        };
        let Some(set) = question.set() else { return };
        let key = (question.key(), data, left, right);
        if self.of != Some(key) {
            *self = Self { of: Some(key), walk: Walk::over(set), only: self.only, ..Self::default() };
        }
        if !is_watched {
            return;
        }
        if self.error.is_none() {
            let other = question.labels.set_of(data).unwrap_or(set);
            let second = (data != question.experiment.data).then_some(other);
            self.look(set, second, left, right);
        }
        self.list();
    }

    /// Goes through both sides; `second` is the right side's store, where that is another one.
    fn look(&mut self, set: &DataSet, second: Option<&DataSet>, left: Side, right: Side) {
        let same_classes = second.is_none_or(|second| set.classes.ids == second.classes.ids);
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
                labels.predictions += u64::from(theirs.prediction() != label.prediction());
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

    /// Brings the list up to date.
    fn list(&mut self) {
        let key = (self.only, self.differing.len());
        if self.shown_of != Some(key) {
            let fits = |found: &Differing| self.only.is_none_or(|(a, b)| found.kinds == [a, b]);
            let listed = self.differing.iter().enumerate().filter(|(_, found)| fits(found));
            self.shown = listed.map(|(at, _)| at as u32).collect();
            self.shown_of = Some(key);
        }
    }

    /// The regions that are listed, in their order: their places among those that differ.
    pub fn shown(&self) -> (&[u32], &[Differing]) {
        (&self.shown, &self.differing)
    }
}

/// The label of a region in another store, and the class of its image there; none where it has fewer regions.
fn other_label(
    set: &DataSet,
    image: u64,
    region: u32,
) -> ferkd_method::Result<Option<(SoftLabel, Option<u32>)>> {
    let Some(store) = set.store().filter(|store| region < store.per_image()) else { return Ok(None) };
    Ok(Some((store.label(image, region)?, store.class(image)?)))
}
