//! `config.json` and `preprocessor_config.json` beside weights: what timm's and transformers' models on the Hugging
//! Face hub say of their input; and what a user says in a file of the weights' name that ends in `.toml`.
//!
//! Source: timm's `pretrained_cfg` (`timm/models/_hub.py`), transformers' `BaseImageProcessor`.

mod checks;
mod hub;
mod stated;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

pub use checks::SIDES;
pub(crate) use checks::{check_crop, check_normalisation};
pub use stated::Stated;

use checks::{crop_mode_of, filter_named, side_of};
use ferkd_data::pixels::Normalisation;
use ferkd_method::error::{Error, IoContext, Result};
use hub::{timm, transformers};

/// A configuration is some kilobytes; with 22,000 names of classes, as transformers has them, two megabytes.
const MAX_BYTES: u64 = 16 << 20;
/// Files that say it, the first one before the other.
const NAMES: [&str; 2] = ["config.json", "preprocessor_config.json"];

impl Stated {
    /// Reads what lies beside a weights file: those that say something of the input, each coming before the ones in front
    /// of it. The last is a user's own, of the weights' name with `.toml`.
    ///
    /// # Errors
    /// A file that is not JSON or TOML, or says what is not possible or not known here.
    pub fn beside(weights: &Path) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for name in NAMES {
            let path = weights.with_file_name(name);
            let Some(bytes) = configuration(&path)? else { continue };
            found.extend(Self::parse(&bytes, &path.display().to_string())?);
            if !found.is_empty() {
                break;
            }
        }
        let own = weights.with_extension("toml");
        if let Some(bytes) = configuration(&own)? {
            let text = String::from_utf8(bytes).map_err(|_| {
                Error::damaged(&own, "invalid text: expected UTF-8")
                    .remedy("save it as UTF-8, or take it away to give flags")
            })?;
            found.push(Self::parse_toml(&text, &own.display().to_string())?);
        }
        Ok(found)
    }

    /// Reads a user's file: `side`, `mean`, `std`, `interpolation`, `crop` and `crop_mode`, each as the flag of that name.
    ///
    /// # Errors
    /// Text that is not TOML, another key, a value that is not possible.
    pub fn parse_toml(text: &str, path: &str) -> Result<Self> {
        let bad = |problem: String| {
            Error::damaged(path, problem)
                .remedy("possible are side, mean, std, interpolation, crop and crop_mode; take the file away to give flags")
        };
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let said: Sidecar = toml::from_str(text).map_err(|e| bad(e.message().to_owned()))?;
        let normalisation = match (said.mean, said.std) {
            (Some(mean), Some(std)) => Some(Normalisation { mean, std }),
            (None, None) => None,
            _ => return Err(bad("it has one of `mean` and `std` without the other".into())),
        };
        normalisation.iter().try_for_each(check_normalisation).map_err(bad)?;
        Ok(Self {
            path: path.to_owned(),
            side: said.side.map(|side| side_of(side.into())).transpose().map_err(bad)?,
            filter: said.interpolation.as_deref().map(filter_named).transpose().map_err(bad)?,
            normalisation,
            crop: said.crop.map(check_crop).transpose().map_err(bad)?,
            crop_mode: said.crop_mode.map(|mode| crop_mode_of(&mode.into())).transpose().map_err(bad)?,
        })
    }

    /// Reads the bytes of such a file; `None` where it says nothing of the input.
    ///
    /// # Errors
    /// As [`beside`](Self::beside).
    pub fn parse(bytes: &[u8], path: &str) -> Result<Option<Self>> {
        let bad = |problem: String| {
            Error::damaged(path, problem)
                .remedy("correct it, or take it away and say it by --mean, --std, --side and --interpolation")
        };
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let value: Value = serde_json::from_slice(bytes).map_err(|e| bad(format!("invalid JSON: {e}")))?;
        let Value::Object(top) = &value else { return Ok(None) };
        let stated = match top.get("pretrained_cfg").and_then(Value::as_object) {
            Some(inner) => timm(inner),
            // Older files have the same keys at the top.
            None if top.contains_key("mean") && top.contains_key("std") => timm(top),
            None if top.contains_key("image_mean") || top.contains_key("do_normalize") => transformers(top),
            None => return Ok(None),
        };
        let stated = stated.map_err(bad)?;
        Ok(Some(Self { path: path.to_owned(), ..stated }))
    }
}

/// The bytes of a configuration that lies beside weights; `None` where there is no such file.
///
/// # Errors
/// A file that cannot be read, or is far too long for one.
pub(crate) fn configuration(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Ok(None),
        Ok(metadata) if metadata.len() > MAX_BYTES => {
            let problem = format!("{} bytes are too many for a configuration", metadata.len());
            Err(Error::damaged(path, problem)
                .remedy("take it away, and say what the network sees and its classes by flags"))
        }
        Ok(_) => std::fs::read(path).at(path).map(Some),
        Err(_) => Ok(None),
    }
}

/// A user's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sidecar {
    side: Option<u32>,
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
    interpolation: Option<String>,
    crop: Option<f64>,
    crop_mode: Option<String>,
}
