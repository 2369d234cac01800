//! The next image of a class: found by walking, so that a large store does not hold up a frame.

use ferkd_method::Result;
use web_time::Instant;

use crate::dataset::DataSet;
use crate::labels::walk::SLICE;

/// A search for an image of a class.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seek {
    class: u32,
    at: u64,
    is_forward: bool,
    /// Images that are still to be looked at.
    left: u64,
}

/// How far a search has come.
pub(crate) enum Sought {
    /// This image is of the class.
    Found(u64),
    /// The next slice of time goes on.
    GoesOn,
    /// There is none.
    Nothing,
}

impl Seek {
    /// From an image on, as far as the set goes in that direction.
    pub fn from(set: &DataSet, class: u32, image: u64, is_forward: bool) -> Self {
        let left = if is_forward { set.len().saturating_sub(image + 1) } else { image };
        Self { class, at: image, is_forward, left }
    }

    /// Through all images, from the first one on.
    pub fn all(set: &DataSet, class: u32) -> Self {
        let left = set.len();
        // From behind the last one: round to the first.
        Self { class, at: left.saturating_sub(1), is_forward: true, left }
    }

    /// Goes on for a slice of time.
    ///
    /// # Errors
    /// A damaged store.
    pub fn advance(&mut self, set: &DataSet) -> Result<Sought> {
        let begun = Instant::now();
        while self.left > 0 && begun.elapsed() < SLICE {
            let next = match self.is_forward {
                true => (self.at + 1) % set.len().max(1),
                false => self.at.saturating_sub(1),
            };
            match set.class_of(next) {
                Ok(found) if found == Some(self.class) => return Ok(Sought::Found(next)),
                Ok(_) => (self.at, self.left) = (next, self.left - 1),
                Err(error) if error.is_pending() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(if self.left > 0 { Sought::GoesOn } else { Sought::Nothing })
    }
}
