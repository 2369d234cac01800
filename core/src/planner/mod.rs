//! What a data set and a budget will cost, before anything is started: bytes, hours and memory.
//!
//! Bytes are exact: the store's own layout says them. Times are this machine's: [`Rates`] measures them in a
//! few seconds, and the plan multiplies.

mod cluster;
mod images;
mod rates;

pub use cluster::{Assumptions, ClusterCost, Work, simulate};
pub use images::Images;
pub use rates::{Rates, Subject, measure};

use serde::Serialize;

use ferkd_data::batches::plan::{BatchPlan, Length};
use ferkd_data::images::ImageList;
use ferkd_data::store::{LabelSpace, Manifest, store_len};
use ferkd_method::error::{Error, Result};
use ferkd_nn::classifier::Classifier;
use ferkd_train::labelling::{LabelConfig, manifest};

/// Most images that are planned for.
const MOST_IMAGES: u64 = 1_000_000_000;

/// Bytes of the name of an image that is not at hand: as in `n01440764/n01440764_10026.JPEG`.
pub const NAME_BYTES: u64 = 30;

/// What is planned.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Regions of each image: one store for each value.
    pub regions: Vec<u32>,
    /// Settings of the teacher pass, the regions apart.
    pub label: LabelConfig,
    /// Epochs of training.
    pub epochs: usize,
    /// Regions of a step.
    pub batch: usize,
    /// Regions of an image per step.
    pub regions_per_step: usize,
}

/// What it will cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Estimate {
    /// Images.
    pub images: u64,
    /// Classes of the store.
    pub classes: u32,
    /// Whether the images' names are assumed to be [`NAME_BYTES`] long, since they are not at hand.
    pub names_assumed: bool,
    /// One store for each number of regions asked for.
    pub stores: Vec<StoreCost>,
    /// The training, which costs the same whatever the number of stored regions is.
    pub training: TrainingCost,
    /// What the times are made from.
    pub rates: Rates,
}

/// What a store will cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoreCost {
    /// Regions of each image.
    pub regions_per_image: u32,
    /// Regions in all.
    pub regions: u64,
    /// Bytes of the store, all its files together: exact, but for names that are assumed.
    pub store_bytes: u64,
    /// Bytes of a region's label.
    pub bytes_per_region: u64,
    /// Seconds of the teacher pass on this machine.
    pub label_s: f64,
}

/// What a training run will cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainingCost {
    /// Steps of the run.
    pub steps: u64,
    /// Seconds of a step, its data included.
    pub step_s: f64,
    /// Seconds of the run, evaluations apart.
    pub train_s: f64,
    /// Memory of the process at its peak, in bytes; none where it cannot be measured.
    pub memory_bytes: Option<u64>,
    /// Parameters of the student.
    pub parameters: u64,
    /// Multiply-adds of one image.
    pub macs_per_image: u64,
}

/// Steps of the training; checks what can be checked before anything is measured.
///
/// # Errors
/// No image or too many, or epochs that are not a whole number of passes.
pub fn steps(images: &Images, request: &Request) -> Result<u64> {
    let count = images.len();
    if count == 0 || count > MOST_IMAGES {
        let problem = format!("{count} images; 1 to {MOST_IMAGES} can be planned for");
        return Err(Error::usage("images", problem));
    }
    let length = Length { epochs: request.epochs, regions: request.regions_per_step, opening: 0, closing: 0 };
    Ok(BatchPlan::new(count as usize, request.batch, length, 0)?.steps())
}

/// Classes that the store will have, and the student outputs.
///
/// # Errors
/// A teacher that does not know the images' classes.
pub fn classes(images: &Images, teacher: &Classifier, label: &LabelConfig) -> Result<u32> {
    Ok(future_manifest(images, teacher, label, 1)?.label.classes)
}

/// Plans: exact bytes, and times from `rates`.
///
/// # Errors
/// No image, settings out of range, or a teacher that does not know the images' classes.
pub fn plan(images: &Images, teacher: &Classifier, request: &Request, rates: &Rates) -> Result<Estimate> {
    let (count, steps) = (images.len(), steps(images, request)?);
    if request.regions.is_empty() {
        return Err(Error::usage("regions", "none is given").remedy("give one number or several"));
    }
    let mut stores = Vec::with_capacity(request.regions.len());
    let mut classes = 0;
    for &regions in &request.regions {
        let manifest = future_manifest(images, teacher, &request.label, regions)?;
        classes = manifest.label.classes;
        stores.push(store_cost(images, &manifest, rates)?);
    }
    let step_s = rates.step_s(request.batch, request.regions_per_step);
    let training = TrainingCost {
        steps,
        step_s,
        train_s: steps as f64 * step_s,
        memory_bytes: rates.memory_bytes(request.batch),
        parameters: rates.parameters,
        macs_per_image: rates.macs_per_image,
    };
    let names_assumed = matches!(images, Images::Count(_));
    Ok(Estimate { images: count, classes, names_assumed, stores, training, rates: rates.clone() })
}

