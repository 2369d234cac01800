//! The counts of a census, in all and by class.

use std::collections::BTreeMap;

use crate::store::Store;
use ferkd_method::error::{Error, ErrorKind, Result};
use ferkd_method::mining::{Confidence, Counts, Histogram, KindCounts, Rule, Thresholds, Transitions};

/// The confidences of a set of regions, in all and by class.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Census {
    all: Tally,
    classes: BTreeMap<u32, Tally>,
}

/// Different confidences in ascending order, and how many regions have at most that one.
#[derive(Debug, Clone, PartialEq, Default)]
struct Tally {
    values: Vec<f32>,
    up_to: Vec<u64>,
}

impl Tally {
    fn of(mut counted: Vec<(f32, u64)>) -> Self {
        counted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut tally = Self::default();
        let mut sum = 0;
        for (value, count) in counted {
            sum += count;
            if tally.values.last() == Some(&value) {
                tally.up_to.pop();
            } else {
                tally.values.push(value);
            }
            tally.up_to.push(sum);
        }
        tally
    }

    /// Regions whose confidence satisfies `is`, which holds for all values up to some one and for none beyond.
    fn count(&self, is: impl Fn(f32) -> bool) -> u64 {
        let below = self.values.partition_point(|&v| is(v));
        below.checked_sub(1).map_or(0, |last| self.up_to[last])
    }

    fn total(&self) -> u64 {
        self.up_to.last().copied().unwrap_or(0)
    }

    fn each(&self) -> impl Iterator<Item = (f32, u64)> + '_ {
        let before = std::iter::once(&0).chain(&self.up_to);
        self.values
            .iter()
            .zip(&self.up_to)
            .zip(before)
            .map(|((&value, up_to), before)| (value, up_to - before))
    }

    fn kinds(&self, thresholds: &Thresholds) -> KindCounts {
        let discarded = self.count(|c| c < thresholds.low);
        let context = self.count(|c| c < thresholds.mid);
        let important = self.count(|c| c <= thresholds.high);
        KindCounts([discarded, context - discarded, important - context, self.total() - important])
    }
}

/// Counts while regions go by.
#[derive(Debug, Default)]
pub(super) struct Counter {
    /// By class and by the confidence's bits, which ascend with it.
    counts: BTreeMap<(Option<u32>, u32), u64>,
    non_finite: Option<f32>,
}

impl Counter {
    pub(super) fn add(&mut self, class: Option<u32>, c: f32) {
        if c >= 0.0 {
            // Adding 0 turns -0 into +0.
            *self.counts.entry((class, (c + 0.0).to_bits())).or_default() += 1;
        } else {
            self.non_finite = Some(c);
        }
    }

    pub(super) fn close(self) -> Result<Census> {
        if let Some(c) = self.non_finite {
            let problem = format!("{c} among the labels");
            return Err(Error::new(ErrorKind::Numeric, "confidence", problem)
                .remedy("run `ferkd verify` on the store"));
        }
        let mut classes: BTreeMap<u32, Vec<(f32, u64)>> = BTreeMap::new();
        let mut all = Vec::with_capacity(self.counts.len());
        for ((class, bits), count) in self.counts {
            let entry = (f32::from_bits(bits), count);
            all.push(entry);
            if let Some(class) = class {
                classes.entry(class).or_default().push(entry);
            }
        }
        let classes = classes.into_iter().map(|(class, counted)| (class, Tally::of(counted))).collect();
        Ok(Census { all: Tally::of(all), classes })
    }
}

impl Census {
    /// Counts regions: the class of their image, where it has one, and their confidence.
    ///
    /// # Errors
    /// A confidence that is not a number.
    pub fn of(regions: impl IntoIterator<Item = (Option<u32>, f32)>) -> Result<Self> {
        let mut counter = Counter::default();
        regions.into_iter().for_each(|(class, c)| counter.add(class, c));
        counter.close()
    }

    /// Counts all regions of a store.
    ///
    /// # Errors
    /// Those of [`Store::scan_confidences`].
    pub fn of_store(store: &Store, which: Confidence) -> Result<Self> {
        let mut counter = Counter::default();
        store.scan_confidences(which, &mut |_, _, class, c| counter.add(class, c))?;
        counter.close()
    }

    /// Number of regions.
    pub fn regions(&self) -> u64 {
        self.all.total()
    }

    /// Regions of each kind.
    pub fn kinds(&self, thresholds: &Thresholds) -> KindCounts {
        self.all.kinds(thresholds)
    }

