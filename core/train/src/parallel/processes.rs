//! Whether `mpirun` or `srun` started several processes for one run, and which of them this is.

use std::env::var;
use std::fmt;

use super::group::Group;
use ferkd_data::batches::share::Share;
use ferkd_method::error::Result;

/// Variables by which launchers say how many processes they started: Open MPI's, MPICH's and Intel's, MVAPICH's.
const SIZES: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"];
/// Variables that tell a process its number, without that of all: `srun --mpi=pmix` and `--mpi=pmi2`.
const RANKS: [&str; 2] = ["PMIX_RANK", "PMI_RANK"];
/// How many processes Slurm started in a step.
const SLURM: &str = "SLURM_STEP_NUM_TASKS";

/// The processes of one run, as one of them sees them.
pub struct Processes {
    group: Box<dyn Group>,
    /// Which of the processes of its machine this is.
    local: Share,
    host: String,
}

impl Processes {
    /// Those that a launcher has started; none where this process is the only one. To be called once, on the thread that
    /// trains.
    ///
    /// # Errors
    /// Several were started, and this program was built without MPI; MPI cannot be started.
    pub fn launched() -> Result<Option<Self>> {
        match size(|name| var(name).ok()) {
            Some(1) | None => Ok(None),
            Some(_) => start(),
        }
    }

    /// Processes that are no processes, or not MPI's.
    #[cfg(test)]
    pub(super) fn of(group: Box<dyn Group>, host: &str) -> Self {
        Self { group, local: Share::WHOLE, host: host.into() }
    }

    /// Number of this process, from 0.
    pub fn rank(&self) -> usize {
        self.group.rank()
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.group.size()
    }

    /// Whether this one writes the run's folder and evaluates.
    pub fn leads(&self) -> bool {
        self.rank() == 0
    }

    /// Replaces `row`, of the same length in all of them, by the sum over all, as a step's gradients are.
    pub fn sum(&mut self, row: &mut [f32]) {
        self.group.sum(row);
    }

    /// Whether any of them says so; waits for all.
    pub fn any(&mut self, own: bool) -> bool {
        self.group.any(own)
    }

    /// Its machine.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The devices of this process, of those that are named for each machine.
    ///
    /// # Errors
    /// Devices that this machine's processes cannot share evenly.
    pub(crate) fn devices(&self, names: &str) -> Result<String> {
        ferkd_nn::device::of_process(names, self.local.number, self.local.of)
    }

    pub(super) fn into_group(self) -> Box<dyn Group> {
        self.group
    }
}

impl fmt::Display for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {} on {}", self.rank(), self.size(), self.host)
    }
}

/// How many processes a launcher says that it started; none where there was none, 0 where it does not say.
fn size(variable: impl Fn(&str) -> Option<String>) -> Option<usize> {
    let number = |name: &str| variable(name).and_then(|value| value.trim().parse().ok());
    let said = SIZES.into_iter().find_map(number);
    let launched = || RANKS.into_iter().any(|name| variable(name).is_some());
    said.or_else(|| launched().then(|| number(SLURM).unwrap_or(0)))
}

#[cfg(feature = "mpi")]
fn start() -> Result<Option<Processes>> {
    let super::mpi::Started { group, local, host } = super::mpi::start()?;
    if group.size() == 1 {
        super::mpi::finish();
        return Ok(None);
    }
    Ok(Some(Processes { group: Box::new(group), local, host }))
}

#[cfg(not(feature = "mpi"))]
fn start() -> Result<Option<Processes>> {
    let problem = "several processes were started, and this program was built without MPI";
    Err(ferkd_method::error::Error::usage("MPI", problem)
        .remedy("build it with `--features mpi`, or start one process"))
}

/// Leaves the others, once all are done: to be called before this process ends, where it has not failed.
pub fn finish() {
    #[cfg(feature = "mpi")]
    super::mpi::finish();
}

/// Ends all processes of the run with exit code `code`, where others still wait for this one: to be called when it has
/// failed and has said why. Returns where it is alone.
pub fn abort(code: u8) {
    #[cfg(feature = "mpi")]
    super::mpi::abort(code);
    let _ = code;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launchers_say_how_many_processes_there_are() {
        let size = |set: &[(&str, &str)]| {
            let value = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned());
            size(value)
        };
        assert_eq!(size(&[]), None);
        assert_eq!(size(&[("OMPI_COMM_WORLD_SIZE", "8"), ("PMIX_RANK", "0")]), Some(8));
        assert_eq!(size(&[("PMI_SIZE", "2"), ("PMI_RANK", "1")]), Some(2));
        assert_eq!(size(&[("PMIX_RANK", "3"), (SLURM, "4")]), Some(4));
        assert_eq!(size(&[("PMIX_RANK", "3")]), Some(0));
        // A Slurm job without MPI: processes of their own.
        assert_eq!(size(&[(SLURM, "4")]), None);
    }
}
