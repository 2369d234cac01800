//! FerKD: distillation from region-wise soft labels that were made once (ICCV 2023, arXiv 2312.17473).
//!
//! A teacher looks at M regions of every training image, one time, and says what it sees. Students then learn
//! from these labels, without the teacher, as often as they like. Many regions miss the object, though: there
//! the teacher guesses. FerKD adapts the labels region by region:
//!
//! 1. **Regions** ([`region`]): M boxes and flips an image, as `RandomResizedCrop` draws them.
//! 2. **Labels** ([`label`]): the teacher's top K classes of each region; [`train::label`] makes them, [`store`]
//!    keeps them in 16 bytes a region.
//! 3. **Mining** ([`mining`]): by the teacher's confidence a region is discarded (nothing of the object),
//!    context, important, or trivial (nothing left to learn).
//! 4. **Calibration** ([`calibration`]): context learns from the softened ground truth; important regions keep
//!    the teacher's label; the others are not trained on.
//! 5. **SelfMix** ([`selfmix`]): regions are mixed within one image only, so that a mixed label stays near its
//!    parents.
//! 6. **Training** ([`train`]): one soft cross-entropy, in one loop for all supervisions, the online ones
//!    included.
//!
//! Steps 1 to 5 are pure functions: no device, no I/O, no state.
//!
//! ```
//! use ferkd::calibration::{Adaptation, Softening};
//! use ferkd::label::{Codec, TopK};
//! use ferkd::mining::{Confidence, RegionKind, Thresholds};
//!
//! # fn main() -> ferkd::Result<()> {
//! // The teacher is unsure about this region of a picture of class 2.
//! let label = TopK::of(&[0.3, 0.25, 0.2, 0.15, 0.1], 2).decode(Codec::MarginalSmoothing, 5)?;
//! let thresholds = Thresholds { low: 0.25, mid: 0.5, high: 0.99 };
//! let kind = thresholds.kind(Confidence::Max.of(&label, Some(2))?)?;
//! assert_eq!(kind, RegionKind::Context);
//! let adapted = Adaptation::Full.adapt(label, kind, Some(2), Softening::default())?;
//! assert!((adapted.probability(2) - 0.9).abs() < 1e-6);
//! # Ok(())
//! # }
//! ```
//!
//! `docs/method.md` says what is from the papers and what is this project's own.
#![warn(missing_docs, clippy::print_stdout, clippy::print_stderr)]

#[doc(inline)]
pub use ferkd_method::{Error, ErrorKind, Result};
#[doc(inline)]
pub use ferkd_method::{calibration, label, mining, region, selfmix};
#[doc(inline)]
pub use ferkd_report as report;

pub mod images {
    //! Images, and the numbers that a network sees of them.
    //!
    //! An [`ImageList`] is a folder with one folder per class, a flat folder, tar archives of either, or images in memory.
    //! They are decoded by content, EXIF's orientation is applied or not as the [`OrientationRule`] says, and a region
    //! is cropped first and resized then, so that the antialiased filter sees nothing outside of its box (Pillow's
    //! result, within a rounding step).
    //!
    //! ```no_run
    //! use ferkd::images::{Filter, ImageList, OrientationRule, Split, crop_resize};
    //! use ferkd::region::RegionSampler;
    //!
    //! # fn main() -> ferkd::Result<()> {
    //! let photos = ImageList::open("photos".as_ref(), Split::Train)?;
    //! let photo = photos.decode(0, OrientationRule::Apply)?.image;
    //! let region = RegionSampler::new(0).region(1, 0, photo.width(), photo.height());
    //! let pixels = crop_resize(&photo, &region, 64, Filter::Bilinear)?;
    //! assert_eq!(pixels.len(), 64 * 64 * 3);
    //! # Ok(())
    //! # }
    //! ```
    pub use ferkd_data::classes::ClassSpace;
    pub use ferkd_data::images::{ImageList, Split};
    pub use ferkd_data::pixels::{
        CropMode, Decoded, Filter, Normalisation, OrientationRule, centre_resize, crop_resize, decode,
        whole_resize,
    };
}

