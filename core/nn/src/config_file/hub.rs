//! What timm and transformers write, as the hub has it.

use serde_json::{Map, Value};

use super::checks::{check_crop, check_normalisation, crop_mode_of, filter_named, side_of};
use super::stated::Stated;
use ferkd_data::pixels::{CropMode, Filter, Normalisation};

/// timm's `pretrained_cfg`.
pub(super) fn timm(config: &Map<String, Value>) -> Result<Stated, String> {
    let side = match present(config, "input_size") {
        None => None,
        Some(size) => match numbers::<3>(size) {
            Some([channels, height, width]) if channels == 3.0 && height == width => Some(side_of(height)?),
            _ => return Err(format!("invalid `input_size` {size}: expected three channels of a square")),
        },
    };
    let filter = match present(config, "interpolation") {
        None => None,
        Some(name) => Some(filter_named(name.as_str().unwrap_or("?"))?),
    };
    Ok(Stated {
        side,
        filter,
        normalisation: normalisation(config, "mean", "std")?,
        crop: crop(config)?,
        crop_mode: crop_mode(config)?,
        ..Stated::default()
    })
}

/// transformers' image processors.
pub(super) fn transformers(config: &Map<String, Value>) -> Result<Stated, String> {
    let switch = |key: &str| config.get(key).and_then(Value::as_bool);
    if let Some(factor) = present(config, "rescale_factor").and_then(Value::as_f64)
        && (switch("do_rescale") == Some(false) || (factor * 255.0 - 1.0).abs() > 1e-3)
    {
        return Err(format!("`rescale_factor` is {factor}; 1/255 alone is known here"));
    }
    let normalisation = match switch("do_normalize") {
        Some(false) => Some(Normalisation { mean: [0.0; 3], std: [1.0; 3] }),
        _ => normalisation(config, "image_mean", "image_std")?,
    };
    let resized = present(config, "size").map(side_in).transpose()?;
    let cut = match switch("do_center_crop") {
        Some(false) => None,
        _ => present(config, "crop_size").map(side_in).transpose()?,
    };
    let crop = match (resized, cut) {
        (Some(resized), Some(cut)) if cut <= resized => {
            Some(check_crop(f64::from(cut) / f64::from(resized))?)
        }
        _ => crop(config)?,
    };
    // Pillow's numbers.
    let filter = match present(config, "resample").map(|value| (value, value.as_u64())) {
        None => None,
        Some((_, Some(2))) => Some(Filter::Bilinear),
        Some((_, Some(3))) => Some(Filter::Bicubic),
        Some((value, _)) => {
            return Err(format!("invalid `resample` {value}: expected 2 (bilinear) or 3 (bicubic)"));
        }
    };
    Ok(Stated { side: cut.or(resized), filter, normalisation, crop, ..Stated::default() })
}

/// A value that is there and not null.
fn present<'a>(config: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    config.get(key).filter(|value| !value.is_null())
}

fn numbers<const N: usize>(value: &Value) -> Option<[f64; N]> {
    let values: Vec<f64> = value.as_array()?.iter().map(Value::as_f64).collect::<Option<_>>()?;
    values.try_into().ok()
}

/// A number, `{"height", "width"}` of a square, or `{"shortest_edge"}`.
fn side_in(value: &Value) -> Result<u32, String> {
    let number = |key: &str| value.get(key).and_then(Value::as_f64);
    let (height, width) = (number("height"), number("width"));
    match (value.as_f64().or(number("shortest_edge")), height, width) {
        (Some(side), ..) => side_of(side),
        (None, Some(height), Some(width)) if height == width => side_of(height),
        _ => Err(format!("invalid size {value}: expected a square")),
    }
}

fn normalisation(
    config: &Map<String, Value>,
    mean: &str,
    std: &str,
) -> Result<Option<Normalisation>, String> {
    let three = |key: &str| match present(config, key) {
        None => Ok(None),
        Some(value) => match numbers::<3>(value) {
            Some(numbers) => Ok(Some(numbers.map(|v| v as f32))),
            None => Err(format!("`{key}` is {value}; three numbers are needed")),
        },
    };
    match (three(mean)?, three(std)?) {
        (Some(mean), Some(std)) => {
            let normalisation = Normalisation { mean, std };
            check_normalisation(&normalisation)?;
            Ok(Some(normalisation))
        }
        (None, None) => Ok(None),
        _ => Err(format!("it has one of `{mean}` and `{std}` without the other")),
    }
}

/// `crop_pct`: the share of the square that is kept.
fn crop(config: &Map<String, Value>) -> Result<Option<f64>, String> {
    present(config, "crop_pct").and_then(Value::as_f64).map(check_crop).transpose()
}

/// timm's `crop_mode`.
fn crop_mode(config: &Map<String, Value>) -> Result<Option<CropMode>, String> {
    present(config, "crop_mode").map(crop_mode_of).transpose()
}
