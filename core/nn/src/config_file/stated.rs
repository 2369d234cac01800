//! What all these files say, each in its own way.

use ferkd_data::pixels::{CropMode, Filter, Normalisation};

/// What a file says of a network's input.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stated {
    /// The file.
    pub path: String,
    /// Side in pixels.
    pub side: Option<u32>,
    /// How pictures are resized.
    pub filter: Option<Filter>,
    /// How bytes become numbers.
    pub normalisation: Option<Normalisation>,
    /// Share of a picture's short side that the centre keeps.
    pub crop: Option<f64>,
    /// How a picture becomes a square for an evaluation.
    pub crop_mode: Option<CropMode>,
}
