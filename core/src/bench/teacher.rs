//! The teacher's forward pass, on crops that are ready.

use burn::tensor::{Device, Tensor, TensorData};

use super::report::Report;
use super::timing::Timing;
use super::yardstick::Yardstick;
use ferkd_method::error::{Error, Result};
use ferkd_method::rng::{Purpose, Stream};
use ferkd_nn::classifier::Classifier;
use ferkd_nn::device::read::read;

/// Who looks at how many crops.
#[derive(Debug, Clone)]
pub struct TeacherBench {
    /// A shipped teacher, a safetensors file, or a run folder.
    pub teacher: String,
    /// Crops that go through it at once.
    pub batch: usize,
    /// Device: auto, flex, wgpu or cuda:N.
    pub device: String,
}

/// Made-up crops that a teacher looks at together.
pub(crate) struct Crops {
    count: usize,
    side: u32,
    /// Normalised pixels: shape (count, 3, side, side).
    pixels: Vec<f32>,
}

impl Crops {
    /// `count` crops of the size that a teacher looks at. They are noise: what a network computes takes as long
    /// whatever it sees, unless it is all zeros.
    pub(crate) fn of(teacher: &Classifier, count: usize) -> Self {
        let side = teacher.preprocessing.side;
        let mut draw = Stream::new(0, Purpose::Bench, 0, 2);
        let numbers = count * 3 * side as usize * side as usize;
        Self { count, side, pixels: (0..numbers).map(|_| draw.uniform(-1.0, 1.0) as f32).collect() }
    }

    /// Lets the teacher look at all of them, the whole way from the host and back; how many there are.
    pub(crate) fn look(&self, teacher: &Classifier, device: &Device) -> Result<u64> {
        teacher.logits(self.pixels.clone(), self.side, device).map(|_| self.count as u64)
    }
}

/// Crops per second.
///
/// # Errors
/// A teacher that cannot be loaded, or a yardstick that fails.
pub fn teacher(what: &TeacherBench, timing: Timing, yardstick: Option<&Yardstick>) -> Result<Report> {
    let timing = timing.checked()?;
    if what.batch == 0 {
        return Err(Error::usage("batch", "at least one crop is needed"));
    }
    let device = ferkd_nn::device::open(&what.device)?;
    let teacher = Classifier::load(&what.teacher, &device)?;
    let side = teacher.preprocessing.side;
    let crops = Crops::of(&teacher, what.batch);
    let work = || crops.look(&teacher, &device);
    let shape = [what.batch, 3, side as usize, side as usize];
    let images =
        Tensor::<4>::from_data(TensorData::new(crops.pixels.clone(), shape), &device.clone().inner());
    let mut others = Vec::new();
    let other = || {
        if let Some(yardstick) = yardstick {
            others.push(yardstick.rate("crops/s")?);
        }
        let by_burn = |images: Tensor<4>| match teacher.model() {
            Some(model) => Ok(model.forward(images)),
            None => teacher.forward(images),
        };
        timing.turn(|| read(by_burn(images.clone())?).map(|_| what.batch as u64))
    };
    let (rates, turns) = timing.turns(work, Some(other))?;
    let mut report = Report::new("teacher", timing);
    report.figure("crops_per_s", &rates);
    // The same network layer by layer through burn.
    report.figure("burn_crops_per_s", &turns);
    let times: Vec<f64> = rates.iter().map(|rate| 1000.0 / rate).collect();
    report.figure("ms_per_crop", &times);
    if let Some(yardstick) = yardstick {
        report.yardstick(&yardstick.line, "yardstick_crops_per_s", &rates, &others);
    }
    report.fact("teacher", teacher.name.as_str());
    report.fact("side_px", side);
    report.fact("batch", what.batch);
    report.fact("device", what.device.as_str());
    if let Some(who) = ferkd_nn::device::conv_backend(&what.device) {
        report.fact("convolutions", who);
    }
    Ok(report)
}
