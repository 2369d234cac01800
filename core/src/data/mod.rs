//! What a step is fed with: images, their classes, the order in which they come, and the batches cut from them.

pub mod batch;
pub mod classes;
pub mod images;
pub mod plan;
pub mod prefetch;
pub mod select;
pub mod synthetic;
