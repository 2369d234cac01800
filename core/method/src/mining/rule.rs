//! How thresholds are given, and what they are over a store.

use serde::{Deserialize, Serialize};

use super::quantiles::order_statistics;
use super::right::RightCounts;
use super::{CountPass, Counts, KindCounts, QUANTILES, Thresholds};
use crate::error::{Error, Result};
use crate::named_number;

/// How thresholds are given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// As confidences.
    Absolute(Thresholds),
    /// As quantiles of the confidence over the whole store; independent of how sharp a teacher is.
    Quantiles(Thresholds),
    /// Each in its own way, at least one of them found from the store's own classes: low, mid, high.
    Bounds([Bound; 3]),
}

/// How one of three thresholds is given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bound {
    /// As a confidence.
    Confidence(f32),
    /// As a quantile of the confidence over the store.
    Quantile(f32),
    /// The confidence at which the monotone fit of "the teacher's first guess is right" reaches a share: for `low` more
    /// than chance, for `mid` one half, for `high` [`NEVER_WRONG`]. Ours.
    Auto,
}

/// Share of right first guesses from which on `high = "auto"` takes a region for trivial. Ours.
pub const NEVER_WRONG: f64 = 0.999;

/// A threshold as settings give it: a confidence, or `auto`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// A confidence.
    At(f32),
    /// [`Bound::Auto`].
    Auto,
}

/// Name of [`Threshold::Auto`] in files and flags.
const AUTO: &str = "auto";

impl Threshold {
    fn value(self) -> Option<f32> {
        match self {
            Self::At(c) => Some(c),
            Self::Auto => None,
        }
    }
}

impl Serialize for Threshold {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        named_number::write(self.value(), AUTO, to)
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        Ok(named_number::read(AUTO, from)?.map_or(Self::Auto, Self::At))
    }
}

impl std::str::FromStr for Threshold {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        Ok(named_number::parse(AUTO, text)?.map_or(Self::Auto, Self::At))
    }
}

impl Default for Rule {
    /// [`QUANTILES`].
    fn default() -> Self {
        Self::Quantiles(QUANTILES.into())
    }
}

impl Rule {
    /// The rule of settings: three confidences, or three quantiles where none is given. Where one is `auto`, those that
    /// are not given are quantiles.
    ///
    /// # Errors
    /// Some confidences without the others, quantiles outside of 0..=1.
    pub fn of(given: [Option<Threshold>; 3], quantiles: Thresholds) -> Result<Self> {
        match given {
            [None, None, None] => Ok(Self::Quantiles(quantiles)),
            [Some(Threshold::At(low)), Some(Threshold::At(mid)), Some(Threshold::At(high))] => {
                Ok(Self::Absolute(Thresholds { low, mid, high }))
            }
            given if given.contains(&Some(Threshold::Auto)) => {
                let mut bounds = [quantiles.low, quantiles.mid, quantiles.high].map(Bound::Quantile);
                for (bound, given) in bounds.iter_mut().zip(given) {
                    match given {
                        Some(Threshold::At(c)) => *bound = Bound::Confidence(c),
                        Some(Threshold::Auto) => *bound = Bound::Auto,
                        None => {}
                    }
                }
                Ok(Self::Bounds(bounds))
            }
            _ => Err(Error::usage("low, mid, high", "only some of them are given")
                .remedy("give all three, or none, or \"auto\" for one of them")),
        }
    }

    /// The rule as lines of TOML, under the keys of a training run.
    pub fn to_toml(&self) -> String {
        match *self {
            Self::Absolute(Thresholds { low, mid, high }) => {
                format!("low = {low:?}\nmid = {mid:?}\nhigh = {high:?}\n")
            }
            Self::Quantiles(Thresholds { low, mid, high }) => {
                format!("quantiles = [{low:?}, {mid:?}, {high:?}]\n")
            }
            Self::Bounds(bounds) => {
                let quantile = |i: usize| match bounds[i] {
                    Bound::Quantile(q) => q,
                    _ => QUANTILES[i],
                };
                let mut text =
                    format!("quantiles = [{:?}, {:?}, {:?}]\n", quantile(0), quantile(1), quantile(2));
                for (name, bound) in ["low", "mid", "high"].into_iter().zip(bounds) {
                    match bound {
                        Bound::Confidence(c) => text += &format!("{name} = {c:?}\n"),
                        Bound::Auto => text += &format!("{name} = \"{AUTO}\"\n"),
                        Bound::Quantile(_) => {}
                    }
                }
                text
            }
        }
    }

    /// Whether a threshold is found from the images' classes.
    pub fn is_auto(&self) -> bool {
        matches!(self, Self::Bounds(bounds) if bounds.contains(&Bound::Auto))
    }

