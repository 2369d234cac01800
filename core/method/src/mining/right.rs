//! Where the teacher's top-1 prediction begins to be right: a monotone fit over the confidence, for thresholds that are
//! found rather than given (ours).

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Bins of the confidence. They are narrower towards 1, where a sure teacher's confidences lie.
const BINS: usize = 4096;

/// Regions by confidence, and those whose image has the class that the teacher named first.
///
/// Whole numbers: the order of counting and of [merging](Self::merge) changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightCounts {
    /// Of each bin: regions, and those that are named rightly.
    bins: Vec<(u64, u64)>,
}

impl Default for RightCounts {
    fn default() -> Self {
        Self { bins: vec![(0, 0); BINS] }
    }
}

impl RightCounts {
    /// Counts a region of confidence `c`, in 0..=1.
    #[inline]
    pub fn add(&mut self, c: f32, is_right: bool) {
        let (regions, right) = &mut self.bins[bin_of(c)];
        *regions += 1;
        *right += u64::from(is_right);
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for ((regions, right), (more, more_right)) in self.bins.iter_mut().zip(&other.bins) {
            *regions += more;
            *right += more_right;
        }
    }

    /// The share of regions that are named rightly as a function of the confidence: of all functions that never fall,
    /// the one with the least squared error (pool adjacent violators). Ours.
    ///
    /// # Errors
    /// No region has been counted.
    pub fn fit(&self) -> Result<RightFit> {
        let mut blocks: Vec<Block> = Vec::new();
        for (bin, &(regions, right)) in self.bins.iter().enumerate().filter(|(_, (regions, _))| *regions > 0)
        {
            let mut block = Block { from: edge(bin), regions, right };
            while let Some(last) = blocks.pop_if(|last| last.exceeds(&block)) {
                block = Block {
                    from: last.from,
                    regions: last.regions + block.regions,
                    right: last.right + block.right,
                };
            }
            blocks.push(block);
        }
        if blocks.is_empty() {
            return Err(Error::mismatch("mining thresholds", "the store holds no region"));
        }
        Ok(RightFit { steps: blocks.iter().map(|block| (block.from, block.share())).collect() })
    }
}

/// Neighbouring bins of one fitted share.
#[derive(Clone, Copy)]
struct Block {
    /// Confidence at which it begins.
    from: f32,
    regions: u64,
    right: u64,
}

impl Block {
    fn share(&self) -> f64 {
        self.right as f64 / self.regions as f64
    }

    /// Whether its share is at least the next one's. In whole numbers, so that rounding decides nothing.
    fn exceeds(&self, next: &Self) -> bool {
        u128::from(self.right) * u128::from(next.regions) >= u128::from(next.right) * u128::from(self.regions)
    }
}

/// A step function of the confidence that never falls: the share of regions that the teacher names rightly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RightFit {
    /// Confidence at which a step begins, and the share from there on, in 0..=1; both ascend.
    pub steps: Vec<(f32, f64)>,
}

impl RightFit {
    /// The share at confidence `c`.
    pub fn at(&self, c: f32) -> f64 {
        let after = self.steps.partition_point(|&(from, _)| from <= c).max(1);
        self.steps[after - 1].1
    }

    /// The lowest confidence at which the share is at least `level`; none where it never is.
    pub fn crossing(&self, level: f64) -> Option<f32> {
        let at = self.steps.partition_point(|&(_, share)| share < level);
        let (from, _) = self.steps.get(at)?;
        // Where it holds from the first step on, it holds everywhere.
        Some(if at == 0 { 0.0 } else { *from })
    }
}

/// The bin of a confidence.
fn bin_of(c: f32) -> usize {
    let share = 1.0 - libm::sqrt(1.0 - f64::from(c.clamp(0.0, 1.0)));
    ((share * BINS as f64) as usize).min(BINS - 1)
}

