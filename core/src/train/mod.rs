//! Step 6: training a student, under any of the supervisions.

pub mod config;
pub mod ema;
pub mod eval;
pub mod loss;
pub mod optimizer;
pub mod report;
pub mod run;
pub mod schedule;
pub mod trainer;

pub use config::{Supervision, TrainConfig};
pub use eval::{EvalReport, evaluate};
pub use run::{TrainSummary, train};
pub use trainer::Trainer;