    /// The thresholds as confidences. `scan` must call its argument once for every region's confidence; it is
    /// run twice for quantiles, never for absolute values.
    ///
    /// # Errors
    /// Thresholds out of order, quantiles outside of 0..=1, a NaN confidence, or no region at all; a threshold that is
    /// `auto`, which takes more than confidences. Quantiles may fall on equal confidences: [`Rule::warnings`] says what
    /// that leaves empty.
    pub fn resolve(&self, scan: impl Fn(&mut dyn FnMut(f32)) -> Result<()>) -> Result<Thresholds> {
        let count = |pass| {
            let mut counts = Counts::new(pass);
            scan(&mut |c| counts.add(c))?;
            Ok(counts)
        };
        let right =
            || Err(Error::usage("mining thresholds", "\"auto\" needs the classes of a store's images"));
        self.resolve_counted(count, right).map(|resolved| resolved.thresholds)
    }

    /// The same, where `count` counts all confidences for a [`CountPass`], in any order and on any threads, and `right`
    /// says for a threshold that is `auto` where the teacher is right, and how many classes there are.
    /// Quantiles say how many regions are of each kind on the way.
    pub fn resolve_counted(
        &self,
        count: impl Fn(CountPass) -> Result<Counts>,
        right: impl Fn() -> Result<(RightCounts, usize)>,
    ) -> Result<Resolved> {
        match self {
            Self::Absolute(thresholds) => Ok(Resolved { thresholds: thresholds.checked()?, kinds: None }),
            Self::Quantiles(quantiles) => {
                let Thresholds { low, mid, high } = quantiles.checked()?;
                check_quantiles(&[low, mid, high])?;
                let ([low, mid, high], total) = order_statistics(count, [low, mid, high])?;
                let thresholds = Thresholds { low: low.value, mid: mid.value, high: high.value };
                let kinds = [low.below, mid.below - low.below, high.up_to - mid.below, total - high.up_to];
                Ok(Resolved { thresholds, kinds: Some(KindCounts(kinds)) })
            }
            Self::Bounds(bounds) => {
                let thresholds = resolve_bounds(bounds, count, right)?;
                Ok(Resolved { thresholds, kinds: None })
            }
        }
    }
}

fn check_quantiles(quantiles: &[f32]) -> Result<()> {
    if quantiles.iter().all(|q| (0.0..=1.0).contains(q)) {
        return Ok(());
    }
    Err(Error::usage("mining quantiles", "they lie outside of 0..=1"))
}

fn resolve_bounds(
    bounds: &[Bound; 3],
    count: impl Fn(CountPass) -> Result<Counts>,
    right: impl Fn() -> Result<(RightCounts, usize)>,
) -> Result<Thresholds> {
    let mut found = [0.0; 3];
    let quantiles = bounds.map(|bound| if let Bound::Quantile(q) = bound { q } else { 0.0 });
    check_quantiles(&quantiles)?;
    if bounds.iter().any(|bound| matches!(bound, Bound::Quantile(_))) {
        found = order_statistics(count, quantiles)?.0.map(|found| found.value);
    }
    for (found, bound) in found.iter_mut().zip(bounds) {
        if let Bound::Confidence(c) = bound {
            *found = *c;
        }
    }
    if bounds.contains(&Bound::Auto) {
        let (right, classes) = right()?;
        let fit = right.fit()?;
        // The smallest share that is more than chance.
        let chance = (1.0 / classes.max(1) as f64).next_up();
        let is_auto = bounds.map(|bound| bound == Bound::Auto);
        for (i, level) in [chance, 0.5, NEVER_WRONG].into_iter().enumerate().filter(|(i, _)| is_auto[*i]) {
            found[i] = fit.crossing(level).unwrap_or(1.0);
        }
        // What was found gives way to what was given.
        let [low, mid, high] = &mut found;
        let [auto_low, auto_mid, auto_high] = is_auto;
        if auto_mid {
            *mid = mid.max(if auto_low { 0.0 } else { *low }).min(if auto_high { 1.0 } else { *high });
        }
        if auto_low {
            *low = low.min(*mid);
        }
        if auto_high {
            *high = high.max(*mid);
        }
    }
    let [low, mid, high] = found;
    Thresholds { low, mid, high }.checked()
}

