//! The teacher's forward pass, on crops that are ready.

use burn::tensor::{Tensor, TensorData};

use super::report::Report;
use super::timing::Timing;
use super::yardstick::Yardstick;
use crate::classifier::{Classifier, read};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Stream};

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

/// Crops per second.
///
/// # Errors
/// A teacher that cannot be loaded, or a yardstick that fails.
pub fn teacher(what: &TeacherBench, timing: Timing, yardstick: Option<&Yardstick>) -> Result<Report> {
    let timing = timing.checked()?;
    if what.batch == 0 {
        return Err(Error::usage("batch", "at least one crop is needed"));
    }
    let device = crate::device::open(&what.device)?;
    let teacher = Classifier::load(&what.teacher, &device)?;
    let side = teacher.card.side;
    let mut draw = Stream::new(0, Purpose::Bench, 0, 2);
    let pixels: Vec<f32> =
        (0..what.batch * 3 * side as usize * side as usize).map(|_| draw.uniform(-1.0, 1.0) as f32).collect();
    let work = || teacher.logits(pixels.clone(), side, &device).map(|_| what.batch as u64);
    let shape = [what.batch, 3, side as usize, side as usize];
    let images = Tensor::<4>::from_data(TensorData::new(pixels.clone(), shape), &device.clone().inner());
    let mut others = Vec::new();
    let other = || {
        if let Some(yardstick) = yardstick {
            others.push(yardstick.rate("crops/s")?);
        }
        timing.turn(|| read(teacher.model.forward(images.clone())).map(|_| what.batch as u64))
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
    if let Some(who) = crate::device::convolves(&what.device) {
        report.fact("convolutions", who);
    }
    Ok(report)
}
