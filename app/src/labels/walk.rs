//! A walk over a whole data set, a slice of it a frame: a store may hold a million images.

use std::time::Duration;

use ferkd_method::Result;
use web_time::Instant;

use crate::dataset::{DataSet, Visit};
use crate::experiment::Data;

/// Time that a walk takes of one frame.
pub(crate) const SLICE: Duration = Duration::from_millis(4);

/// Which labels something was found in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LabelsKey {
    /// The data set.
    pub data: Data,
    /// Raised when labels of a set change.
    pub generation: u64,
}

/// A walk over all images.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Walk {
    /// The image that comes next.
    pub at: u64,
    /// Number of images.
    pub end: u64,
}

impl Walk {
    /// At the first image of a data set.
    pub fn over(set: &DataSet) -> Self {
        Self { at: 0, end: set.len() }
    }

    /// Whether every image has been seen.
    pub fn is_done(&self) -> bool {
        self.at >= self.end
    }

    /// Share of the images that have been seen, in 0..=1.
    pub fn share(&self) -> f32 {
        self.at as f32 / self.end.max(1) as f32
    }

    /// Goes on for one slice of time: at least one image.
    ///
    /// # Errors
    /// A damaged store.
    pub fn advance(&mut self, set: &DataSet, visit: Visit<'_>) -> Result<()> {
        let begun = Instant::now();
        while !self.is_done() {
            match set.walk(self.at..self.at + 1, visit) {
                Err(error) if error.is_pending() => {
                    set.ask_ahead(self.at);
                    break;
                }
                Err(error) => {
                    // What cannot be read now cannot be read in the next frame either.
                    self.at = self.end;
                    return Err(error);
                }
                Ok(()) => {}
            }
            self.at += 1;
            if begun.elapsed() >= SLICE {
                break;
            }
        }
        Ok(())
    }
}