pub mod store {
    //! The label store: the teacher's labels of every region, read in place.
    //!
    //! A folder of `.npy` shards and a manifest; at K = 5 a region takes 16 bytes, and any region of any image is read in
    //! O(1). [`mine`] counts its kinds, `import` makes one of FKD's label files. `docs/label-store.md` explains
    //! every byte.
    //!
    //! ```no_run
    //! use ferkd::mining::{Confidence, Rule};
    //! use ferkd::store::{Store, mine};
    //!
    //! # fn main() -> ferkd::Result<()> {
    //! let store = Store::open("photos-labels")?;
    //! println!("{:?}", store.label(0, 3)?.top());
    //! println!("{:?}", mine(&store, &Rule::default(), Confidence::Max)?.kinds);
    //! # Ok(())
    //! # }
    //! ```
    #[cfg(not(target_family = "wasm"))]
    pub use ferkd_data::import::fkd::{FkdConfig, FkdSummary, import};
    pub use ferkd_data::mine::{MiningReport, mine};
    pub use ferkd_data::store::{Boxes, ImageEntry, LabelFormat, Manifest, Regions, Store, Teacher};
    #[cfg(not(target_family = "wasm"))]
    pub use ferkd_data::store::{StoreWriter, VerifyReport, merge, verify};
}

pub mod nn {
    //! Devices, networks and weights, on burn.
    //!
    //! A device is chosen when the program runs: `flex` (the CPU), `wgpu`, `cuda:N` or `auto`; features decide only what
    //! is compiled. Networks bear the parameter names of torchvision, timm and EfficientNet-PyTorch, and read weights
    //! from safetensors and PyTorch files without executing anything in them.
    //!
    //! ```no_run
    //! use ferkd::nn::{Arch, Classifier, ModelSpec, open};
    //!
    //! # fn main() -> ferkd::Result<()> {
    //! let device = open("auto")?;
    //! let student = ModelSpec::new(Arch::Resnet18, 10).init(0, &device)?;
    //! println!("{} parameters", student.parameters());
    //! let teacher = Classifier::load("efficientnet-lite0", &device)?;
    //! println!("{} classes", teacher.classes.len());
    //! # Ok(())
    //! # }
    //! ```
    pub use ferkd_nn::classifier::Classifier;
    pub use ferkd_nn::device::{open, open_all};
    pub use ferkd_nn::models::{Arch, Model, ModelSpec, VitSize};
    pub use ferkd_nn::weights::{HostTensor, Precision, StateDict};
}

pub mod train {
    //! The teacher pass, training, evaluation and sweeps.
    //!
    //! [`Session`] is the one training loop: each call of its `next` does one small piece of work and says what it was.
    //! [`train`] drives it with a run's folder around it: settings, metrics, checkpoints, report; stopped at any step, it
    //! goes on exactly. [`label`] runs a teacher over regions of images into a label store.
    //!
    //! ```no_run
    //! use std::sync::atomic::AtomicBool;
    //!
    //! use ferkd::train::{TrainConfig, read_layer, resolve, train};
    //!
    //! # fn main() -> ferkd::Result<()> {
    //! let config: TrainConfig = resolve(&[read_layer("train.toml".as_ref())?])?;
    //! let stop = AtomicBool::new(false);
    //! let summary = train(&config, "runs/first".as_ref(), false, &stop, &mut |event| println!("{event:?}"))?;
    //! println!("{:?}", summary.accuracy);
    //! # Ok(())
    //! # }
    //! ```
    #[cfg(not(target_family = "wasm"))]
    pub use ferkd_data::config::{read_layer, resolve};
    pub use ferkd_data::events::{Event, Listener};
    #[cfg(not(target_family = "wasm"))]
    pub use ferkd_train::labelling::{LabelConfig, LabelSummary, label};
    #[cfg(not(target_family = "wasm"))]
    pub use ferkd_train::sweep::{SweepConfig, SweepPlan, SweepSummary, sweep};
    pub use ferkd_train::teacher_pass::TeacherPass;
    pub use ferkd_train::{
        Budget, Checkpoint, EvalPass, EvalReport, EvalSet, Evaluated, Inputs, Session, SessionEvent,
        StepTaken, Supervision, TrainConfig, Trainer,
    };
    #[cfg(not(target_family = "wasm"))]
    pub use ferkd_train::{TrainSummary, evaluate, train};
}
