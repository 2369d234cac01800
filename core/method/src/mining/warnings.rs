//! What is worth a word about thresholds: a kind that they leave empty, thresholds that coincide, and a store of which
//! nothing is left.

use super::{KindCounts, RegionKind, Rule, Thresholds, quantile_rank};
use crate::error::{Error, Result};

impl Rule {
    /// One sentence for each kind that the rule asks for and that no region is of: confidences tie at a threshold, or
    /// all lie on one side of it; and one for mid and high that coincide. Nothing where there are no regions.
    ///
    /// Ties follow the conditions of the kinds as they stand (`c < low` discarded, `c <= high` important), so that
    /// quantiles which fall on equal confidences leave a kind empty.
    pub fn warnings(&self, thresholds: &Thresholds, kinds: &KindCounts) -> Vec<String> {
        let empty = RegionKind::ALL.into_iter().filter(|&kind| kinds.of(kind) == 0);
        let total = kinds.total();
        if total == 0 {
            return Vec::new();
        }
        let mut said: Vec<String> = empty.filter_map(|kind| self.warning(kind, thresholds, total)).collect();
        let Thresholds { mid, high, .. } = *thresholds;
        if mid == high {
            said.push(format!(
                "mid and high are equal, {mid}: a region is important only at exactly this confidence"
            ));
        }
        said
    }

    /// What to say where no region of `total` is of this kind; nothing where none was asked for.
    fn warning(&self, kind: RegionKind, thresholds: &Thresholds, total: u64) -> Option<String> {
        let Thresholds { low, mid, high } = *thresholds;
        let condition = match kind {
            RegionKind::Discarded => format!("below low {low}"),
            RegionKind::Context if low == mid => format!("between low {low} and mid {mid}, which are equal"),
            RegionKind::Context => format!("from low {low} to below mid {mid}"),
            RegionKind::Important => format!("from mid {mid} to high {high}"),
            RegionKind::Trivial => format!("above high {high}"),
        };
        let name = kind.name();
        let said = match self {
            Self::Absolute(_) | Self::Bounds(_) => {
                let is_asked = match kind {
                    RegionKind::Discarded => low > 0.0,
                    RegionKind::Trivial => high < 1.0,
                    RegionKind::Context => low < mid,
                    RegionKind::Important => true,
                };
                is_asked.then(|| format!("no region is {name}: no confidence lies {condition}"))
            }
            Self::Quantiles(quantiles) => {
                let rank = |quantile| quantile_rank(quantile, total);
                let asked = match kind {
                    RegionKind::Discarded => rank(quantiles.low) - 1,
                    RegionKind::Context => rank(quantiles.mid) - rank(quantiles.low).min(rank(quantiles.mid)),
                    RegionKind::Important => 1,
                    RegionKind::Trivial => total - rank(quantiles.high),
                };
                (asked > 0).then(|| {
                    format!(
                        "no region is {name}, though the quantiles ask for {asked} of {total}: no confidence lies \
                         {condition}, because many are equal; other quantiles, or --low --mid --high, cut elsewhere"
                    )
                })
            }
        };
        // Nothing at all is calibrated: FerKD is FKD without its uninformative regions. At 0 that is what is meant.
        let coincide = kind == RegionKind::Context && low == mid && mid > 0.0;
        said.or_else(|| coincide.then(|| format!("no region is context: low and mid are equal, {mid}")))
    }
}

