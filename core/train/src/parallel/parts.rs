//! The devices of all processes as the parts of one batch, for batch norms that go by the whole of it.

use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};

use super::group::Group;
use ferkd_nn::models::BatchParts;

/// A device's view of them.
pub(super) struct Part {
    /// Number of the device in its process. The first one's thread talks to the other processes.
    number: usize,
    shared: Arc<Shared>,
}

/// What the devices of a process share for a step.
pub(super) struct Shared {
    all: Barrier,
    given: Mutex<Vec<Vec<f32>>>,
    whole: Mutex<Arc<Vec<Vec<f32>>>>,
    processes: Mutex<Option<Box<dyn Group>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Of `devices` devices, and the processes that they train with.
    pub fn new(devices: usize, processes: Option<Box<dyn Group>>) -> Arc<Self> {
        Arc::new(Self {
            all: Barrier::new(devices),
            given: Mutex::new(vec![Vec::new(); devices]),
            whole: Mutex::default(),
            processes: Mutex::new(processes),
        })
    }

    /// Device `number`.
    pub fn part(self: &Arc<Self>, number: usize) -> Arc<Part> {
        Arc::new(Part { number, shared: self.clone() })
    }

    /// Gives the processes back.
    pub fn take_processes(&self) -> Option<Box<dyn Group>> {
        locked(&self.processes).take()
    }

    /// What the devices of all processes have given, process by process; `len` numbers each.
    fn collect(&self, len: usize) -> Vec<Vec<f32>> {
        let given = locked(&self.given).clone();
        let mut processes = locked(&self.processes);
        let Some(group) = processes.as_mut() else { return given };
        let own: Vec<u8> = given.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
        let numbers = |bytes: &Vec<u8>| -> Vec<f32> {
            bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
        };
        let all: Vec<f32> = group.gather(&own).iter().flat_map(numbers).collect();
        all.chunks(len).map(<[f32]>::to_vec).collect()
    }
}

impl BatchParts for Part {
    fn gather(&self, own: Vec<f32>) -> Arc<Vec<Vec<f32>>> {
        let (shared, len) = (&self.shared, own.len());
        locked(&shared.given)[self.number] = own;
        shared.all.wait();
        if self.number == 0 {
            *locked(&shared.whole) = Arc::new(shared.collect(len));
        }
        shared.all.wait();
        // The next call waits for all before it writes again.
        locked(&shared.whole).clone()
    }
}
