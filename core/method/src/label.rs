//! Step 2: soft labels. The teacher's probabilities, kept as the top K pairs, and how to read them back.
//!
//! Source: FKD's codecs (arXiv 2112.01528, section 3.3, and its released code). A decoded label is sparse: a
//! probability for each listed class and one `rest` that every other class shares.
//!
//! ```
//! # use ferkd_method as ferkd;
//! use ferkd::label::{Codec, TopK, softmax};
//!
//! # fn main() -> ferkd::error::Result<()> {
//! let probabilities = softmax(&[2.0, 4.0, 1.0, 0.0], 1.0)?;
//! let kept = TopK::of(&probabilities, 2);
//! assert_eq!(kept.classes, [1, 0]);
//! // What the other two classes had is spread over them again.
//! let label = kept.decode(Codec::MarginalSmoothing, 4)?;
//! assert_eq!(label.prediction(), Some(1));
//! assert!((label.dense().iter().sum::<f32>() - 1.0).abs() < 1e-6);
//! assert_eq!(label.probability(2), label.probability(3));
//! # Ok(())
//! # }
//! ```

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How a stored label becomes a distribution over all classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Codec {
    /// Top K; what is missing to 1 is shared by the other classes (the default).
    MarginalSmoothing,
    /// Top K, divided by their sum; the other classes get 0.
    MarginalRenorm,
    /// The highest class only; what is missing to 1 is shared by the others.
    Smoothing,
    /// The highest class only, with probability 1.
    Hard,
    /// All classes.
    Full,
}

impl Codec {
    /// Number of pairs stored for one region, of `classes` classes when the top `k` are asked for.
    ///
    /// Returns the codec too, since `k >= classes` is stored as [`Codec::Full`].
    pub fn resolve(self, k: usize, classes: usize) -> (Self, usize) {
        match self {
            Self::Full => (Self::Full, classes),
            Self::Smoothing | Self::Hard => (self, 1),
            _ if k >= classes => (Self::Full, classes),
            _ => (self, k),
        }
    }
}

/// How the listed probabilities of a label become those of a distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// What each one is divided by, if at all.
    divisor: Option<f64>,
    /// The probability of each class that is not listed.
    rest: f32,
}

impl Reading {
    /// How `listed` probabilities that sum to `sum` are read over `classes` classes, of which they are some; a hard
    /// label is not read at all.
    ///
    /// # Errors
    /// More listed than there are, or a sum of 0 to divide by.
    pub fn of(codec: Codec, listed: usize, sum: f64, classes: usize) -> Result<Self> {
        let Some(others) = classes.checked_sub(listed) else {
            return Err(Error::mismatch("soft label", format!("it lists {listed} of {classes} classes")));
        };
        // A sum above 1 is what quantisation and 16-bit floats leave; nothing remains for the other classes then.
        if codec != Codec::MarginalRenorm && others > 0 && sum <= 1.0 {
            return Ok(Self { divisor: None, rest: ((1.0 - sum) / others as f64) as f32 });
        }
        if sum <= 0.0 {
            return Err(Error::mismatch("soft label", "its probabilities sum to 0"));
        }
        Ok(Self { divisor: Some(sum), rest: 0.0 })
    }

    /// The probability of a class that is listed with `p`.
    pub fn listed(&self, p: f32) -> f32 {
        self.divisor.map_or(p, |sum| (f64::from(p) / sum) as f32)
    }

    /// The probability of each class that is not listed.
    pub fn rest(&self) -> f32 {
        self.rest
    }
}

/// The K most probable classes of one region, in descending order, ties to the lower class.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TopK {
    /// Classes, most probable first.
    pub classes: Vec<u32>,
    /// Their probabilities, in 0..=1.
    pub probabilities: Vec<f32>,
}

impl TopK {
    /// The top `k` of a distribution over `probabilities.len()` classes.
    pub fn of(probabilities: &[f32], k: usize) -> Self {
        let k = k.min(probabilities.len());
        let mut order: Vec<u32> = (0..probabilities.len() as u32).collect();
        let before = |&a: &u32, &b: &u32| {
            probabilities[b as usize].total_cmp(&probabilities[a as usize]).then(a.cmp(&b))
        };
        if k > 0 && k < order.len() {
            order.select_nth_unstable_by(k - 1, before);
            order.truncate(k);
        }
        order.sort_unstable_by(before);
        let probabilities = order.iter().map(|&c| probabilities[c as usize]).collect();
        Self { classes: order, probabilities }
    }

