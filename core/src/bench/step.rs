//! A whole training step with its data, beside a bare loop on fixed tensors.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::Tensor;
use rayon::prelude::*;

use super::generated::{Scratch, class_of, entry, picture, store};
use super::report::Report;
#[cfg(feature = "cuda")]
use super::steps::wait;
use super::steps::{AHEAD, first_batch, steps_per_s};
use super::timing::Timing;
use super::yardstick::Yardstick;
use ferkd_data::classes::ClassSpace;
use ferkd_data::images::ImageList;
use ferkd_data::store::ImageEntry;
use ferkd_method::error::{Error, Result};
use ferkd_nn::models::{Arch, Model};
use ferkd_train::arithmetic::Arithmetic;
use ferkd_train::loss::{DeviceTargets, soft_cross_entropy};
use ferkd_train::upload::{DeviceBatch, on};
use ferkd_train::{Budget, Inputs, Session, SessionEvent, Supervision, TrainConfig, Trainer};

/// What is trained.
#[derive(Debug, Clone)]
pub struct StepBench {
    /// The student.
    pub arch: Arch,
    /// Channels of its first stage, where it lets one choose.
    pub width: Option<usize>,
    /// Side of its input, in pixels.
    pub side: u32,
    /// Regions of a step (B).
    pub batch: usize,
    /// Regions of an image per step (n).
    pub regions_per_step: usize,
    /// Width and height of the pictures that regions are cut from, in pixels.
    pub picture: (u32, u32),
    /// Numbers of convolutions, linear layers and attention's products.
    pub precision: Arithmetic,
    /// Device: auto, flex, wgpu or cuda:N.
    pub device: String,
}

/// Made-up pictures to train on, at least.
const IMAGES: usize = 32;
/// Regions of each in the store.
const REGIONS: u32 = 16;

/// Seconds of a step of `ferkd`, its batches prepared meanwhile, beside burn's forward pass, backward pass and SGD
/// with the same network and loss on tensors that are there already. Where the program knows CUDA, and the device has
/// kernels, also the time of each kind of kernel in a step of the latter, and the memory of a step of the former.
///
/// # Errors
/// Settings that cannot be trained with, or a yardstick that fails.
pub fn step(what: &StepBench, timing: Timing, yardstick: Option<&Yardstick>) -> Result<Report> {
    let timing = timing.checked()?;
    let scratch = Scratch::new()?;
    let trainer = trainer(what, &scratch)?;
    let first = first_batch(&trainer)?;
    if first.total != what.batch {
        let problem = format!("a step has {} regions, not {}", first.total, what.batch);
        return Err(Error::usage("bench step", problem).remedy("take a multiple of --regions-per-step"));
    }
    let device = trainer.device().clone().inner();
    let mut bare = Bare::new(&trainer, &first)?;
    let mut session = Session::new(trainer, "bench step");
    // Batches are prepared from the first step of a turn to its last, and never in the yardstick's turn.
    let whole = |session: &mut Session| -> Result<f64> {
        let rate = steps_per_s(&timing, &device, || step_of(session));
        session.rest();
        rate
    };
    whole(&mut session)?;
    #[cfg(feature = "cuda")]
    let memory = super::memory::while_done(&device, || whole(&mut session))?;
    let mut alone = || steps_per_s(&timing, &device, || bare.step());
    let (mut rates, mut bares, mut others) = (Vec::new(), Vec::new(), Vec::new());
    alone()?;
    for _ in 0..timing.repetitions {
        rates.push(whole(&mut session)?);
        bares.push(alone()?);
        if let Some(yardstick) = yardstick {
            others.push(yardstick.rate("steps/s")?);
        }
    }
    let seconds = |rates: &[f64]| rates.iter().map(|rate| 1.0 / rate).collect::<Vec<f64>>();
    let over: Vec<f64> = rates.iter().zip(&bares).map(|(whole, bare)| bare / whole).collect();
    let mut report = Report::new("step", timing);
    report.figure("step_s", &seconds(&rates));
    report.figure("bare_step_s", &seconds(&bares));
    report.figure("step_over_bare", &over);
    if let Some(yardstick) = yardstick {
        report.yardstick(&yardstick.line, "yardstick_steps_per_s", &rates, &others);
    }
    #[cfg(feature = "cuda")]
    {
        if let Some(memory) = memory {
            report.fact("memory_estimated_bytes", session.trainer().memory().total_bytes);
            report.fact("memory_in_use_bytes", memory.in_use);
            report.fact("memory_reserved_bytes", memory.reserved);
        }
        super::kernels::kernels(&mut report, &device, || bare.step(), || wait(&device))?;
    }
    report.fact("arch", what.arch.name());
    if let Some(width) = what.width {
        report.fact("width", width);
    }
    report.fact("side_px", what.side);
    report.fact("batch", what.batch);
    report.fact("regions_per_step", what.regions_per_step);
    report.fact("picture_px", vec![what.picture.0, what.picture.1]);
    report.fact("precision", if what.precision == Arithmetic::Bf16 { "bf16" } else { "f32" });
    report.fact("device", what.device.as_str());
    if let Some(who) = ferkd_nn::device::conv_backend(&what.device) {
        report.fact("convolutions", who);
    }
    Ok(report)
}

