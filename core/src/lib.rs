//! FerKD: distillation from region-wise soft labels that were made once (ICCV 2023, arXiv 2312.17473).
//!
//! A teacher looks at M regions of every training image, one time, and says what it sees. Students then learn
//! from these labels, without the teacher, as often as one likes. Many regions miss the object, though: there
//! the teacher guesses. FerKD adapts the labels region by region:
//!
//! 1. **Regions** ([`region`]): M boxes and flips an image, as `RandomResizedCrop` draws them.
//! 2. **Labels** ([`label`]): the teacher's top K classes of each region; [`labelling`] makes them, [`store`]
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
//! use ferkd::calibration::Adaptation;
//! use ferkd::label::{Codec, TopK};
//! use ferkd::mining::{Confidence, Kind, Thresholds};
//!
//! # fn main() -> ferkd::Result<()> {
//! // The teacher is unsure about this region of a picture of class 2.
//! let label = TopK::of(&[0.3, 0.25, 0.2, 0.15, 0.1], 2).decode(Codec::MarginalSmoothing, 5)?;
//! let thresholds = Thresholds { low: 0.25, mid: 0.5, high: 0.99 };
//! let kind = thresholds.kind(Confidence::Max.of(&label, Some(2))?)?;
//! assert_eq!(kind, Kind::Context);
//! let adapted = Adaptation::Full.adapt(label, kind, Some(2), 0.1)?;
//! assert!((adapted.probability(2) - 0.9).abs() < 1e-6);
//! # Ok(())
//! # }
//! ```
//!
//! `docs/method.md` says what is from the papers and what is this project's own.
#![warn(missing_docs)]

pub mod atomic;
#[cfg(not(target_family = "wasm"))]
pub mod bench;
pub mod calibration;
pub mod census;
pub mod classifier;
pub mod config;
pub mod confusion;
pub mod data;
pub mod demo;
pub mod device;
pub mod digest;
pub mod error;
pub mod events;
pub mod heat;
#[cfg(not(target_family = "wasm"))]
pub mod import;
pub mod label;
#[cfg(not(target_family = "wasm"))]
pub mod labelling;
#[cfg(not(target_family = "wasm"))]
mod lock;
pub mod memory;
pub mod mine;
pub mod mining;
pub mod models;
pub mod number_of;
pub mod pickle;
pub mod pixels;
#[cfg(not(target_family = "wasm"))]
pub mod planner;
pub mod region;
pub mod report;
pub mod rng;
mod seal;
pub mod selfmix;
#[cfg(not(target_family = "wasm"))]
pub mod stats;
pub mod store;
#[cfg(not(target_family = "wasm"))]
pub mod sweep;
mod tensor;
pub mod torch;
pub mod train;
pub mod weights;

pub use error::{Error, ErrorKind, Result};
