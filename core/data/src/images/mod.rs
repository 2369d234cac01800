//! Images: folders, tar archives, images that are made up, and images in memory.

pub mod cache;
mod folder;
pub mod list;
mod names;
mod shards;
mod split;
pub mod synthetic;
pub mod tar;

pub use list::{ImageList, Split};
