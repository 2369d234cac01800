//! Every confidence of a set of regions with how often it occurs: what a threshold that is dragged asks.
//!
//! Stored confidences are quantised, so that even a large store has few different ones. Counts under any
//! thresholds take a binary search, and are exactly those of [`mine`](crate::mine::mine).

mod count;
mod walk;

pub use count::Census;
pub use walk::CensusWalk;
