//! What this machine does in a second.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bench::{Crops, Pipeline, Timing, first_batch, steps_per_s, wait};
use crate::planner::images::Images;
use ferkd_data::batches::batch::InputSpec;
use ferkd_data::images::ImageList;
use ferkd_data::images::synthetic::photo;
use ferkd_data::pixels::{Filter, Normalisation};
use ferkd_method::error::{Error, IoContext, Result};
use ferkd_nn::classifier::Classifier;
use ferkd_nn::models::Arch;
use ferkd_train::config::{Supervision, TrainConfig};
use ferkd_train::{Inputs, Trainer};

/// What the rates were measured for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The teacher.
    pub teacher: String,
    /// The student.
    pub arch: Arch,
    /// Channels of the student's first stage, where they can be chosen.
    pub width: Option<usize>,
    /// Side of the student's input, in pixels.
    pub side: u32,
    /// Classes of the store, which are the student's outputs.
    pub classes: u32,
    /// The device that computes.
    pub device: String,
}

impl Subject {
    /// Settings of the shortest run of the student.
    fn config(&self) -> TrainConfig {
        TrainConfig {
            images: "made-up photos".into(),
            supervision: Supervision::Hard,
            arch: self.arch,
            width: self.width,
            side: self.side,
            epochs: 1,
            regions_per_step: 1,
            regions: 1,
            device: self.device.clone(),
            ..TrainConfig::default()
        }
    }
}

/// Measured on one machine, for one teacher and one student.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// What they were measured for.
    pub subject: Subject,
    /// Threads that decode and cut.
    pub threads: usize,
    /// Whether networks run on the same cores as decoding does.
    pub shares_cores: bool,
    /// Seconds to read and decode one image, on one thread.
    pub decode_s: f64,
    /// Seconds to cut one region for the teacher, on one thread.
    pub teacher_crop_s: f64,
    /// Seconds to cut one region for the student, on one thread.
    pub student_crop_s: f64,
    /// Regions that the teacher looks at in a second.
    pub teacher_regions_per_s: f64,
    /// Regions of the step that was measured.
    pub step_regions: usize,
    /// Seconds of that step: forward, backward, update.
    pub step_s: f64,
    /// Memory of the process beside what grows with the batch, in bytes.
    pub memory_base_bytes: Option<u64>,
    /// Memory for each region of a batch, in bytes.
    pub memory_per_region_bytes: Option<u64>,
    /// Parameters of the student.
    pub parameters: u64,
    /// Multiply-adds of the student for one image.
    pub macs_per_image: u64,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { teacher, arch, width, side, classes, device } = self;
        let width = width.map_or(String::new(), |width| format!(" of width {width}"));
        write!(f, "{arch}{width} at {side} pixels with {classes} classes, teacher {teacher}, device {device}")
    }
}

impl Rates {
    /// Reads rates that were saved earlier.
    ///
    /// # Errors
    /// A file that holds no rates, or rates of another subject or that are not positive numbers.
    pub fn read(path: &Path, subject: &Subject) -> Result<Self> {
        let size = std::fs::metadata(path).at(path)?.len();
        if size > 1 << 16 {
            return Err(Error::damaged(path, format!("{size} bytes are too many for rates")));
        }
        let bytes = std::fs::read(path).at(path)?;
        let rates: Self = serde_json::from_slice(&bytes).map_err(|e| {
            Error::damaged(path, format!("invalid rates: {e}"))
                .remedy("measure again and save with --save-rates")
        })?;
        if rates.subject != *subject {
            let problem = format!("measured for {}; asked for is {subject}", rates.subject);
            return Err(Error::mismatch(path.display().to_string(), problem)
                .remedy("measure again, or ask for what was measured"));
        }
        let times = [
            rates.decode_s,
            rates.teacher_crop_s,
            rates.student_crop_s,
            rates.teacher_regions_per_s,
            rates.step_s,
        ];
        if times.iter().any(|t| !t.is_finite() || *t <= 0.0) || rates.threads == 0 || rates.step_regions == 0
        {
            return Err(
                Error::damaged(path, "invalid rate: expected positive numbers").remedy("measure again")
            );
        }
        Ok(rates)
    }

