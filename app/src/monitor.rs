//! What a window shows of long work: the stream of events, folded into a state.

use ferkd_data::events::Event;
use ferkd_method::mining::KindCounts;

/// How far work has come.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Status {
    /// Nothing was heard yet.
    #[default]
    Idle,
    /// It goes on.
    Running,
    /// It is done.
    Done,
    /// It failed; the message names the file and the remedy.
    Failed(String),
}

/// A point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Epochs done, with fractions.
    pub epoch: f64,
    /// The value there.
    pub value: f64,
}

/// The state of one run, for a window to draw.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Monitor {
    /// How far it has come.
    pub status: Status,
    /// What is done.
    pub job: String,
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
    /// Seconds that the rest will take.
    pub eta_s: Option<f64>,
    /// Training loss, in nats.
    pub loss: Vec<Point>,
    /// Share of validation images whose top-1 prediction is right, in 0..=1.
    pub accuracy: Vec<Point>,
    /// Regions of each kind since the start.
    pub kinds: KindCounts,
    /// Regions of each kind by epoch: those of the first one stand first.
    pub kinds_by_epoch: Vec<KindCounts>,
}

/// Epochs whose regions are told apart; later ones count as the last of them.
const MOST_EPOCHS: usize = 10_000;

fn add(sum: &mut KindCounts, new: KindCounts) {
    sum.0.iter_mut().zip(new.0).for_each(|(sum, new)| *sum += new);
}

impl Monitor {
    /// Takes an event in.
    pub fn hear(&mut self, event: &Event) {
        match event {
            Event::Started { job, total, done, .. } => {
                *self = Self {
                    status: Status::Running,
                    job: job.clone(),
                    total: *total,
                    done: *done,
                    ..Self::default()
                };
            }
            Event::Progress { done, total, eta_s, .. } => {
                (self.done, self.total, self.eta_s) = (*done, *total, Some(*eta_s));
            }
            Event::Metric { step, steps, epoch, loss, kinds, eta_s, .. } => {
                (self.done, self.total, self.eta_s) = (*step, *steps, Some(*eta_s));
                self.loss.push(Point { epoch: *epoch, value: *loss });
                add(&mut self.kinds, *kinds);
                // Steps up to the end of an epoch are that epoch's.
                let epoch = (epoch.ceil().max(1.0) as usize).min(MOST_EPOCHS) - 1;
                if self.kinds_by_epoch.len() <= epoch {
                    self.kinds_by_epoch.resize(epoch + 1, KindCounts::default());
                }
                add(&mut self.kinds_by_epoch[epoch], *kinds);
            }
            Event::Evaluation { epoch, top1, .. } => {
                self.accuracy.push(Point { epoch: *epoch, value: *top1 });
            }
            Event::Checkpoint { .. } | Event::Notice { .. } => {}
            Event::Done { .. } => (self.status, self.eta_s) = (Status::Done, None),
            Event::Failed { error, .. } => self.status = Status::Failed(error.clone()),
        }
    }

    /// Share of the work that is done, in 0..=1.
    pub fn share(&self) -> f64 {
        self.done as f64 / self.total.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_folds_into_its_curves() {
        let mut monitor = Monitor::default();
        monitor.hear(&Event::Started { job: "train".into(), total: 10, unit: "steps".into(), done: 0 });
        for step in [5, 10] {
            monitor.hear(&Event::Metric {
                step,
                steps: 10,
                epoch: step as f64 / 5.0,
                loss: 2.0 / step as f64,
                lr: 0.1,
                regions: 32,
                kinds: KindCounts([0, 2, 30, 0]),
                fallbacks: 0,
                regions_per_s: 100.0,
                eta_s: 1.0,
            });
        }
        assert_eq!(monitor.loss, [Point { epoch: 1.0, value: 0.4 }, Point { epoch: 2.0, value: 0.2 }]);
        assert_eq!(monitor.kinds, KindCounts([0, 4, 60, 0]));
        assert_eq!(monitor.kinds_by_epoch, [KindCounts([0, 2, 30, 0]); 2]);
        assert_eq!((monitor.share(), &monitor.status), (1.0, &Status::Running));
        monitor.hear(&Event::Done { job: "train".into(), time_s: 1.0 });
        assert_eq!((monitor.status, monitor.eta_s), (Status::Done, None));
    }
}
