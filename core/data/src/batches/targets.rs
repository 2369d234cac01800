//! The labels of a batch, as a device takes them.

use std::ops::Range;

use ferkd_method::label::SoftLabel;

/// Sparse labels of N regions: `rest` on every class, plus a weight on each listed one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Targets {
    /// Listed classes, padded with 0: shape (N, slots).
    pub classes: Vec<i32>,
    /// Probability of a listed class beyond `rest`, padded with 0: shape (N, slots).
    pub weights: Vec<f32>,
    /// Probability that every class has at least: shape (N).
    pub rest: Vec<f32>,
    /// Listed classes per region.
    pub slots: usize,
}

impl Targets {
    /// Lines labels up, each the mixture `l a + (1 - l) b`.
    pub fn of<'a>(labels: impl Iterator<Item = (&'a SoftLabel, f32, &'a SoftLabel)>) -> Self {
        let mut rows: Vec<(Vec<(u32, f32)>, f32)> = Vec::new();
        for (a, l, b) in labels {
            let mut row = Vec::with_capacity(a.top().len() + b.top().len());
            let mut rest = 0.0;
            for (label, share) in [(a, l), (b, 1.0 - l)] {
                if share > 0.0 {
                    row.extend(label.top().iter().map(|&(class, p)| (class, share * (p - label.rest()))));
                    rest += share * label.rest();
                }
            }
            rows.push((row, rest));
        }
        let slots = rows.iter().map(|(row, _)| row.len()).max().unwrap_or(0);
        let mut targets = Self { slots, ..Self::default() };
        for (row, rest) in rows {
            let padding = std::iter::repeat_n((0, 0.0), slots - row.len());
            for (class, weight) in row.into_iter().chain(padding) {
                targets.classes.push(class as i32);
                targets.weights.push(weight);
            }
            targets.rest.push(rest);
        }
        targets
    }

    /// Some of the rows, as wide as they are among all.
    pub fn rows(&self, rows: Range<usize>) -> Self {
        let span = rows.start * self.slots..rows.end * self.slots;
        Self {
            classes: self.classes[span.clone()].to_vec(),
            weights: self.weights[span].to_vec(),
            rest: self.rest[rows].to_vec(),
            slots: self.slots,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferkd_method::label::{Codec, TopK, softmax};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_batch_is_trained_with_the_mixed_label(
            first in proptest::collection::vec(-4.0f32..4.0, 12),
            second in proptest::collection::vec(-4.0f32..4.0, 12),
            (k, other_k) in (1usize..8, 1usize..8),
            l in 0.0f32..=1.0,
        ) {
            let label = |logits: &[f32], k| {
                TopK::of(&softmax(logits, 1.0).unwrap(), k).decode(Codec::MarginalSmoothing, 12).unwrap()
            };
            let (a, b) = (label(&first, k), label(&second, other_k));
            let targets = Targets::of(std::iter::once((&a, l, &b)));
            let mut dense = vec![targets.rest[0]; a.classes() as usize];
            for (&class, weight) in targets.classes.iter().zip(&targets.weights) {
                dense[class as usize] += weight;
            }
            let mixed = a.mixed(&b, l).unwrap().dense();
            prop_assert!(dense.iter().zip(&mixed).all(|(x, y)| (x - y).abs() < 1e-6), "{dense:?} {mixed:?}");
        }
    }

    #[test]
    fn sparse_targets_are_the_mixed_label() {
        let a = SoftLabel::smoothed(1, 4, 0.4);
        let b = SoftLabel::one_hot(2, 4);
        let targets = Targets::of([(&a, 0.25, &b), (&b, 1.0, &a)].into_iter());
        let dense = |row: usize| {
            let mut dense = vec![targets.rest[row]; 4];
            for slot in 0..targets.slots {
                let i = row * targets.slots + slot;
                dense[targets.classes[i] as usize] += targets.weights[i];
            }
            dense
        };
        let expected: Vec<f32> = a.dense().iter().zip(b.dense()).map(|(a, b)| 0.25 * a + 0.75 * b).collect();
        assert!(dense(0).iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-6), "{:?}", dense(0));
        assert_eq!(dense(1), b.dense());
    }
}
