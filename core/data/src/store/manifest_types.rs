//! What `manifest.json` says: the types of its fields.

use serde::{Deserialize, Serialize};

use crate::classes::ClassSpace;
use crate::pixels::{Filter, Normalisation, OrientationRule};
use ferkd_method::label::Codec;
use ferkd_method::region::RegionSampler;

/// The version of the format that this program writes. 2 tells first probabilities near 1 apart.
pub const FORMAT: u32 = 2;
/// The oldest version that this program reads; a store that was begun in it is finished in it.
pub const OLDEST_FORMAT: u32 = 1;
/// Images in a shard, unless the manifest says otherwise.
pub const SHARD_IMAGES: u32 = 1024;

/// What a store holds and how it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format: [`OLDEST_FORMAT`] to [`FORMAT`].
    pub format: u32,
    /// Number of images.
    pub images: u64,
    /// Images in each shard; the last may hold fewer.
    pub shard_images: u32,
    /// SHA-256 of all relative paths in ascending order of their bytes, a newline behind each: see
    /// [`image_list_sha256`](super::image_list_sha256).
    pub image_list_sha256: String,
    /// The regions of each image.
    pub regions: Regions,
    /// How a region's label is kept and read.
    pub label: LabelFormat,
    /// Whose labels these are.
    pub teacher: Teacher,
    /// What was done with the orientation in EXIF data before boxes were drawn.
    pub orientation: OrientationRule,
    /// Version of the crate that wrote the store.
    pub created_by: String,
}

/// The regions of each image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regions {
    /// M, the number of regions of an image: 1..=65536.
    pub per_image: u32,
    /// Where boxes and flips come from.
    pub boxes: Boxes,
}

/// Where boxes and flips come from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Boxes {
    /// Drawn again whenever they are needed, by this sampler.
    Generated(RegionSampler),
    /// Kept in the store as fractions of the image.
    Explicit,
}

/// How a region's label is kept and read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelFormat {
    /// The rule that decodes a label.
    pub codec: Codec,
    /// K, the number of (class, probability) pairs kept; equal to `classes` where all are.
    pub k: u32,
    /// C, the number of classes: 1..=65536.
    pub classes: u32,
    /// Temperature of the teacher's softmax.
    pub temperature: f32,
    /// Which classes these are.
    pub space: LabelSpace,
    /// Identifier of each class (a WordNet id, or a folder's name), in index order.
    pub class_list: Vec<String>,
    /// A name of each class for people, in index order.
    pub class_names: Vec<String>,
}

/// Over which classes the teacher's softmax ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum LabelSpace {
    /// All of the teacher's.
    Teacher,
    /// Those of the image folder only.
    Folder,
}

/// Whose labels these are, and what it saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Teacher {
    /// Its name.
    pub name: String,
    /// SHA-256 of its weights in lower-case hexadecimal; `None` where labels were imported without them.
    pub sha256: Option<String>,
    /// Side of its square input, in pixels.
    pub side: u32,
    /// How a region was resized to that side.
    pub filter: Filter,
    /// Normalisation of its input.
    pub normalisation: Normalisation,
    /// Who said so; `None` in stores of versions that did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources: Option<InputSources>,
}

/// Who said what a network's input is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSources {
    /// Who said its side.
    pub side: InputSource,
    /// Who said how pictures are resized to it.
    pub filter: InputSource,
    /// Who said mean and standard deviation.
    pub normalisation: InputSource,
}

/// Who says how a network's input is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputSource {
    /// A flag or a key of the configuration.
    Flag,
    /// A file beside the weights: its path, in a manifest its name alone.
    File(String),
    /// The weights: their metadata, or the shape of their positions.
    Weights,
    /// The architecture, all of whose published weights go with it.
    Architecture,
    /// This program's protocol: bicubic for a teacher, bilinear for an evaluation, the centre's 224 of 256.
    Protocol,
    /// Nothing: it is what most published weights of the architecture go with.
    Assumed,
}

impl InputSource {
    /// The same with a file's name instead of its path: a store is the same wherever its teacher lay.
    #[must_use]
    pub fn without_folder(self) -> Self {
        match self {
            Self::File(path) => Self::File(path.rsplit(['/', '\\']).next().unwrap_or(&path).to_owned()),
            other => other,
        }
    }
}

impl LabelFormat {
    /// The classes, in index order.
    pub fn class_space(&self) -> ClassSpace {
        ClassSpace { ids: self.class_list.clone(), names: self.class_names.clone() }
    }
}