/// The next step of a session, with the metric that is due before it.
fn step_of(session: &mut Session) -> Result<()> {
    loop {
        match pollster::block_on(session.next(Budget::default()))? {
            SessionEvent::Step(_) => return Ok(()),
            SessionEvent::Done { .. } | SessionEvent::Stopped => {
                return Err(Error::usage("bench step", "there are no steps left"));
            }
            _ => {}
        }
    }
}

/// A trainer on made-up pictures and labels.
fn trainer(what: &StepBench, scratch: &Scratch) -> Result<Trainer> {
    let space = ClassSpace::imagenet();
    // A step takes each picture once.
    let images = IMAGES.max(what.batch.div_ceil(what.regions_per_step.max(1))) as u64;
    let entries: Vec<_> = (0..images).map(|number| entry(number, images, &space, what.picture)).collect();
    let store = store(scratch.path(), &entries, REGIONS, &space)?;
    let file = |(number, entry): (usize, &ImageEntry)| {
        let folder = space.ids[class_of(number as u64, images, &space)].clone();
        Ok((entry.name.clone(), folder, picture(number as u64, what.picture)?))
    };
    let files: Result<Vec<_>> = entries.par_iter().enumerate().map(file).collect();
    let images = ImageList::in_memory(files?)?;
    let config = TrainConfig {
        images: "pictures in memory".into(),
        store: Some("in memory".into()),
        supervision: Supervision::Ferkd,
        arch: what.arch,
        width: what.width,
        side: what.side,
        batch: what.batch,
        regions_per_step: what.regions_per_step,
        // More than anybody waits for.
        epochs: 1_000_000 * what.regions_per_step.max(1),
        precision: what.precision,
        log_every: AHEAD.into(),
        device: what.device.clone(),
        ..TrainConfig::default()
    };
    let device = ferkd_nn::device::open(&what.device)?;
    Trainer::with_inputs(
        config,
        Inputs { images, validation: None, store: Some(store), teacher: None },
        device,
    )
}

/// burn's own loop and nothing else, on one batch that stays where it is.
struct Bare {
    model: Option<Model>,
    optimizer: ModuleOptimizer,
    images: Tensor<4>,
    targets: DeviceTargets,
    lr: f64,
}

impl Bare {
    fn new(trainer: &Trainer, batch: &DeviceBatch) -> Result<Self> {
        let device = trainer.device().clone();
        let recipe = trainer.config().recipe();
        let momentum = MomentumConfig::new().with_momentum(recipe.momentum).with_dampening(0.0);
        let decay = WeightDecayConfig { penalty: recipe.weight_decay as f32 };
        let sgd = SgdConfig::new().with_momentum(Some(momentum)).with_weight_decay(Some(decay));
        Ok(Self {
            model: Some(trainer.card().spec.init(0, &device)?),
            optimizer: sgd.init(),
            images: on(&batch.pixels, &device, trainer.config().side, 0..batch.len),
            targets: DeviceTargets::new(&batch.targets, 0..batch.len, &device),
            lr: recipe.lr,
        })
    }

    fn step(&mut self) -> Result<()> {
        let Some(model) = self.model.take() else { return Ok(()) };
        let loss = soft_cross_entropy(model.forward(self.images.clone()), self.targets.clone(), 1.0);
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        self.model = Some(self.optimizer.step(self.lr, model, grads));
        Ok(())
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn bench(batch: usize) -> StepBench {
        StepBench {
            arch: Arch::Resnet8,
            width: None,
            side: 8,
            batch,
            regions_per_step: 4,
            picture: (48, 36),
            precision: Arithmetic::F32,
            device: "flex".into(),
        }
    }

    #[test]
    fn a_step_has_as_many_regions_as_were_asked_for() {
        let scratch = Scratch::new().unwrap();
        let trainer = trainer(&bench(256), &scratch).unwrap();
        assert_eq!(trainer.batcher().batch(0, &mut None).unwrap().unwrap().len, 256);
    }

    #[test]
    fn a_batch_that_no_step_has_is_refused() {
        let timing = Timing { repetitions: 1, seconds: 0.1 };
        let error = step(&bench(30), timing, None).unwrap_err().to_string();
        assert!(error.contains("30"), "{error}");
    }
}
