//! Step 5: SelfMix. Regions of one image are mixed with each other, never with another image's.
//!
//! Source: FerKD (arXiv 2312.17473) mixes within an image; the operators and strengths are FKD's own mixing
//! (Mixup with Beta(0.8, 0.8), CutMix with Beta(1, 1), switched with probability 0.5), which is ours to assume.
//! Mixup and CutMix across images are kept as baselines.
//!
//! ```
//! # use ferkd_method as ferkd;
//! use ferkd::selfmix::{Mix, MixStrength, Mixing, partners};
//!
//! # fn main() -> ferkd::error::Result<()> {
//! // A batch with four regions of one image and two of another: partners stay within the image.
//! let partners = partners(Mix::Selfmix, 0, 0, &[4, 2]);
//! assert!(partners[..4].iter().all(|&partner| partner < 4));
//! assert_eq!(partners[4..], [5, 4]);
//! // One operator a step; its `l` is the weight of the region's own label.
//! let mixing = Mixing::draw(Mix::Selfmix, &MixStrength::default(), 0, 0, 224)?.expect("SelfMix mixes");
//! assert!((0.0..=1.0).contains(&mixing.l));
//! # Ok(())
//! # }
//! ```

mod partners;

use rand_distr::{Beta, Distribution};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result, check_share};
use crate::rng::{Purpose, Stream};
pub use partners::{MixPartners, box_similarity, label_similarity, partners, similar_partners};

/// Which regions of a batch are mixed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Mix {
    /// Nothing is mixed.
    #[default]
    None,
    /// Within each image, by pixels or by box.
    Selfmix,
    /// Across images, by pixels.
    Mixup,
    /// Across images, by box.
    Cutmix,
}

/// How two regions become one, drawn once per batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operator {
    /// Every pixel is `l a + (1 - l) b`.
    Pixels,
    /// The half-open box `[top, bottom) x [left, right)` comes from b, the rest from a. In pixels at the
    /// student's side.
    Paste {
        /// First row from b.
        top: u32,
        /// Row after the last from b.
        bottom: u32,
        /// First column from b.
        left: u32,
        /// Column after the last from b.
        right: u32,
    },
}

/// A batch's mixing: the operator, and the weight `l` of the first region in pixels and label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mixing {
    /// How the pixels are combined.
    pub operator: Operator,
    /// Weight of the first region, in 0..=1; for a pasted box exactly the share of pixels kept.
    pub l: f32,
}

/// How often one operator is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MixDraws {
    /// Once for all regions of a step, as FKD does.
    #[default]
    Batch,
    /// For the regions of each image anew. Ours.
    Image,
}

/// The strengths of mixing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MixStrength {
    /// Probability that what an operator is drawn for is mixed at all (FKD's `mixup_cutmix_prob`).
    pub probability: f64,
    /// Probability of mixing pixels where both operators are possible.
    pub switch: f64,
    /// Mixing of pixels: l is drawn from Beta(alpha, alpha).
    pub pixel_alpha: f64,
    /// Pasting of boxes: l is drawn from Beta(alpha, alpha).
    pub box_alpha: f64,
}

impl Default for MixStrength {
    fn default() -> Self {
        Self { probability: 1.0, switch: 0.5, pixel_alpha: 0.8, box_alpha: 1.0 }
    }
}

/// How a run mixes its regions.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MixRule {
    /// Which regions are mixed, and how.
    pub mix: Mix,
    /// How strongly, and how often.
    pub strength: MixStrength,
    /// Whether an operator is drawn for a step or for an image.
    pub draws: MixDraws,
    /// Whom SelfMix mixes a region with.
    pub partners: MixPartners,
}

impl MixRule {
    /// Checks what can be checked before anything is drawn.
    ///
    /// # Errors
    /// A probability outside of 0..=1, or similar partners where nothing is mixed within an image.
    pub fn check(&self) -> Result<()> {
        check_share("mix-probability", self.strength.probability as f32)?;
        if self.partners == MixPartners::Random || self.mix == Mix::Selfmix {
            return Ok(());
        }
        let problem = format!("{}, but nothing is mixed within an image", self.partners.name());
        Err(Error::usage("mix-partners", problem).remedy("mix by selfmix, or leave it out"))
    }

    /// The mixing of each of the `images` images of step `step`, for regions of `side` x `side` pixels; none where it
    /// is not mixed.
    ///
    /// # Errors
    /// Strengths that are not positive.
    pub fn mixings(&self, seed: u64, step: u64, side: u32, images: usize) -> Result<Vec<Option<Mixing>>> {
        let Self { mix, strength, draws, .. } = self;
        match draws {
            MixDraws::Batch => Ok(vec![Mixing::draw(*mix, strength, seed, step, side)?; images]),
            MixDraws::Image => (0..images as u32)
                .map(|image| {
                    let draw = Draw::of_image(*mix, strength, seed, (step, image), side)?;
                    Ok(draw.map(|draw| draw.mixing(side)))
                })
                .collect(),
        }
    }
}

