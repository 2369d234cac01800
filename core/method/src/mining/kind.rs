//! The four kinds of regions, and counts of them.

use serde::{Deserialize, Serialize};

/// What a region is, by the teacher's confidence in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegionKind {
    /// Uninformative (UR in the paper): nothing of the object; never trained on.
    Discarded,
    /// Hard region (HR): background and surroundings; its label is calibrated.
    Context,
    /// Important (IR): what distillation feeds on; the teacher's label, untouched.
    Important,
    /// Uninformative (UR): nothing left to learn; never trained on.
    Trivial,
}

impl RegionKind {
    /// All kinds, from the lowest confidence to the highest.
    pub const ALL: [Self; 4] = [Self::Discarded, Self::Context, Self::Important, Self::Trivial];

    /// The letter that stands for the kind in pictures.
    pub fn letter(self) -> char {
        match self {
            Self::Discarded => 'D',
            Self::Context => 'C',
            Self::Important => 'I',
            Self::Trivial => 'T',
        }
    }

    /// The kind's name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Discarded => "discarded",
            Self::Context => "context",
            Self::Important => "important",
            Self::Trivial => "trivial",
        }
    }
}

/// How many regions are of each kind, in the order of [`RegionKind::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KindCounts(pub [u64; 4]);

impl KindCounts {
    /// Counts one region.
    pub fn add(&mut self, kind: RegionKind) {
        self.0[kind as usize] += 1;
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
    }

    /// The number of regions of a kind.
    pub fn of(&self, kind: RegionKind) -> u64 {
        self.0[kind as usize]
    }

    /// All regions.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Share of each kind, in the order of [`RegionKind::ALL`]; zeros where nothing was counted.
    pub fn shares(&self) -> [f64; 4] {
        let total = self.total().max(1) as f64;
        self.0.map(|n| n as f64 / total)
    }
}
