//! What nodes do besides their steps: they meet, take up the first one's state, follow it, and leave together.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::meet::{Hello, Meeting};
use super::settings::shared;
use crate::classifier::read;
use crate::error::{Error, ErrorKind, Result};
use crate::events::{Event, Listener};
use crate::mining::KindCounts;
use crate::train::run::TrainSummary;
use crate::train::trainer::{StepOutput, Trainer};
use crate::weights::{Precision, StateDict};

/// Where a state says how many steps it has seen.
const STEP: &str = "step";

impl Trainer {
    /// Waits for all nodes; steps are taken with them from then on.
    ///
    /// # Errors
    /// Nodes that do not come, or do not belong together.
    pub(in crate::train) fn meet(
        &mut self,
        meeting: Meeting,
        stop: &AtomicBool,
        listen: Listener,
    ) -> Result<()> {
        let begun = Instant::now();
        let node = meeting.node();
        let job = format!("node {node}: meeting at {}", meeting.address());
        let total = node.of().into();
        listen(&Event::Started { job: job.clone(), total, unit: "nodes".into(), done: 0 });
        let hello = Hello {
            program: format!("{} ({})", env!("CARGO_PKG_VERSION"), env!("FERKD_COMMIT")),
            node,
            device: crate::device::kind(&self.config().device).into(),
            settings: shared(self)?.to_string(),
            port: 0,
        };
        self.team.join(meeting.join(hello, stop)?);
        listen(&Event::Done { job, time_s: begun.elapsed().as_secs_f64() });
        Ok(())
    }

    /// The first node hands its state to the others; without others nothing is done.
    ///
    /// # Errors
    /// A node that is gone.
    pub(super) fn share_state(&mut self) -> Result<()> {
        let Some(ring) = self.team.ring() else { return Ok(()) };
        let leads = ring.node().leads();
        let state = if leads {
            let mut dict = self.state()?;
            dict.metadata.insert(STEP.into(), self.step().to_string());
            Some(dict.to_bytes(Precision::F32)?)
        } else {
            None
        };
        // Student, average and two numbers a parameter of an optimizer's, and names.
        let numbers: usize = StateDict::of(self.student()).tensors.values().map(|t| t.values.len()).sum();
        let most = 8 * 4 * numbers as u64 + (1 << 22);
        let Some(ring) = self.team.ring() else { return Ok(()) };
        let bytes = ring.hand_on(state, most)?;
        if !leads {
            let origin = "node 1's state";
            let dict = StateDict::from_bytes(&bytes, origin)?;
            let step = dict.metadata.get(STEP).and_then(|step| step.parse().ok());
            let step = step.ok_or_else(|| {
                Error::damaged(origin, "it does not say its step").remedy("start all nodes again")
            })?;
            self.restore(dict, step, origin)?;
        }
        Ok(())
    }

    /// Trains by `work` from the first node's state. What fails is told to `listen`, and to the other nodes.
    ///
    /// # Errors
    /// A node that is gone; those of `work`.
    pub(in crate::train) fn together<T>(
        &mut self,
        listen: Listener,
        work: impl FnOnce(&mut Self, Listener) -> Result<T>,
    ) -> Result<T> {
        let ended = self.share_state().and_then(|()| work(self, listen));
        if let Err(error) = &ended
            && error.kind() != ErrorKind::Interrupted
        {
            self.leave(error);
            listen(&Event::Failed { job: "training".into(), error: error.to_string() });
        }
        ended
    }

    /// Tells the other nodes why this one leaves, where there are others.
    pub(in crate::train) fn leave(&mut self, error: &Error) {
        if let Some(ring) = self.team.ring() {
            ring.leave(error);
        }
    }
}

/// Trains as any node but the first: it takes every step with the others, and writes nothing.
///
/// # Errors
/// A node that is gone; [`ErrorKind::Interrupted`] when any node was asked to stop.
pub(in crate::train) fn follow(
    mut trainer: Trainer,
    stop: &AtomicBool,
    listen: Listener,
) -> Result<TrainSummary> {
    trainer.together(listen, |trainer, listen| all(trainer, stop, listen))
}

fn all(trainer: &mut Trainer, stop: &AtomicBool, listen: Listener) -> Result<TrainSummary> {
    let begun = Instant::now();
    let (config, share) = (trainer.config().clone(), trainer.share());
    let node = format!("node {}/{}", share.number + 1, share.of);
    let (first, steps) = (trainer.step(), trainer.steps());
    let job = format!("{node}: training with {}{}", config.supervision.name(), trainer.company());
    listen(&Event::Started { job: job.clone(), total: steps, unit: "steps".into(), done: first });
    let (mut whole, mut window, mut since) = (Seen::default(), Seen::default(), Instant::now());
    for batch in trainer.batches() {
        let batch = batch?;
        let StepOutput { loss, lr, stops, .. } =
            trainer.advance_with(&batch, stop.load(Ordering::Relaxed))?;
        let loss = read(loss)?.iter().sum::<f32>().into();
        window.add(&Seen {
            steps: 1,
            loss,
            regions: batch.total as u64,
            kinds: batch.kinds,
            fallbacks: batch.fallbacks,
        });
        let (step, epoch) = (trainer.step(), trainer.epoch());
        if step == steps || step % config.log_every == 0 {
            let seconds = since.elapsed().as_secs_f64();
            let Seen { regions, kinds, fallbacks, .. } = window;
            let loss = window.loss / window.steps as f64;
            let regions_per_s = regions as f64 / seconds;
            let eta_s = seconds / window.steps as f64 * (steps - step) as f64;
            listen(&Event::Metric {
                step,
                steps,
                epoch,
                loss,
                lr,
                regions,
                kinds,
                fallbacks,
                regions_per_s,
                eta_s,
            });
            whole.add(&window);
            // The last interval's loss is what a summary holds.
            whole.loss = loss;
            (window, since) = (Seen::default(), Instant::now());
        }
        if stops && step < steps {
            let problem = format!("stopped after step {step} of {steps}; node 1 writes a checkpoint");
            return Err(Error::new(ErrorKind::Interrupted, node, problem)
                .remedy("go on with the same commands and --resume"));
        }
    }
    trainer.finished(&node)?;
    let time_s = begun.elapsed().as_secs_f64();
    listen(&Event::Done { job, time_s });
    Ok(TrainSummary {
        supervision: config.supervision,
        steps: trainer.step(),
        epochs: trainer.epoch(),
        train_loss: whole.loss,
        accuracy: None,
        top5: None,
        best_accuracy: None,
        thresholds: trainer.thresholds(),
        kinds: whole.kinds,
        fallbacks: whole.fallbacks,
        parameters: trainer.parameters(),
        time_s,
    })
}

/// What some steps were.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    steps: u64,
    /// Sum of their losses.
    loss: f64,
    regions: u64,
    kinds: KindCounts,
    fallbacks: u64,
}

impl Seen {
    fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.loss += other.loss;
        self.regions += other.regions;
        self.fallbacks += other.fallbacks;
        self.kinds.0.iter_mut().zip(other.kinds.0).for_each(|(a, b)| *a += b);
    }
}
