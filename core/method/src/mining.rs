//! Step 3: mining. The teacher's confidence in a region says which kind it is.
//!
//! Source: FerKD (arXiv 2312.17473) sorts regions by three thresholds; its values are not public. Quantiles of
//! the confidence instead of absolute values, and all defaults, are ours. Mining is a pure function of stored
//! labels and thresholds, so that thresholds are swept without running the teacher again.
//!
//! ```
//! # use ferkd_method as ferkd;
//! use ferkd::mining::{RegionKind, Rule, Thresholds};
//!
//! # fn main() -> ferkd::error::Result<()> {
//! let confidences = [0.1, 0.4, 0.6, 0.8, 0.999];
//! // As confidences, or as quantiles of those of a whole store.
//! let rule = Rule::Quantiles(Thresholds { low: 0.2, mid: 0.4, high: 0.8 });
//! let thresholds = rule.resolve(|add| {
//!     confidences.into_iter().for_each(add);
//!     Ok(())
//! })?;
//! let kinds = confidences.map(|c| thresholds.kind(c).expect("a number").letter());
//! assert_eq!(kinds.iter().filter(|&&kind| kind == RegionKind::Important.letter()).count(), 3);
//! # Ok(())
//! # }
//! ```

mod kind;
mod quantiles;
mod right;
mod rule;
mod transitions;
mod warnings;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::label::SoftLabel;
pub use kind::{KindCounts, RegionKind};
pub use quantiles::{CountPass, Counts, quantile_rank};
pub use right::{RightCounts, RightFit};
pub use rule::{Bound, Resolved, Rule, Threshold};
pub use transitions::Transitions;

/// Which number of a label is the region's confidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Confidence {
    /// The teacher's highest probability.
    #[default]
    Max,
    /// The teacher's probability of the ground-truth class.
    Target,
}

impl Confidence {
    /// Name in files, flags and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Target => "target",
        }
    }

    /// The teacher's highest probability: its confidence by [`Self::Max`].
    pub fn highest(label: &SoftLabel) -> f32 {
        label.top().first().map_or(label.rest(), |&(_, p)| p)
    }

    /// The confidence of a region with the label `label`, whose image has the class `truth`, where it is known.
    ///
    /// # Errors
    /// [`Self::Target`] without a class.
    pub fn of(self, label: &SoftLabel, truth: Option<u32>) -> Result<f32> {
        match (self, truth) {
            (Self::Max, _) => Ok(Self::highest(label)),
            (Self::Target, Some(truth)) => Ok(label.probability(truth)),
            (Self::Target, None) => Err(Error::unknown_class("--confidence target")),
        }
    }
}

/// The three thresholds on the confidence: `low <= mid <= high`. Where two are equal, no region is of the kind
/// between them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// Below it a region is discarded.
    pub low: f32,
    /// Below it (and from `low` on) a region is context.
    pub mid: f32,
    /// Above it a region is trivial.
    pub high: f32,
}

/// The usual quantiles: low, mid, high. Ours, until measured.
pub const QUANTILES: [f32; 3] = [0.02, 0.15, 0.98];

impl From<[f32; 3]> for Thresholds {
    fn from([low, mid, high]: [f32; 3]) -> Self {
        Self { low, mid, high }
    }
}

impl Thresholds {
    /// Checks that the thresholds are numbers in ascending order.
    ///
    /// # Errors
    /// A threshold that is not finite, or another order.
    pub fn checked(self) -> Result<Self> {
        let Self { low, mid, high } = self;
        if low <= mid && mid <= high && low.is_finite() && high.is_finite() {
            return Ok(self);
        }
        let problem = format!("low {low}, mid {mid}, high {high}: they must ascend");
        Err(Error::usage("mining thresholds", problem).remedy("choose low < mid < high"))
    }

    /// The kind of a region with confidence `c`.
    ///
    /// # Errors
    /// `c` is NaN: an error, never a kind.
    pub fn kind(&self, c: f32) -> Result<RegionKind> {
        if c.is_nan() {
            return Err(Error::new(ErrorKind::Numeric, "confidence", "NaN: a label without a meaning")
                .remedy("run `ferkd verify` on the store"));
        }
        Ok(if c < self.low {
            RegionKind::Discarded
        } else if c < self.mid {
            RegionKind::Context
        } else if c <= self.high {
            RegionKind::Important
        } else {
            RegionKind::Trivial
        })
    }

    /// How far `c` lies outside of `[low, high]`; 0 inside.
    pub fn distance(&self, c: f32) -> f32 {
        (self.low - c).max(c - self.high).max(0.0)
    }
}

/// A histogram of confidences over [0, 1], with equal bins; 1 falls into the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// Regions in each bin.
    pub bins: Vec<u64>,
}

impl Histogram {
    /// An empty histogram of `bins` bins.
    pub fn new(bins: usize) -> Self {
        Self { bins: vec![0; bins.max(1)] }
    }

    /// Counts one confidence in 0..=1.
    pub fn add(&mut self, c: f32) {
        self.add_times(c, 1);
    }

    /// Counts one confidence in 0..=1 that occurs `times` times.
    pub fn add_times(&mut self, c: f32, times: u64) {
        let count = self.bins.len();
        self.bins[((c * count as f32) as usize).min(count - 1)] += times;
    }