    /// Reads the pairs as a distribution over `classes` classes.
    ///
    /// # Errors
    /// A class outside of `0..classes`, a class listed twice, or a probability that is not a number in 0..=1.
    pub fn decode(&self, codec: Codec, classes: usize) -> Result<SoftLabel> {
        let keep = if matches!(codec, Codec::Hard | Codec::Smoothing) { 1 } else { self.classes.len() };
        let mut top: Vec<(u32, f32)> =
            self.classes.iter().copied().zip(self.probabilities.iter().copied()).take(keep).collect();
        if top.is_empty() {
            return Err(Error::mismatch("soft label", "it lists no class"));
        }
        for &(class, p) in &top {
            if class as usize >= classes {
                let problem = format!("class {class} is outside of 0..{classes}");
                return Err(Error::mismatch("soft label", problem));
            }
            if !is_probability(p) {
                return Err(Error::mismatch(
                    "soft label",
                    format!("invalid probability {p} of class {class}: expected a number in 0..=1"),
                ));
            }
        }
        // A full label has been checked when it was written; sorting would hurt at C = 1000.
        if keep <= 64
            && let Some(class) = first_repeated(&self.classes[..top.len()])
        {
            return Err(Error::mismatch("soft label", format!("class {class} is listed twice")));
        }
        if codec == Codec::Hard {
            return Ok(SoftLabel { classes: classes as u32, rest: 0.0, top: vec![(top[0].0, 1.0)] });
        }
        let sum: f64 = top.iter().map(|&(_, p)| f64::from(p)).sum();
        let reading = Reading::of(codec, top.len(), sum, classes)?;
        top.iter_mut().for_each(|(_, p)| *p = reading.listed(*p));
        Ok(SoftLabel { classes: classes as u32, rest: reading.rest(), top })
    }
}

/// Slack for a probability that rounding pushed above 1.
const TOLERANCE: f32 = 1e-3;

/// Whether `p` is a number in 0..=1, save for the rounding of 16-bit floats.
pub fn is_probability(p: f32) -> bool {
    (0.0..=1.0 + TOLERANCE).contains(&p)
}

/// A class that is listed more than once, where there is one.
pub fn first_repeated(classes: &[u32]) -> Option<u32> {
    if classes.len() <= 32 {
        return (1..classes.len()).find(|&i| classes[..i].contains(&classes[i])).map(|i| classes[i]);
    }
    let mut sorted = classes.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// A distribution over `classes` classes: some listed, all others sharing `rest` each.
#[derive(Debug, Clone, PartialEq)]
pub struct SoftLabel {
    classes: u32,
    rest: f32,
    top: Vec<(u32, f32)>,
}

impl SoftLabel {
    /// All of the probability on class `truth`.
    pub fn one_hot(truth: u32, classes: u32) -> Self {
        Self::smoothed(truth, classes, 0.0)
    }

    /// `1 - epsilon` on `truth`, `epsilon / (classes - 1)` on every other class.
    pub fn smoothed(truth: u32, classes: u32, epsilon: f32) -> Self {
        debug_assert!(truth < classes && (0.0..=1.0).contains(&epsilon));
        if classes == 1 {
            return Self { classes, rest: 0.0, top: vec![(truth, 1.0)] };
        }
        Self { classes, rest: epsilon / (classes - 1) as f32, top: vec![(truth, 1.0 - epsilon)] }
    }

    /// Number of classes C.
    pub fn classes(&self) -> u32 {
        self.classes
    }

    /// The listed classes with their probabilities, most probable first.
    pub fn top(&self) -> &[(u32, f32)] {
        &self.top
    }

    /// The probability of each class that is not listed.
    pub fn rest(&self) -> f32 {
        self.rest
    }

    /// The probability of one class.
    pub fn probability(&self, class: u32) -> f32 {
        self.top.iter().find(|&&(c, _)| c == class).map_or(self.rest, |&(_, p)| p)
    }

    /// All probabilities, in class order: shape (C).
    pub fn dense(&self) -> Vec<f32> {
        let mut dense = vec![self.rest; self.classes as usize];
        for &(class, p) in &self.top {
            dense[class as usize] = p;
        }
        dense
    }

    /// The class that the label names first: the teacher's prediction.
    pub fn prediction(&self) -> Option<u32> {
        self.top.first().map(|&(class, _)| class)
    }

    /// The mixture `l self + (1 - l) other`: what a mixed region is trained with.
    ///
    /// # Errors
    /// Labels over different numbers of classes.
    pub fn mixed(&self, other: &Self, l: f32) -> Result<Self> {
        if self.classes != other.classes {
            let problem = format!("one has {} classes, the other {}", self.classes, other.classes);
            return Err(Error::mismatch("labels to be mixed", problem).remedy("mix labels of one store"));
        }
        // A parent without a share lists nothing either, as in a batch.
        if l >= 1.0 || l <= 0.0 {
            return Ok(if l >= 1.0 { self.clone() } else { other.clone() });
        }
        let both = |a: f32, b: f32| l * a + (1.0 - l) * b;
        let listed = |class: u32| self.top.iter().any(|&(c, _)| c == class);
        let own = self.top.iter().map(|&(class, p)| (class, both(p, other.probability(class))));
        let others = other.top.iter().filter(|&&(class, _)| !listed(class));
        let mut top: Vec<(u32, f32)> =
            own.chain(others.map(|&(class, p)| (class, both(self.rest, p)))).collect();
        top.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(Self { classes: self.classes, rest: both(self.rest, other.rest), top })
    }

    /// Entropy in nats.
    pub fn entropy(&self) -> f64 {
        let term = |p: f32| if p > 0.0 { -f64::from(p) * libm::log(f64::from(p)) } else { 0.0 };
        let others = self.classes as usize - self.top.len();
        self.top.iter().map(|&(_, p)| term(p)).sum::<f64>() + others as f64 * term(self.rest)
    }

    /// Kullback-Leibler divergence KL(self || other) in nats, from a label of as many classes; none where `other`
    /// denies what this one holds possible: it is infinite there.
    pub fn divergence(&self, other: &Self) -> Option<f64> {
        let mut sum = 0.0;
        for (p, q) in self.dense().into_iter().zip(other.dense()) {
            if p > 0.0 {
                if q <= 0.0 {
                    return None;
                }
                let (p, q) = (f64::from(p), f64::from(q));
                sum += p * libm::log(p / q);
            }
        }
        Some(sum)
    }

    /// Total variation from another label of as many classes: half the sum of absolute differences, in 0..=1.
    pub fn total_variation(&self, other: &Self) -> f64 {
        total_variation(&self.dense(), &other.dense())
    }
}

/// Total variation between two distributions of the same length.
pub fn total_variation(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| (f64::from(x) - f64::from(y)).abs()).sum::<f64>() / 2.0
}

