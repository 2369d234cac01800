//! Checks of a manifest's values, and comparison of two manifests field by field.

use std::collections::HashSet;

use serde_json::Value;

use super::manifest_types::{Boxes, FORMAT, LabelFormat, Manifest, OLDEST_FORMAT, Teacher};
use crate::digest::is_sha256;
use ferkd_method::label::Codec;
use ferkd_method::region::check_scale;

/// A field and what is wrong with it.
type Complaint = (&'static str, String);

const MAX_CLASSES: u32 = 1 << 16;
const MAX_REGIONS: u32 = 1 << 16;

/// The first field out of range.
pub(super) fn check(manifest: &Manifest) -> Result<(), Complaint> {
    let Manifest { format, images, shard_images, image_list_sha256, regions, label, teacher, .. } = manifest;
    demand((OLDEST_FORMAT..=FORMAT).contains(format), "format", || {
        format!(
            "invalid format {format}: expected {OLDEST_FORMAT} to {FORMAT}, those that this program knows"
        )
    })?;
    demand(*images > 0, "images", || "invalid value 0: expected at least 1".into())?;
    demand(*shard_images > 0, "shard_images", || "invalid value 0: expected at least 1".into())?;
    let shards = images.div_ceil(u64::from(*shard_images));
    demand(u32::try_from(shards).is_ok(), "images", || format!("{images} make too many shards"))?;
    demand(is_sha256(image_list_sha256), "image_list_sha256", || NO_SHA256.into())?;
    let per_image = regions.per_image;
    demand((1..=MAX_REGIONS).contains(&per_image), "regions.per_image", || {
        format!("invalid value {per_image}: expected 1..={MAX_REGIONS}")
    })?;
    if let Boxes::Generated(sampler) = &regions.boxes {
        check_scale(sampler.scale.into())
            .map_err(|error| ("regions.boxes.generated.scale", error.problem().to_owned()))?;
        let (low, high) = sampler.ratio;
        demand(0.0 < low && low <= high && high.is_finite(), "regions.boxes.generated.ratio", || {
            format!("invalid ratios ({low}, {high}): expected two of width to height that ascend, above 0")
        })?;
    }
    check_label(label)?;
    check_teacher(teacher)?;
    // 262,144 bytes are the largest record there is, and every file's length must be an i64.
    let most = u128::from(*images) * u128::from(per_image) * u128::from(4 * MAX_CLASSES);
    demand(most <= i64::MAX as u128, "images", || {
        format!("{images} of {per_image} regions each are more than files can hold")
    })
}

fn check_label(label: &LabelFormat) -> Result<(), Complaint> {
    let LabelFormat { codec, k, classes, temperature, class_list, class_names, .. } = label;
    demand((1..=MAX_CLASSES).contains(classes), "label.classes", || {
        format!("invalid value {classes}: expected 1..={MAX_CLASSES}, since a class is kept in 16 bits")
    })?;
    let fits = match codec {
        Codec::MarginalSmoothing | Codec::MarginalRenorm => (1..*classes).contains(k),
        Codec::Smoothing | Codec::Hard => *k == 1,
        Codec::Full => k == classes,
    };
    demand(fits, "label.k", || {
        format!("{k} pairs of {classes} classes do not go with {codec:?}; see Codec::resolve")
    })?;
    demand(temperature.is_finite() && *temperature > 0.0, "label.temperature", || {
        format!("invalid value {temperature}: expected a number above 0")
    })?;
    for (field, list) in [("label.class_list", class_list), ("label.class_names", class_names)] {
        demand(list.len() == *classes as usize, field, || {
            format!("{} entries for {classes} classes", list.len())
        })?;
    }
    let mut seen = HashSet::new();
    match class_list.iter().find(|class| !seen.insert(class.as_str())) {
        Some(twice) => Err(("label.class_list", format!("{twice:?} stands there twice"))),
        None => Ok(()),
    }
}

fn check_teacher(teacher: &Teacher) -> Result<(), Complaint> {
    let Teacher { sha256, side, normalisation, .. } = teacher;
    demand(sha256.as_deref().is_none_or(is_sha256), "teacher.sha256", || NO_SHA256.into())?;
    demand(*side > 0, "teacher.side", || "invalid value 0: expected at least 1".into())?;
    let mean = normalisation.mean;
    demand(mean.iter().all(|m| m.is_finite()), "teacher.normalisation.mean", || {
        format!("invalid value {mean:?}: expected finite numbers")
    })?;
    let std = normalisation.std;
    demand(std.iter().all(|s| s.is_finite() && *s > 0.0), "teacher.normalisation.std", || {
        format!("invalid value {std:?}: expected numbers above 0")
    })
}

fn demand(holds: bool, field: &'static str, problem: impl FnOnce() -> String) -> Result<(), Complaint> {
    if holds { Ok(()) } else { Err((field, problem())) }
}

const NO_SHA256: &str = "invalid checksum: expected 64 digits of lower-case hexadecimal";

/// The first field of `found` that `known` lacks; types of other modules let unknown fields pass.
pub(super) fn unknown_field(found: &Value, known: &Value, path: String) -> Option<String> {
    let (Value::Object(found), Value::Object(known)) = (found, known) else { return None };
    found.iter().find_map(|(name, value)| {
        let path = join(&path, name);
        match known.get(name) {
            Some(known) => unknown_field(value, known, path),
            None => Some(path),
        }
    })
}

/// The fields in which two manifests differ; of a list only its first difference.
pub(super) fn first_difference(
    a: &Value,
    b: &Value,
    path: String,
    found: &mut Vec<(String, String, String)>,
) {
    match (a, b) {
        _ if a == b => {}
        (Value::Object(x), Value::Object(y)) if x.keys().eq(y.keys()) => {
            for (name, a) in x {
                first_difference(a, &y[name], join(&path, name), found);
            }
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => {
            if let Some(at) = (0..x.len()).find(|&at| x[at] != y[at]) {
                first_difference(&x[at], &y[at], format!("{path}[{at}]"), found);
            }
        }
        (Value::Array(x), Value::Array(y)) => {
            found.push((path, format!("{} entries", x.len()), format!("{} entries", y.len())));
        }
        _ => found.push((path, a.to_string(), b.to_string())),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
