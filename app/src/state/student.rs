//! One student in training: what is known of it.

use ferkd_method::mining::KindCounts;
use ferkd_train::config::Supervision;

use crate::engine::StudentStep;
use crate::scenes::{HeldOutScene, held_out};
use crate::snapshot::{Record, RunPoint};

/// One student.
#[derive(Debug, Clone)]
pub struct StudentState {
    /// What it learns from.
    pub supervision: Supervision,
    /// Steps taken.
    pub step: u64,
    /// Loss by step: epoch and nats.
    pub loss: Vec<[f64; 2]>,
    /// The same, smoothed.
    pub smooth_loss: Vec<[f64; 2]>,
    /// Held-out evaluations: epoch and share of right top-1 predictions in 0..=1.
    pub accuracy: Vec<[f64; 2]>,
    /// Its last top-1 prediction for each held-out scene.
    pub predictions: Vec<u32>,
    /// The probability that it gave each of them.
    pub confidences: Vec<f32>,
    /// Its last top-1 prediction for each sample region, and the probability that it gave it.
    pub samples: Vec<(u32, f32)>,
    /// Regions of each kind that it saw; none where it looks at no threshold.
    pub kinds: KindCounts,
    /// Learning rate of its last step.
    pub lr: f64,
    /// Steps that it had taken when it was evaluated last.
    pub evaluated_at: u64,
    smoother: Smoother,
}

/// An exponential mean that begins at the first value.
#[derive(Debug, Clone, Copy, Default)]
struct Smoother {
    sum: f64,
    weight: f64,
}

impl Smoother {
    /// Weight that a value keeps with each further one: about the last twenty count.
    const KEEP: f64 = 0.95;

    fn add(&mut self, value: f64) -> f64 {
        self.sum = Self::KEEP * self.sum + (1.0 - Self::KEEP) * value;
        self.weight = Self::KEEP * self.weight + (1.0 - Self::KEEP);
        self.sum / self.weight
    }
}

impl StudentState {
    /// One that has learned nothing.
    pub(super) fn new(supervision: Supervision) -> Self {
        Self {
            supervision,
            step: 0,
            loss: Vec::new(),
            smooth_loss: Vec::new(),
            accuracy: Vec::new(),
            predictions: Vec::new(),
            confidences: Vec::new(),
            samples: Vec::new(),
            kinds: KindCounts::default(),
            lr: 0.0,
            evaluated_at: 0,
            smoother: Smoother::default(),
        }
    }

    /// The same student once it has learned what `record` says; its last evaluation is still to come.
    pub(super) fn trained(supervision: Supervision, record: &Record) -> Self {
        let at = |point: &RunPoint, value: f64| [record.epoch(point.step), value];
        let before = || record.before(supervision);
        let accuracy = before().filter(|point| point.step < record.step);
        let smooth_loss: Vec<[f64; 2]> = before().filter_map(|point| Some(at(point, point.loss?))).collect();
        let last = smooth_loss.last().map(|last| last[1]);
        Self {
            step: record.step,
            accuracy: accuracy.map(|point| at(point, record.accuracy(point.right))).collect(),
            kinds: record.student(supervision).map(|student| student.kinds).unwrap_or_default(),
            smoother: last.map_or_else(Smoother::default, |sum| Smoother { sum, weight: 1.0 }),
            smooth_loss,
            ..Self::new(supervision)
        }
    }

    /// The held-out scenes of class `truth` that it takes for class `prediction`.
    pub fn taken_for(&self, truth: u32, prediction: u32) -> impl Iterator<Item = usize> + '_ {
        let cell = move |(_, (scene, taken)): &(usize, (&HeldOutScene, &u32))| {
            scene.class == truth && **taken == prediction
        };
        held_out().iter().zip(&self.predictions).enumerate().filter(cell).map(|(i, _)| i)
    }

    /// Takes in what a step did to it.
    pub(super) fn take(&mut self, step: &StudentStep) {
        (self.step, self.lr) = (step.step + 1, step.lr);
        self.loss.push([step.epoch, step.loss]);
        let smooth = self.smoother.add(step.loss);
        self.smooth_loss.push([step.epoch, smooth]);
        self.kinds.merge(&step.kinds);
    }
}
