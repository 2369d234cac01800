//! `config.json` and `preprocessor_config.json` beside weights: what timm's and transformers' models on the Hugging
//! Face hub say of their input; and what a user says in a file of the weights' name that ends in `.toml`.
//!
//! Source: timm's `pretrained_cfg` (`timm/models/_hub.py`), transformers' `BaseImageProcessor`.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use ferkd_data::pixels::{CropMode, Filter, Normalisation};
use ferkd_method::error::{Error, IoContext, Result};

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
                Error::damaged(&own, "it is not text in UTF-8")
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
        let value: Value = serde_json::from_slice(bytes).map_err(|e| bad(format!("it is not JSON: {e}")))?;
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

/// timm's `pretrained_cfg`.
fn timm(config: &Map<String, Value>) -> Result<Stated, String> {
    let side = match present(config, "input_size") {
        None => None,
        Some(size) => match numbers::<3>(size) {
            Some([channels, height, width]) if channels == 3.0 && height == width => Some(side_of(height)?),
            _ => return Err(format!("`input_size` is {size}; three channels of a square are possible")),
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
fn transformers(config: &Map<String, Value>) -> Result<Stated, String> {
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
            return Err(format!("`resample` is {value}; 2 (bilinear) and 3 (bicubic) are possible"));
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

fn side_of(side: f64) -> Result<u32, String> {
    match side {
        side if (8.0..=4096.0).contains(&side) && side.fract() == 0.0 => Ok(side as u32),
        other => Err(format!("a side of {other}; 8 to 4096 pixels are possible")),
    }
}

/// A number, `{"height", "width"}` of a square, or `{"shortest_edge"}`.
fn side_in(value: &Value) -> Result<u32, String> {
    let number = |key: &str| value.get(key).and_then(Value::as_f64);
    let (height, width) = (number("height"), number("width"));
    match (value.as_f64().or(number("shortest_edge")), height, width) {
        (Some(side), ..) => side_of(side),
        (None, Some(height), Some(width)) if height == width => side_of(height),
        _ => Err(format!("a size of {value}; a square is possible")),
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

fn crop_mode_of(value: &Value) -> Result<CropMode, String> {
    match value.as_str() {
        Some("center") => Ok(CropMode::Center),
        Some("squash") => Ok(CropMode::Squash),
        Some("border") => Ok(CropMode::Border),
        _ => Err(format!("`crop_mode` is {value}; center, squash and border are possible")),
    }
}

fn filter_named(name: &str) -> Result<Filter, String> {
    match name {
        "bilinear" => Ok(Filter::Bilinear),
        "bicubic" => Ok(Filter::Bicubic),
        // timm's word for either, drawn for each picture of a training.
        "random" => Ok(Filter::Bicubic),
        other => Err(format!("`interpolation` is {other:?}; bilinear and bicubic are possible")),
    }
}

/// A share of the short side that can be kept; the error is the problem.
pub(crate) fn check_crop(crop: f64) -> Result<f64, String> {
    match crop {
        share if (0.1..=1.0).contains(&share) => Ok(share),
        other => Err(format!("a crop of {other}; 0.1 to 1 of the short side are possible")),
    }
}

/// Whether numbers can be a normalisation of bytes in 0..=1; the error is the problem.
pub(crate) fn check_normalisation(normalisation: &Normalisation) -> Result<(), String> {
    let Normalisation { mean, std } = normalisation;
    if !mean.iter().all(|m| (0.0..=1.0).contains(m)) {
        return Err(format!("a mean of {mean:?}; bytes are taken as 0 to 1"));
    }
    if !std.iter().all(|s| *s > 0.0 && *s <= 1.0) {
        return Err(format!("a standard deviation of {std:?}; above 0 and at most 1 are possible"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Stated>> {
        Stated::parse(text.as_bytes(), "m/config.json")
    }

    /// As `timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k` has it on the hub.
    #[test]
    fn timms_pretrained_cfg() {
        let text = r#"{"architecture": "vit_tiny_patch16_224", "num_classes": 1000, "global_pool": "token",
            "pretrained_cfg": {"tag": "augreg_in21k_ft_in1k", "custom_load": true, "input_size": [3, 224, 224],
            "fixed_input_size": true, "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center",
            "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "num_classes": 1000, "pool_size": null,
            "first_conv": "patch_embed.proj", "classifier": "head"}}"#;
        let stated = read(text).unwrap().unwrap();
        assert_eq!(stated.normalisation, Some(Normalisation { mean: [0.5; 3], std: [0.5; 3] }));
        assert_eq!((stated.side, stated.filter), (Some(224), Some(Filter::Bicubic)));
        assert_eq!((stated.crop, &*stated.path), (Some(0.9), "m/config.json"));
        assert_eq!(stated.crop_mode, Some(CropMode::Center));
        // As SigLIP's and the ConvNeXts of LAION have it: the share goes with the mode.
        for (name, mode) in [("squash", CropMode::Squash), ("border", CropMode::Border)] {
            let stated = read(&text.replace("center", name)).unwrap().unwrap();
            assert_eq!((stated.crop, stated.crop_mode), (Some(0.9), Some(mode)));
        }
    }

    #[test]
    fn transformers_image_processors() {
        let text = r#"{"crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "do_normalize": true,
            "do_rescale": true, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
            "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 256}}"#;
        let stated = read(text).unwrap().unwrap();
        assert_eq!(stated.normalisation, Some(Normalisation::IMAGENET));
        assert_eq!(
            (stated.side, stated.filter, stated.crop),
            (Some(224), Some(Filter::Bicubic), Some(0.875))
        );
        let older = r#"{"do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
            "resample": 2, "size": 384}"#;
        let stated = read(older).unwrap().unwrap();
        assert_eq!((stated.side, stated.filter, stated.crop), (Some(384), Some(Filter::Bilinear), None));
        let plain = read(r#"{"do_normalize": false, "size": 224}"#).unwrap().unwrap();
        assert_eq!(plain.normalisation, Some(Normalisation { mean: [0.0; 3], std: [1.0; 3] }));
    }

    #[test]
    fn a_users_own_file_says_the_same_as_flags() {
        let said = Stated::parse_toml(
            "side = 96\nmean = [0.5, 0.4, 0.3]\nstd = [0.2, 0.2, 0.2]\ninterpolation = \"bilinear\"\ncrop = 0.9\ncrop_mode = \"squash\"",
            "own.toml",
        )
        .unwrap();
        let expected = Stated {
            path: "own.toml".into(),
            side: Some(96),
            filter: Some(Filter::Bilinear),
            normalisation: Some(Normalisation { mean: [0.5, 0.4, 0.3], std: [0.2; 3] }),
            crop: Some(0.9),
            crop_mode: Some(CropMode::Squash),
        };
        assert_eq!(said, expected);
        for (text, says) in [
            ("sides = 96", "sides"),
            ("side = 4", "8 to 4096"),
            ("mean = [0.5, 0.5, 0.5]", "without the other"),
            ("mean = [127, 127, 127]\nstd = [1, 1, 1]", "0 to 1"),
            ("interpolation = \"lanczos\"", "lanczos"),
            ("crop_mode = \"corner\"", "`crop_mode`"),
            ("side", "expected"),
        ] {
            let error = Stated::parse_toml(text, "own.toml").unwrap_err().to_string();
            assert!(error.contains("own.toml") && error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_configuration_of_something_else_says_nothing() {
        for text in ["{}", "[1]", r#"{"model_type": "vit", "image_size": 224}"#] {
            assert_eq!(read(text).unwrap(), None);
        }
    }

    #[test]
    fn what_is_not_possible_or_not_known_names_the_file() {
        for (text, says) in [
            ("{", "not JSON"),
            (r#"{"mean": [0.5, 0.5], "std": [0.5, 0.5]}"#, "`mean`"),
            (r#"{"mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]}"#, "0 to 1"),
            (r#"{"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.0, 0.5]}"#, "standard deviation"),
            (r#"{"pretrained_cfg": {"input_size": [1, 28, 28]}}"#, "`input_size`"),
            (r#"{"pretrained_cfg": {"interpolation": "lanczos"}}"#, "lanczos"),
            (r#"{"pretrained_cfg": {"crop_mode": "corner"}}"#, "`crop_mode`"),
            (
                r#"{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "rescale_factor": 0.0078}"#,
                "1/255",
            ),
            (r#"{"image_mean": [0.5, 0.5, 0.5]}"#, "without the other"),
            (r#"{"do_normalize": false, "resample": 0}"#, "`resample`"),
            (r#"{"do_normalize": false, "size": {"height": 224, "width": 448}}"#, "square"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with("m/config.json: ") && error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_configuration_of_many_names_is_read_and_an_endless_one_refused() {
        let at = tempfile::tempdir().unwrap();
        let (weights, config) = (at.path().join("w.onnx"), at.path().join("config.json"));
        let labels = (0..22_000).map(|i| format!("class number {i}, {}", "x".repeat(60))).collect::<Vec<_>>();
        let text =
            serde_json::json!({ "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "label_names": labels })
                .to_string();
        assert!(text.len() > 1 << 20);
        std::fs::write(&config, &text).unwrap();
        let normalisation = Some(Normalisation { mean: [0.5; 3], std: [0.25; 3] });
        assert_eq!(Stated::beside(&weights).unwrap()[0].normalisation, normalisation);
        std::fs::write(&config, text + &" ".repeat(16 << 20)).unwrap();
        let error = Stated::beside(&weights).unwrap_err().to_string();
        assert!(error.contains("config.json") && error.contains("too many"), "{error}");
    }

    #[test]
    fn a_users_file_in_another_encoding_is_named_and_a_byte_order_mark_is_no_part_of_it() {
        let at = tempfile::tempdir().unwrap();
        let (weights, own) = (at.path().join("w.onnx"), at.path().join("w.toml"));
        std::fs::write(&own, b"\xef\xbb\xbfside = 96").unwrap();
        assert_eq!(Stated::beside(&weights).unwrap()[0].side, Some(96));
        std::fs::write(&own, b"\xff\xfes\0").unwrap();
        let error = Stated::beside(&weights).unwrap_err().to_string();
        assert!(error.contains("w.toml: it is not text in UTF-8"), "{error}");
    }
}
