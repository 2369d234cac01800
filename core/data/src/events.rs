//! What long work says of itself: one stream of events; terminals, files and windows are its listeners.

use serde::{Deserialize, Serialize};

use ferkd_method::mining::KindCounts;

/// Something that happened. Keys carry units; times end in `_s`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// Work begins.
    Started {
        /// What is done.
        job: String,
        /// Units of work in all.
        total: u64,
        /// What a unit is, in the plural.
        unit: String,
        /// Units that were done before, when work goes on.
        done: u64,
    },
    /// Something to know before one wonders, in a sentence.
    Notice {
        /// What a person reads.
        text: String,
    },
    /// Work goes on.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
        /// Speed.
        units_per_s: f64,
        /// Seconds that the rest will take at that speed.
        eta_s: f64,
    },
    /// Training, averaged over the steps since the last such event.
    Metric {
        /// Steps done.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// Epochs done, with fractions.
        epoch: f64,
        /// Mean training loss, in nats.
        loss: f64,
        /// Learning rate of the last step.
        lr: f64,
        /// Regions trained on.
        regions: u64,
        /// Regions of each kind among them: discarded, context, important, trivial.
        kinds: KindCounts,
        /// Images of which no region had survived mining.
        fallbacks: u64,
        /// Regions per second.
        regions_per_s: f64,
        /// Seconds that the rest will take at that speed.
        eta_s: f64,
    },
    /// The student was evaluated on the validation images.
    Evaluation {
        /// Steps done.
        step: u64,
        /// Epochs done, with fractions.
        epoch: f64,
        /// Share of images whose top-1 prediction is right, in 0..=1.
        top1: f64,
        /// Share of images with the right class among five predictions, in 0..=1.
        top5: f64,
        /// Cross-entropy against the ground truth, in nats.
        loss: f64,
        /// Whether it is the best so far.
        best: bool,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Steps done.
        step: u64,
        /// The file.
        path: String,
    },
    /// Work is done.
    Done {
        /// What was done.
        job: String,
        /// Seconds that it took.
        time_s: f64,
    },
    /// Work failed.
    Failed {
        /// What was tried.
        job: String,
        /// Why.
        error: String,
    },
}

/// Tells warnings, one notice each.
pub fn warn(warnings: &[String], listen: Listener) {
    for warning in warnings {
        listen(&Event::Notice { text: format!("warning: {warning}") });
    }
}

/// Hears events.
pub type Listener<'a> = &'a mut dyn FnMut(&Event);
