//! What is due between two steps, and in which order: metrics, checkpoints, evaluations.

use std::collections::VecDeque;

use crate::session_event::Checkpoint;
use crate::trainer::Trainer;

/// A piece of work between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The losses since the last metrics are read, and averaged.
    Metrics,
    /// The student is evaluated.
    Evaluation,
    /// A checkpoint is the host's to write.
    Checkpoint(Checkpoint),
}

/// The work that comes before the next step, first things first.
#[derive(Debug, Default)]
pub struct DueWork {
    queue: VecDeque<Due>,
    /// The step after which the last [`Checkpoint::Last`] was due.
    saved_at: Option<u64>,
}

impl DueWork {
    /// What comes next; none where the next step may be taken.
    pub fn first(&self) -> Option<Due> {
        self.queue.front().copied()
    }

    /// Takes what comes next out, once it is done.
    pub fn pop(&mut self) {
        self.queue.pop_front();
    }

    /// Whether an evaluation is among the work.
    pub fn has_evaluation(&self) -> bool {
        self.queue.contains(&Due::Evaluation)
    }

    /// The step after which the last full checkpoint was due, in this sitting.
    pub fn saved_at(&self) -> Option<u64> {
        self.saved_at
    }

    /// Adds what the trainer's last step has made due.
    ///
    /// The checkpoint comes before the evaluation, which takes long and can fail, and says that it is due.
    pub fn add_after_step(&mut self, trainer: &Trainer) {
        let (config, done) = (trainer.config(), trainer.step());
        let (epoch, before) = (trainer.epoch(), trainer.epoch_of(done - 1));
        let ends = done == trainer.steps();
        let crosses = |every: usize| every > 0 && multiples(epoch, every) > multiples(before, every);
        let is_multiple = |every: u64| every > 0 && done.is_multiple_of(every);
        let evaluates = trainer.can_evaluate() && (ends || crosses(config.eval_every));
        if ends || is_multiple(config.log_every) {
            self.queue.push_back(Due::Metrics);
        }
        if crosses(config.keep_every) {
            self.queue.push_back(Due::Checkpoint(Checkpoint::Numbered(done)));
        }
        if ends || evaluates || is_multiple(config.checkpoint_every) {
            self.add_checkpoint(done);
        }
        if evaluates {
            self.add_evaluation(ends);
        }
    }

    /// Adds the evaluation that the checkpoint of a resumed run says is due.
    pub fn add_resumed(&mut self, trainer: &Trainer) {
        self.add_evaluation(trainer.step() == trainer.steps());
        self.saved_at = Some(trainer.step());
    }

    /// Adds an evaluation, and at the end of the run a checkpoint that knows its result. In the middle the next one
    /// does, and a host that is killed before that evaluates again.
    fn add_evaluation(&mut self, ends: bool) {
        self.queue.push_back(Due::Evaluation);
        if ends {
            self.queue.push_back(Due::Checkpoint(Checkpoint::Last));
        }
    }

    /// Adds a full checkpoint, `step` steps into the run.
    pub fn add_checkpoint(&mut self, step: u64) {
        self.queue.push_back(Due::Checkpoint(Checkpoint::Last));
        self.saved_at = Some(step);
    }

    /// Makes the best weights due at once.
    pub fn add_best(&mut self) {
        self.queue.push_front(Due::Checkpoint(Checkpoint::Best));
    }

    /// Adds an evaluation that a person asked for, unless one is due.
    pub fn request_evaluation(&mut self) {
        if !self.has_evaluation() {
            self.queue.push_back(Due::Evaluation);
        }
    }

    /// Takes evaluations out.
    pub fn cancel_evaluation(&mut self) {
        self.queue.retain(|due| *due != Due::Evaluation);
    }
}

/// How many multiples of `every` epochs are done after `epoch` epochs.
fn multiples(epoch: f64, every: usize) -> f64 {
    ((epoch + 1e-9) / every as f64).floor()
}
