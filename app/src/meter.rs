//! How long the interface works on a frame.

use std::collections::VecDeque;

/// The last frames' own work, in milliseconds.
#[derive(Debug, Default)]
pub struct Meter(VecDeque<f64>);

/// Frames that are looked back at.
const FRAMES: usize = 120;

impl Meter {
    /// Takes note of a frame.
    pub fn add(&mut self, ms: f64) {
        if self.0.len() == FRAMES {
            self.0.pop_front();
        }
        self.0.push_back(ms);
    }

    /// Frames that are looked back at.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no frame was noted yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Mean, in milliseconds.
    pub fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len().max(1) as f64
    }

    /// The longest, in milliseconds.
    pub fn peak(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }
}
