//! The host of a session on any node but the first: it takes every step with the others, and writes nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::meter::Meter;
use crate::session::Session;
use crate::session_event::{Budget, SessionEvent};
use crate::summary::TrainSummary;
use crate::trainer::Trainer;
use ferkd_data::events::{Event, Listener};
use ferkd_method::error::{Error, ErrorKind, Result};

/// Trains as any node but the first.
///
/// # Errors
/// A node that is gone; [`ErrorKind::Interrupted`] when any node was asked to stop.
pub(crate) fn follow(mut trainer: Trainer, stop: &AtomicBool, listen: Listener) -> Result<TrainSummary> {
    let share = trainer.share();
    let node = format!("node {}/{}", share.number + 1, share.of);
    // The first node evaluates.
    trainer.validate_on(None);
    let mut session = Session::new(trainer, node.clone());
    let ended = session.trainer_mut().share_state().and_then(|()| all(&mut session, &node, stop, listen));
    session.trainer_mut().leave_if_failed(&ended, listen);
    ended
}

fn all(session: &mut Session, node: &str, stop: &AtomicBool, listen: Listener) -> Result<TrainSummary> {
    let begun = Instant::now();
    let trainer = session.trainer();
    let (first, steps) = (trainer.step(), trainer.steps());
    let job =
        format!("{node}: training with {}{}", trainer.config().supervision.name(), trainer.replica_suffix());
    listen(&Event::Started { job: job.clone(), total: steps, unit: "steps".into(), done: first });
    let mut meter = Meter::start();
    loop {
        session.request_stop(stop.load(Ordering::Relaxed));
        match pollster::block_on(session.next(Budget::default()))? {
            SessionEvent::Step(taken) => meter.count(&taken),
            SessionEvent::Metrics(metrics) => listen(&meter.event(metrics)),
            SessionEvent::Stopped => {
                let step = session.trainer().step();
                let problem = format!("stopped after step {step} of {steps}; node 1 writes a checkpoint");
                return Err(Error::new(ErrorKind::Interrupted, node, problem)
                    .remedy("go on with the same commands and --resume"));
            }
            SessionEvent::Done { .. } => break,
            // The first node evaluates and writes.
            SessionEvent::Features { .. }
            | SessionEvent::EvalSlice { .. }
            | SessionEvent::Evaluation { .. }
            | SessionEvent::Checkpoint(_) => {}
        }
    }
    let time_s = begun.elapsed().as_secs_f64();
    listen(&Event::Done { job, time_s });
    Ok(TrainSummary::of(session, None, time_s))
}
