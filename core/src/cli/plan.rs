//! `ferkd plan`.

use std::path::PathBuf;

use crate::planner::{
    Assumptions, ClusterCost, Estimate, Images, NAME_BYTES, Rates, Request, Subject, Work, classes, measure,
    plan, simulate, steps,
};
use ferkd_data::store::LabelSpace;
use ferkd_method::label::Codec;
use ferkd_method::{Error, Result};
use ferkd_nn::classifier::Classifier;
use ferkd_nn::device;
use ferkd_nn::models::Arch;
use ferkd_train::labelling::LabelConfig;
use ferkd_train::run::write_json;

use crate::cli::messages::say;
use crate::cli::output::Output;
use crate::cli::terminal::duration;

/// Say what a data set and a budget will cost, before anything is started.
///
/// Bytes are exact; times come from rates that are measured on this machine in some seconds
/// (decoding, cutting, the teacher, a training step). Nothing is written, but for --save-rates.
///
/// --gpus 1,8,64 adds a simulation of the training on so many GPUs: each takes as long as the device that was measured,
/// and what is assumed of machines and network is printed and can be set.
///
/// Example: ferkd plan --images 1281167 --regions 50,200,500 --arch resnet50 --epochs 300
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Args {
    /// Images: a folder of class folders (or the parent of train/), or one flat folder.
    #[arg(required_unless_present = "count")]
    images: Option<PathBuf>,
    /// Number of images, where they are not at hand; decoding is then measured on a made-up image of 500 x 375 pixels.
    #[arg(long = "images", id = "count", value_name = "N", conflicts_with = "images")]
    count: Option<u64>,
    /// Regions of each image (M): one number or several.
    #[arg(long, value_name = "M,M", value_delimiter = ',', default_value = "16")]
    regions: Vec<u32>,
    /// Classes kept of each label (K).
    #[arg(long, value_name = "K", default_value_t = 5)]
    top_k: usize,
    /// How labels are kept: marginal-smoothing, marginal-renorm, smoothing, hard or full.
    #[arg(long, value_enum, default_value = "marginal-smoothing")]
    codec: Codec,
    /// Label space: teacher (all of its classes) or folder (those of the folder); chosen by the folder if left out.
    #[arg(long, value_enum)]
    classes: Option<LabelSpace>,
    /// Images of each class: the first so many by name.
    #[arg(long, value_name = "N")]
    images_per_class: Option<usize>,
    /// Images of a shard of the store.
    #[arg(long, value_name = "N", default_value_t = LabelConfig::default().shard_images)]
    shard_images: u32,
    /// Teacher: a shipped one, a safetensors file, or a run folder.
    #[arg(long, default_value = "efficientnet-lite0")]
    teacher: String,
    /// Student.
    #[arg(long, default_value = "resnet18")]
    arch: Arch,
    /// Channels of the student's first stage, for resnet8, resnet14 and resnet20.
    #[arg(long, value_name = "N")]
    width: Option<usize>,
    /// Side of the student's input, in pixels.
    #[arg(long, value_name = "N", default_value_t = 224, value_parser = clap::value_parser!(u32).range(8..=4096))]
    side: u32,
    /// Epochs of training.
    #[arg(long, value_name = "N", default_value_t = 300)]
    epochs: usize,
    /// Regions of a step (B).
    #[arg(long, value_name = "N", default_value_t = 1024)]
    batch: usize,
    /// Regions of an image per step (n).
    #[arg(long, value_name = "N", default_value_t = 4)]
    regions_per_step: usize,
    /// Device: auto, flex, wgpu or cuda:N.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Simulate the training on so many GPUs: one number or several.
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    gpus: Vec<usize>,
    #[command(flatten)]
    cluster: Cluster,
    /// Take the rates from a file instead of measuring them.
    #[arg(long, value_name = "FILE")]
    rates: Option<PathBuf>,
    /// Write the measured rates into a file.
    #[arg(long, value_name = "FILE", conflicts_with = "rates")]
    save_rates: Option<PathBuf>,
}

