//! `manifest.json`: what a store holds, and how it came to be.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::classes::ClassSpace;
use crate::error::{Error, IoContext, Result};
use crate::label::Codec;
use crate::pixels::{Filter, Normalisation, OrientationRule};
use crate::region::RegionSampler;
use crate::store::MANIFEST;

/// The version of the format that this crate writes.
const FORMAT: u32 = 1;

/// What a store is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format.
    pub format: u32,
    /// Program and version that wrote it.
    pub created_by: String,
    /// Number of images.
    pub images: u64,
    /// Images of a shard; the last may hold fewer.
    pub shard_images: u32,
    /// SHA-256 of the sorted relative paths, each with a newline.
    pub image_list_sha256: String,
    /// The regions.
    pub regions: RegionInfo,
    /// The labels.
    pub label: LabelInfo,
    /// Who gave the labels.
    pub teacher: TeacherInfo,
    /// Whether EXIF orientation was applied before boxes were drawn.
    pub orientation: OrientationRule,
}

/// The regions of a store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionInfo {
    /// Regions of each image (M).
    pub per_image: u32,
    /// Where the boxes are.
    pub boxes: BoxSource,
}

/// Where boxes and flips are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoxSource {
    /// Drawn anew from the generator whenever they are needed.
    Generated(RegionSampler),
    /// In the boxes files, as fractions of the image.
    Explicit,
}

/// The labels of a store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelInfo {
    /// How they are decoded.
    pub codec: Codec,
    /// Pairs of each label (K); the number of classes for full labels.
    pub k: u32,
    /// Temperature of the softmax.
    pub temperature: f32,
    /// Whose classes they speak of.
    pub space: LabelSpace,
    /// The classes, in the order of the student's outputs.
    pub classes: ClassSpace,
}

/// Whose classes a store's labels speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum LabelSpace {
    /// All of the teacher's.
    Teacher,
    /// Those that the image folder holds; the softmax runs over these alone.
    Folder,
}

/// The teacher of a store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherInfo {
    /// Its name.
    pub name: String,
    /// SHA-256 of its weights file.
    pub sha256: String,
    /// Side of its input, in pixels.
    pub side: u32,
    /// How regions were resized for it.
    pub filter: Filter,
    /// How bytes became numbers for it.
    pub normalisation: Normalisation,
}

impl Manifest {
    /// The version number and the program's name, to fill in.
    pub fn stamp() -> (u32, String) {
        (FORMAT, format!("ferkd {}", env!("CARGO_PKG_VERSION")))
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Plain data with text keys: serialising it cannot fail.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads and checks `manifest.json` in `folder`.
    ///
    /// # Errors
    /// No store there, another version, or values that make no sense.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        if !path.exists() {
            let error = Error::damaged(folder, "it holds no label store: there is no manifest.json");
            return Err(error.remedy("name a folder that `ferkd label` wrote"));
        }
        // A manifest of a million classes would still be smaller.
        if std::fs::metadata(&path).at(&path)?.len() > 256 << 20 {
            return Err(Error::damaged(&path, "too large for a manifest"));
        }
        Self::parse(&std::fs::read(&path).at(&path)?, &path.display().to_string())
    }

    /// Reads and checks a manifest's bytes; `origin` is what errors call them.
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged =
            |problem: String| Error::damaged(origin, problem).remedy("copy the store anew, or label again");
        let version: Version =
            serde_json::from_slice(bytes).map_err(|e| damaged(format!("no manifest: {e}")))?;
        if version.format != FORMAT {
            let problem = format!("format {} where this program reads format {FORMAT}", version.format);
            return Err(
                Error::damaged(origin, problem).remedy("use the version of ferkd that wrote the store")
            );
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
        match manifest.nonsense() {
            Some(problem) => Err(damaged(problem)),
            None => Ok(manifest),
        }
    }

    /// What about the manifest makes no sense.
    fn nonsense(&self) -> Option<String> {
        let (classes, k) = (self.label.classes.len(), self.label.k as usize);
        let scale = match &self.regions.boxes {
            BoxSource::Generated(s) => Some(s),
            BoxSource::Explicit => None,
        };
        if self.images == 0 || self.images > 1 << 40 {
            Some(format!("images = {}", self.images))
        } else if !(1..=1 << 20).contains(&self.shard_images) {
            Some(format!("shard_images = {}", self.shard_images))
        } else if !(1..=65_536).contains(&self.regions.per_image) {
            Some(format!("regions.per_image = {}", self.regions.per_image))
        } else if !(1..=65_536).contains(&classes) || self.label.classes.names.len() != classes {
            Some(format!("{classes} classes with {} names", self.label.classes.names.len()))
        } else if self.label.codec.resolve(k, classes) != (self.label.codec, k) || k == 0 {
            Some(format!("k = {k} for {:?} labels of {classes} classes", self.label.codec))
        } else if !(self.label.temperature.is_finite() && self.label.temperature > 0.0) {
            Some(format!("temperature = {}", self.label.temperature))
        } else if scale.is_some_and(|s| {
            !(s.scale.0 > 0.0
                && s.scale.0 <= s.scale.1
                && s.scale.1 <= 1.0
                && s.ratio.0 > 0.0
                && s.ratio.0 <= s.ratio.1)
        }) {
            Some("the regions' scale or ratio".into())
        } else {
            None
        }
    }

    /// Number of shards.
    pub fn shards(&self) -> u32 {
        self.images.div_ceil(u64::from(self.shard_images)) as u32
    }

    /// The images of shard `shard`.
    pub fn shard_range(&self, shard: u32) -> std::ops::Range<u64> {
        let start = u64::from(shard) * u64::from(self.shard_images);
        start.min(self.images)..(start + u64::from(self.shard_images)).min(self.images)
    }

    /// The fields in which two manifests differ, with both values.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        fn walk(path: &str, a: &serde_json::Value, b: &serde_json::Value, out: &mut Vec<String>) {
            match (a, b) {
                (serde_json::Value::Object(x), serde_json::Value::Object(y)) => {
                    let keys: std::collections::BTreeSet<_> = x.keys().chain(y.keys()).collect();
                    for key in keys {
                        let null = serde_json::Value::Null;
                        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                        walk(&path, x.get(key).unwrap_or(&null), y.get(key).unwrap_or(&null), out);
                    }
                }
                _ if a != b => {
                    let short = |v: &serde_json::Value| {
                        let text = v.to_string();
                        if text.len() > 60 {
                            format!("{}...", text.chars().take(57).collect::<String>())
                        } else {
                            text
                        }
                    };
                    out.push(format!("{path}: {} there, {} now", short(a), short(b)));
                }
                _ => {}
            }
        }
        let value = |m: &Self| serde_json::to_value(m).unwrap_or_default();
        let mut out = Vec::new();
        walk("", &value(self), &value(other), &mut out);
        out
    }
}