/// The confidence at which a bin begins.
fn edge(bin: usize) -> f32 {
    let rest = 1.0 - bin as f64 / BINS as f64;
    (1.0 - rest * rest) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counted(regions: &[(f32, bool)]) -> RightCounts {
        let mut counts = RightCounts::default();
        regions.iter().for_each(|&(c, is_right)| counts.add(c, is_right));
        counts
    }

    proptest! {
        #[test]
        fn the_fit_never_falls_and_keeps_the_mean(
            regions in proptest::collection::vec((0.0f32..=1.0, any::<bool>()), 1..200),
        ) {
            let fit = counted(&regions).fit().unwrap();
            prop_assert!(fit.steps.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1), "{fit:?}");
            let mean = regions.iter().map(|&(c, _)| fit.at(edge(bin_of(c)))).sum::<f64>();
            let right = regions.iter().filter(|(_, is_right)| *is_right).count() as f64;
            prop_assert!((mean - right).abs() < 1e-6 * regions.len() as f64);
        }

        #[test]
        fn no_other_function_that_never_falls_is_nearer(
            shares in proptest::collection::vec((1u64..20, 0.0f64..=1.0), 2..6),
            other in proptest::collection::vec(0.0f64..=1.0, 6),
        ) {
            let mut counts = RightCounts::default();
            let at = |i: usize| 0.1 + 0.1 * i as f32;
            for (i, &(regions, share)) in shares.iter().enumerate() {
                (0..regions).for_each(|n| counts.add(at(i), (n as f64) < share * regions as f64));
            }
            let fit = counts.fit().unwrap();
            let error = |guess: &dyn Fn(usize) -> f64| -> f64 {
                let of = |i: usize| {
                    let (regions, right) = counts.bins[bin_of(at(i))];
                    let share = guess(i);
                    right as f64 * (1.0 - share).powi(2) + (regions - right) as f64 * share.powi(2)
                };
                (0..shares.len()).map(of).sum()
            };
            let mut other = other;
            other.sort_by(f64::total_cmp);
            prop_assert!(error(&|i| fit.at(at(i))) <= error(&|i| other[i]) + 1e-9);
        }

        #[test]
        fn counting_in_parts_changes_nothing(
            regions in proptest::collection::vec((0.0f32..=1.0, any::<bool>()), 2..100),
            cut: prop::sample::Index,
        ) {
            let cut = cut.index(regions.len());
            let mut parts = counted(&regions[cut..]);
            parts.merge(&counted(&regions[..cut]));
            prop_assert_eq!(parts, counted(&regions));
        }
    }

    #[test]
    fn a_crossing_is_where_the_first_guess_begins_to_be_right() {
        // Right in 1 of 4 below 0.4, in 3 of 4 from there on.
        let mut regions = Vec::new();
        for i in 0..80 {
            let c = i as f32 / 80.0;
            regions.push((c, if c < 0.4 { i % 4 == 0 } else { i % 4 != 0 }));
        }
        let fit = counted(&regions).fit().unwrap();
        let mid = fit.crossing(0.5).unwrap();
        assert!((0.38..=0.42).contains(&mid), "{mid} of {fit:?}");
        assert_eq!((fit.crossing(0.0), fit.crossing(1.1)), (Some(0.0), None));
        assert!(fit.at(0.1) < 0.35 && fit.at(0.9) > 0.65);
    }

    #[test]
    fn confidences_near_one_are_told_apart() {
        assert!(bin_of(1.0 - 1e-6) > bin_of(1.0 - 1e-5));
        assert_eq!((bin_of(0.0), bin_of(1.0)), (0, BINS - 1));
        for bin in [0, 1, 17, BINS - 1] {
            assert!(bin_of(edge(bin) + 1e-7).abs_diff(bin) <= 1);
        }
    }

    #[test]
    fn nothing_has_no_fit() {
        assert!(RightCounts::default().fit().is_err());
    }
}
