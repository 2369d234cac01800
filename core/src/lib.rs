//! FerKD.
pub mod error;
pub mod models;
pub mod pixels;
pub mod region;
pub mod rng;
pub mod store;
pub mod label;
pub mod weights;
pub use error::{Error, ErrorKind, Result};
