//! The input pipeline: read a file, decode it, cut its regions, resize and normalise them.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use rayon::prelude::*;

use super::report::Report;
use super::timing::Timing;
use super::yardstick::Yardstick;
use crate::data::batch::View;
use crate::data::images::{ImageList, Split};
use crate::error::{Error, Result};
use crate::pixels::{Filter, Normalisation, OrientationRule, decode};
use crate::region::{Region, RegionSampler};
use crate::rng::path_hash;

/// What is prepared.
#[derive(Debug, Clone)]
pub struct InputBench {
    /// The images.
    pub images: PathBuf,
    /// Regions of an image.
    pub regions: u32,
    /// Side of the network's input, in pixels.
    pub side: u32,
}

/// Images of each thread between two looks at the clock.
const IMAGES_A_ROUND: usize = 8;

/// Images per second and thread, and which share of the time each part takes.
///
/// # Errors
/// Images that cannot be read, or a yardstick that fails.
pub fn input(what: &InputBench, timing: Timing, yardstick: Option<&Yardstick>) -> Result<Report> {
    let timing = timing.checked()?;
    if what.regions == 0 || !(8..=4096).contains(&what.side) {
        return Err(Error::usage("bench input", "at least one region, and a side of 8 to 4096, are needed"));
    }
    let images = ImageList::open(&what.images, Split::Train)?;
    let view = View { side: what.side, filter: Filter::Bilinear, normalisation: Normalisation::IMAGENET };
    let sampler = RegionSampler::new(0);
    let size = 3 * what.side as usize * what.side as usize;
    let [reading, decoding, cutting] = [const { AtomicU64::new(0) }; 3];
    let unused = Mutex::new(Share::default());
    let prepare = |pixels: &mut Vec<f32>, number: usize| -> Result<()> {
        let image = number % images.len();
        let begun = Instant::now();
        let bytes = images.read(image)?;
        let read = Instant::now();
        let picture = decode(&bytes, &images.label_of(image), OrientationRule::Apply)?.image;
        let decoded = Instant::now();
        let hash = path_hash(images.name(image));
        let regions = sampler.regions(hash, what.regions, picture.width(), picture.height());
        for (region, out) in regions.iter().zip(pixels.chunks_mut(size)) {
            view.cut(&picture, region, out)?;
        }
        for (sum, from, to) in
            [(&reading, begun, read), (&decoding, read, decoded), (&cutting, decoded, Instant::now())]
        {
            sum.fetch_add((to - from).as_nanos() as u64, Ordering::Relaxed);
        }
        // Once for each image, and most of them while it warms up.
        if let (true, Ok(mut unused)) = (number < images.len(), unused.lock()) {
            unused.add(picture.dimensions(), &regions);
        }
        Ok(())
    };
    let next = AtomicUsize::new(0);
    let threads = rayon::current_num_threads();
    let round = IMAGES_A_ROUND * threads;
    let work = || {
        let first = next.fetch_add(round, Ordering::Relaxed);
        (first..first + round)
            .into_par_iter()
            .map_init(|| vec![0.0; size * what.regions as usize], |pixels, i| prepare(pixels, i))
            .collect::<Result<()>>()?;
        Ok(round as u64)
    };
    let other = yardstick.map(|yardstick| || yardstick.rate("images/s"));
    let (rates, others) = timing.turns(work, other)?;
    let per_thread: Vec<f64> = rates.iter().map(|rate| rate / threads as f64).collect();
    let mut report = Report::new("input", timing);
    report.figure("images_per_s_per_thread", &per_thread);
    let crops: Vec<f64> = per_thread.iter().map(|rate| rate * f64::from(what.regions)).collect();
    report.figure("crops_per_s_per_thread", &crops);
    if let Some(yardstick) = yardstick {
        report.yardstick(&yardstick.line, "yardstick_images_per_s", &per_thread, &others);
    }
    report.fact("images", images.len());
    report.fact("regions_per_image", what.regions);
    report.fact("side_px", what.side);
    let spent = [reading, decoding, cutting].map(|sum| sum.into_inner() as f64);
    let all: f64 = spent.iter().sum();
    for (key, part) in ["read_share", "decode_share", "cut_share"].into_iter().zip(spent) {
        report.fact(key, part / all.max(1.0));
    }
    let unused = unused.into_inner().unwrap_or_default();
    report.fact("blocks_in_no_region", unused.blocks as f64 / unused.of.max(1) as f64);
    Ok(report)
}

/// Blocks of 8 x 8 pixels that lie in no region: what a decoder that knew the regions could leave out.
#[derive(Default)]
struct Share {
    blocks: u64,
    of: u64,
}

/// Side of a JPEG's block, in pixels.
const BLOCK: u32 = 8;

impl Share {
    fn add(&mut self, (width, height): (u32, u32), regions: &[Region]) {
        let touches =
            |start: u32, size: u32, block: u32| (start / BLOCK..=(start + size - 1) / BLOCK).contains(&block);
        for row in 0..height.div_ceil(BLOCK) {
            for column in 0..width.div_ceil(BLOCK) {
                let holds = |r: &Region| touches(r.top, r.height, row) && touches(r.left, r.width, column);
                self.blocks += u64::from(!regions.iter().any(holds));
                self.of += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_that_a_region_touches_are_used() {
        let region = |top, left, height, width| Region { top, left, height, width, flip: false };
        let mut share = Share::default();
        // 3 x 2 blocks, the last column of 4 pixels; the regions touch the first block of both rows, and the last of one.
        share.add((20, 16), &[region(7, 0, 2, 8), region(0, 16, 3, 4)]);
        assert_eq!((share.blocks, share.of), (3, 6));
    }
}
