//! Ways of mixing, and how far mixed labels lie from their parents under each.

/// Bars of a distribution.
pub(crate) const BINS: usize = 25;

/// A way of mixing: with whom, and by which operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// SelfMix, with any other region of the image.
    Random,
    /// SelfMix, with the region of the image whose box overlaps most.
    Overlap,
    /// Mixup, with a region of another image.
    Mixup,
    /// CutMix, with a region of another image.
    Cutmix,
}

impl Way {
    /// All ways.
    pub const ALL: [Self; 4] = [Self::Random, Self::Overlap, Self::Mixup, Self::Cutmix];

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Random => "SelfMix, random partner",
            Self::Overlap => "SelfMix, largest overlap",
            Self::Mixup => "Mixup, another image",
            Self::Cutmix => "CutMix, another image",
        }
    }

    /// Whether both regions are of one image.
    pub fn is_within(self) -> bool {
        matches!(self, Self::Random | Self::Overlap)
    }
}

/// Total variations over [0, 1].
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Spread {
    /// How many fall into each bar.
    pub bins: [u32; BINS],
    sum: f64,
    count: u64,
}

impl Spread {
    /// Takes in one of them.
    pub fn add(&mut self, value: f64) {
        let bin = (value * BINS as f64) as usize;
        self.bins[bin.min(BINS - 1)] += 1;
        self.sum += value;
        self.count += 1;
    }

    /// Mean, if there is any.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}
