//! The labels that are looked at: data sets, the image that is shown, and what is counted of each set.

pub(crate) mod census;
mod sets;
pub(crate) mod walk;

pub use sets::Labels;
