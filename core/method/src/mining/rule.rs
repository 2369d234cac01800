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
    /// Each in its own way: low, mid, high, of which `mid` is found from the store's own classes.
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
    /// `mid` alone: the confidence at which the monotone fit of "the top-1 prediction is right" reaches one half.
    /// Ours.
    Auto,
}

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
    /// The rule of settings: three confidences, or three quantiles where none is given. Where `mid` is `auto`, those that
    /// are not given are quantiles.
    ///
    /// # Errors
    /// Some confidences without the others, `low` or `high` as `auto`.
    pub fn of(given: [Option<Threshold>; 3], quantiles: Thresholds) -> Result<Self> {
        match given {
            [None, None, None] => Ok(Self::Quantiles(quantiles)),
            [Some(Threshold::At(low)), Some(Threshold::At(mid)), Some(Threshold::At(high))] => {
                Ok(Self::Absolute(Thresholds { low, mid, high }))
            }
            [Some(Threshold::Auto), ..] | [.., Some(Threshold::Auto)] => {
                // What such thresholds dropped was missed by students (docs/results.md).
                Err(Error::usage("low, high", "\"auto\" finds `mid` alone")
                    .remedy("give them as confidences, or leave them out for quantiles"))
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
                .remedy("give all three, or none, or \"auto\" for mid")),
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
    /// says for a `mid` that is `auto` where the teacher is right.
    /// Quantiles say how many regions are of each kind on the way.
    pub fn resolve_counted(
        &self,
        count: impl Fn(CountPass) -> Result<Counts>,
        right: impl Fn() -> Result<RightCounts>,
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
    right: impl Fn() -> Result<RightCounts>,
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
    if bounds[1] == Bound::Auto {
        // What was found gives way to what was given.
        let [low, mid, high] = &mut found;
        *mid = right()?.fit()?.crossing(0.5).unwrap_or(1.0).max(*low).min(*high);
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
    fn resolved(rule: &Rule, regions: &[(f32, bool)]) -> Result<Thresholds> {
        let count = |pass| {
            let mut counts = Counts::new(pass);
            regions.iter().for_each(|&(c, _)| counts.add(c));
            Ok(counts)
        };
        let right = || {
            let mut counts = RightCounts::default();
            regions.iter().for_each(|&(c, is_right)| counts.add(c, is_right));
            Ok(counts)
        };
        rule.resolve_counted(count, right).map(|resolved| resolved.thresholds)
    }

    fn auto(low: Option<f32>, high: Option<f32>) -> Rule {
        Rule::of([low.map(Threshold::At), Some(Threshold::Auto), high.map(Threshold::At)], USUAL).unwrap()
    }

    #[test]
    fn auto_takes_the_place_of_one_quantile() {
        let rule = auto(None, None);
        assert_eq!(rule, Rule::Bounds([Bound::Quantile(0.02), Bound::Auto, Bound::Quantile(0.98)]));
        // Wrong up to 0.3, right beyond.
        let regions: Vec<(f32, bool)> = (0..100).map(|i| (i as f32 / 100.0, i >= 30)).collect();
        let found = resolved(&rule, &regions).unwrap();
        assert_eq!((found.low, found.high), (0.01, 0.97));
        assert!((found.mid - 0.3).abs() < 1e-3, "{found:?}");
    }

    #[test]
    fn what_is_found_gives_way_to_what_is_given() {
        let right: Vec<(f32, bool)> = (0..50).map(|i| (i as f32 / 50.0, true)).collect();
        let rule = auto(Some(0.2), Some(0.9));
        assert_eq!(resolved(&rule, &right).unwrap(), Thresholds { low: 0.2, mid: 0.2, high: 0.9 });
        let wrong: Vec<(f32, bool)> = (0..50).map(|i| (i as f32 / 50.0, false)).collect();
        assert_eq!(resolved(&rule, &wrong).unwrap(), Thresholds { low: 0.2, mid: 0.9, high: 0.9 });
    }

    proptest! {
        #[test]
        fn found_thresholds_ascend(
            regions in proptest::collection::vec((0.0f32..=1.0, any::<bool>()), 1..100),
            [low, high] in proptest::array::uniform2(proptest::option::of(0.0f32..=1.0)),
        ) {
            let rule = auto(low, high);
            let Ok(found) = resolved(&rule, &regions) else {
                // Given ones may be out of order with each other, or with the other one's quantile.
                prop_assert!(low.is_some() || high.is_some());
                return Ok(());
            };
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
            auto(None, None),
            auto(Some(0.05), None),
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
        let rule = auto(None, None);
        let error = rule
            .resolve(|visit| {
                visit(0.5);
                Ok(())
            })
            .unwrap_err();
        assert!(error.to_string().contains("classes"), "{error}");
    }

    /// They lost 3 to 12 points on the scenes (docs/results.md), and were taken out.
    #[test]
    fn low_and_high_are_not_found() {
        for place in [0, 2] {
            let mut given = [None, Some(Threshold::Auto), None];
            given[place] = Some(Threshold::Auto);
            let error = Rule::of(given, USUAL).unwrap_err().to_string();
            assert!(error.contains("low, high") && error.contains("mid"), "{error}");
        }
    }

    #[test]
    fn some_confidences_without_the_others_are_refused() {
        assert!(Rule::of([Some(Threshold::At(0.1)), None, None], USUAL).is_err());
    }
}
