//! A sweep: a grid of settings -> one table. Every run is an ordinary run folder; arms are compared seed by seed.

pub mod analysis;
pub mod arms;
pub mod config;
pub mod csv;
pub mod finished;
pub mod markdown;
pub mod page;
mod progress;
pub mod run;
pub mod table;
mod task;

pub use analysis::Analysis;
pub use arms::Arm;
pub use config::{SweepConfig, SweepPlan};
pub use run::{SweepOutlook, SweepSummary, look, look_ahead, sweep};
