//! What processes do together, by MPI.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::datatype::{Partition, PartitionMut};
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives, Root};

use super::adding::add;
use super::group::Group;
use ferkd_data::batches::share::Share;
use ferkd_method::error::{Error, Result};

/// Numbers that are summed at once, 32 MB of them: what a sum takes beside the row.
const BUCKET: usize = 1 << 23;
/// Bytes that are sent at once: MPI counts by 31 bits.
const PIECE: usize = 1 << 30;
/// The longest pause between two looks at whether the others have come.
const PAUSE: Duration = Duration::from_millis(1);

/// MPI, from when this process joined the others until all of them are done. A process that leaves while it is there
/// has failed: see [`abort`].
static UNIVERSE: Mutex<Option<Universe>> = Mutex::new(None);

fn universe() -> MutexGuard<'static, Option<Universe>> {
    UNIVERSE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All processes of the job.
pub(super) struct Mpi {
    rank: usize,
    size: usize,
    /// What others gave of the part of a bucket that this process sums.
    parts: Vec<f32>,
}

/// What MPI says of this process.
pub(super) struct Started {
    pub group: Mpi,
    /// Which of the processes of its machine it is.
    pub local: Share,
    /// Its machine.
    pub host: String,
}

/// Starts MPI, on the thread that all of its calls come from.
///
/// # Errors
/// It was started already, or lets one thread alone live.
pub(super) fn start() -> Result<Started> {
    let failed = |problem: &str| Err(Error::usage("MPI", problem).remedy("see what MPI itself says"));
    let Some((started, threads)) = mpi::initialize_with_threading(Threading::Funneled) else {
        return failed("it was started before");
    };
    if threads < Threading::Funneled {
        return failed("it allows a process one thread");
    }
    let world = started.world();
    let machine = world.split_shared(world.rank());
    let local = Share { number: machine.rank() as usize, of: machine.size() as usize };
    let host = mpi::environment::processor_name().unwrap_or_else(|_| "?".into());
    let group = Mpi { rank: world.rank() as usize, size: world.size() as usize, parts: Vec::new() };
    *universe() = Some(started);
    Ok(Started { group, local, host })
}

/// Leaves MPI, once all processes are done.
pub(super) fn finish() {
    universe().take();
}

/// Ends the whole job with exit code `code`, where others may still wait for this process.
pub(super) fn abort(code: u8) {
    if let Some(universe) = &*universe() {
        universe.world().abort(code.into());
    }
}

/// Counts and places of what each rank holds of `len` numbers, as MPI wants them.
fn shares(len: usize, of: usize) -> (Vec<i32>, Vec<i32>) {
    let ranges = (0..of).map(|number| Share { number, of }.range(len));
    ranges.map(|range| (range.len() as i32, range.start as i32)).unzip()
}

/// Counts and places of parts of these lengths, one behind the other.
fn behind_each_other(lengths: Vec<i32>) -> (Vec<i32>, Vec<i32>) {
    let places = lengths.iter().scan(0, |end, len| {
        let start = *end;
        *end += len;
        Some(start)
    });
    let places = places.collect();
    (lengths, places)
}

impl Mpi {
    /// A bucket: each rank gets everyone's numbers of its own share, sums them in the order of the ranks, and tells the
    /// sums to all. 2 (N - 1) / N of the bucket are sent, as by a ring; MPI's own reductions add in an order that
    /// depends on lengths and versions.
    fn sum_bucket(&mut self, world: &SimpleCommunicator, row: &mut [f32]) {
        let own = Share { number: self.rank, of: self.size }.range(row.len());
        self.parts.clear();
        self.parts.resize(own.len() * self.size, 0.0);
        let (counts, places) = shares(row.len(), self.size);
        let (own_counts, own_places) = behind_each_other(vec![own.len() as i32; self.size]);
        world.all_to_all_varcount_into(
            &Partition::new(&*row, &counts[..], &places[..]),
            &mut PartitionMut::new(&mut self.parts[..], &own_counts[..], &own_places[..]),
        );
        let (sum, others) = self.parts.split_at_mut(own.len());
        if !own.is_empty() {
            others.chunks(own.len()).for_each(|other| add(sum, other));
        }
        world.all_gather_varcount_into(&*sum, &mut PartitionMut::new(row, &counts[..], &places[..]));
    }
}

impl Group for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn broadcast(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        let world = SimpleCommunicator::world();
        let first = world.process_at_rank(0);
        let mut len = bytes.len() as u64;
        first.broadcast_into(&mut len);
        bytes.resize(len as usize, 0);
        bytes.chunks_mut(PIECE).for_each(|piece| first.broadcast_into(piece));
        bytes
    }

    fn gather(&mut self, own: &[u8]) -> Vec<Vec<u8>> {
        let world = SimpleCommunicator::world();
        let mut lengths = vec![0i32; self.size];
        world.all_gather_into(&(own.len() as i32), &mut lengths[..]);
        let (lengths, places) = behind_each_other(lengths);
        let mut all = vec![0; lengths.iter().map(|&len| len as usize).sum()];
        world.all_gather_varcount_into(own, &mut PartitionMut::new(&mut all[..], &lengths[..], &places[..]));
        let part = |(&len, &place): (&i32, &i32)| all[place as usize..(place + len) as usize].to_vec();
        lengths.iter().zip(&places).map(part).collect()
    }

    fn sum(&mut self, row: &mut [f32]) {
        let world = SimpleCommunicator::world();
        row.chunks_mut(BUCKET).for_each(|bucket| self.sum_bucket(&world, bucket));
    }

    fn any(&mut self, own: bool) -> bool {
        let (own, mut any, begun) = (u8::from(own), 0u8, Instant::now());
        mpi::request::scope(|scope| {
            let world = SimpleCommunicator::world();
            let mut asked = world.immediate_all_reduce_into(scope, &own, &mut any, SystemOperation::max());
            // MPI itself waits with a core of its own for as long as it takes, an evaluation for instance.
            while let Err(unanswered) = asked.test() {
                asked = unanswered;
                std::thread::sleep((begun.elapsed() / 8).min(PAUSE));
            }
        });
        any > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_behind_each_other() {
        assert_eq!(shares(10, 3), (vec![3, 3, 4], vec![0, 3, 6]));
        assert_eq!(behind_each_other(vec![2, 0, 5]), (vec![2, 0, 5], vec![0, 2, 2]));
    }
}