/// The thresholds of a rule over a store.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resolved {
    /// As confidences.
    pub thresholds: Thresholds,
    /// Regions of each kind, where finding the thresholds took counting them.
    pub kinds: Option<KindCounts>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const USUAL: Thresholds = Thresholds { low: 0.02, mid: 0.15, high: 0.98 };

    /// `auto` over regions that are right with a probability that grows with the confidence.
    fn resolved(rule: &Rule, regions: &[(f32, bool)], classes: usize) -> Result<Thresholds> {
        let count = |pass| {
            let mut counts = Counts::new(pass);
            regions.iter().for_each(|&(c, _)| counts.add(c));
            Ok(counts)
        };
        let right = || {
            let mut counts = RightCounts::default();
            regions.iter().for_each(|&(c, is_right)| counts.add(c, is_right));
            Ok((counts, classes))
        };
        rule.resolve_counted(count, right).map(|resolved| resolved.thresholds)
    }

    fn auto(low: Option<Threshold>, mid: Option<Threshold>, high: Option<Threshold>) -> Rule {
        Rule::of([low, mid, high], USUAL).unwrap()
    }

    #[test]
    fn auto_takes_the_place_of_one_quantile() {
        let rule = auto(None, Some(Threshold::Auto), None);
        assert!(rule.is_auto());
        assert_eq!(rule, Rule::Bounds([Bound::Quantile(0.02), Bound::Auto, Bound::Quantile(0.98)]));
        // Wrong up to 0.3, right beyond.
        let regions: Vec<(f32, bool)> = (0..100).map(|i| (i as f32 / 100.0, i >= 30)).collect();
        let found = resolved(&rule, &regions, 10).unwrap();
        assert_eq!((found.low, found.high), (0.01, 0.97));
        assert!((found.mid - 0.3).abs() < 1e-3, "{found:?}");
        let all = auto(Some(Threshold::Auto), Some(Threshold::Auto), Some(Threshold::Auto));
        let found = resolved(&all, &regions, 10).unwrap();
        assert_eq!((found.low, found.high), (found.mid, found.mid), "the fit is one step");
    }

    #[test]
    fn what_is_found_gives_way_to_what_is_given() {
        let right: Vec<(f32, bool)> = (0..50).map(|i| (i as f32 / 50.0, true)).collect();
        let rule = auto(Some(Threshold::At(0.2)), Some(Threshold::Auto), Some(Threshold::At(0.9)));
        assert_eq!(resolved(&rule, &right, 10).unwrap(), Thresholds { low: 0.2, mid: 0.2, high: 0.9 });
        let wrong: Vec<(f32, bool)> = (0..50).map(|i| (i as f32 / 50.0, false)).collect();
        assert_eq!(resolved(&rule, &wrong, 10).unwrap(), Thresholds { low: 0.2, mid: 0.9, high: 0.9 });
    }

    proptest! {
        #[test]
        fn found_thresholds_ascend(
            regions in proptest::collection::vec((0.0f32..=1.0, any::<bool>()), 1..100),
            which in proptest::array::uniform3(0u8..3),
        ) {
            let given = which.map(|which| match which { 0 => None, _ => Some(Threshold::Auto) });
            let rule = Rule::of(given, USUAL).unwrap();
            let found = resolved(&rule, &regions, 10).unwrap();
            prop_assert!(found.low <= found.mid && found.mid <= found.high, "{found:?}");
        }
    }

    #[test]
    fn a_rule_in_toml_is_that_rule() {
        #[derive(Deserialize)]
        struct Keys {
            low: Option<Threshold>,
            mid: Option<Threshold>,
            high: Option<Threshold>,
            quantiles: Option<[f32; 3]>,
        }
        let rules = [
            Rule::default(),
            Rule::Absolute(Thresholds { low: 0.1, mid: 0.2, high: 0.9 }),
            auto(None, Some(Threshold::Auto), None),
            auto(Some(Threshold::At(0.05)), Some(Threshold::Auto), None),
        ];
        for rule in rules {
            let json: serde_json::Value = rule
                .to_toml()
                .lines()
                .map(|line| line.split_once(" = ").unwrap())
                .map(|(key, value)| (key.to_owned(), serde_json::from_str(value).unwrap()))
                .collect::<serde_json::Map<_, _>>()
                .into();
            let keys: Keys = serde_json::from_value(json).unwrap();
            let [low, mid, high] = keys.quantiles.unwrap_or([0.02, 0.15, 0.98]);
            let read = Rule::of([keys.low, keys.mid, keys.high], Thresholds { low, mid, high }).unwrap();
            assert_eq!(read, rule);
        }
    }

    #[test]
    fn auto_without_classes_is_refused() {
        let rule = auto(None, Some(Threshold::Auto), None);
        let error = rule
            .resolve(|visit| {
                visit(0.5);
                Ok(())
            })
            .unwrap_err();
        assert!(error.to_string().contains("classes"), "{error}");
    }

    #[test]
    fn some_confidences_without_the_others_are_refused() {
        assert!(Rule::of([Some(Threshold::At(0.1)), None, None], USUAL).is_err());
    }
}
