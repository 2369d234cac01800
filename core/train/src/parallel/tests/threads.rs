//! Processes that are threads: what they do together, without MPI.

use std::sync::{Arc, Barrier, Mutex};

use super::super::group::Group;
use super::Processes;

/// One of them.
struct Thread {
    rank: usize,
    shared: Arc<Shared>,
}

struct Shared {
    all: Barrier,
    given: Mutex<Vec<Vec<u8>>>,
}

/// What each of `of` threads comes to, in the order of their ranks.
pub(super) fn each<T: Send>(of: usize, work: impl Fn(Processes) -> T + Sync) -> Vec<T> {
    let shared = Arc::new(Shared { all: Barrier::new(of), given: Mutex::new(vec![Vec::new(); of]) });
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..of)
            .map(|rank| {
                let thread = Thread { rank, shared: shared.clone() };
                scope.spawn(move || work(Processes::of(Box::new(thread), "here")))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

impl Group for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.shared.given.lock().unwrap().len()
    }

    fn broadcast(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        self.gather(&bytes).swap_remove(0)
    }

    fn gather(&mut self, own: &[u8]) -> Vec<Vec<u8>> {
        self.shared.given.lock().unwrap()[self.rank] = own.to_vec();
        self.shared.all.wait();
        let all = self.shared.given.lock().unwrap().clone();
        self.shared.all.wait();
        all
    }

    fn sum(&mut self, row: &mut [f32]) {
        let own: Vec<u8> = row.iter().flat_map(|value| value.to_le_bytes()).collect();
        row.fill(0.0);
        for other in self.gather(&own) {
            let numbers = other.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four));
            row.iter_mut().zip(numbers).for_each(|(sum, value)| *sum += value);
        }
    }

    fn any(&mut self, own: bool) -> bool {
        self.gather(&[u8::from(own)]).contains(&vec![1])
    }
}
