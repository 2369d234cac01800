//! What panes find out about a whole data set: a slice a frame, kept until its labels change.
//!
//! A store may hold a million images. A walk through it takes a few milliseconds of each frame in which its result
//! is looked at, and begins anew where labels or settings change.

pub mod census;
pub mod classes;
pub mod compare;
pub mod mixes;
pub mod review;
mod seek;
#[cfg(test)]
pub(crate) mod testing;

use std::time::Duration;

use ferkd::{Error, Result};
use web_time::Instant;

use crate::dataset::{DataSet, Visit};
use crate::experiment::Data;
use crate::state::State;
pub(crate) use seek::Seek;

/// Time that a walk takes of one frame.
const SLICE: Duration = Duration::from_millis(4);

/// Everything that is being found out.
#[derive(Default)]
pub(crate) struct Study {
    /// Every confidence.
    pub census: census::CensusStudy,
    /// By class.
    pub classes: classes::ClassStudy,
    /// Of two settings.
    pub compare: compare::CompareStudy,
    /// Of mixing.
    pub mixes: mixes::MixStudy,
    /// Regions that deserve a look.
    pub review: review::ReviewStudy,
    /// The next image of a class.
    pub seek: Option<Seek>,
}

/// Which labels something was found in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LabelsKey {
    data: Data,
    generation: u64,
}

impl LabelsKey {
    /// The labels that are looked at.
    pub fn of(state: &State) -> Self {
        Self { data: state.experiment.data, generation: state.generation() }
    }
}

/// A walk over all images.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Walk {
    at: u64,
    end: u64,
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

/// A line that says how far a walk has come; asks for the next frame.
pub(crate) fn progress(walk: &Walk, what: &str, ui: &mut egui::Ui) {
    if walk.is_done() {
        return;
    }
    let text = format!("{what}: {} of {} images", walk.at, walk.end);
    ui.add(egui::ProgressBar::new(walk.share()).desired_height(16.0).text(text));
    ui.ctx().request_repaint();
}

/// Why something is not known: how far it is counted where it is, else in words.
pub(crate) fn missing(error: &Error, counting: Option<&Walk>, ui: &mut egui::Ui) {
    match counting {
        Some(walk) => progress(walk, "Counting", ui),
        None if error.is_pending() => {
            ui.weak(error.to_string());
        }
        None => {
            ui.colored_label(ui.visuals().error_fg_color, error.to_string());
        }
    }
}
