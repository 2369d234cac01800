//! Measured figures of this machine: `ferkd bench`.
//!
//! A bench warms up, repeats, and gives the median and the spread. A yardstick is run in between, turn by turn
//! with our own work, so that whatever else the machine does falls on both. Work runs on rayon's threads, as
//! many as there are.

mod generated;
mod input;
#[cfg(feature = "cuda")]
mod kernels;
mod labels;
mod machine;
#[cfg(feature = "cuda")]
mod memory;
mod mine;
mod report;
mod step;
mod steps;
mod sum;
mod teacher;
mod timing;
mod yardstick;

pub(crate) use input::Pipeline;
pub use input::{InputBench, input};
pub use labels::{LabelsBench, labels};
pub use mine::{MineBench, mine};
pub use report::Report;
pub use step::{StepBench, step};
pub(crate) use steps::{first_batch, steps_per_s, wait};
pub use sum::sum;
pub(crate) use teacher::Crops;
pub use teacher::{TeacherBench, teacher};
pub use timing::Timing;
pub use yardstick::Yardstick;