    /// Host work and device work: one after the other where they share cores, else side by side.
    fn together(&self, host_s: f64, device_s: f64) -> f64 {
        let host_s = host_s / self.threads as f64;
        if self.shares_cores { host_s + device_s } else { host_s.max(device_s) }
    }

    /// Seconds to label one image with `regions` regions.
    pub fn label_s_per_image(&self, regions: u32) -> f64 {
        let regions = f64::from(regions);
        self.together(self.decode_s + regions * self.teacher_crop_s, regions / self.teacher_regions_per_s)
    }

    /// Seconds of a training step with its data: `batch` regions, `per_image` of each image.
    pub fn step_s(&self, batch: usize, per_image: usize) -> f64 {
        let images = batch.div_ceil(per_image.max(1)) as f64;
        let regions = batch as f64;
        let host = images * self.decode_s + regions * self.student_crop_s;
        self.together(host, self.step_s * regions / self.step_regions as f64)
    }

    /// Memory of a run with a batch of so many regions, in bytes.
    pub fn memory_bytes(&self, batch: usize) -> Option<u64> {
        let grows = self.memory_per_region_bytes?.saturating_mul(batch as u64);
        Some(self.memory_base_bytes?.saturating_add(grows))
    }
}

/// How long each rate is measured.
const TIMING: Timing = Timing { repetitions: 1, seconds: 1.2 };

/// Images to measure with, at the most.
const SAMPLE: usize = 24;

/// Regions that are cut from each of them.
const REGIONS: u32 = 4;

/// Multiply-adds of a step that is short enough to be measured.
const STEP_MACS: u64 = 6_000_000_000;

/// Seconds of a step from which on a GPU is taken to be busy.
const FILLED_S: f64 = 0.2;

/// Measures all rates; takes some seconds, more for a large student on a slow device.
///
/// # Errors
/// Images that cannot be decoded, a teacher or student that cannot be run.
pub fn measure(images: &Images, teacher: &Classifier, subject: &Subject, batch: usize) -> Result<Rates> {
    let device = ferkd_nn::device::open(&subject.device)?;
    // The student first: what the teacher needs is no part of a training run's memory.
    let spec = subject.config().spec(subject.classes as usize);
    let macs_per_image = spec.init(0, &device)?.macs(subject.side as usize);
    let step_regions = (STEP_MACS / macs_per_image.max(1)).clamp(2, 32).min(batch.max(2) as u64) as usize;
    let (few, parameters) = stepping(subject, step_regions, spec.classes)?;
    // The peak of a second, larger step tells what grows with the batch.
    let mut more = stepping(subject, 2 * step_regions, spec.classes)?.0;
    let mut measured_regions = 2 * step_regions;
    // A GPU that a step does not fill is no faster for a smaller one.
    let shares_cores = ferkd_nn::device::is_cpu(&subject.device);
    while !shares_cores && more.seconds < FILLED_S && 2 * measured_regions <= batch {
        measured_regions *= 2;
        more = stepping(subject, measured_regions, spec.classes)?.0;
    }

    let sample = sample(images)?;
    let (decode_s, teacher_crop_s) = preparing(&sample, teacher.input_spec())?;
    let student =
        InputSpec { side: subject.side, filter: Filter::Bilinear, normalisation: Normalisation::IMAGENET };
    let (_, student_crop_s) = preparing(&sample, student)?;
    let teacher_regions_per_s = asking(teacher, &device)?;

    // Elsewhere it is the device's memory that counts, which is not known here.
    let (few_bytes, more_bytes) = if shares_cores { (few.peak_bytes, more.peak_bytes) } else { (None, None) };
    let per_region = match (few_bytes, more_bytes) {
        (Some(few), Some(more)) => Some(more.saturating_sub(few) / step_regions as u64),
        _ => None,
    };
    let base = match (few_bytes, per_region) {
        (Some(peak), Some(each)) => Some(peak.saturating_sub(each * step_regions as u64)),
        _ => None,
    };
    Ok(Rates {
        subject: subject.clone(),
        threads: rayon::current_num_threads(),
        shares_cores,
        decode_s,
        teacher_crop_s,
        student_crop_s,
        teacher_regions_per_s,
        step_regions: measured_regions,
        step_s: more.seconds,
        memory_base_bytes: base,
        memory_per_region_bytes: per_region,
        parameters,
        macs_per_image,
    })
}

