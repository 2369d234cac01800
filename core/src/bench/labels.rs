//! Random access to labels: one region of one image at a time, decoded.

use std::hint::black_box;
use std::path::PathBuf;

use rayon::prelude::*;

use super::generated::{SIZE, Scratch, entry, size_of, store};
use super::report::Report;
use super::timing::Timing;
use super::yardstick::Yardstick;
use ferkd_data::classes::ClassSpace;
use ferkd_data::store::Store;
use ferkd_method::error::Result;
use ferkd_method::rng::{Purpose, Stream};

/// What is read.
#[derive(Debug, Clone, Default)]
pub struct LabelsBench {
    /// The store; a made-up one if left out.
    pub store: Option<PathBuf>,
    /// Regions of the made-up store.
    pub regions: u64,
}

/// Regions of an image of a made-up store: FKD's M.
const PER_IMAGE: u64 = 500;

/// The store of a bench, and the folder that it must outlive.
pub(super) fn open(given: Option<&PathBuf>, regions: u64) -> Result<(Store, Option<Scratch>, u64)> {
    if let Some(path) = given {
        return Ok((Store::open(path)?, None, size_of(path)?));
    }
    let scratch = Scratch::new()?;
    let space = ClassSpace::imagenet();
    let count = regions.div_ceil(PER_IMAGE).max(1);
    let images: Vec<_> = (0..count).map(|number| entry(number, count, &space, SIZE)).collect();
    let store = store(scratch.path(), &images, PER_IMAGE.min(regions.max(1)) as u32, &space)?;
    let bytes = size_of(scratch.path())?;
    Ok((store, Some(scratch), bytes))
}

/// Labels per second and thread, read at random.
///
/// # Errors
/// A store that cannot be opened or written, or a yardstick that fails.
pub fn labels(what: &LabelsBench, timing: Timing, yardstick: Option<&Yardstick>) -> Result<Report> {
    let timing = timing.checked()?;
    let (store, _scratch, bytes) = open(what.store.as_ref(), what.regions)?;
    let per_image = store.manifest().regions.per_image;
    let images = store.len().min(u64::from(u32::MAX)) as u32;
    let places = |thread: u32| -> Vec<(u64, u32)> {
        let mut draw = Stream::new(1, Purpose::Bench, 0, thread);
        (0..1 << 16).map(|_| (u64::from(draw.below(images)), draw.below(per_image))).collect()
    };
    let threads = rayon::current_num_threads();
    let places: Vec<_> = (0..threads as u32).map(places).collect();
    let work = || {
        let read = |places: &Vec<(u64, u32)>| -> Result<u64> {
            for &(image, region) in places {
                black_box(store.label(image, region)?);
            }
            Ok(places.len() as u64)
        };
        places.par_iter().map(read).sum::<Result<u64>>()
    };
    let other = yardstick.map(|yardstick| || yardstick.rate("labels/s"));
    let (rates, others) = timing.turns(work, other)?;
    let per_thread: Vec<f64> = rates.iter().map(|rate| rate / threads as f64).collect();
    let mut report = Report::new("labels", timing);
    report.figure("labels_per_s_per_thread", &per_thread);
    if let Some(yardstick) = yardstick {
        report.yardstick(&yardstick.line, "yardstick_labels_per_s", &per_thread, &others);
    }
    report.fact("regions", store.len() * u64::from(per_image));
    report.fact("store_bytes", bytes);
    Ok(report)
}
