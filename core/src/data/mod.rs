//! What a step is fed with: images, their classes, the order in which they come, and the batches cut from them.

pub mod batch;
pub mod cache;
pub mod classes;
mod folder;
pub mod images;
mod names;
pub mod pictures;
pub mod plan;
pub mod prefetch;
pub mod select;
mod shards;
pub mod share;
mod split;
pub mod synthetic;
pub mod tar;
