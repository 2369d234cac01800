//! FerKD.
pub mod atomic;
pub mod calibration;
pub mod config;
pub mod data;
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