impl KindCounts {
    /// Checks that something is left to train on where the uninformative kinds are removed.
    ///
    /// # Errors
    /// There are regions, and each is discarded or trivial.
    pub fn check_something_is_left(&self, thresholds: &Thresholds) -> Result<()> {
        let [discarded, context, important, trivial] = self.0;
        if context + important > 0 || self.total() == 0 {
            return Ok(());
        }
        let Thresholds { low, high, .. } = thresholds;
        let problem = format!(
            "nothing is left to train on: of {} regions {discarded} are discarded (c < {low}) and {trivial} trivial \
             (c > {high})",
            self.total()
        );
        Err(Error::usage("mining thresholds", problem)
            .remedy("choose thresholds among the confidences that `ferkd mine` shows, or quantiles"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mining::{CountPass, Counts, Resolved};

    fn resolved(rule: &Rule, confidences: &[f32]) -> Resolved {
        let count = |pass: CountPass| {
            let mut counts = Counts::new(pass);
            confidences.iter().for_each(|&c| counts.add(c));
            Ok(counts)
        };
        rule.resolve_counted(count, || unreachable!("nothing is auto")).unwrap()
    }

    fn warned(rule: &Rule, confidences: &[f32]) -> Vec<String> {
        let Resolved { thresholds, kinds } = resolved(rule, confidences);
        let kinds = kinds.unwrap_or_else(|| {
            let mut kinds = KindCounts::default();
            confidences.iter().for_each(|&c| kinds.add(thresholds.kind(c).unwrap()));
            kinds
        });
        rule.warnings(&thresholds, &kinds)
    }

    #[test]
    fn three_quantiles_on_one_confidence_are_a_warning() {
        let rule = Rule::default();
        let Resolved { thresholds, kinds } = resolved(&rule, &[1.0; 100]);
        assert_eq!(thresholds, Thresholds { low: 1.0, mid: 1.0, high: 1.0 });
        // c < low is discarded, c <= high important: one confidence is important.
        assert_eq!(kinds, Some(KindCounts([0, 0, 100, 0])));
        let said = warned(&rule, &[1.0; 100]);
        let begins = [
            "no region is discarded",
            "no region is context",
            "no region is trivial",
            "mid and high are equal, 1",
        ];
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(said.iter().zip(begins).all(|(said, begins)| said.starts_with(begins)), "{said:?}");
        assert!(said[2].contains("2 of 100") && said[2].contains("above high 1"), "{said:?}");
    }

    #[test]
    fn an_empty_trivial_kind_is_said_and_a_full_one_is_not() {
        // A sure teacher: a third of the confidences are 1.
        let mut sure: Vec<f32> = (0..67).map(|n| n as f32 / 67.0).collect();
        sure.extend([1.0; 33]);
        assert_eq!(warned(&Rule::default(), &sure).len(), 1);
        let apart: Vec<f32> = (0..100).map(|n| n as f32 / 100.0).collect();
        assert!(warned(&Rule::default(), &apart).is_empty());
        // The first of ten is quantile 0.02: nothing lies below, and nothing was to.
        assert!(warned(&Rule::default(), &apart[..10]).is_empty());
    }

    #[test]
    fn absolute_thresholds_ask_for_what_they_can_cut() {
        let rule = |low, mid, high| Rule::Absolute(Thresholds { low, mid, high });
        assert!(warned(&rule(0.0, 0.3, 1.0), &[0.1, 0.5]).is_empty());
        let said = warned(&rule(0.05, 0.3, 0.9), &[0.1, 0.5]);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[1] == "no region is trivial: no confidence lies above high 0.9", "{said:?}");
    }

    #[test]
    fn thresholds_that_coincide_are_said_however_they_were_given() {
        let confidences: Vec<f32> = (0..100).map(|n| n as f32 / 100.0).collect();
        let quantiles = |low, mid, high| Rule::Quantiles(Thresholds { low, mid, high });
        let absolute = |low, mid, high| Rule::Absolute(Thresholds { low, mid, high });
        for (rule, words) in [
            (quantiles(0.5, 0.5, 0.98), "no region is context: low and mid are equal, 0.49"),
            (absolute(0.3, 0.3, 0.9), "no region is context: low and mid are equal, 0.3"),
            (quantiles(0.1, 0.5, 0.5), "mid and high are equal, 0.49: a region is important only"),
            (absolute(0.1, 0.6, 0.6), "mid and high are equal, 0.6"),
        ] {
            let said = warned(&rule, &confidences);
            assert!(said.len() == 1 && said[0].contains(words), "{said:?}");
        }
        // Every region as it is: no more was asked for.
        assert!(warned(&absolute(0.0, 0.0, 1.0), &confidences).is_empty());
    }

    #[test]
    fn nothing_left_is_an_error_that_says_where_the_regions_are() {
        let thresholds = Thresholds { low: 0.5, mid: 0.6, high: 0.7 };
        let error = KindCounts([3, 0, 0, 2]).check_something_is_left(&thresholds).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("of 5 regions 3 are discarded (c < 0.5) and 2 trivial (c > 0.7)"), "{text}");
        assert!(KindCounts([3, 1, 0, 2]).check_something_is_left(&thresholds).is_ok());
        assert!(KindCounts([0; 4]).check_something_is_left(&thresholds).is_ok());
    }
}
