//! What the teacher takes the regions of each class for.

use std::collections::BTreeMap;

/// The teacher's top-1 prediction for regions, by the class of their image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Confusions {
    classes: BTreeMap<u32, BTreeMap<u32, u64>>,
}

impl Confusions {
    /// Counts a region of an image of class `truth` that the teacher takes for `prediction`.
    pub fn add(&mut self, truth: u32, prediction: u32) {
        *self.classes.entry(truth).or_default().entry(prediction).or_default() += 1;
    }

    /// Regions of a class.
    pub fn regions(&self, truth: u32) -> u64 {
        self.classes.get(&truth).map_or(0, |predictions| predictions.values().sum())
    }

    /// Share of a class's regions that the teacher takes for another one, in 0..=1; none without regions.
    pub fn wrong(&self, truth: u32) -> Option<f64> {
        let predictions = self.classes.get(&truth)?;
        let right = predictions.get(&truth).copied().unwrap_or(0);
        let all = self.regions(truth);
        Some((all - right) as f64 / all as f64)
    }

    /// The classes that a class is taken for, and how often; the most frequent first, ties to the lower class.
    pub fn taken_for(&self, truth: u32) -> Vec<(u32, u64)> {
        let predictions = self.classes.get(&truth).into_iter().flatten();
        let mut others: Vec<(u32, u64)> = predictions
            .filter(|&(&prediction, _)| prediction != truth)
            .map(|(&prediction, &count)| (prediction, count))
            .collect();
        others.sort_by_key(|&(prediction, count)| (std::cmp::Reverse(count), prediction));
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_confusion_comes_first() {
        let mut found = Confusions::default();
        for prediction in [3, 1, 1, 2, 2, 3, 3, 0] {
            found.add(3, prediction);
        }
        assert_eq!(found.taken_for(3), [(1, 2), (2, 2), (0, 1)]);
        assert_eq!((found.regions(3), found.wrong(3)), (8, Some(5.0 / 8.0)));
        assert_eq!((found.regions(1), found.wrong(1), found.taken_for(1)), (0, None, vec![]));
    }
}