/// What is drawn for a batch, before it is cut to pixels: a hand may change any part of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Draw {
    /// Whether pixels are mixed; a box is pasted otherwise.
    pub by_pixels: bool,
    /// Weight of the first region, in 0..=1, before a box is clipped.
    pub l: f64,
    /// Column and row around which a box is pasted, in pixels at the side that it was drawn for.
    pub centre: (u32, u32),
}

impl Draw {
    /// Draws step `step` for regions of `side` x `side` pixels; `None` for [`Mix::None`], and where the draw is not to
    /// mix.
    ///
    /// # Errors
    /// Strengths that are not positive.
    pub fn of(mix: Mix, strength: &MixStrength, seed: u64, step: u64, side: u32) -> Result<Option<Self>> {
        Self::nth(mix, strength, seed, (step, 0), side)
    }

    /// The same for the regions of the image at place `image` of step `step` ([`MixDraws::Image`]).
    ///
    /// # Errors
    /// Those of [`Self::of`].
    pub fn of_image(
        mix: Mix,
        strength: &MixStrength,
        seed: u64,
        (step, image): (u64, u32),
        side: u32,
    ) -> Result<Option<Self>> {
        Self::nth(mix, strength, seed, (step, image + 1), side)
    }

    fn nth(
        mix: Mix,
        strength: &MixStrength,
        seed: u64,
        (step, index): (u64, u32),
        side: u32,
    ) -> Result<Option<Self>> {
        // A stream of its own: at any probability the steps that are mixed are mixed alike.
        if Stream::new(seed, Purpose::MixGate, step, index).unit() >= strength.probability {
            return Ok(None);
        }
        let mut draw = Stream::new(seed, Purpose::Mixing, step, index);
        let coin = draw.unit();
        let by_pixels = match mix {
            Mix::None => return Ok(None),
            Mix::Selfmix => coin < strength.switch,
            Mix::Mixup => true,
            Mix::Cutmix => false,
        };
        let alpha = if by_pixels { strength.pixel_alpha } else { strength.box_alpha };
        let beta = Beta::new(alpha, alpha)
            .map_err(|e| Error::usage("mixing strength", format!("alpha {alpha}: {e}")))?;
        let l = beta.sample(&mut draw);
        Ok(Some(Self { by_pixels, l, centre: (draw.below(side), draw.below(side)) }))
    }

    /// The mixing of regions of `side` x `side` pixels.
    pub fn mixing(&self, side: u32) -> Mixing {
        if self.by_pixels {
            return Mixing { operator: Operator::Pixels, l: self.l as f32 };
        }
        let cut = (f64::from(side) * libm::sqrt(1.0 - self.l)).floor() as u32;
        Mixing::paste(self.centre.0, self.centre.1, cut, side)
    }
}

impl Mixing {
    /// Draws operator, l and box of step `step` for regions of `side` x `side` pixels; `None` for [`Mix::None`].
    ///
    /// # Errors
    /// Strengths that are not positive.
    pub fn draw(mix: Mix, strength: &MixStrength, seed: u64, step: u64, side: u32) -> Result<Option<Self>> {
        Ok(Draw::of(mix, strength, seed, step, side)?.map(|draw| draw.mixing(side)))
    }

    /// Pastes a box of side `cut` around pixel (`x`, `y`), clipped to the picture.
    pub fn paste(x: u32, y: u32, cut: u32, side: u32) -> Self {
        let half = cut / 2;
        let (top, bottom) = (y.saturating_sub(half), (y + half).min(side));
        let (left, right) = (x.saturating_sub(half), (x + half).min(side));
        let pasted = f64::from(bottom - top) * f64::from(right - left);
        let l = (1.0 - pasted / (f64::from(side) * f64::from(side))) as f32;
        Self { operator: Operator::Paste { top, bottom, left, right }, l }
    }

    /// The same mixing for pictures of another side (an online teacher's): edges are scaled and rounded; `l`,
    /// the labels' weight, stays the student's.
    pub fn at_side(&self, from: u32, to: u32) -> Self {
        let scale = |edge: u32| (f64::from(edge) * f64::from(to) / f64::from(from)).round_ties_even() as u32;
        let operator = match self.operator {
            Operator::Pixels => Operator::Pixels,
            Operator::Paste { top, bottom, left, right } => Operator::Paste {
                top: scale(top),
                bottom: scale(bottom),
                left: scale(left),
                right: scale(right),
            },
        };
        Self { operator, l: self.l }
    }

    /// Mixes picture `b` into picture `a`, both planar with `side` x `side` pixels per channel.
    pub fn apply(&self, a: &mut [f32], b: &[f32], side: u32) {
        let side = side as usize;
        match self.operator {
            Operator::Pixels => {
                for (a, &b) in a.iter_mut().zip(b) {
                    *a = self.l * *a + (1.0 - self.l) * b;
                }
            }
            Operator::Paste { top, bottom, left, right } => {
                for (a, b) in a.chunks_mut(side * side).zip(b.chunks(side * side)) {
                    for row in top as usize..bottom as usize {
                        let span = row * side + left as usize..row * side + right as usize;
                        a[span.clone()].copy_from_slice(&b[span]);
                    }
                }
            }
        }
    }
}

