//! Step 1: regions. A region is a `RandomResizedCrop` box in whole pixels of the decoded image, and a flip.
//!
//! Source: FKD (arXiv 2112.01528, section 3) draws M of them per image, once; the rounding is torchvision's
//! `RandomResizedCrop.get_params`. The counter-based addressing is ours: a region depends on the seed, the
//! image's relative path and the region's number, never on a position in a list.
//!
//! ```
//! # use ferkd_method as ferkd;
//! use ferkd::region::{Region, RegionSampler};
//!
//! let sampler = RegionSampler::new(0);
//! // Four regions of a photo of 640 x 480 pixels, whose path has the hash 7; each can be drawn alone.
//! let regions: Vec<Region> = sampler.regions(7, 4, 640, 480);
//! assert_eq!(regions[3], sampler.region(7, 3, 640, 480));
//! assert!(regions.iter().all(|region| region.fits(640, 480)));
//! ```

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

/// A box in pixels of the decoded image, and whether it is mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Region {
    /// Distance of the upper edge from the image's, in pixels.
    pub top: u32,
    /// Distance of the left edge from the image's, in pixels.
    pub left: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Mirrored left to right after the crop.
    pub flip: bool,
}

impl Region {
    /// The whole of an image, not mirrored.
    pub fn whole(width: u32, height: u32) -> Self {
        Self { top: 0, left: 0, height, width, flip: false }
    }

    /// The square in the middle of an image that the validation protocol sees: 224/256 of the short side, not mirrored.
    ///
    /// The protocol resizes first and cuts then; a box in pixels of the image is the same view, rounded to one.
    pub fn centre(width: u32, height: u32) -> Self {
        let side = (f64::from(width.min(height)) * 224.0 / 256.0).round_ties_even() as u32;
        let side = side.clamp(1, width.min(height).max(1));
        let middle = |size: u32| size.saturating_sub(side) / 2;
        Self { top: middle(height), left: middle(width), height: side, width: side, flip: false }
    }

    /// A box given as fractions of the image, rounded to pixels edge by edge, half to even, as Pillow's
    /// `crop` does; at least one pixel of it stays inside the image.
    pub fn from_fractions(fractions: FractionBox, flip: bool, width: u32, height: u32) -> Self {
        let edge =
            |at: f64, size: u32| (at * f64::from(size)).round_ties_even().clamp(0.0, f64::from(size)) as u32;
        let FractionBox { top, left, height: h, width: w } = fractions;
        let (y0, y1) = at_least_one(edge(top, height), edge(top + h, height), height);
        let (x0, x1) = at_least_one(edge(left, width), edge(left + w, width), width);
        Self { top: y0, left: x0, height: y1 - y0, width: x1 - x0, flip }
    }

    /// The box as fractions of an image of `width` x `height` pixels.
    pub fn to_fractions(self, width: u32, height: u32) -> FractionBox {
        let (w, h) = (f64::from(width), f64::from(height));
        FractionBox {
            top: f64::from(self.top) / h,
            left: f64::from(self.left) / w,
            height: f64::from(self.height) / h,
            width: f64::from(self.width) / w,
        }
    }

    /// Whether the box lies inside an image of `width` x `height` pixels and holds at least one of them.
    pub fn fits(&self, width: u32, height: u32) -> bool {
        let inside =
            |at: u32, size: u32, limit: u32| size > 0 && at.checked_add(size).is_some_and(|end| end <= limit);
        inside(self.left, self.width, width) && inside(self.top, self.height, height)
    }
}

fn at_least_one(start: u32, end: u32, limit: u32) -> (u32, u32) {
    let start = start.min(limit.saturating_sub(1));
    (start, end.max(start + 1))
}

/// A box as fractions of the image's height and width (FKD's label files keep it so).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FractionBox {
    /// Upper edge, as a fraction of the image's height.
    pub top: f64,
    /// Left edge, as a fraction of the image's width.
    pub left: f64,
    /// Height, as a fraction of the image's.
    pub height: f64,
    /// Width, as a fraction of the image's.
    pub width: f64,
}

/// Draws the regions of images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RegionSampler {
    /// Smallest and largest share of the image that a box may cover: (0.08, 1) by default.
    pub scale: (f64, f64),
    /// Smallest and largest ratio of width to height: (3/4, 4/3).
    pub ratio: (f64, f64),
    /// Seed of all boxes and flips.
    pub seed: u64,
}

impl RegionSampler {
    /// FKD's sampler: area fraction in (0.08, 1), aspect ratio in (3/4, 4/3).
    pub fn new(seed: u64) -> Self {
        Self { scale: (0.08, 1.0), ratio: (3.0 / 4.0, 4.0 / 3.0), seed }
    }