// What --gpus assumes; a doc comment would become the text of `--help`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Assumptions of --gpus")]
struct Cluster {
    /// GPUs of a machine.
    #[arg(long, value_name = "N", default_value_t = Assumptions::default().gpus_per_machine)]
    gpus_per_machine: usize,
    /// Cores of a machine for each of its GPUs.
    #[arg(long, value_name = "N", default_value_t = Assumptions::default().cores_per_gpu)]
    cores_per_gpu: usize,
    /// GB/s with which a GPU sends gradients to another one of its machine.
    #[arg(long, value_name = "GB/S", default_value_t = Assumptions::default().link_gbytes_s)]
    link: f64,
    /// Gbit/s with which a machine sends gradients to others.
    #[arg(long, value_name = "GBIT/S", default_value_t = Assumptions::default().network_gbits_s)]
    network: f64,
    /// How much the time of a GPU for a step differs from step to step, as a share of it.
    #[arg(long, value_name = "SHARE", default_value_t = Assumptions::default().jitter)]
    jitter: f64,
}

impl Cluster {
    fn assumptions(&self) -> Assumptions {
        Assumptions {
            gpus_per_machine: self.gpus_per_machine,
            cores_per_gpu: self.cores_per_gpu,
            link_gbytes_s: self.link,
            network_gbits_s: self.network,
            jitter: self.jitter,
            ..Assumptions::default()
        }
    }
}

impl Args {
    pub fn run(self) -> Result<Output> {
        let images = match (&self.images, self.count) {
            (Some(path), _) => match Images::open(path)? {
                Images::Folder(list) => Images::Folder(list.first_per_class(self.images_per_class)?),
                Images::Count(count) => Images::Count(count),
            },
            (None, Some(_))
                if self.images_per_class.is_some() || self.classes == Some(LabelSpace::Folder) =>
            {
                return Err(Error::usage("images", "a number has no class folders")
                    .remedy("name the folder, or leave --images-per-class and --classes folder out"));
            }
            (None, Some(count)) => Images::Count(count),
            (None, None) => return Err(Error::usage("images", "neither a folder nor a number is given")),
        };
        // With rates at hand nothing is computed: a machine without a GPU plans for those that have one.
        let computes_on = if self.rates.is_some() { "auto" } else { &self.device };
        let teacher = Classifier::load(&self.teacher, &device::open(computes_on)?)?;
        let request = Request {
            regions: self.regions.clone(),
            label: LabelConfig {
                top_k: self.top_k,
                codec: self.codec,
                classes: self.classes,
                shard_images: self.shard_images,
                ..LabelConfig::default()
            },
            epochs: self.epochs,
            batch: self.batch,
            regions_per_step: self.regions_per_step,
        };
        let subject = Subject {
            teacher: teacher.name.clone(),
            arch: self.arch,
            width: self.width,
            side: self.side,
            classes: classes(&images, &teacher, &request.label)?,
            device: self.device.clone(),
        };
        // What cannot be planned is said before anything is measured.
        steps(&images, &request)?;
        let rates = match &self.rates {
            Some(path) => Rates::read(path, &subject)?,
            None => {
                say("measuring this machine; it takes some seconds");
                measure(&images, &teacher, &subject, self.batch)?
            }
        };
        if let Some(path) = &self.save_rates {
            write_json(path, &rates)?;
        }
        let estimate = plan(&images, &teacher, &request, &rates)?;
        let (work, assumed) = (work(&estimate, &request), self.cluster.assumptions());
        let simulated = self.gpus.iter().map(|&gpus| simulate(gpus, work, &rates, assumed));
        let simulated = simulated.collect::<Result<Vec<ClusterCost>>>()?;
        if simulated.is_empty() {
            return Output::new(text(&estimate), &estimate);
        }
        let text = text(&estimate) + &cluster_table(&simulated, assumed, &rates);
        let mut output = Output::new(text, &estimate)?;
        output.json["cluster"] = serde_json::json!({ "assumptions": assumed, "runs": simulated });
        Ok(output)
    }
}