/// Softmax of logits at `temperature`, computed in f64.
///
/// # Errors
/// A logit that is not finite.
pub fn softmax(logits: &[f32], temperature: f32) -> Result<Vec<f32>> {
    if let Some(bad) = logits.iter().find(|z| !z.is_finite()) {
        let error = Error::new(crate::ErrorKind::Numeric, "teacher's logits", format!("{bad} among them"));
        return Err(error.remedy("check the teacher's weights and the normalisation of its input"));
    }
    let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let scaled = |z: f32| libm::exp((f64::from(z) - f64::from(peak)) / f64::from(temperature));
    let sum: f64 = logits.iter().map(|&z| scaled(z)).sum();
    Ok(logits.iter().map(|&z| (scaled(z) / sum) as f32).collect())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any distribution over 2..=40 classes, from flat to nearly one-hot.
    pub(crate) fn distribution() -> impl Strategy<Value = Vec<f32>> {
        (proptest::collection::vec(-4.0f32..4.0, 2..40), 0.1f32..4.0)
            .prop_map(|(logits, t)| softmax(&logits, t).unwrap())
    }

    proptest! {
        #[test]
        fn every_decoded_label_sums_to_one(p in distribution(), k in 1usize..12) {
            for codec in [Codec::MarginalSmoothing, Codec::MarginalRenorm, Codec::Smoothing, Codec::Hard, Codec::Full] {
                let (codec, k) = codec.resolve(k, p.len());
                let label = TopK::of(&p, k).decode(codec, p.len()).unwrap();
                let dense = label.dense();
                let sum: f64 = dense.iter().map(|&p| f64::from(p)).sum();
                prop_assert!((sum - 1.0).abs() < 1e-6, "{codec:?}: {sum}");
                prop_assert!(dense.iter().all(|&p| p >= 0.0));
            }
        }

        #[test]
        fn top_k_is_a_sorted_prefix(p in distribution(), k in 1usize..12) {
            let top = TopK::of(&p, k);
            let all = TopK::of(&p, p.len());
            prop_assert_eq!(&top.classes[..], &all.classes[..top.classes.len()]);
            prop_assert!(all.probabilities.windows(2).all(|w| w[0] >= w[1]));
        }
    }

    /// Two labels over the same classes, each with the top k of it.
    pub(crate) fn pair() -> impl Strategy<Value = (SoftLabel, SoftLabel)> {
        (2usize..40, 1usize..8, 1usize..8).prop_flat_map(|(classes, k, other_k)| {
            let label = move |k| {
                proptest::collection::vec(-4.0f32..4.0, classes).prop_map(move |logits| {
                    let (codec, k) = Codec::MarginalSmoothing.resolve(k, classes);
                    TopK::of(&softmax(&logits, 1.0).unwrap(), k).decode(codec, classes).unwrap()
                })
            };
            (label(k), label(other_k))
        })
    }

    proptest! {
        #[test]
        fn a_mixed_label_lies_between_its_parents((a, b) in pair(), l in 0.0f32..=1.0) {
            let mixed = a.mixed(&b, l).unwrap();
            let sum: f64 = mixed.dense().iter().map(|&p| f64::from(p)).sum();
            prop_assert!((sum - 1.0).abs() < 1e-5, "{sum}");
            prop_assert!(mixed.top().windows(2).all(|w| w[0].1 >= w[1].1));
            for ((x, y), p) in a.dense().into_iter().zip(b.dense()).zip(mixed.dense()) {
                prop_assert!((l * x + (1.0 - l) * y - p).abs() < 1e-6);
            }
            // Its distances from its parents are the shares of theirs from each other.
            let apart = a.total_variation(&b);
            prop_assert!((mixed.total_variation(&a) - f64::from(1.0 - l) * apart).abs() < 1e-5);
            prop_assert!((mixed.total_variation(&b) - f64::from(l) * apart).abs() < 1e-5);
        }
    }

    #[test]
    fn labels_over_different_classes_are_not_mixed() {
        assert!(SoftLabel::one_hot(0, 3).mixed(&SoftLabel::one_hot(0, 4), 0.5).is_err());
    }

    #[test]
    fn ties_go_to_the_lower_class() {
        assert_eq!(TopK::of(&[0.2, 0.3, 0.2, 0.3], 3).classes, [1, 3, 0]);
    }

    #[test]
    fn a_sum_above_one_is_scaled_and_leaves_no_remainder() {
        let top = TopK { classes: vec![3, 1], probabilities: vec![0.8, 0.3] };
        let label = top.decode(Codec::MarginalSmoothing, 5).unwrap();
        assert_eq!(label.rest(), 0.0);
        assert!((label.probability(3) - 0.8 / 1.1).abs() < 1e-6);
    }

    #[test]
    fn a_repeated_class_is_found_in_short_and_long_lists() {
        for len in [2, 5, 32, 33, 200] {
            let mut classes: Vec<u32> = (0..len).rev().collect();
            assert_eq!(first_repeated(&classes), None);
            classes[0] = classes[len as usize - 1];
            assert_eq!(first_repeated(&classes), Some(0), "{len}");
        }
    }

    #[test]
    fn foreign_pairs_are_refused() {
        let label = |classes: &[u32], p: &[f32]| {
            TopK { classes: classes.to_vec(), probabilities: p.to_vec() }.decode(Codec::MarginalSmoothing, 4)
        };
        assert!(label(&[4], &[0.5]).is_err());
        assert!(label(&[1, 1], &[0.5, 0.2]).is_err());
        assert!(label(&[1], &[f32::NAN]).is_err());
        assert!(label(&[1], &[-0.1]).is_err());
        assert!(label(&[], &[]).is_err());
        assert!(label(&[0; 100], &[0.001; 100]).is_err());
    }

    #[test]
    fn divergence_is_zero_from_itself_and_infinite_from_denial() {
        let half = SoftLabel::smoothed(0, 2, 0.5);
        assert_eq!(half.divergence(&half), Some(0.0));
        assert_eq!(half.divergence(&SoftLabel::one_hot(0, 2)), None);
        let other = SoftLabel::smoothed(0, 2, 0.25);
        let expected = 0.5 * (0.5f64 / 0.75).ln() + 0.5 * (0.5f64 / 0.25).ln();
        assert!((half.divergence(&other).unwrap() - expected).abs() < 1e-7);
        assert_eq!(SoftLabel::one_hot(0, 2).divergence(&half), Some(2f64.ln()));
    }

    #[test]
    fn nan_logits_are_an_error() {
        assert!(softmax(&[0.0, f32::NAN], 1.0).is_err());
    }
}
