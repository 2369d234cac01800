//! What a step is fed with: the order in which images come, the regions chosen of each, and the batches cut from them.

pub mod batch;
pub mod pictures;
pub mod plan;
pub mod select;
pub mod share;
pub mod step_mix;
pub mod targets;
