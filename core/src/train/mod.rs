//! Step 6: training a student, under any of the supervisions. A run's folder and report need a file system, which
//! a browser lacks.

pub mod config;
pub mod ema;
pub mod eval;
#[cfg(feature = "flex")]
mod host_sgd;
pub mod inputs;
pub mod loss;
#[cfg(not(target_family = "wasm"))]
mod metrics;
pub mod optimizer;
pub mod parallel;
pub mod precision;
pub mod pretrained;
mod replica;
#[cfg(not(target_family = "wasm"))]
pub mod report;
#[cfg(not(target_family = "wasm"))]
pub mod run;
pub mod schedule;
pub mod trainer;
#[cfg(not(target_family = "wasm"))]
pub mod transfer;

pub use config::{Supervision, TrainConfig};
pub use eval::{EvalReport, evaluate, evaluate_skipping};
pub use inputs::Inputs;
#[cfg(not(target_family = "wasm"))]
pub use parallel::{Meeting, Node};
pub use pretrained::Pretrained;
#[cfg(not(target_family = "wasm"))]
pub use run::{TrainSummary, train, train_together};
pub use trainer::Trainer;
