//! Images: folders, tar archives, images that are made up, and images in memory.

pub mod cache;
mod flat_labels;
mod folder;
mod foreign;
pub mod list;
mod names;
mod notes;
mod root;
mod shards;
mod split;
pub mod synthetic;
pub mod tar;
mod webdataset;

pub use list::{Half, ImageList, Split};
