//! The order of training: a pure function of (seed, pass, step), so that a stopped run goes on exactly.

use ferkd_method::error::{Error, Result};
use ferkd_method::rng::{Purpose, Stream};

/// The passes of a run over its images, and where each step lies in them.
///
/// A pass visits every image once with n regions of each and counts as n epochs; a step takes
/// `ceil(batch / n)` images, and the last partial batch is kept (FKD's loop; a batch counts regions).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchPlan {
    images: usize,
    batch: usize,
    seed: u64,
    phases: Vec<Phase>,
}

/// Consecutive passes with the same number of regions per image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Phase {
    passes: u64,
    regions: usize,
}

/// Where a step lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Number of the pass over the images, from 0.
    pub pass: u64,
    /// Regions of each image in this pass.
    pub regions: usize,
    /// Positions in the pass's order of images.
    pub images: std::ops::Range<usize>,
}

/// How many regions an image contributes, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// Epochs in all.
    pub epochs: usize,
    /// Regions of an image per step (n).
    pub regions: usize,
    /// Epochs at the start with one region an image.
    pub opening: usize,
    /// Epochs at the end with one region an image (FKD closes with n of them).
    pub closing: usize,
}

impl BatchPlan {
    /// Plans `length` over `images` images with `batch` regions a step.
    ///
    /// # Errors
    /// A zero, a batch that holds fewer regions than an image contributes, or epochs that n does not divide.
    pub fn new(images: usize, batch: usize, length: Length, seed: u64) -> Result<Self> {
        let Length { epochs, regions, opening, closing } = length;
        if images == 0 || batch == 0 || regions == 0 || epochs == 0 {
            return Err(Error::usage(
                "training plan",
                "invalid value 0: expected at least 1 for images, batch, regions-per-step and epochs",
            ));
        }
        if batch < regions {
            let problem = format!("a batch of {batch} regions cannot hold {regions} regions of one image");
            return Err(Error::usage("batch", problem).remedy("enlarge batch or lower regions-per-step"));
        }
        let single = opening + closing;
        if single > epochs || !(epochs - single).is_multiple_of(regions) {
            let problem = format!(
                "{epochs} epochs less {single} single-region ones are not a whole number of passes of {regions} regions"
            );
            return Err(Error::usage("epochs", problem)
                .remedy(format!("take a multiple of {regions}, plus {single}")));
        }
        let phase = |passes: usize, regions| Phase { passes: passes as u64, regions };
        let phases = [phase(opening, 1), phase((epochs - single) / regions, regions), phase(closing, 1)];
        let phases = phases.into_iter().filter(|p| p.passes > 0).collect();
        Ok(Self { images, batch, seed, phases })
    }

    fn steps_per_pass(&self, regions: usize) -> u64 {
        self.images.div_ceil(self.batch.div_ceil(regions)) as u64
    }

    /// Number of steps of the whole run.
    pub fn steps(&self) -> u64 {
        self.phases.iter().map(|p| p.passes * self.steps_per_pass(p.regions)).sum()
    }

    /// Where step `step` lies; `None` past the end.
    pub fn position(&self, step: u64) -> Option<Position> {
        let (mut left, mut pass) = (step, 0);
        for phase in &self.phases {
            let per_pass = self.steps_per_pass(phase.regions);
            if left < phase.passes * per_pass {
                let images = self.batch.div_ceil(phase.regions);
                let start = (left % per_pass) as usize * images;
                let images = start..(start + images).min(self.images);
                return Some(Position { pass: pass + left / per_pass, regions: phase.regions, images });
            }
            left -= phase.passes * per_pass;
            pass += phase.passes;
        }
        None
    }

    /// Epochs completed before step `step`, with fractions.
    pub fn epoch(&self, step: u64) -> f64 {
        let (mut left, mut epochs) = (step, 0.0);
        for phase in &self.phases {
            let per_pass = self.steps_per_pass(phase.regions);
            let here = left.min(phase.passes * per_pass);
            epochs += here as f64 / per_pass as f64 * phase.regions as f64;
            left -= here;
        }
        epochs
    }

    /// The first step at or after `epoch` epochs.
    pub fn step_of_epoch(&self, epoch: usize) -> u64 {
        let mut step = 0;
        let mut left = epoch as f64;
        for phase in &self.phases {
            let per_pass = self.steps_per_pass(phase.regions) as f64;
            let epochs = phase.passes as f64 * phase.regions as f64;
            let here = left.min(epochs);
            step += (here / phase.regions as f64 * per_pass).ceil() as u64;
            left -= here;
        }
        step
    }

    /// The order of the images in a pass.
    pub fn image_order(&self, pass: u64) -> Vec<u32> {
        Stream::new(self.seed, Purpose::ImageOrder, pass, 0).permutation(self.images)
    }

    /// The order of an image's `count` regions in a pass; `image` is the hash of its path.
    pub fn region_order(&self, image: u64, pass: u64, count: usize) -> Vec<u32> {
        Stream::new(self.seed, Purpose::RegionOrder, image, pass as u32).permutation(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_pass_visits_every_image_once(images in 1usize..200, batch in 1usize..64, regions in 1usize..6, passes in 1usize..4, opening in 0usize..3, closing in 0usize..3) {
            let batch = batch.max(regions);
            let length = Length { epochs: passes * regions + opening + closing, regions, opening, closing };
            let plan = BatchPlan::new(images, batch, length, 1).unwrap();
            let mut seen = std::collections::BTreeMap::new();
            for step in 0..plan.steps() {
                let at = plan.position(step).unwrap();
                prop_assert!(!at.images.is_empty());
                *seen.entry(at.pass).or_insert(0) += at.images.len();
            }
            prop_assert_eq!(seen.len(), passes + opening + closing);
            prop_assert!(seen.values().all(|&n| n == images));
            prop_assert!(plan.position(plan.steps()).is_none());
            prop_assert!((plan.epoch(plan.steps()) - length.epochs as f64).abs() < 1e-9);
            prop_assert_eq!(plan.step_of_epoch(length.epochs), plan.steps());
        }
    }

    #[test]
    fn the_last_partial_batch_is_kept() {
        let length = Length { epochs: 4, regions: 4, opening: 0, closing: 0 };
        let plan = BatchPlan::new(10, 16, length, 0).unwrap();
        assert_eq!(plan.steps(), 3);
        assert_eq!(plan.position(2).unwrap().images, 8..10);
    }

    #[test]
    fn impossible_plans_are_refused() {
        let length = |epochs, regions| Length { epochs, regions, opening: 0, closing: 0 };
        assert!(BatchPlan::new(10, 2, length(4, 4), 0).is_err());
        assert!(BatchPlan::new(10, 8, length(6, 4), 0).is_err());
        assert!(BatchPlan::new(0, 8, length(4, 4), 0).is_err());
    }
}