    /// Adds what was counted elsewhere, over as many bins.
    pub fn merge(&mut self, other: &Self) {
        self.bins.iter_mut().zip(&other.bins).for_each(|(a, b)| *a += b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn confidences() -> impl Strategy<Value = Vec<f32>> {
        proptest::collection::vec(0.0f32..=1.0, 1..300)
    }

    fn ascending() -> impl Strategy<Value = Thresholds> {
        (0.0f32..0.3, 0.001f32..0.4, 0.001f32..0.3).prop_map(|(low, a, b)| Thresholds {
            low,
            mid: low + a,
            high: low + a + b,
        })
    }

    fn count(t: &Thresholds, cs: &[f32]) -> KindCounts {
        let mut counts = KindCounts::default();
        cs.iter().for_each(|&c| counts.add(t.kind(c).unwrap()));
        counts
    }

    proptest! {
        #[test]
        fn kinds_partition_all_regions(cs in confidences(), t in ascending()) {
            prop_assert_eq!(count(&t, &cs).total(), cs.len() as u64);
        }

        #[test]
        fn counts_are_monotone_in_each_threshold(cs in confidences(), t in ascending(), step in 0.0f32..0.2) {
            let base = count(&t, &cs);
            let low = count(&Thresholds { low: (t.low + step).min(t.mid), ..t }, &cs);
            prop_assert!(low.of(RegionKind::Discarded) >= base.of(RegionKind::Discarded));
            prop_assert!(low.of(RegionKind::Context) <= base.of(RegionKind::Context));
            let mid = count(&Thresholds { mid: (t.mid + step).min(t.high), ..t }, &cs);
            prop_assert!(mid.of(RegionKind::Context) >= base.of(RegionKind::Context));
            prop_assert!(mid.of(RegionKind::Important) <= base.of(RegionKind::Important));
            let high = count(&Thresholds { high: t.high + step, ..t }, &cs);
            prop_assert!(high.of(RegionKind::Trivial) <= base.of(RegionKind::Trivial));
        }

        #[test]
        fn quantiles_are_order_statistics(cs in proptest::collection::vec(0.0f32..=1.0, 50..300)) {
            let rule = Rule::Quantiles(Thresholds { low: 0.1, mid: 0.5, high: 0.9 });
            let found = rule.resolve(|visit| { cs.iter().for_each(|&c| visit(c)); Ok(()) });
            let mut sorted = cs.clone();
            sorted.sort_by(f32::total_cmp);
            let at = |q| sorted[quantile_rank(q, sorted.len() as u64) as usize - 1];
            let expected = Thresholds { low: at(0.1), mid: at(0.5), high: at(0.9) };
            prop_assert_eq!(found.unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn quantiles_count_the_kinds_on_the_way(cs in proptest::collection::vec(0u8..20, 1..200)) {
            // Few different confidences: ties at every threshold.
            let cs: Vec<f32> = cs.into_iter().map(|c| f32::from(c) / 19.0).collect();
            let rule = Rule::Quantiles(Thresholds { low: 0.1, mid: 0.5, high: 0.9 });
            let found = rule.resolve_counted(|pass| {
                let mut counts = Counts::new(pass);
                cs.iter().for_each(|&c| counts.add(c));
                Ok(counts)
            }, || unreachable!("nothing is auto")).unwrap();
            prop_assert_eq!(found.kinds, Some(count(&found.thresholds, &cs)));
        }
    }

    #[test]
    fn the_borders_belong_where_the_method_says() {
        let t = Thresholds { low: 0.1, mid: 0.3, high: 0.9 };
        let kinds = [0.0, 0.1, 0.3, 0.9, 0.91].map(|c| t.kind(c).unwrap());
        let expected = [
            RegionKind::Discarded,
            RegionKind::Context,
            RegionKind::Important,
            RegionKind::Important,
            RegionKind::Trivial,
        ];
        assert_eq!(kinds, expected);
        assert!(t.kind(f32::NAN).is_err());
    }

    #[test]
    fn quantile_ranks_do_not_stumble_over_rounding() {
        assert_eq!(quantile_rank(0.07, 100), 7);
        assert_eq!(quantile_rank(0.15, 20), 3);
        assert_eq!(quantile_rank(0.02, 10), 1);
        assert_eq!(quantile_rank(0.0, 10), 1);
        assert_eq!(quantile_rank(1.0, 10), 10);
        assert_eq!(quantile_rank(0.151, 100), 16);
    }

    #[test]
    fn bad_rules_are_refused() {
        let none = |_: &mut dyn FnMut(f32)| Ok(());
        let nan = |visit: &mut dyn FnMut(f32)| {
            visit(f32::NAN);
            Ok(())
        };
        assert!(Rule::default().resolve(none).is_err());
        assert!(Rule::default().resolve(nan).is_err());
        assert!(Rule::Absolute(Thresholds { low: 0.5, mid: 0.4, high: 0.9 }).resolve(none).is_err());
        assert!(Rule::Quantiles(Thresholds { low: 0.5, mid: 0.6, high: 1.5 }).resolve(none).is_err());
    }
}
