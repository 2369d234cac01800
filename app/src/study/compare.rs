//! Two settings on the same regions: which kind each region has under either.

use ferkd::mining::{Confidence, Kind, Thresholds, Transitions};

use super::{LabelsKey, Walk};
use crate::state::State;

/// Regions that are listed for one pair of kinds at the most: a store may hold millions.
pub(crate) const MOST_LISTED: u64 = 10_000;

/// What decides a region's kind.
type Side = (Confidence, Thresholds);

/// What is found out of two settings.
#[derive(Default)]
pub(crate) struct CompareStudy {
    of: Option<(LabelsKey, Side, Side)>,
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
    /// Why it cannot be found out.
    pub error: Option<String>,
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
        let Some(set) = state.set() else { return };
        let key = (LabelsKey::of(state), left, right);
        if self.of != Some(key) {
            *self = Self { of: Some(key), walk: Walk::over(set), only: self.only, ..Self::default() };
        }
        if self.error.is_some() {
            return;
        }
        let (transitions, differing) = (&mut self.transitions, &mut self.differing);
        let mut wrong = None;
        let walked = self.walk.advance(set, &mut |image, class, region, label| {
            let judged = [left, right].map(|(which, thresholds)| {
                // A census of `target` has failed before, where an image has no class.
                let c = which.of(label, class.unwrap_or_default());
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
