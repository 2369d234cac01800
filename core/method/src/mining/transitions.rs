//! What becomes of each region when the settings change.

use super::kind::{KindCounts, RegionKind};

/// How many regions go from each kind to each other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Transitions(pub [[u64; 4]; 4]);

impl Transitions {
    /// Counts `count` regions that are of the kind `before` first and `after` then.
    pub fn add(&mut self, before: RegionKind, after: RegionKind, count: u64) {
        self.0[before as usize][after as usize] += count;
    }

    /// Regions that go from one kind to another; that stay, where both are the same.
    pub fn of(&self, before: RegionKind, after: RegionKind) -> u64 {
        self.0[before as usize][after as usize]
    }

    /// Regions of each kind before.
    pub fn before(&self) -> KindCounts {
        KindCounts(self.0.map(|row| row.iter().sum()))
    }

    /// Regions of each kind after.
    pub fn after(&self) -> KindCounts {
        KindCounts(std::array::from_fn(|after| self.0.iter().map(|row| row[after]).sum()))
    }

    /// Regions whose kind changes.
    pub fn changed(&self) -> u64 {
        let stays: u64 = RegionKind::ALL.into_iter().map(|kind| self.of(kind, kind)).sum();
        self.before().total() - stays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_margins_are_the_counts_of_both_sides() {
        let mut transitions = Transitions::default();
        transitions.add(RegionKind::Discarded, RegionKind::Context, 3);
        transitions.add(RegionKind::Context, RegionKind::Context, 5);
        transitions.add(RegionKind::Trivial, RegionKind::Important, 2);
        assert_eq!(transitions.before(), KindCounts([3, 5, 0, 2]));
        assert_eq!(transitions.after(), KindCounts([0, 8, 2, 0]));
        assert_eq!(transitions.changed(), 5);
        assert_eq!(transitions.of(RegionKind::Trivial, RegionKind::Important), 2);
    }
}
