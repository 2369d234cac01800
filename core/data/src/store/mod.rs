//! The label store: soft labels and regions of a whole data set in one flat folder that numpy opens too.
//!
//! `docs/label-store.md` describes the format. It is ours; the rules for reading a label are the method's
//! (section 2). Byte layout ([`layout`], [`label_record`], [`image_record`], [`box_record`]) knows no I/O, so
//! that a browser can ask for slices; around it stand [`Store`] (reads), [`StoreWriter`] (writes and resumes)
//! and [`verify`].

pub mod box_record;
pub mod checksums;
mod file_names;
#[cfg(not(target_family = "wasm"))]
mod files;
pub mod image_record;
mod label_classes;
pub mod label_record;
pub mod layout;
pub mod manifest;
mod manifest_check;
mod manifest_types;
mod memory;
#[cfg(not(target_family = "wasm"))]
mod merge;
mod npy;
mod part;
mod quantise;
mod reader;
#[cfg(not(target_family = "wasm"))]
mod resumed;
mod same_image;
mod same_images;
mod scan;
#[cfg(not(target_family = "wasm"))]
mod search;
mod size;
mod skipped;
mod source;
#[cfg(not(target_family = "wasm"))]
mod verify;
#[cfg(not(target_family = "wasm"))]
mod verify_shard;
#[cfg(not(target_family = "wasm"))]
mod writer;

pub use crate::digest::image_list_sha256;
pub use box_record::ExplicitBox;
pub use file_names::{CHECKSUMS, LOCK, MANIFEST, SKIPPED};
pub use image_record::ImageEntry;
pub use label_classes::LabelClasses;
pub use label_record::{LabelCodec, ShardLabels};
pub use layout::{FileId, Layout, Slice, Table};
pub use manifest_types::{
    Boxes, InputSource, InputSources, LabelFormat, LabelSpace, Manifest, Regions, Teacher,
};
pub use memory::MemoryFiles;
#[cfg(not(target_family = "wasm"))]
pub use merge::{holds_parts, merge};
pub use part::Part;
pub use reader::Store;
#[cfg(not(target_family = "wasm"))]
pub use resumed::check_list;
pub use same_images::{ChangedImage, Few, ImagesReport, NameDifferences, Renamed};
#[cfg(not(target_family = "wasm"))]
pub use search::SkipSearch;
pub use size::store_len;
pub use skipped::{Skipped, SkippedImage};
pub use source::ReadAt;
#[cfg(not(target_family = "wasm"))]
pub use verify::{Damage, VerifyReport, verify};
#[cfg(not(target_family = "wasm"))]
pub use writer::{StoreWriter, forget_shards};

#[cfg(test)]
pub(crate) mod tests;
