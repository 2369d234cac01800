//! The one training loop. A host calls [`Session::next`] again and again; each call does one small piece of work and
//! says what it was. Pausing is not calling it.
//!
//! A session trains and evaluates one student; it reads and writes no file, looks at no clock and never blocks. What is
//! done with its events is the host's: a run folder writes them down, the other processes of a run only follow, a page
//! draws between two of them, and several students side by side are several sessions.

use burn::tensor::Tensor;

use crate::due::{Due, DueWork};
use crate::eval::{EvalPass, EvalSet, Evaluated};
use crate::prefetch::Prefetch;
use crate::progress::Progress;
use crate::session_event::{Budget, SessionEvent, StepTaken};
use crate::trainer::{StepOutput, Trainer, Tuning};
use crate::unread::UnreadLosses;
use crate::upload::DeviceBatch;
use ferkd_method::error::{Error, Result};
use ferkd_nn::device::read::read_async;
use ferkd_nn::weights::StateDict;

/// One student in training.
pub struct Session {
    trainer: Trainer,
    origin: String,
    progress: Progress,
    /// Batches from the trainer's next step on, made ahead; none before the first step of a sitting.
    batches: Option<Prefetch>,
    makes_ahead: bool,
    unread: UnreadLosses,
    due: DueWork,
    evaluation: Option<EvalPass>,
    /// The last evaluation of this sitting.
    last: Option<Box<Evaluated>>,
    /// Whether the host wants to stop after the step at hand.
    wants_stop: bool,
    /// Whether the last step was the last of this sitting: this process, or another that it trains with, asked for it.
    stops: bool,
    /// Whether a step was taken in this sitting.
    has_stepped: bool,
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
            unread: UnreadLosses::default(),
            due: DueWork::default(),
            evaluation: None,
            last: None,
            wants_stop: false,
            stops: false,
            has_stepped: false,
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
        let mut session = Self { progress: restored?, ..Self::new(trainer, origin) };
        if session.progress.evaluation_due && session.trainer.can_evaluate() {
            session.due.add_resumed(&session.trainer);
        }
        Ok(session)
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
        if self.trainer.features_due().is_some() {
            return self.add_features().await;
        }
        let (step, steps) = (self.trainer.step(), self.trainer.steps());
        let stops = self.is_stopping() && step < steps;
        if self.due.first().is_none() && step < steps && !stops && self.failure.is_none() {
            match self.batch() {
                Ok(batch) => return self.step(&batch),
                // What was done in this sitting is worth a checkpoint before the error is told.
                Err(error) if self.has_stepped && !error.is_pending() => self.failure = Some(error),
                Err(error) => return Err(error),
            }
        }
        let is_saved = self.due.saved_at() == Some(step);
        if (stops || self.failure.is_some()) && self.due.first().is_none() && !is_saved {
            self.due.add_checkpoint(step);
        }
        let Some(due) = self.due.first() else {
            return match self.failure.take() {
                Some(failure) => Err(failure),
                None if stops => Ok(SessionEvent::Stopped),
                None => self.end(budget).await,
            };
        };
        // The checkpoint says that it is due, so that a stop need not wait for all its images.
        if due == Due::Evaluation && is_saved && self.is_stopping() {
            return Ok(SessionEvent::Stopped);
        }
        // Losses stay on the device as long as no one needs them: reading one waits for all work before it.
        self.read_losses().await?;
        let event = match due {
            Due::Evaluation => return self.evaluate(budget).await,
            Due::Metrics => {
                let lr = self.trainer.rate(step.saturating_sub(1));
                SessionEvent::Metrics(self.progress.metrics(step, steps, self.trainer.epoch(), lr))
            }
            Due::Checkpoint(which) => SessionEvent::Checkpoint(which),
        };
        self.due.pop();
        Ok(event)
    }

    /// Features of some regions more. They are in no checkpoint: a run that goes on computes them again.
    async fn add_features(&mut self) -> Result<SessionEvent> {
        if self.wants_stop {
            return Ok(SessionEvent::Stopped);
        }
        self.trainer.add_features().await?;
        let (done, total) = self.trainer.kept().map_or((0, 0), |kept| (kept.done(), kept.total()));
        Ok(SessionEvent::Features { done, total })
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
        self.unread.push(step, lr, loss);
        let (regions, kinds) = (batch.total as u64, batch.kinds);
        self.progress.note_step(regions, &kinds, batch.fallbacks);
        self.due.add_after_step(&self.trainer);
        let epoch = self.trainer.epoch();
        Ok(SessionEvent::Step(StepTaken { step, epoch, lr, regions, kinds }))
    }

    /// The next slice of the evaluation that is due.
    async fn evaluate(&mut self, budget: Budget) -> Result<SessionEvent> {
        let Some(found) = self.trainer.evaluate_slice(&mut self.evaluation, budget.eval_pictures).await?
        else {
            return Ok(self.eval_slice());
        };
        self.due.pop();
        let is_best = self.progress.note_accuracy(found.report.top1);
        if is_best {
            self.due.add_best();
        }
        self.last = Some(found.clone());
        Ok(SessionEvent::Evaluation { found, is_best })
    }

    /// Past the last step. A run that was finished before is evaluated once more, so that its host knows the result.
    async fn end(&mut self, budget: Budget) -> Result<SessionEvent> {
        if self.last.is_none() && self.trainer.can_evaluate() {
            self.last = self.trainer.evaluate_slice(&mut self.evaluation, budget.eval_pictures).await?;
            if self.last.is_none() {
                return Ok(self.eval_slice());
            }
        }
        Ok(SessionEvent::Done { last: self.last.clone() })
    }

    fn eval_slice(&self) -> SessionEvent {
        let done = self.evaluation.as_ref().map_or(0, EvalPass::done);
        SessionEvent::EvalSlice { done, total: self.trainer.validation().map_or(0, EvalSet::len) }
    }

    /// Evaluates before the next step, whatever the settings say; where that is due already, nothing changes.
    pub fn request_evaluation(&mut self) {
        if self.trainer.can_evaluate() {
            self.due.request_evaluation();
        }
    }

    /// Gives up the evaluation that is due.
    pub fn cancel_evaluation(&mut self) {
        self.due.cancel_evaluation();
        self.evaluation = None;
    }

    /// Says whether to stop after the step at hand, with a checkpoint. Alone, and once a step was taken, a session
    /// stops at once, and leaves an evaluation to the resumed run; several processes stop after the same step.
    pub fn request_stop(&mut self, stop: bool) {
        self.wants_stop = stop;
    }

    fn is_stopping(&self) -> bool {
        // After the last step no other process waits for this one.
        if self.trainer.is_alone() || self.trainer.step() == self.trainer.steps() {
            self.wants_stop && (self.has_stepped || self.due.saved_at().is_some())
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
        self.unread.all()
    }

    /// Takes up the values of the losses that were [`unread`](Self::unread), in nats.
    ///
    /// # Errors
    /// A loss that is not finite; another number of them.
    pub fn note_losses(&mut self, losses: &[f32]) -> Result<()> {
        self.unread.note(losses, &mut self.progress, &self.origin)
    }

    async fn read_losses(&mut self) -> Result<()> {
        let Some(losses) = self.unread() else { return Ok(()) };
        self.note_losses(&read_async(losses).await?)
    }

    /// Everything that going on exactly takes. Reading weights back waits for the device: not for a page.
    ///
    /// # Errors
    /// A device that cannot be read from, a loss that is not finite.
    pub async fn checkpoint(&mut self) -> Result<StateDict> {
        self.read_losses().await?;
        self.progress.evaluation_due = self.due.has_evaluation();
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
        self.due.first() == Some(Due::Evaluation)
    }

    /// How far it has come.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests;
