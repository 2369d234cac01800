//! The one training loop. A host calls [`Session::next`] again and again; each call does one small piece of work and
//! says what it was. Pausing is not calling it.
//!
//! A session trains and evaluates one student; it reads and writes no file, looks at no clock and never blocks. What is
//! done with its events is the host's: a run folder writes them down, the other processes of a run only follow, a page
//! draws between two of them, and several students side by side are several sessions.

use std::collections::VecDeque;

use burn::tensor::Tensor;

use crate::eval::{EvalPass, Evaluated};
use crate::prefetch::Prefetch;
use crate::progress::Progress;
use crate::session_event::{Budget, Checkpoint, SessionEvent, StepTaken};
use crate::trainer::{StepOutput, Trainer, Tuning};
use crate::upload::DeviceBatch;
use ferkd_method::error::{Error, Result};
use ferkd_nn::{classifier::read_async, weights::StateDict};

/// What the last step made due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Metrics,
    Evaluation,
    Checkpoint(Checkpoint),
}

/// One student in training.
pub struct Session {
    trainer: Trainer,
    origin: String,
    progress: Progress,
    /// Batches from the trainer's next step on, made ahead; none before the first step of a sitting.
    batches: Option<Prefetch>,
    makes_ahead: bool,
    /// Losses that are still on the device, with step and learning rate.
    unread: Vec<(u64, f64, Tensor<1>)>,
    due: VecDeque<Due>,
    evaluation: Option<EvalPass>,
    /// The last evaluation of this sitting.
    last: Option<Box<Evaluated>>,
    /// Whether the host wants to stop after the step at hand.
    wants_stop: bool,
    /// Whether the last step was the last of this sitting: this process, or another that it trains with, asked for it.
    stops: bool,
    /// Whether a step was taken in this sitting.
    has_stepped: bool,
    /// The step after which the last checkpoint was due.
    saved_at: Option<u64>,
    /// Why the next step cannot be taken, until what was done is saved.
    failure: Option<Error>,
}

impl Session {
    /// A session from the trainer's first step on; `origin` is what errors call it.
    pub fn new(trainer: Trainer, origin: impl Into<String>) -> Self {
        Self {
            trainer,
            origin: origin.into(),
            progress: Progress::default(),
            batches: None,
            makes_ahead: true,
            unread: Vec::new(),
            due: VecDeque::new(),
            evaluation: None,
            last: None,
            wants_stop: false,
            stops: false,
            has_stepped: false,
            saved_at: None,
            failure: None,
        }
    }

    /// A session that goes on exactly where `checkpoint` was made; `file` is what errors call the checkpoint.
    ///
    /// # Errors
    /// A checkpoint of another student, optimizer or average, or none of a run.
    pub fn resume(
        mut trainer: Trainer,
        origin: impl Into<String>,
        mut checkpoint: StateDict,
        file: &str,
    ) -> Result<Self> {
        let restored = Progress::take(&mut checkpoint, file)
            .and_then(|(progress, step)| trainer.restore(checkpoint, step, file).map(|()| progress));
        #[cfg(not(target_family = "wasm"))]
        let restored = restored.inspect_err(|error| trainer.leave(error));
        let mut session = Self { progress: restored?, ..Self::new(trainer, origin) };
        if session.progress.evaluation_due && session.trainer.can_evaluate() {
            let ends = session.trainer.step() == session.trainer.steps();
            session.due.extend(session.evaluation_and_after(ends));
            session.saved_at = Some(session.trainer.step());
        }
        Ok(session)
    }

    /// An evaluation, and at the end of the run a checkpoint that knows its result. In the middle the next one does,
    /// and a host that is killed before that evaluates again.
    fn evaluation_and_after(&self, ends: bool) -> impl Iterator<Item = Due> + use<> {
        std::iter::once(Due::Evaluation).chain(ends.then_some(Due::Checkpoint(Checkpoint::Last)))
    }

    /// Makes each batch when its step is taken, on the same thread; the batches are the same.
    #[must_use]
    pub fn without_prefetch(mut self) -> Self {
        self.makes_ahead = false;
        self
    }