    /// What becomes of each region when thresholds go from `before` to `after`.
    pub fn transitions(&self, before: &Thresholds, after: &Thresholds) -> Transitions {
        let mut found = Transitions::default();
        for (c, count) in self.all.each() {
            // A census holds no NaN, which alone has no kind.
            if let (Ok(from), Ok(to)) = (before.kind(c), after.kind(c)) {
                found.add(from, to, count);
            }
        }
        found
    }

    /// Regions of each kind in each class that has any, in ascending order of classes.
    pub fn classes<'a>(&'a self, thresholds: &'a Thresholds) -> impl Iterator<Item = (u32, KindCounts)> + 'a {
        self.classes.iter().map(|(&class, tally)| (class, tally.kinds(thresholds)))
    }

    /// Mean confidence of the regions of a class, in 0..=1.
    pub fn mean(&self, class: u32) -> Option<f64> {
        let tally = self.classes.get(&class)?;
        let sum: f64 = tally.each().map(|(c, count)| f64::from(c) * count as f64).sum();
        Some(sum / tally.total() as f64)
    }

    /// The confidences over [0, 1] in `bins` bins.
    pub fn histogram(&self, bins: usize) -> Histogram {
        let mut histogram = Histogram::new(bins);
        self.all.each().for_each(|(c, count)| histogram.add_times(c, count));
        histogram
    }

    /// Share of regions with a confidence of at most `c`, in 0..=1: the quantile that falls on it.
    pub fn quantile_of(&self, c: f32) -> f32 {
        (self.all.count(|v| v <= c) as f64 / self.regions().max(1) as f64) as f32
    }

    /// The thresholds of a rule over these regions, as [`Store::thresholds`] finds them.
    ///
    /// # Errors
    /// Those of [`Rule::resolve`].
    pub fn thresholds(&self, rule: &Rule) -> Result<Thresholds> {
        let count = |pass| {
            let mut counts = Counts::new(pass);
            self.all.each().for_each(|(c, count)| counts.add_times(c, count));
            Ok(counts)
        };
        let right = || {
            Err(Error::usage(
                "mining thresholds",
                "\"auto\" needs what the teacher named first, which a census does not count",
            )
            .remedy("take the thresholds that `ferkd mine --mid auto` prints"))
        };
        rule.resolve_counted(count, right).map(|resolved| resolved.thresholds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mine::mine;
    use crate::store::tests::{CLASSES, manifest, stored};
    use ferkd_method::label::Codec;

    #[test]
    fn a_census_counts_what_mining_counts() {
        let thresholds = |low, mid, high| Thresholds { low, mid, high };
        let rules = [
            Rule::Quantiles(thresholds(0.1, 0.4, 0.9)),
            Rule::Absolute(thresholds(0.3, 0.5, 0.9)),
            Rule::Absolute(thresholds(0.0, 0.2, 1.0)),
        ];
        for (codec, k) in [(Codec::MarginalSmoothing, 5), (Codec::MarginalRenorm, 3), (Codec::Full, CLASSES)]
        {
            let folder = stored(&manifest(97, codec, k));
            let store = Store::open(folder.path()).unwrap();
            let census = Census::of_store(&store, Confidence::Max).unwrap();
            let mut listed = Vec::new();
            store.scan_confidences(Confidence::Max, &mut |_, _, class, c| listed.push((class, c))).unwrap();
            assert_eq!(Census::of(listed).unwrap(), census);
            for rule in &rules {
                let mined = mine(&store, rule, Confidence::Max).unwrap();
                let found = census.thresholds(rule).unwrap();
                assert_eq!(found, mined.thresholds, "{codec:?} {rule:?}");
                assert_eq!(census.kinds(&found), mined.kinds, "{codec:?} {rule:?}");
                assert_eq!(census.histogram(100), mined.histogram);
                let classes: Vec<KindCounts> = census.classes(&found).map(|c| c.1).collect();
                assert_eq!(classes, mined.classes.iter().map(|c| c.kinds).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn transitions_have_the_counts_of_both_sides_for_margins() {
        let census = Census::of((0..1000).map(|i| (None, (i * 37 % 101) as f32 / 100.0))).unwrap();
        let before = Thresholds { low: 0.1, mid: 0.3, high: 0.9 };
        let after = Thresholds { low: 0.2, mid: 0.5, high: 0.8 };
        let found = census.transitions(&before, &after);
        assert_eq!((found.before(), found.after()), (census.kinds(&before), census.kinds(&after)));
        assert!(found.changed() > 0);
        assert_eq!(census.transitions(&before, &before).changed(), 0);
    }

    #[test]
    fn a_confidence_that_is_no_number_is_refused() {
        assert!(Census::of([(None, f32::NAN)]).is_err());
        assert_eq!(Census::of([]).unwrap().regions(), 0);
    }
}
