//! `ferkd bench`.

use std::path::PathBuf;

use crate::bench::{
    InputBench, LabelsBench, MineBench, Report, StepBench, TeacherBench, Timing, Yardstick, input, labels,
    mine, step, sum, teacher,
};
use clap::Subcommand;
use ferkd_method::mining::Confidence;
use ferkd_method::{Error, Result};
use ferkd_nn::device::is_only_cpu;
use ferkd_nn::models::Arch;
use ferkd_train::Processes;
use ferkd_train::arithmetic::Arithmetic;

use crate::cli::output::Output;

/// Measure how fast this machine is at each part of the work.
///
/// Every bench warms up, takes several turns, and gives their median, lowest and highest. With
/// --yardstick a command of other software is run in between, turn by turn, and the ratio is given
/// too; it must print its own rate, such as `77.4 images/s`. docs/performance.md has figures, and
/// examples/bench the yardsticks.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    bench: Bench,
    /// Turns.
    #[arg(long, default_value_t = 7, global = true)]
    repetitions: usize,
    /// Seconds of a turn, at least.
    #[arg(long, default_value_t = 2.0, global = true)]
    seconds: f64,
    /// A command that measures the same with other software, split at spaces.
    #[arg(long, global = true)]
    yardstick: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Read, decode, cut, resize and normalise: images/s per thread.
    Input {
        /// Images, as for `ferkd label`.
        images: PathBuf,
        /// Regions of an image.
        #[arg(long, default_value_t = 4)]
        regions: u32,
        /// Side of the network's input, in pixels.
        #[arg(long, default_value_t = 224)]
        side: u32,
    },
    /// Labels of a store, one at a time and at random: labels/s per thread.
    Labels {
        /// The store; a made-up one if left out.
        store: Option<PathBuf>,
        /// Regions of the made-up store.
        #[arg(long, default_value_t = 2_000_000)]
        regions: u64,
    },
    /// Mining a whole store, by quantiles and by absolute thresholds: regions/s.
    Mine {
        /// The store; a made-up one if left out.
        store: Option<PathBuf>,
        /// Regions of the made-up store; 16 bytes each on disk.
        #[arg(long, default_value_t = 20_000_000)]
        regions: u64,
        /// Which number of a label is its confidence.
        #[arg(long, value_enum, default_value_t)]
        confidence: Confidence,
    },
    /// The teacher's forward pass: crops/s.
    Teacher {
        /// A shipped teacher, a safetensors file, or a run folder.
        #[arg(long, default_value = "efficientnet-lite0")]
        teacher: String,
        /// Crops that go through it at once.
        #[arg(long, default_value_t = 32)]
        batch: usize,
        /// Device: auto, flex, wgpu or cuda:N.
        #[arg(long, default_value = "auto")]
        device: String,
    },
    /// The sum of gradients over the processes that mpirun or srun starts: sums/s, and GB/s that each sends.
    Sum {
        /// Numbers of a row: a student's parameters (those of ResNet-50 if left out).
        #[arg(long, default_value_t = 25_557_032)]
        numbers: usize,
    },
    /// A training step with its data, beside burn's bare loop: seconds.
    Step {
        /// Student.
        #[arg(long, default_value = "resnet18")]
        arch: Arch,
        /// Channels of its first stage, where it lets one choose (the small ResNets).
        #[arg(long)]
        width: Option<usize>,
        /// Side of its input, in pixels.
        #[arg(long, default_value_t = 64)]
        side: u32,
        /// Regions of a step.
        #[arg(long, default_value_t = 32)]
        batch: usize,
        /// Regions of an image per step.
        #[arg(long, default_value_t = 4)]
        regions_per_step: usize,
        /// Size of the pictures that regions are cut from, in pixels.
        #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "500x375", value_parser = size)]
        picture: (u32, u32),
        /// Numbers of convolutions, linear layers and attention's products: f32 or bf16.
        #[arg(long, value_enum, default_value = "f32")]
        precision: Arithmetic,
        /// Device: auto, flex, wgpu or cuda:N.
        #[arg(long, default_value = "auto")]
        device: String,
    },
}

impl Args {
    /// Rates of a thread are measured by one, where none are asked for.
    pub fn threads(&self) -> Option<usize> {
        matches!(self.bench, Bench::Input { .. } | Bench::Labels { .. }).then_some(1)
    }

    /// Whether the thread that calls it computes all of a training's step.
    pub fn computes(&self) -> bool {
        matches!(&self.bench, Bench::Step { device, .. } if is_only_cpu(device))
    }

    pub fn run(self) -> Result<Output> {
        let timing = Timing { repetitions: self.repetitions, seconds: self.seconds };
        let yardstick = self.yardstick.map(|line| Yardstick { line });
        let yardstick = yardstick.as_ref();
        let report: Report = match self.bench {
            Bench::Input { images, regions, side } => {
                input(&InputBench { images, regions, side }, timing, yardstick)?
            }
            Bench::Labels { store, regions } => labels(&LabelsBench { store, regions }, timing, yardstick)?,
            Bench::Mine { store, regions, confidence } => {
                mine(&MineBench { store, regions, confidence }, timing, yardstick)?
            }
            Bench::Teacher { teacher: name, batch, device } => {
                teacher(&TeacherBench { teacher: name, batch, device }, timing, yardstick)?
            }
            Bench::Sum { numbers } => {
                let alone = || {
                    Error::usage("sum", "one process has nothing to add up")
                        .remedy("start several: mpirun -n 2 ferkd bench sum")
                };
                let mut processes = Processes::launched()?.ok_or_else(alone)?;
                let report = sum(&mut processes, numbers, timing)?;
                if !processes.leads() {
                    return Ok(Output::silent());
                }
                report
            }
            Bench::Step { arch, width, side, batch, regions_per_step, picture, precision, device } => {
                let what =
                    StepBench { arch, width, side, batch, regions_per_step, picture, precision, device };
                step(&what, timing, yardstick)?
            }
        };
        Output::new(report.table(), &report.json())
    }
}

/// A size such as 500x375, of at most 4096 pixels a side.
fn size(text: &str) -> std::result::Result<(u32, u32), String> {
    let sides = text.split_once('x').map(|(width, height)| (width.parse(), height.parse()));
    match sides {
        Some((Ok(width @ 1..=4096), Ok(height @ 1..=4096))) => Ok((width, height)),
        _ => Err("expected width and height from 1 to 4096, as 500x375".into()),
    }
}
