//! Which of an image's regions say most when not all are drawn.

use ferkd_method::mining::RegionKind;
use ferkd_method::region::Region;

/// Regions that are drawn at first: one of each kind.
pub const AT_FIRST: u32 = 4;

/// Share of the image that a representative region has, best: large enough to be recognised, small enough to be a part.
const AREA: f32 = 0.2;

/// What a region's distance from [`AREA`] weighs against its overlap with those that are drawn already.
const AREA_WEIGHT: f32 = 0.5;

/// The first `wanted` of an image's regions, by their places in `regions`, in the order in which they come into sight:
/// one of each kind, then always the one that overlaps least with those before it. Of [`AT_FIRST`] or fewer, none repeats
/// a kind: there may be less than `wanted`.
///
/// `size` is the image's width and height in pixels.
pub(crate) fn representative(
    regions: &[(Region, Option<RegionKind>)],
    size: (u32, u32),
    wanted: usize,
) -> Vec<usize> {
    let area = f64::from(size.0) * f64::from(size.1);
    let mut left: Vec<Candidate> = regions
        .iter()
        .enumerate()
        .map(|(place, &(region, kind))| {
            let share = f64::from(region.width) * f64::from(region.height) / area.max(1.0);
            Candidate {
                place,
                region,
                kind,
                penalty: AREA_WEIGHT * (share as f32 - AREA).abs(),
                overlap: 0.0,
            }
        })
        .collect();
    // What distillation feeds on comes first, and what it is held against.
    let mut kinds =
        vec![RegionKind::Trivial, RegionKind::Discarded, RegionKind::Context, RegionKind::Important];
    let mut chosen = Vec::new();
    while chosen.len() < wanted && !left.is_empty() {
        let kind = kinds.pop();
        if kind.is_none() && wanted <= AT_FIRST as usize {
            break;
        }
        let of_kind = |candidate: &Candidate| kind.is_none() || candidate.kind == kind;
        let best = left
            .iter()
            .enumerate()
            .filter(|(_, candidate)| of_kind(candidate))
            .min_by(|(_, a), (_, b)| a.cost().total_cmp(&b.cost()))
            .map(|(at, _)| at);
        let Some(best) = best else { continue };
        let next = left.swap_remove(best);
        for other in &mut left {
            other.overlap = other.overlap.max(overlap(&other.region, &next.region));
        }
        chosen.push(next.place);
    }
    chosen
}

struct Candidate {
    place: usize,
    region: Region,
    kind: Option<RegionKind>,
    penalty: f32,
    /// Largest overlap with a region that is drawn already.
    overlap: f32,
}

impl Candidate {
    fn cost(&self) -> f32 {
        self.overlap + self.penalty
    }
}

/// Intersection over union of two boxes, in 0..=1.
fn overlap(a: &Region, b: &Region) -> f32 {
    let along = |a: u32, a_long: u32, b: u32, b_long: u32| {
        (a + a_long).min(b + b_long).saturating_sub(a.max(b)) as f32
    };
    let both = along(a.left, a.width, b.left, b.width) * along(a.top, a.height, b.top, b.height);
    let area = |region: &Region| region.width as f32 * region.height as f32;
    both / (area(a) + area(b) - both).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{Experiment, Settings};
    use crate::state::State;

    fn at(left: u32, top: u32, side: u32) -> Region {
        Region { top, left, height: side, width: side, flip: false }
    }

    #[test]
    fn one_of_each_kind_comes_first_and_then_what_overlaps_least() {
        use RegionKind::{Context, Important};
        let regions = [
            (at(0, 0, 45), Some(Important)),
            (at(2, 2, 45), Some(Important)),
            (at(50, 50, 45), Some(Context)),
            (at(55, 0, 45), Some(Important)),
            (at(1, 1, 45), None),
        ];
        assert_eq!(representative(&regions, (100, 100), 3), [0, 2], "one of each kind");
        assert_eq!(representative(&regions, (100, 100), 5)[..3], [0, 2, 3]);
        assert_eq!(representative(&regions, (100, 100), 9).len(), 5, "all of them, each once");
        assert!(representative(&[], (100, 100), 4).is_empty());
    }

    #[test]
    fn the_first_photo_shows_a_region_of_every_kind() {
        let mut state = State::new(Experiment::first());
        state.refresh();
        let shown = state.shown().unwrap();
        let kind = |label: &Option<_>| state.judge(&Settings::default(), label.as_ref()?, shown.truth);
        let regions: Vec<_> = shown
            .regions
            .iter()
            .zip(&shown.labels)
            .map(|(region, label)| (*region, kind(label).map(|(_, kind)| kind)))
            .collect();
        let chosen = representative(&regions, shown.size, AT_FIRST as usize);
        let mut kinds: Vec<_> = chosen.iter().map(|&place| regions[place].1).collect();
        kinds.sort_by_key(|kind| kind.map(|kind| kind as usize));
        assert_eq!(kinds, RegionKind::ALL.map(Some));
    }
}
