//! What the teacher takes the regions of each class for.

use std::collections::BTreeMap;

/// The teacher's first guess for regions, by the class of their image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Confusions {
    classes: BTreeMap<u32, BTreeMap<u32, u64>>,
}

impl Confusions {
    /// Counts a region of an image of class `truth` that the teacher takes for `guess`.
    pub fn add(&mut self, truth: u32, guess: u32) {
        *self.classes.entry(truth).or_default().entry(guess).or_default() += 1;
    }

    /// Regions of a class.
    pub fn regions(&self, truth: u32) -> u64 {
        self.classes.get(&truth).map_or(0, |guesses| guesses.values().sum())
    }

    /// Share of a class's regions that the teacher takes for another one, in 0..=1; none without regions.
    pub fn wrong(&self, truth: u32) -> Option<f64> {
        let guesses = self.classes.get(&truth)?;
        let right = guesses.get(&truth).copied().unwrap_or(0);
        let all = self.regions(truth);
        Some((all - right) as f64 / all as f64)
    }

    /// The classes that a class is taken for, and how often; the most frequent first, ties to the lower class.
    pub fn taken_for(&self, truth: u32) -> Vec<(u32, u64)> {
        let guesses = self.classes.get(&truth).into_iter().flatten();
        let mut others: Vec<(u32, u64)> =
            guesses.filter(|&(&guess, _)| guess != truth).map(|(&guess, &count)| (guess, count)).collect();
        others.sort_by_key(|&(guess, count)| (std::cmp::Reverse(count), guess));
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_confusion_comes_first() {
        let mut found = Confusions::default();
        for guess in [3, 1, 1, 2, 2, 3, 3, 0] {
            found.add(3, guess);
        }
        assert_eq!(found.taken_for(3), [(1, 2), (2, 2), (0, 1)]);
        assert_eq!((found.regions(3), found.wrong(3)), (8, Some(5.0 / 8.0)));
        assert_eq!((found.regions(1), found.wrong(1), found.taken_for(1)), (0, None, vec![]));
    }
}