/// What is simulated.
fn work(estimate: &Estimate, request: &Request) -> Work {
    let (batch, regions_per_step) = (request.batch, request.regions_per_step);
    Work { steps: estimate.training.steps, batch, regions_per_step }
}

/// Runs on several GPUs, and what was assumed.
fn cluster_table(runs: &[ClusterCost], assumed: Assumptions, rates: &Rates) -> String {
    let mut text =
        "\ntraining on several GPUs, simulated:\n  GPUs machines  regions/GPU      a step   computing  \
                    slowest GPU     input       sum  sent a machine         run  GPU-hours\n"
            .to_owned();
    for run in runs {
        text += &format!(
            "{:>6} {:>8} {:>12.1} {:>11} {:>11} {:>12} {:>9} {:>9} {:>15} {:>11} {:>10.1}\n",
            run.gpus,
            run.machines,
            run.regions_per_gpu,
            step(run.step_s),
            step(run.compute_s),
            step(run.slowest_s),
            step(run.input_s),
            step(run.sum_s),
            bytes(run.network_bytes),
            duration(run.train_s),
            run.gpu_hours,
        );
    }
    let Assumptions { gpus_per_machine, cores_per_gpu, link_gbytes_s, network_gbits_s, latency_s, jitter } =
        assumed;
    text + &format!(
        "assumed, not measured: {gpus_per_machine} GPUs a machine, each as fast as {} was measured to be, also with\n\
         fewer regions than the {} of that step; {cores_per_gpu} cores a GPU that decode as the measured ones;\n\
         {link_gbytes_s} GB/s between GPUs of a machine, {network_gbits_s} Gbit/s between machines, {:.0} us of \
         latency; steps that\ndiffer by {:.1} % (standard deviation). The sum begins when the last GPU is done, and \
         nothing is hidden\nbehind it; evaluations and checkpoints are left out.\n",
        rates.subject.device,
        rates.step_regions,
        1e6 * latency_s,
        100.0 * jitter,
    )
}

/// Bytes in the unit that suits them.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.2} {}", UNITS[unit]) }
}

fn text(estimate: &Estimate) -> String {
    let Estimate { images, classes, stores, training, rates, .. } = estimate;
    let subject = &rates.subject;
    let mut text = format!("{images} images, {classes} classes; teacher {}\n\n", subject.teacher);
    text += "regions an image       regions         store  a region   label on this machine\n";
    for store in stores {
        text += &format!(
            "{:>16} {:>13} {:>13} {:>9} {:>23}\n",
            store.regions_per_image,
            store.regions,
            bytes(store.store_bytes),
            format!("{} B", store.bytes_per_region),
            duration(store.label_s)
        );
    }
    if estimate.names_assumed {
        text += &format!("(names of images are taken to be {NAME_BYTES} bytes long)\n");
    }
    text += &format!(
        "\ntraining {} at {} pixels ({} parameters, {:.3} G multiply-adds): {} steps of {} = {}, evaluations apart\n",
        subject.arch,
        subject.side,
        training.parameters,
        training.macs_per_image as f64 / 1e9,
        training.steps,
        step(training.step_s),
        duration(training.train_s),
    );
    match training.memory_bytes {
        Some(peak) => text += &format!("memory at its peak: about {}\n", bytes(peak)),
        None => text += "memory: not measured here\n",
    }
    text += &format!(
        "\nrates: decode {:.2} ms an image, cut {:.2} ms (teacher) and {:.2} ms (student) a region, on one of {} threads;\n\
         teacher {:.1} regions/s; a step of {} regions {}; device {}\n",
        1e3 * rates.decode_s,
        1e3 * rates.teacher_crop_s,
        1e3 * rates.student_crop_s,
        rates.threads,
        rates.teacher_regions_per_s,
        rates.step_regions,
        step(rates.step_s),
        subject.device,
    );
    text
}

/// A short time.
fn step(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.1} ms", 1e3 * seconds) } else { format!("{seconds:.2} s") }
}
