//! What a session says of its work, and how much of it a call may do.

use serde::Serialize;

use crate::eval::{BATCH, Evaluated};
use crate::progress::Metrics;
use ferkd_method::mining::KindCounts;

/// What one piece of a session's work was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum SessionEvent {
    /// Of a network whose last layer alone is trained: features of so many regions are computed, once for all steps.
    Features {
        /// Regions that are done.
        done: usize,
        /// Regions in all.
        total: usize,
    },
    /// A step was taken.
    Step(StepTaken),
    /// The losses since the last such event are read, and averaged.
    Metrics(Metrics),
    /// An evaluation has come so far.
    EvalSlice {
        /// Pictures that are done.
        done: usize,
        /// Pictures in all.
        total: usize,
    },
    /// An evaluation is done.
    Evaluation {
        /// What it found.
        found: Box<Evaluated>,
        /// Whether its top-1 accuracy is the best so far.
        is_best: bool,
    },
    /// A checkpoint is due; the host writes it, or does not.
    Checkpoint(Checkpoint),
    /// The session was asked to stop, and has: everything due is done, or its checkpoint says what is not.
    Stopped,
    /// The last step is done, and everything due.
    Done {
        /// The last evaluation of this sitting, where there are images to validate on.
        last: Option<Box<Evaluated>>,
    },
}

/// A step. Its loss stays on the device until a metric, an evaluation or a checkpoint is due, or the host asks for
/// [`Session::unread`](crate::Session::unread).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StepTaken {
    /// Its number, from 0.
    pub step: u64,
    /// Epochs done after it.
    pub epoch: f64,
    /// Its learning rate.
    pub lr: f64,
    /// Regions that it trained on.
    pub regions: u64,
    /// Regions of each kind among them.
    pub kinds: KindCounts,
}

/// Which checkpoint is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Checkpoint {
    /// The best [weights](crate::Trainer::weights) so far.
    Best,
    /// [Weights](crate::Trainer::weights) to keep, after so many steps.
    Numbered(u64),
    /// Everything that going on takes: [`Session::checkpoint`](crate::Session::checkpoint).
    Last,
}

/// How much work one call of [`Session::next`](crate::Session::next) may do: one step, features of some regions, or one
/// slice of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Pictures of a slice of an evaluation, at most.
    pub eval_pictures: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { eval_pictures: BATCH }
    }
}
