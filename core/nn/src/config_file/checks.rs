//! Which values are possible, and known here.

use std::ops::RangeInclusive;

use serde_json::Value;

use ferkd_data::pixels::{CropMode, Filter, Normalisation};

/// Sides of an input that are possible, in pixels.
pub const SIDES: RangeInclusive<u32> = 8..=4096;

/// A side in pixels; the error is the problem, as of all that follow.
pub(super) fn side_of(side: f64) -> Result<u32, String> {
    match side {
        side if side.fract() == 0.0 && SIDES.contains(&(side as u32)) => Ok(side as u32),
        other => Err(format!("invalid side {other}: expected 8 to 4096 pixels")),
    }
}

/// timm's name of a way to a square.
pub(super) fn crop_mode_of(value: &Value) -> Result<CropMode, String> {
    match value.as_str() {
        Some("center") => Ok(CropMode::Center),
        Some("squash") => Ok(CropMode::Squash),
        Some("border") => Ok(CropMode::Border),
        _ => Err(format!("invalid `crop_mode` {value}: expected center, squash or border")),
    }
}

/// timm's name of a filter.
pub(super) fn filter_named(name: &str) -> Result<Filter, String> {
    match name {
        "bilinear" => Ok(Filter::Bilinear),
        "bicubic" => Ok(Filter::Bicubic),
        // timm's word for either, drawn for each picture of a training.
        "random" => Ok(Filter::Bicubic),
        other => Err(format!("invalid `interpolation` {other:?}: expected bilinear or bicubic")),
    }
}

/// A share of the short side that can be kept.
pub(crate) fn check_crop(crop: f64) -> Result<f64, String> {
    match crop {
        share if (0.1..=1.0).contains(&share) => Ok(share),
        other => Err(format!("invalid crop {other}: expected 0.1 to 1 of the short side")),
    }
}

/// Whether numbers can be a normalisation of bytes in 0..=1.
pub(crate) fn check_normalisation(normalisation: &Normalisation) -> Result<(), String> {
    let Normalisation { mean, std } = normalisation;
    if !mean.iter().all(|m| (0.0..=1.0).contains(m)) {
        return Err(format!("a mean of {mean:?}; bytes are taken as 0 to 1"));
    }
    if !std.iter().all(|s| *s > 0.0 && *s <= 1.0) {
        return Err(format!("invalid standard deviation {std:?}: expected numbers above 0 and of at most 1"));
    }
    Ok(())
}
