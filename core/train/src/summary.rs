//! How a run ended.

use serde::{Deserialize, Serialize};

use crate::config::Supervision;
use crate::eval::Evaluated;
use crate::fairness::plateau;
use crate::session::Session;
use ferkd_method::mining::{KindCounts, Thresholds};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainSummary {
    /// What the student learned from.
    pub supervision: Supervision,
    /// Steps done.
    pub steps: u64,
    /// Epochs done.
    pub epochs: f64,
    /// Training loss of the last interval, in nats.
    pub train_loss: f64,
    /// Top-1 accuracy at the end, in 0..=1; none without validation images.
    pub accuracy: Option<f64>,
    /// Top-5 accuracy at the end, in 0..=1.
    pub top5: Option<f64>,
    /// Best top-1 accuracy of all evaluations, in 0..=1.
    pub best_accuracy: Option<f64>,
    /// Mining thresholds as confidences.
    pub thresholds: Option<Thresholds>,
    /// Regions of each kind that were trained on: discarded, context, important, trivial.
    pub kinds: KindCounts,
    /// How often no region of an image had survived mining, so that one was kept nevertheless.
    pub fallbacks: u64,
    /// What was worth a word before the first step, and whether the loss ended where it began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Images that were left out of those to train on, because they cannot be decoded.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped_images: usize,
    /// Validation images that the last evaluation passed over.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped_val_images: usize,
    /// Parameters of the student.
    pub parameters: usize,
    /// Seconds of this sitting.
    pub time_s: f64,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl TrainSummary {
    /// Of a session that has come to its end, after `time_s` seconds.
    pub(super) fn of(session: &Session, last: Option<&Evaluated>, time_s: f64) -> Self {
        let (trainer, progress) = (session.trainer(), session.progress());
        let plateau = plateau(trainer.config(), trainer.card().classes.len(), progress.train_loss);
        Self {
            supervision: trainer.config().supervision,
            steps: trainer.step(),
            epochs: trainer.epoch(),
            train_loss: progress.train_loss,
            accuracy: last.map(|found| found.report.top1),
            top5: last.map(|found| found.report.top5),
            best_accuracy: progress.best_accuracy,
            thresholds: trainer.thresholds(),
            kinds: progress.kinds,
            fallbacks: progress.fallbacks,
            warnings: trainer.warnings().iter().cloned().chain(plateau).collect(),
            skipped_images: trainer.left_out(),
            skipped_val_images: last.map_or(0, |found| found.skipped.len()),
            parameters: trainer.parameters(),
            time_s,
        }
    }
}