fn store_cost(images: &Images, manifest: &Manifest, rates: &Rates) -> Result<StoreCost> {
    let per_image = manifest.regions.per_image;
    let names: u64 = match images {
        Images::Folder(list) => (0..list.len()).map(|i| list.name(i).len() as u64 + 1).sum(),
        Images::Count(count) => count * (NAME_BYTES + 1),
    };
    let layout = ferkd_data::store::Layout::new(manifest)?;
    Ok(StoreCost {
        regions_per_image: per_image,
        regions: manifest.images * u64::from(per_image),
        store_bytes: store_len(manifest, names)?,
        bytes_per_region: layout.label().record_len() as u64,
        label_s: manifest.images as f64 * rates.label_s_per_image(per_image),
    })
}

/// The manifest that `ferkd label` would write.
fn future_manifest(
    images: &Images,
    teacher: &Classifier,
    config: &LabelConfig,
    regions: u32,
) -> Result<Manifest> {
    let config = LabelConfig { regions, ..config.clone() };
    match images {
        Images::Folder(list) => manifest(list, teacher, &config),
        Images::Count(count) => {
            // Without a folder there are no other classes than the teacher's.
            let config = LabelConfig { classes: Some(LabelSpace::Teacher), ..config };
            let first = teacher.classes.ids.first().cloned().ok_or_else(|| {
                Error::damaged(&teacher.name, "it knows no class").remedy("name another teacher")
            })?;
            let one = ImageList::in_memory(vec![(format!("{first}/0"), first, Vec::new())])?;
            Ok(Manifest { images: *count, ..manifest(&one, teacher, &config)? })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferkd_nn::models::Arch;

    fn rates() -> Rates {
        Rates {
            subject: Subject {
                teacher: "digits".into(),
                arch: Arch::Resnet8,
                width: Some(4),
                side: 16,
                classes: 10,
                device: "flex".into(),
            },
            threads: 2,
            shares_cores: true,
            decode_s: 0.01,
            teacher_crop_s: 0.002,
            student_crop_s: 0.001,
            teacher_regions_per_s: 100.0,
            step_regions: 8,
            step_s: 0.4,
            memory_base_bytes: Some(1000),
            memory_per_region_bytes: Some(10),
            parameters: 5000,
            macs_per_image: 7,
        }
    }

    fn request() -> Request {
        Request {
            regions: vec![4, 50],
            label: LabelConfig::default(),
            epochs: 8,
            batch: 32,
            regions_per_step: 4,
        }
    }

    fn teacher() -> Classifier {
        Classifier::load("digits", &ferkd_nn::device::open("flex").unwrap()).unwrap()
    }

    #[test]
    fn times_are_the_rates_multiplied() {
        let estimate = plan(&Images::Count(1000), &teacher(), &request(), &rates()).unwrap();
        // An image: (0.01 + 4 x 0.002) / 2 threads + 4 / 100 s.
        assert!((estimate.stores[0].label_s - 1000.0 * (0.009 + 0.04)).abs() < 1e-9);
        // Two passes of 125 steps of 8 images; a step: (8 x 0.01 + 32 x 0.001) / 2 + 0.4 x 32 / 8.
        assert_eq!(estimate.training.steps, 250);
        assert!((estimate.training.step_s - (0.056 + 1.6)).abs() < 1e-9);
        assert!((estimate.training.train_s - 250.0 * 1.656).abs() < 1e-6);
        assert_eq!(estimate.training.memory_bytes, Some(1000 + 320));
    }

    #[test]
    fn labels_of_five_classes_take_sixteen_bytes() {
        let mut request = request();
        request.label.top_k = 5;
        let estimate = plan(&Images::Count(1_281_167), &teacher(), &request, &rates()).unwrap();
        let [four, fifty] = &estimate.stores[..] else { panic!() };
        assert_eq!((four.regions, fifty.regions), (4 * 1_281_167, 50 * 1_281_167));
        let more = fifty.store_bytes - four.store_bytes;
        let labels = 46 * 1_281_167 * fifty.bytes_per_region;
        // Headers may grow by a line where a number has more digits.
        assert!(more >= labels && more < labels + 64 * 10_000, "{more} {labels}");
        assert!(fifty.bytes_per_region <= 16);
    }

    #[test]
    fn impossible_plans_are_refused() {
        let fails = |images: u64, request: Request, word: &str| {
            let error = plan(&Images::Count(images), &teacher(), &request, &rates()).unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        };
        fails(0, request(), "images");
        fails(u64::MAX, request(), "images");
        fails(10, Request { regions: vec![], ..request() }, "regions");
        fails(10, Request { regions: vec![0], ..request() }, "per_image");
        fails(10, Request { epochs: 7, ..request() }, "epochs");
    }
}
