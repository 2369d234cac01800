//! Mining held against what the scenes know: where the digit is, and how much of it a region shows.

use crate::demo::settings::VISIBLE;
use ferkd_data::mine::MiningReport;
use ferkd_data::scenes::{Scene, SceneMaker};
use ferkd_data::store::Store;
use ferkd_method::error::{Error, Result};
use ferkd_method::mining::{Confidence, Histogram};

/// Mining held against what the scenes know.
pub(super) struct Truth {
    /// Probability that a region that shows the digit has a higher confidence than one that does not.
    pub auc: f64,
    /// Regions that show the digit.
    pub visible: u64,
    /// Confidences of regions that show it, and of those that do not.
    pub shown: Histogram,
    pub missed: Histogram,
    /// Number of regions, sum of the visible shares, and regions that show the digit, by kind.
    pub by_kind: [(u64, f64, u64); 4],
}

impl Truth {
    /// Looks at every region of the store that mining sorted as `mined` says.
    pub fn of(maker: &SceneMaker, store: &Store, mined: &MiningReport) -> Result<Self> {
        let mut pairs = Vec::with_capacity(mined.regions as usize);
        let (mut shown, mut missed) = (Histogram::new(100), Histogram::new(100));
        let mut by_kind = [(0, 0.0, 0); 4];
        for image in 0..store.len() {
            let scene = scene_of(maker, &store.image(image)?.name)?;
            for region in 0..store.manifest().regions.per_image {
                let c = store.confidence(image, region, Confidence::Max)?;
                let share = scene.visible_share(&store.region(image, region)?);
                let visible = share >= VISIBLE;
                if visible {
                    shown.add(c);
                } else {
                    missed.add(c);
                }
                let entry = &mut by_kind[mined.thresholds.kind(c)? as usize];
                *entry = (entry.0 + 1, entry.1 + share, entry.2 + u64::from(visible));
                pairs.push((c, visible));
            }
        }
        let visible = pairs.iter().filter(|p| p.1).count() as u64;
        Ok(Self { auc: auc(pairs), visible, shown, missed, by_kind })
    }
}

/// The scene of a file.
pub(super) fn scene_of(maker: &SceneMaker, name: &str) -> Result<Scene> {
    let (digit, copy) = SceneMaker::parse_name(name).ok_or_else(|| {
        Error::mismatch(name, "it is not a scene of the demo").remedy("choose another folder with --out")
    })?;
    Ok(maker.scene(digit, copy))
}

/// Area under the ROC curve: the probability that a positive scores higher than a negative, ties counting half.
pub fn auc(mut scored: Vec<(f32, bool)>) -> f64 {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = scored.iter().filter(|s| s.1).count() as f64;
    let negatives = scored.len() as f64 - positives;
    let mut ranks = 0.0;
    let mut start = 0;
    while start < scored.len() {
        let end = start + scored[start..].iter().take_while(|s| s.0 == scored[start].0).count();
        // Ties share their mean rank.
        let rank = (start + 1 + end) as f64 / 2.0;
        ranks += rank * scored[start..end].iter().filter(|s| s.1).count() as f64;
        start = end;
    }
    (ranks - positives * (positives + 1.0) / 2.0) / (positives * negatives)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auc_counts_ties_half() {
        assert_eq!(auc(vec![(0.1, false), (0.2, false), (0.3, true)]), 1.0);
        assert_eq!(auc(vec![(0.5, false), (0.5, true)]), 0.5);
        assert_eq!(auc(vec![(0.1, true), (0.2, false), (0.3, true), (0.4, false)]), 0.25);
    }
}
