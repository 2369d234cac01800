//! Where the reader is on the tour.

use crate::experiment::Experiment;

/// Where the reader is on the tour.
#[derive(Debug, Clone, PartialEq)]
pub struct Tour {
    /// Number of the stop, from 0.
    pub stop: usize,
    /// The experiment when the stop began.
    pub begun: Experiment,
    /// Whether what the stop asks for has been done.
    pub is_done: bool,
}

impl Tour {
    /// At the beginning of a stop.
    pub fn at(stop: usize, now: &Experiment) -> Self {
        Self { stop, begun: now.clone(), is_done: false }
    }
}
