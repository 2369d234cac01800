//! FerKD.
pub mod calibration;
pub mod error;
pub mod label;
pub mod mining;
pub mod models;
pub mod pixels;
pub mod region;
pub mod rng;
pub mod selfmix;
pub mod store;
pub mod weights;
pub use error::{Error, ErrorKind, Result};