/// A few images to measure with, spread over the list, or a made-up photo of ImageNet's most frequent size.
fn sample(images: &Images) -> Result<(ImageList, Vec<usize>)> {
    match images {
        Images::Folder(list) => {
            let step = (list.len() / SAMPLE).max(1);
            Ok((list.clone(), (0..list.len()).step_by(step).take(SAMPLE).collect()))
        }
        Images::Count(_) => {
            let made_up = vec![("made-up photo".into(), String::new(), photo(0, (500, 375))?)];
            Ok((ImageList::in_memory(made_up)?, vec![0]))
        }
    }
}

/// Seconds to read and decode one image, and to cut one region of it for a network, on one thread.
fn preparing((images, sample): &(ImageList, Vec<usize>), view: InputSpec) -> Result<(f64, f64)> {
    let pipeline = Pipeline { images, view, regions: REGIONS };
    let mut pixels = pipeline.room();
    sample.iter().try_for_each(|&image| pipeline.prepare(image, &mut pixels).map(drop))?;
    let (mut decoding, mut cutting, mut count) = (Duration::ZERO, Duration::ZERO, 0u32);
    let mut all = || -> Result<u64> {
        for &image in sample {
            let done = pipeline.prepare(image, &mut pixels)?;
            decoding += done.reading + done.decoding;
            cutting += done.cutting;
            count += 1;
        }
        Ok(sample.len() as u64)
    };
    TIMING.turn(&mut all)?;
    let each = |time: Duration| time.as_secs_f64() / f64::from(count);
    Ok((each(decoding), each(cutting) / f64::from(REGIONS)))
}

/// Asks the teacher; regions per second.
fn asking(teacher: &Classifier, device: &burn::tensor::Device) -> Result<f64> {
    let crops = Crops::of(teacher, 16);
    crops.look(teacher, device)?;
    TIMING.turn(|| crops.look(teacher, device))
}

/// What was seen of some training steps.
struct Steps {
    seconds: f64,
    peak_bytes: Option<u64>,
}

/// Trains the student for some steps of `regions` regions, with its own trainer; its parameters, too.
fn stepping(subject: &Subject, regions: usize, classes: usize) -> Result<(Steps, u64)> {
    let config = TrainConfig { batch: regions, ..subject.config() };
    let picture = photo(0, (96, 96))?;
    // Images of every class: a student has as many outputs as there are classes.
    let one = |i: usize| {
        let class = format!("c{:06}", i % classes);
        (format!("{class}/{i}.jpg"), class, picture.clone())
    };
    let images = ImageList::in_memory((0..classes.max(regions)).map(one).collect())?;
    let inputs = Inputs { images, validation: None, store: None, teacher: None };
    let device = ferkd_nn::device::open(&subject.device)?;
    let mut trainer = Trainer::with_inputs(config, inputs, device.clone())?;
    let batch = first_batch(&trainer)?;
    forget_peak();
    // Once to warm up: caches are cold, kernels are compiled.
    trainer.advance(&batch)?;
    wait(&device)?;
    let seconds = 1.0 / steps_per_s(&TIMING, &device, || trainer.advance(&batch).map(drop))?;
    Ok((Steps { seconds, peak_bytes: peak_bytes() }, trainer.parameters() as u64))
}

/// Begins the peak again, where the system can: later peaks are then not hidden by earlier ones.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that this process has held, in bytes; none where the system does not say.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
