//! FerKD's teacher pass, training, evaluation, run folders and sweeps: everything that takes time, as streams of
//! events.
//!
//! A run's folder and report need a file system, which a browser lacks.
#![warn(missing_docs, clippy::print_stdout, clippy::print_stderr)]

mod adamw;
pub mod arithmetic;
pub mod commit;
pub mod config;
pub mod demo;
#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
mod device_adamw;
mod due;
pub mod ema;
pub mod eval;
mod fairness;
mod features;
pub mod folder_name;
#[cfg(feature = "flex")]
mod host_adamw;
#[cfg(feature = "flex")]
mod host_sgd;
#[cfg(not(target_family = "wasm"))]
pub mod image_check;
pub mod inputs;
#[cfg(not(target_family = "wasm"))]
pub mod labelling;
pub mod loss;
#[cfg(not(target_family = "wasm"))]
mod meter;
#[cfg(not(target_family = "wasm"))]
mod metrics;
pub mod optimizer;
#[cfg(all(test, feature = "flex"))]
mod optimizer_check;
pub mod parallel;
pub mod precision;
pub mod prefetch;
pub mod pretrained;
pub mod progress;
mod replica;
#[cfg(not(target_family = "wasm"))]
pub mod run;
#[cfg(not(target_family = "wasm"))]
pub mod run_report;
pub mod schedule;
pub mod session;
pub mod session_event;
#[cfg(not(target_family = "wasm"))]
mod summary;
#[cfg(not(target_family = "wasm"))]
pub mod sweep;
pub mod teacher_pass;
#[cfg(not(target_family = "wasm"))]
pub mod tensorboard;
pub mod trainer;
#[cfg(not(target_family = "wasm"))]
pub mod transfer;
mod unread;
pub mod upload;

pub use config::{Supervision, TrainConfig};
#[cfg(not(target_family = "wasm"))]
pub use eval::evaluate;
pub use eval::{EvalPass, EvalReport, EvalSet, Evaluated};
pub use inputs::Inputs;
#[cfg(not(target_family = "wasm"))]
pub use parallel::Processes;
pub use pretrained::Pretrained;
#[cfg(not(target_family = "wasm"))]
pub use run::{train, train_together};
pub use session::Session;
pub use session_event::{Budget, Checkpoint, SessionEvent, StepTaken};
#[cfg(not(target_family = "wasm"))]
pub use summary::TrainSummary;
pub use trainer::Trainer;
