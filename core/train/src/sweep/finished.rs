//! A run of a sweep that is done.

use crate::config::TrainConfig;
use crate::run::TrainSummary;
use ferkd_data::events::Event;

/// A run that is done.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Arm and budget: index of the arm times the number of budgets, plus that of the budget.
    pub cell: usize,
    /// Index of its arm.
    pub arm: usize,
    /// Its settings, resolved.
    pub config: TrainConfig,
    /// How it ended.
    pub summary: TrainSummary,
    /// What happened meanwhile.
    pub events: Vec<Event>,
}
