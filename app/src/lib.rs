//! The inspector: which region gets which label, and why.
//!
//! So far it holds what any window needs first: [`Monitor`], the state that the core's stream of events folds
//! into. Windows draw it; they never ask the trainer.
#![warn(missing_docs)]

mod monitor;

pub use monitor::{Monitor, Point, Status};
