//! `ferkd eval`.

use std::path::PathBuf;

use ferkd_data::classes::ClassSpace;
use ferkd_data::events::Event;
use ferkd_data::images::{ImageList, Split};
use ferkd_data::pixels::Filter;
use ferkd_method::Result;
use ferkd_nn::classifier::Classifier;
use ferkd_nn::models::Arch;
use ferkd_nn::preprocessing::{InputOverrides, Source};
use ferkd_train::{EvalSet, evaluate};

use crate::cli::output::{Output, percent};
use crate::cli::terminal::Terminal;

/// Try a model on images: top-1, top-5, per class, and what is taken for what.
///
/// Where IMAGES is the parent of train/ and val/ (or valid, validation, dev, eval), val/ is taken; where there is
/// no such folder, test/. Name the folder itself to evaluate on another.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A shipped teacher, a safetensors, PyTorch or ONNX file, a run folder (its best checkpoint), or a folder of the Hugging Face hub.
    model: String,
    /// Images in class folders, or tar archives of these.
    images: PathBuf,
    /// Label space: all of the model's classes, or those of the folder alone.
    #[arg(long, value_enum, default_value = "teacher")]
    classes: ferkd_data::store::LabelSpace,
    /// Classes of the model in the order of its outputs, one a line, where its file does not name them.
    #[arg(long, value_name = "PATH")]
    classes_file: Option<PathBuf>,
    /// Architecture of the model, where its file does not tell: a transformer of another size has heads as wide as those of the one that is named.
    #[arg(long)]
    arch: Option<Arch>,
    /// How pictures are resized; if left out: what a config.json beside the weights says, else bicubic for shipped teachers and bilinear for all others.
    #[arg(long, visible_alias = "filter", value_parser = ["bilinear", "bicubic"])]
    interpolation: Option<String>,
    /// Side of the model's input, in pixels; what its weights, a config.json beside them or its architecture say if left out.
    #[arg(long)]
    side: Option<u32>,
    /// Mean of red, green and blue that the model was trained with, for bytes in 0..=1; as the side if left out.
    #[arg(long, value_name = "A,B,C", value_parser = three)]
    mean: Option<[f32; 3]>,
    /// Standard deviation of red, green and blue that the model was trained with; as the side if left out.
    #[arg(long, value_name = "A,B,C", value_parser = three)]
    std: Option<[f32; 3]>,
    /// Share of an image's short side that the centre keeps (of the square where a config.json says another `crop_mode`); what a config.json beside the weights says if left out, else 224 of 256.
    #[arg(long, value_name = "X")]
    crop: Option<f64>,
    /// Leave images out that cannot be decoded, count and list them.
    #[arg(long)]
    skip_bad: bool,
    /// Device: auto, flex, wgpu or cuda:N; for an ONNX file auto, cpu, cuda:N or tensorrt:N.
    #[arg(long, default_value = "auto")]
    device: String,
}

impl Args {
    pub fn run(self) -> Result<Output> {
        let classes = self.classes_file.as_deref().map(ClassSpace::read).transpose()?;
        let filter = self.interpolation.as_deref().map(|name| match name {
            "bicubic" => Filter::Bicubic,
            _ => Filter::Bilinear,
        });
        let asked = InputOverrides {
            arch: self.arch,
            side: self.side,
            filter,
            mean: self.mean,
            std: self.std,
            crop: self.crop,
        };
        let (mut model, device) = Classifier::open(&self.model, &asked, classes.as_ref(), &self.device)?;
        if model.preprocessing.filter_from == Source::Protocol && !Classifier::is_shipped(&self.model) {
            model.preprocessing.filter = Filter::Bilinear;
        }
        let images = ImageList::open(&self.images, Split::Val)?;
        images.check_classes()?;
        let mut terminal = Terminal::new();
        let mut notices = images.notices().to_vec();
        notices.iter().for_each(|text| terminal.hear(&Event::Notice { text: text.clone() }));
        let mut folders =
            model.classes.map_folders(images.folders(), &format!("the model {}", model.name))?;
        if self.classes == ferkd_data::store::LabelSpace::Folder {
            model.restrict(&mut folders)?;
        }
        let view = model.input_spec();
        for text in model.notes.iter().cloned().chain([model.preprocessing.sentence(&model.name)]) {
            terminal.hear(&Event::Notice { text: text.clone() });
            notices.push(text);
        }
        let begun = std::time::Instant::now();
        let total = images.len() as u64;
        let job = format!("evaluating {}", model.name);
        terminal.hear(&Event::Started { job: job.clone(), total, unit: "images".into(), done: 0 });
        let mut done = 0;
        let root = images.root().to_string();
        let set = EvalSet::new(view, images, folders);
        let set = set.cropping(model.preprocessing.crop).squaring(model.preprocessing.crop_mode);
        let set = set.skipping(self.skip_bad);
        let found = evaluate(&model, &set, &device, &mut |count| {
            done += count;
            let units_per_s = done as f64 / begun.elapsed().as_secs_f64();
            let eta_s = (total - done) as f64 / units_per_s;
            terminal.hear(&Event::Progress { done, total, units_per_s, eta_s });
        })?;
        terminal.hear(&Event::Done { job, time_s: begun.elapsed().as_secs_f64() });
        let (report, skipped) = (found.report, found.skipped);
        let mut text = format!(
            "{} images of {}: top-1 {}, top-5 {}, loss {:.4}\n\n{:<40} images  top-1\n",
            report.images,
            root,
            percent(report.top1),
            percent(report.top5),
            report.loss,
            "class"
        );
        for class in &report.classes {
            let name: String = class.name.chars().take(40).collect();
            text += &format!("{name:<40} {:>6} {:>8}\n", class.images, percent(class.top1));
        }
        if !report.confusions.is_empty() {
            text += "\nmost often taken for another\n";
            for c in report.confusions.iter().take(10) {
                text += &format!("{:>4} x {} for {}\n", c.count, c.truth, c.prediction);
            }
        }
        if !skipped.is_empty() {
            text += &format!("\n{} images cannot be decoded and were left out\n", skipped.len());
            for image in &skipped {
                text += &format!("  {}: {}\n", image.name, image.problem);
            }
        }
        let mut output = Output::new(text, &report)?;
        output.json["notices"] = notices.into();
        output.json["preprocessing"] = serde_json::json!(model.preprocessing);
        output.json["skipped_images"] = skipped.len().into();
        output.json["skipped"] = skipped.iter().map(|i| serde_json::json!(i)).collect();
        Ok(output)
    }
}

/// Three numbers with commas between them, with or without brackets; one number stands for all three.
fn three(text: &str) -> Result<[f32; 3], String> {
    let text = text.trim().trim_start_matches('[').trim_end_matches(']');
    let numbers = text.split(',').map(|number| number.trim().parse::<f32>());
    let numbers: Vec<f32> = numbers.collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    match numbers[..] {
        [one] => Ok([one; 3]),
        [red, green, blue] => Ok([red, green, blue]),
        _ => Err("three numbers are needed, such as 0.5,0.5,0.5".into()),
    }
}