    /// Region `number` of the image whose path has the hash `image` (see [`path_hash`](crate::rng::path_hash)).
    ///
    /// `width` and `height` are those of the decoded image, in pixels, and at least 1.
    pub fn region(&self, image: u64, number: u32, width: u32, height: u32) -> Region {
        let mut draw = Stream::new(self.seed, Purpose::Region, image, number);
        let flip = {
            draw.seek(TRIES);
            draw.unit() < 0.5
        };
        let area = f64::from(width) * f64::from(height);
        let log_ratio = (libm::log(self.ratio.0), libm::log(self.ratio.1));
        for attempt in 0..TRIES {
            draw.seek(attempt);
            let target = area * draw.uniform(self.scale.0, self.scale.1);
            let aspect = libm::exp(draw.uniform(log_ratio.0, log_ratio.1));
            let w = libm::sqrt(target * aspect).round_ties_even() as u32;
            let h = libm::sqrt(target / aspect).round_ties_even() as u32;
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                let top = draw.below(height - h + 1);
                let left = draw.below(width - w + 1);
                return Region { top, left, height: h, width: w, flip };
            }
        }
        self.centred(width, height, flip)
    }

    /// The first `count` regions of an image.
    pub fn regions(&self, image: u64, count: u32, width: u32, height: u32) -> Vec<Region> {
        (0..count).map(|number| self.region(image, number, width, height)).collect()
    }

    /// torchvision's fallback after ten failed tries: the largest centred box with an allowed aspect ratio.
    fn centred(&self, width: u32, height: u32, flip: bool) -> Region {
        let aspect = f64::from(width) / f64::from(height);
        let (w, h) = if aspect < self.ratio.0 {
            (width, (f64::from(width) / self.ratio.0).round_ties_even() as u32)
        } else if aspect > self.ratio.1 {
            ((f64::from(height) * self.ratio.1).round_ties_even() as u32, height)
        } else {
            (width, height)
        };
        let (w, h) = (w.clamp(1, width), h.clamp(1, height));
        Region { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w, flip }
    }
}

/// Checks the smallest and largest share of an image that a region may cover.
///
/// # Errors
/// Shares that do not ascend within 0..=1.
pub fn check_scale([low, high]: [f64; 2]) -> Result<()> {
    if low > 0.0 && low <= high && high <= 1.0 {
        return Ok(());
    }
    Err(Error::usage("scale", format!("{low} to {high}: shares of an image ascend within 0..=1")))
}

/// How often torchvision tries to draw a box before it falls back to the centre.
const TRIES: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Share of an image of `width` x `height` pixels that a box covers, in 0..=1.
    fn area_fraction(region: &Region, width: u32, height: u32) -> f64 {
        f64::from(region.width) * f64::from(region.height) / (f64::from(width) * f64::from(height))
    }

    #[test]
    fn the_centre_is_what_the_validation_protocol_sees() {
        let centre = |width, height| Region::centre(width, height);
        assert_eq!(centre(640, 480), Region { top: 30, left: 110, height: 420, width: 420, flip: false });
        assert_eq!(centre(480, 640), Region { top: 110, left: 30, height: 420, width: 420, flip: false });
        for (width, height) in [(1, 1), (1, 9), (2, 1), (3, 3), (4000, 2)] {
            assert!(centre(width, height).fits(width, height), "{width} x {height}");
        }
    }

    proptest! {
        #[test]
        fn every_region_fits(seed: u64, image: u64, number in 0u32..1000, width in 1u32..3000, height in 1u32..3000) {
            let region = RegionSampler::new(seed).region(image, number, width, height);
            prop_assert!(region.fits(width, height), "{region:?} in {width}x{height}");
            // Away from the fallback, rounding moves an edge by half a pixel at the most.
            if width.min(height) > 100 && width.max(height) < 2 * width.min(height) {
                let area = area_fraction(&region, width, height);
                prop_assert!(area > 0.07 && area <= 1.0);
            }
        }

        #[test]
        fn pixels_survive_the_way_through_fractions(seed: u64, width in 1u32..3000, height in 1u32..3000) {
            let region = RegionSampler::new(seed).region(1, 2, width, height);
            let fractions = region.to_fractions(width, height);
            prop_assert_eq!(Region::from_fractions(fractions, region.flip, width, height), region);
        }

        #[test]
        fn any_fractions_give_a_box_inside(top in -1e9f64..1e9, left: f64, height: f64, width: f64, w in 1u32..3000, h in 1u32..3000) {
            let region = Region::from_fractions(FractionBox { top, left, height, width }, false, w, h);
            prop_assert!(region.fits(w, h), "{region:?} in {w}x{h}");
        }
    }

    #[test]
    fn a_long_strip_falls_back_to_the_centre() {
        let region = RegionSampler::new(0).region(9, 0, 1000, 3);
        assert_eq!((region.width, region.height, region.left, region.top), (4, 3, 498, 0));
    }

    #[test]
    fn area_and_flip_are_uniform() {
        let sampler = RegionSampler::new(3);
        let regions = sampler.regions(5, 4000, 1000, 1000);
        let flips = regions.iter().filter(|r| r.flip).count();
        assert!((1850..2150).contains(&flips), "{flips}");
        let small = regions.iter().filter(|r| area_fraction(r, 1000, 1000) < 0.54).count();
        // Near area 1 many tries fail (the box must fit), so that small areas are a little favoured.
        assert!((2000..2600).contains(&small), "{small}");
    }
}
