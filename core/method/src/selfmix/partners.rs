//! Whom each region is mixed with.

use serde::{Deserialize, Serialize};

use super::Mix;
use crate::label::{SoftLabel, total_variation};
use crate::region::Region;
use crate::rng::{Purpose, Stream};

/// Which of an image's regions SelfMix mixes a region with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MixPartners {
    /// Any other one: a random permutation without a fixed point.
    #[default]
    Random,
    /// The one whose box overlaps most. The paper's abstract speaks of mixing similar regions and not of how they are
    /// found: ours.
    Overlap,
    /// The one whose label is nearest. Ours.
    Label,
}

impl MixPartners {
    /// Name in files, flags and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Overlap => "overlap",
            Self::Label => "label",
        }
    }
}

/// Whom each region of a batch is mixed with: position -> position.
///
/// `images` holds the number of regions of each image of the batch, in order. SelfMix permutes within each
/// image, uniformly over the permutations without a fixed point; an image with one region keeps it. The
/// baselines permute the whole batch.
pub fn partners(mix: Mix, seed: u64, step: u64, images: &[usize]) -> Vec<u32> {
    let total: usize = images.iter().sum();
    match mix {
        Mix::None => (0..total as u32).collect(),
        Mix::Mixup | Mix::Cutmix => Stream::new(seed, Purpose::Partner, step, 0).permutation(total),
        Mix::Selfmix => {
            let mut partners = Vec::with_capacity(total);
            for (i, &n) in images.iter().enumerate() {
                let start = partners.len() as u32;
                let own = derangement(&mut Stream::new(seed, Purpose::Partner, step, i as u32), n);
                partners.extend(own.into_iter().map(|p| start + p));
            }
            partners
        }
    }
}

/// Whom each of an image's `n` regions is mixed with: the other one that is most similar to it, the first of several.
/// Several regions may have the same partner; a region that is alone keeps itself.
pub fn similar_partners(n: usize, similarity: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let most_similar = |i: usize| {
        let others = (0..n).filter(|&j| j != i);
        let best = others
            .map(|j| (similarity(i, j), j))
            .reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map_or(i, |(_, j)| j)
    };
    (0..n).map(most_similar).collect()
}

/// Intersection over union of two boxes, in 0..=1.
pub fn box_similarity(a: &Region, b: &Region) -> f64 {
    let span = |a0: u32, a: u32, b0: u32, b: u32| u64::from((a0 + a).min(b0 + b).saturating_sub(a0.max(b0)));
    let both = span(a.left, a.width, b.left, b.width) * span(a.top, a.height, b.top, b.height);
    let area = |r: &Region| u64::from(r.width) * u64::from(r.height);
    both as f64 / (area(a) + area(b) - both).max(1) as f64
}

/// One minus the total variation of two labels, in 0..=1.
pub fn label_similarity(a: &SoftLabel, b: &SoftLabel) -> f64 {
    1.0 - total_variation(&a.dense(), &b.dense())
}

/// A uniform permutation of 0..n without a fixed point (by rejection: about e tries); the identity for n < 2.
fn derangement(draw: &mut Stream, n: usize) -> Vec<u32> {
    loop {
        let order = draw.permutation(n);
        if n < 2 || order.iter().enumerate().all(|(i, &p)| p != i as u32) {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn selfmix_never_leaves_an_image(seed: u64, step: u64, images in proptest::collection::vec(1usize..7, 1..9)) {
            let partners = partners(Mix::Selfmix, seed, step, &images);
            let mut start = 0;
            for n in images {
                let own = start as u32..(start + n) as u32;
                let mut seen: Vec<u32> = partners[start..start + n].to_vec();
                for (i, p) in seen.iter().enumerate() {
                    prop_assert!(own.contains(p));
                    prop_assert!(n == 1 || *p != (start + i) as u32);
                }
                seen.sort_unstable();
                prop_assert!(seen.into_iter().eq(own));
                start += n;
            }
        }

        #[test]
        fn similar_partners_are_the_nearest_others(points in proptest::collection::vec(0u32..50, 1..8)) {
            let similarity = |i: usize, j: usize| -f64::from(points[i].abs_diff(points[j]));
            for (i, partner) in similar_partners(points.len(), similarity).into_iter().enumerate() {
                prop_assert!(points.len() == 1 || partner != i);
                let others = (0..points.len()).filter(|&j| j != i);
                prop_assert!(others.map(|j| similarity(i, j)).all(|s| s <= similarity(i, partner)));
            }
        }

        #[test]
        fn overlap_is_symmetric_and_one_with_itself(
            a in (0u32..20, 0u32..20, 1u32..20, 1u32..20),
            b in (0u32..20, 0u32..20, 1u32..20, 1u32..20),
        ) {
            let region = |(top, left, height, width)| Region { top, left, height, width, flip: false };
            let (a, b) = (region(a), region(b));
            prop_assert_eq!(box_similarity(&a, &b), box_similarity(&b, &a));
            prop_assert_eq!(box_similarity(&a, &a), 1.0);
            let inside = |r: &Region, x: u32, y: u32| {
                (r.left..r.left + r.width).contains(&x) && (r.top..r.top + r.height).contains(&y)
            };
            let pixels = || (0..40).flat_map(|y| (0..40).map(move |x| (x, y)));
            let both = pixels().filter(|&(x, y)| inside(&a, x, y) && inside(&b, x, y)).count() as f64;
            let either = pixels().filter(|&(x, y)| inside(&a, x, y) || inside(&b, x, y)).count() as f64;
            prop_assert!((box_similarity(&a, &b) - both / either).abs() < 1e-12);
        }
    }

    #[test]
    fn the_nearest_label_is_the_most_similar() {
        let labels = [0.9, 0.2, 0.85].map(|p| SoftLabel::smoothed(1, 4, 1.0 - p));
        let partners = similar_partners(3, |i, j| label_similarity(&labels[i], &labels[j]));
        assert_eq!(partners, [2, 2, 0]);
    }

    #[test]
    fn derangements_are_uniform() {
        let mut counts = std::collections::BTreeMap::new();
        for step in 0..9000 {
            *counts.entry(partners(Mix::Selfmix, 1, step, &[4])).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 9, "there are nine derangements of four");
        assert!(counts.values().all(|&n| (850..1150).contains(&n)), "{counts:?}");
    }
}