/// Two RGB pictures of shape (side, side, 3), mixed as [`Mixing::apply`] does, rounded to bytes.
pub fn mixed_picture(a: &[u8], b: &[u8], mixing: &Mixing, side: u32) -> Vec<u8> {
    let plane = (side * side) as usize;
    let planes = |hwc: &[u8]| -> Vec<f32> {
        (0..3).flat_map(|c| hwc.iter().skip(c).step_by(3).map(|&byte| f32::from(byte))).collect()
    };
    let mut out = planes(a);
    mixing.apply(&mut out, &planes(b), side);
    (0..plane).flat_map(|i| [0, 1, 2].map(|c| out[c * plane + i].round() as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_labels_weight_is_the_pixel_share(seed: u64, step: u64, side in 1u32..64) {
            let mixing = Mixing::draw(Mix::Cutmix, &MixStrength::default(), seed, step, side).unwrap().unwrap();
            let pixels = (side * side) as usize;
            let mut a = vec![1.0; 3 * pixels];
            mixing.apply(&mut a, &vec![0.0; 3 * pixels], side);
            let kept = a[..pixels].iter().filter(|&&v| v == 1.0).count();
            prop_assert_eq!(mixing.l, (1.0 - (pixels - kept) as f64 / pixels as f64) as f32);
            prop_assert_eq!(&a[..pixels], &a[2 * pixels..]);
        }

        #[test]
        fn mixed_pixels_lie_between_their_parents(seed: u64, step: u64) {
            let mixing = Mixing::draw(Mix::Mixup, &MixStrength::default(), seed, step, 4).unwrap().unwrap();
            let mut a = vec![1.0; 48];
            mixing.apply(&mut a, &[0.0; 48], 4);
            prop_assert!(a.iter().all(|&v| v == mixing.l && (0.0..=1.0).contains(&v)));
        }
    }

    #[test]
    fn a_mixed_picture_is_what_mixing_makes_of_bytes() {
        let (a, b): (Vec<u8>, Vec<u8>) = ((0..48).collect(), (100..148).collect());
        let half = Mixing { operator: Operator::Pixels, l: 0.5 };
        let expected: Vec<u8> =
            a.iter().zip(&b).map(|(&x, &y)| ((f32::from(x) + f32::from(y)) / 2.0) as u8).collect();
        assert_eq!(mixed_picture(&a, &b, &half, 4), expected);
        // A box of two by two pixels around the middle comes from b.
        let pasted = mixed_picture(&a, &b, &Mixing::paste(2, 2, 2, 4), 4);
        for (i, pixel) in pasted.chunks(3).enumerate() {
            let inside = (1..3).contains(&(i / 4)) && (1..3).contains(&(i % 4));
            assert_eq!(pixel, if inside { &b[3 * i..3 * i + 3] } else { &a[3 * i..3 * i + 3] }, "pixel {i}");
        }
    }

    #[test]
    fn half_of_the_batches_mix_pixels() {
        let pixels = |step| {
            let mixing = Mixing::draw(Mix::Selfmix, &MixStrength::default(), 3, step, 32).unwrap().unwrap();
            mixing.operator == Operator::Pixels
        };
        let n = (0..2000).filter(|&s| pixels(s)).count();
        assert!((900..1100).contains(&n), "{n}");
    }

    #[test]
    fn as_many_steps_are_mixed_as_asked_and_those_alike() {
        let draw = |probability, step| {
            let strength = MixStrength { probability, ..MixStrength::default() };
            Draw::of(Mix::Selfmix, &strength, 5, step, 32).unwrap()
        };
        let mixed: Vec<u64> = (0..4000).filter(|&step| draw(0.3, step).is_some()).collect();
        assert!((1100..1300).contains(&mixed.len()), "{}", mixed.len());
        for step in mixed {
            assert_eq!(draw(0.3, step), draw(1.0, step));
            assert!(draw(0.6, step).is_some());
        }
        assert!((0..100).all(|step| draw(0.0, step).is_none() && draw(1.0, step).is_some()));
    }

    #[test]
    fn images_are_drawn_for_independently() {
        let strength = MixStrength::default();
        let draws: Vec<_> = (0..200)
            .map(|image| Draw::of_image(Mix::Selfmix, &strength, 5, (9, image), 32).unwrap().unwrap())
            .collect();
        let pixels = draws.iter().filter(|draw| draw.by_pixels).count();
        assert!((70..130).contains(&pixels), "{pixels}");
        assert_ne!(draws[0], Draw::of(Mix::Selfmix, &strength, 5, 9, 32).unwrap().unwrap());
    }
}