    /// The next piece of work.
    ///
    /// # Errors
    /// An image that cannot be decoded, after a checkpoint; a device that cannot be read from, a loss that is not
    /// finite (it names step and learning rate), another process that is gone.
    pub async fn next(&mut self, budget: Budget) -> Result<SessionEvent> {
        let (step, steps) = (self.trainer.step(), self.trainer.steps());
        let stops = self.is_stopping() && step < steps;
        if self.due.is_empty() && step < steps && !stops && self.failure.is_none() {
            match self.batch() {
                Ok(batch) => return self.step(&batch),
                // What was done in this sitting is worth a checkpoint before the error is told.
                Err(error) if self.has_stepped && !error.is_pending() => self.failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        if (stops || self.failure.is_some()) && self.due.is_empty() && self.saved_at != Some(step) {
            self.saved_at = Some(step);
            self.due.push_back(Due::Checkpoint(Checkpoint::Last));
        }
        let Some(due) = self.due.front().copied() else {
            return match self.failure.take() {
                Some(failure) => Err(failure),
                None if stops => Ok(SessionEvent::Stopped),
                None => self.end(budget).await,
            };
        };
        // The checkpoint says that it is due, and whoever waits for the end does not wait for all its images.
        if due == Due::Evaluation && self.saved_at == Some(step) && self.is_stopping() {
            return Ok(SessionEvent::Stopped);
        }
        // Losses stay on the device as long as no one needs them: reading one waits for all work before it.
        self.read_losses().await?;
        match due {
            Due::Evaluation => self.evaluate(budget).await,
            Due::Metrics => {
                self.due.pop_front();
                let lr = self.trainer.rate(step.saturating_sub(1));
                Ok(SessionEvent::Metrics(self.progress.metrics(step, steps, self.trainer.epoch(), lr)))
            }
            Due::Checkpoint(which) => {
                self.due.pop_front();
                Ok(SessionEvent::Checkpoint(which))
            }
        }
    }

    /// The batch of the next step.
    fn batch(&mut self) -> Result<DeviceBatch> {
        let mut batches = self.batches.take().unwrap_or_else(|| self.trainer.batches(self.makes_ahead));
        let ended = || Error::mismatch(&*self.origin, "batches ended before the plan did");
        let batch = batches.next().ok_or_else(ended)??;
        self.batches = Some(batches);
        Ok(batch)
    }

    /// One step: the gradients of a batch, an update; then what has become due by it.
    fn step(&mut self, batch: &DeviceBatch) -> Result<SessionEvent> {
        let StepOutput { step, lr, loss, stops } = self.trainer.advance_with(batch, self.wants_stop)?;
        (self.stops, self.has_stepped) = (stops, true);
        self.unread.push((step, lr, loss));
        let (regions, kinds) = (batch.total as u64, batch.kinds);
        self.progress.note_step(regions, &kinds, batch.fallbacks);

        let config = self.trainer.config();
        let (done, epoch, before) = (step + 1, self.trainer.epoch(), self.trainer.epoch_of(step));
        let ends = done == self.trainer.steps();
        let crosses = |every: usize| every > 0 && multiples(epoch, every) > multiples(before, every);
        let is_multiple = |every: u64| every > 0 && done.is_multiple_of(every);
        let evaluates = self.trainer.can_evaluate() && (ends || crosses(config.eval_every));
        let saves = ends || evaluates || is_multiple(config.checkpoint_every);
        // The checkpoint comes before the evaluation, which takes long and can fail, and says that it is due.
        let due = [
            (ends || is_multiple(config.log_every), Due::Metrics),
            (crosses(config.keep_every), Due::Checkpoint(Checkpoint::Numbered(done))),
            (saves, Due::Checkpoint(Checkpoint::Last)),
        ];
        self.due.extend(due.into_iter().filter(|(is_due, _)| *is_due).map(|(_, what)| what));
        if evaluates {
            self.due.extend(self.evaluation_and_after(ends));
        }
        if saves {
            self.saved_at = Some(done);
        }
        Ok(SessionEvent::Step(StepTaken { step, epoch, lr, regions, kinds }))
    }

    /// The next slice of the evaluation that is due.
    async fn evaluate(&mut self, budget: Budget) -> Result<SessionEvent> {
        let Some(found) = self.evaluate_slice(budget).await? else { return Ok(self.eval_slice()) };
        self.due.pop_front();
        let is_best = self.progress.best_accuracy.is_none_or(|best| found.report.top1 > best);
        if is_best {
            self.progress.best_accuracy = Some(found.report.top1);
            self.due.push_front(Due::Checkpoint(Checkpoint::Best));
        }
        self.last = Some(found.clone());
        Ok(SessionEvent::Evaluation { found, is_best })
    }

    /// Past the last step. A run that was finished before is evaluated once more, so that its host knows the result.
    async fn end(&mut self, budget: Budget) -> Result<SessionEvent> {
        if self.last.is_none() && self.trainer.can_evaluate() {
            self.last = self.evaluate_slice(budget).await?;
            if self.last.is_none() {
                return Ok(self.eval_slice());
            }
        }
        Ok(SessionEvent::Done { last: self.last.clone() })
    }

    /// One slice of an evaluation; what was found, once it is done.
    async fn evaluate_slice(&mut self, budget: Budget) -> Result<Option<Box<Evaluated>>> {
        let pass = self.evaluation.get_or_insert_default();
        self.trainer.evaluate_slice(pass, budget.eval_pictures).await?;
        if pass.done() < self.trainer.validation().map_or(0, super::eval::EvalSet::len) {
            return Ok(None);
        }
        let pass = self.evaluation.take().unwrap_or_default();
        self.trainer.finish_evaluation(pass).map(|found| Some(Box::new(found)))
    }

    fn eval_slice(&self) -> SessionEvent {
        let done = self.evaluation.as_ref().map_or(0, EvalPass::done);
        SessionEvent::EvalSlice {
            done,
            total: self.trainer.validation().map_or(0, super::eval::EvalSet::len),
        }
    }

    /// Evaluates before the next step, whatever the settings say; where that is due already, nothing changes.
    pub fn request_evaluation(&mut self) {
        if self.trainer.can_evaluate() && !self.due.contains(&Due::Evaluation) {
            self.due.push_back(Due::Evaluation);
        }
    }

    /// Gives up the evaluation that is due.
    pub fn cancel_evaluation(&mut self) {
        self.due.retain(|due| *due != Due::Evaluation);
        self.evaluation = None;
    }

    /// Says whether to stop after the step at hand, with a checkpoint. Alone, and once a step was taken, a session
    /// stops at once, and leaves an evaluation to whoever goes on; several processes stop after the same step.
    pub fn request_stop(&mut self, stop: bool) {
        self.wants_stop = stop;
    }

    fn is_stopping(&self) -> bool {
        // After the last step no other process waits for this one.
        if self.trainer.is_alone() || self.trainer.step() == self.trainer.steps() {
            self.wants_stop && (self.has_stepped || self.saved_at.is_some())
        } else {
            self.stops
        }
    }

    /// Takes up other settings from the next step on.
    pub fn retune(&mut self, tuning: &Tuning) {
        self.trainer.retune(tuning);
        self.rest();
    }

    /// Forgets the batches that were made ahead: a session that rests for long holds no memory for them, and no thread.
    pub fn rest(&mut self) {
        self.batches = None;
    }

    /// The losses that are still on the device, in the order of their steps: shape (N); none where all are known. A
    /// host with several sessions reads all of theirs at once, and hands them to [`note_losses`](Self::note_losses).
    pub fn unread(&self) -> Option<Tensor<1>> {
        let losses: Vec<Tensor<1>> = self.unread.iter().map(|(_, _, loss)| loss.clone()).collect();
        (!losses.is_empty()).then(|| Tensor::cat(losses, 0))
    }

    /// Takes up the values of the losses that were [`unread`](Self::unread), in nats.
    ///
    /// # Errors
    /// A loss that is not finite; another number of them.
    pub fn note_losses(&mut self, losses: &[f32]) -> Result<()> {
        if losses.len() != self.unread.len() {
            let problem = format!("{} losses are unread, not {}", self.unread.len(), losses.len());
            return Err(Error::mismatch(&*self.origin, problem));
        }
        for ((step, lr, _), &loss) in self.unread.drain(..).zip(losses) {
            self.progress.note_loss(loss, step, lr, &self.origin)?;
        }
        Ok(())
    }

    async fn read_losses(&mut self) -> Result<()> {
        let Some(losses) = self.unread() else { return Ok(()) };
        let losses = read_async(losses).await?;
        self.note_losses(&losses)
    }

    /// Everything that going on exactly takes. Reading weights back waits for the device: not for a page.
    ///
    /// # Errors
    /// A device that cannot be read from, a loss that is not finite.
    pub async fn checkpoint(&mut self) -> Result<StateDict> {
        self.read_losses().await?;
        self.progress.evaluation_due = self.due.contains(&Due::Evaluation);
        let mut dict = self.trainer.state()?;
        self.progress.put(self.trainer.step(), &mut dict)?;
        Ok(dict)
    }

    /// The student and what it is trained with.
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// The same, for hosts that train with other processes.
    #[cfg(not(target_family = "wasm"))]
    pub(super) fn trainer_mut(&mut self) -> &mut Trainer {
        &mut self.trainer
    }

    /// Whether an evaluation is what comes next.
    pub fn is_evaluating(&self) -> bool {
        self.due.front() == Some(&Due::Evaluation)
    }

    /// How far it has come.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }
}

/// How many multiples of `every` epochs are done after `epoch` epochs.
fn multiples(epoch: f64, every: usize) -> f64 {
    ((epoch + 1e-9) / every as f64).floor()
}

#[cfg(all(test, feature = "flex"))]
mod tests;
