//! `ferkd plan`.

use std::path::PathBuf;

use crate::planner::{Estimate, Images, NAME_BYTES, Rates, Request, Subject, classes, measure, plan, steps};
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
    /// Take the rates from a file instead of measuring them.
    #[arg(long, value_name = "FILE")]
    rates: Option<PathBuf>,
    /// Write the measured rates into a file.
    #[arg(long, value_name = "FILE", conflicts_with = "rates")]
    save_rates: Option<PathBuf>,
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
        let teacher = Classifier::load(&self.teacher, &device::open(&self.device)?)?;
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
        Output::new(text(&estimate), &estimate)
    }
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
