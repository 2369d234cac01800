//! Which images and regions are shown.

use ferkd_method::mining::{RegionKind, Thresholds};

use super::selection::Bar;
use crate::representative::AT_FIRST;

/// Which images and regions are shown: all that may be, unless something is set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filters {
    /// Only regions with a confidence in here: the bar of the histogram that is chosen.
    pub bar: Option<Bar>,
    /// Only regions of this kind.
    pub kind: Option<RegionKind>,
    /// Only images of this class.
    pub class: Option<u32>,
    /// Kinds are those of these thresholds: the set that stays shown while thresholds move.
    pub frozen: Option<Thresholds>,
    /// How many of an image's regions are drawn, while nothing else chooses among them.
    pub boxes: Boxes,
}

/// How many of an image's regions are drawn at the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boxes(pub u32);

impl Default for Boxes {
    fn default() -> Self {
        Self(AT_FIRST)
    }
}

impl Filters {
    /// Whether regions are left out.
    pub fn leaves_out_regions(&self) -> bool {
        self.bar.is_some() || self.kind.is_some()
    }

    /// Whether a region is shown: by the bar and the kind that were clicked. With a frozen set, kinds are those
    /// of the thresholds that it was frozen with.
    pub fn passes(&self, judged: Option<(f32, RegionKind)>) -> bool {
        let Some((c, kind)) = judged else { return !self.leaves_out_regions() };
        let kind = self.frozen.map_or(Some(kind), |frozen| frozen.kind(c).ok());
        self.bar.as_ref().is_none_or(|bar| bar.contains(&c))
            && self.kind.is_none_or(|wanted| kind == Some(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_set_judges_by_its_own_thresholds() {
        let judged = Some((0.5, RegionKind::Important));
        let mut filters = Filters { kind: Some(RegionKind::Context), ..Filters::default() };
        assert!(!filters.passes(judged));
        filters.frozen = Some(Thresholds { low: 0.1, mid: 0.6, high: 0.9 });
        assert!(filters.passes(judged));
        filters.bar = Some(0.6..=0.7);
        assert!(!filters.passes(judged), "it is in another bar");
        // Nothing is known of it: it is shown while nothing is asked for.
        assert!(!filters.passes(None) && Filters::default().passes(None));
    }
}
