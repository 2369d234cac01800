//! What nodes do besides their steps: they meet, take up the first one's state, and leave together.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::rendezvous::{JoinRequest, Rendezvous};
use super::settings::shared;
use crate::trainer::Trainer;
use ferkd_data::events::{Event, Listener};
use ferkd_method::error::{Error, ErrorKind, Result};
use ferkd_nn::weights::{Precision, StateDict};

/// Where a state says how many steps it has seen.
const STEP: &str = "step";

impl Trainer {
    /// Waits for all nodes; steps are taken with them from then on.
    ///
    /// # Errors
    /// Nodes that do not come, or do not belong together.
    pub(crate) fn meet(&mut self, rendezvous: Rendezvous, stop: &AtomicBool, listen: Listener) -> Result<()> {
        let begun = Instant::now();
        let node = rendezvous.node();
        let job = format!("node {node}: meeting at {}", rendezvous.address());
        let total = node.of().into();
        listen(&Event::Started { job: job.clone(), total, unit: "nodes".into(), done: 0 });
        let request = JoinRequest {
            program: format!("{} ({})", env!("CARGO_PKG_VERSION"), crate::commit::commit()),
            node,
            device: ferkd_nn::device::kind(&self.config().device).into(),
            settings: shared(self)?.to_string(),
            port: 0,
        };
        self.group.join(rendezvous.join(request, stop)?);
        listen(&Event::Done { job, time_s: begun.elapsed().as_secs_f64() });
        Ok(())
    }

    /// The first node hands its state to the others; without others nothing is done.
    ///
    /// # Errors
    /// A node that is gone.
    pub(crate) fn share_state(&mut self) -> Result<()> {
        let Some(ring) = self.group.ring() else { return Ok(()) };
        let leads = ring.node().leads();
        let state = if leads {
            let mut dict = self.state()?;
            dict.metadata.insert(STEP.into(), self.step().to_string());
            Some(dict.to_bytes(Precision::F32)?)
        } else {
            None
        };
        // Student, average and two numbers a parameter of an optimizer's, and names.
        let elements: usize = StateDict::of(self.student())?.tensors.values().map(|t| t.values.len()).sum();
        let most = 8 * 4 * elements as u64 + (1 << 22);
        let Some(ring) = self.group.ring() else { return Ok(()) };
        let bytes = ring.broadcast(state, most)?;
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

    /// Tells `listen`, and the other nodes, why training has ended, where it failed.
    pub(crate) fn leave_if_failed<T>(&mut self, ended: &Result<T>, listen: Listener) {
        if let Err(error) = ended
            && error.kind() != ErrorKind::Interrupted
        {
            self.leave(error);
            listen(&Event::Failed { job: "training".into(), error: error.to_string() });
        }
    }

    /// Tells the other nodes why this one leaves, where there are others.
    pub(crate) fn leave(&mut self, error: &Error) {
        if let Some(ring) = self.group.ring() {
            ring.leave(error);
        }
    }
}
