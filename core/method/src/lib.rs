//! FerKD's method as pure functions: no device, no I/O, no state.
//!
//! A teacher looks at M regions of every training image, one time; each module is one step of what happens to what
//! it says, named as the paper names it:
//!
//! 1. [`region`]: M boxes and flips an image, as `RandomResizedCrop` draws them.
//! 2. [`label`]: the teacher's top K classes of a region, and how they are decoded.
//! 3. [`mining`]: four kinds of regions by the teacher's confidence.
//! 4. [`calibration`]: the softened ground truth where the teacher saw background.
//! 5. [`selfmix`]: mixing within one image only.
//!
//! [`supervision`] names what is compared with it.
//!
//! Every random draw comes from a counter-based stream ([`rng`]): a function of (seed, purpose, item, index), so that
//! nothing depends on threads or on what was drawn before.
#![warn(missing_docs, clippy::print_stdout, clippy::print_stderr)]

pub mod calibration;
pub mod confusion;
pub mod error;
pub mod heat;
pub mod label;
pub mod mining;
mod named_number;
pub mod region;
pub mod rng;
pub mod selfmix;
pub mod supervision;

pub use error::{Error, ErrorKind, Result};
