//! What processes do before their first step: they check that they train the same, and take up the first one's state.

use serde::{Deserialize, Serialize};

use super::processes::Processes;
use super::settings::{differences, shared};
use crate::trainer::Trainer;
use ferkd_method::error::{Error, Result};
use ferkd_nn::weights::{Precision, StateDict};

/// Where a state says how many steps it has seen.
const STEP: &str = "step";

/// What has to be the same in all processes.
#[derive(Debug, Serialize, Deserialize)]
struct Terms {
    program: String,
    host: String,
    device: String,
    /// What decides what is trained, as TOML.
    settings: String,
}

impl Trainer {
    /// Takes steps with other processes from now on, once all have come and train the same on the same kind of device.
    ///
    /// # Errors
    /// The first process that trains something else, in all of them.
    pub(crate) fn join(&mut self, processes: Processes) -> Result<()> {
        let terms = Terms {
            program: format!("{} ({})", env!("CARGO_PKG_VERSION"), crate::commit::commit()),
            host: processes.host().into(),
            device: ferkd_nn::device::kind(&self.config().device).into(),
            settings: shared(self)?.to_string(),
        };
        let own = serde_json::to_vec(&terms).map_err(|e| Error::mismatch("settings", e.to_string()))?;
        let mut group = processes.into_group();
        let all: Vec<Option<Terms>> =
            group.gather(&own).iter().map(|bytes| serde_json::from_slice(bytes).ok()).collect();
        for (rank, terms) in all.iter().enumerate() {
            check(rank, all.len(), all[0].as_ref(), terms.as_ref())?;
        }
        self.group.join(group)
    }

    /// Whether every device has a part of every step, which batch norms that are synchronised need: one without any would
    /// be waited for for ever.
    ///
    /// # Errors
    /// A step with fewer regions than there are devices.
    pub(crate) fn check_parts(&self) -> Result<()> {
        let (plan, processes, replicas) = (&self.batcher().plan, self.share().of, self.replicas());
        if !self.config().sync_batch_norm || processes * replicas == 1 {
            return Ok(());
        }
        // Processes divide a step's images, and the devices of each its regions.
        let steps = (0..plan.steps()).filter_map(|step| plan.position(step));
        let too_small = steps
            .map(|at| (at.images.len(), at.regions))
            .find(|(images, regions)| images / processes * regions < replicas);
        match too_small {
            Some((images, regions)) => {
                let (all, devices) = (images * regions, processes * replicas);
                let problem = format!(
                    "a step of {all} regions of {images} images leaves some of {devices} devices without any"
                );
                Err(Error::usage("sync-batch-norm", problem)
                    .remedy("choose a batch that leaves a larger rest, or fewer devices"))
            }
            None => Ok(()),
        }
    }

    /// The first process hands its state to the others; without others nothing is done.
    ///
    /// # Errors
    /// A state that cannot be read from a device, or written to one.
    pub(crate) fn share_state(&mut self) -> Result<()> {
        let Some(leads) = self.group.processes().map(|group| group.rank() == 0) else { return Ok(()) };
        let mut state = Vec::new();
        if leads {
            let mut dict = self.state()?;
            dict.metadata.insert(STEP.into(), self.step().to_string());
            state = dict.to_bytes(Precision::F32)?;
        }
        let Some(group) = self.group.processes() else { return Ok(()) };
        let state = group.broadcast(state);
        if !leads {
            let origin = "the state of rank 0";
            let dict = StateDict::from_bytes(&state, origin)?;
            let step = dict.metadata.get(STEP).and_then(|step| step.parse().ok());
            let step = step.ok_or_else(|| {
                Error::damaged(origin, "it does not say its step").remedy("start all processes again")
            })?;
            self.restore(dict, step, origin)?;
        }
        Ok(())
    }

    /// Waits for the other processes, where there are any: none leaves while another still writes or computes.
    pub(crate) fn wait_for_all(&mut self) {
        if let Some(group) = self.group.processes() {
            group.any(false);
        }
    }
}

/// Whether process `rank` of `size` trains what the first one does.
fn check(rank: usize, size: usize, first: Option<&Terms>, other: Option<&Terms>) -> Result<()> {
    let (Some(first), Some(other)) = (first, other) else {
        return Err(Error::mismatch(format!("rank {rank} of {size}"), "what it trains cannot be read")
            .remedy("start the same build of ferkd everywhere"));
    };
    let name = format!("rank {rank} of {size} on {}", other.host);
    let wrong = |problem: String, remedy: &str| Err(Error::mismatch(&name, problem).remedy(remedy));
    if other.program != first.program {
        let problem = format!("it runs ferkd {}, and rank 0 runs {}", other.program, first.program);
        return wrong(problem, "start the same build of ferkd everywhere");
    }
    if other.device != first.device {
        let problem = format!("it computes on {}, and rank 0 on {}", other.device, first.device);
        return wrong(problem, "use one kind of device: others do not compute the same bits");
    }
    let tables = (other.settings.parse::<toml::Table>(), first.settings.parse::<toml::Table>());
    let (Ok(theirs), Ok(ours)) = tables else {
        return wrong("its settings cannot be read".into(), "start the same build of ferkd everywhere");
    };
    match differences(&theirs, &ours) {
        same if same.is_empty() => Ok(()),
        differences => {
            let problem = format!("it trains with other settings than rank 0; {}", differences.join("; "));
            wrong(problem, "give every process the same settings, images and store")
        }
    }
}
