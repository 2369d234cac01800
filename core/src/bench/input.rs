//! The input pipeline: read a file, decode it, cut its regions, resize and normalise them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::report::Report;
use super::timing::Timing;
use super::yardstick::Yardstick;
use ferkd_data::batches::batch::InputSpec;
use ferkd_data::images::{ImageList, Split};
use ferkd_data::pixels::{Filter, Normalisation, OrientationRule, decode};
use ferkd_method::error::{Error, Result};
use ferkd_method::region::{Region, RegionSampler};
use ferkd_method::rng::path_hash;

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

/// The way of an image from its file to a network's input, with a look at the clock between its parts.
pub(crate) struct Pipeline<'a> {
    /// The images.
    pub(crate) images: &'a ImageList,
    /// What the network sees.
    pub(crate) view: InputSpec,
    /// Regions that are cut from an image.
    pub(crate) regions: u32,
}

/// What became of one image.
pub(crate) struct Prepared {
    /// Time to read its file.
    pub(crate) reading: Duration,
    /// Time to decode it.
    pub(crate) decoding: Duration,
    /// Time to cut, resize and normalise all of its regions.
    pub(crate) cutting: Duration,
    /// Its width and height in pixels.
    size: (u32, u32),
    regions: Vec<Region>,
}

impl Pipeline<'_> {
    /// Room for the regions of one image: shape (regions, 3, side, side).
    pub(crate) fn room(&self) -> Vec<f32> {
        vec![0.0; self.view.size() * self.regions as usize]
    }

    /// Prepares image `image` into `pixels`, which is [`room`](Self::room), on this thread.
    ///
    /// # Errors
    /// An image that cannot be read or decoded.
    pub(crate) fn prepare(&self, image: usize, pixels: &mut [f32]) -> Result<Prepared> {
        let begun = Instant::now();
        let bytes = self.images.read(image)?;
        let read = Instant::now();
        let picture = decode(&bytes, &self.images.label_of(image), OrientationRule::Apply)?.image;
        let decoded = Instant::now();
        let (hash, size) = (path_hash(self.images.name(image)), picture.dimensions());
        let regions = RegionSampler::new(0).regions(hash, self.regions, size.0, size.1);
        for (region, out) in regions.iter().zip(pixels.chunks_mut(self.view.size())) {
            self.view.cut(&picture, region, out)?;
        }
        let (reading, decoding, cutting) = (read - begun, decoded - read, decoded.elapsed());
        Ok(Prepared { reading, decoding, cutting, size, regions })
    }
}

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
    let view =
        InputSpec { side: what.side, filter: Filter::Bilinear, normalisation: Normalisation::IMAGENET };
    let pipeline = Pipeline { images: &images, view, regions: what.regions };
    let spent = [const { AtomicU64::new(0) }; 3];
    let unused = Mutex::new(Share::default());
    let prepare = |pixels: &mut Vec<f32>, number: usize| -> Result<()> {
        let done = pipeline.prepare(number % images.len(), pixels)?;
        for (sum, part) in spent.iter().zip([done.reading, done.decoding, done.cutting]) {
            sum.fetch_add(part.as_nanos() as u64, Ordering::Relaxed);
        }
        // Once for each image, and most of them while it warms up.
        if let (true, Ok(mut unused)) = (number < images.len(), unused.lock()) {
            unused.add(done.size, &done.regions);
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
            .map_init(|| pipeline.room(), |pixels, i| prepare(pixels, i))
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
    let spent = spent.map(|sum| sum.into_inner() as f64);
    let all: f64 = spent.iter().sum();
    for (key, part) in ["read_share", "decode_share", "cut_share"].into_iter().zip(spent) {
        report.fact(key, part / all.max(1.0));
    }
    let unused = unused.into_inner().unwrap_or_else(PoisonError::into_inner);
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
