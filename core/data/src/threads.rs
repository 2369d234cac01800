//! Threads, where the system allows few of them (`ulimit -u`, a job's limit of processes): an error, no panic.
//!
//! [`start`] is the first thing that a program does. Its pool is rayon's, which would panic where it cannot be started
//! later, and it tries for a moment how many more threads there may be: libraries start some of their own, and panic
//! without them.

use std::error::Error as _;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder, Yield};

use ferkd_method::error::{Error, ErrorKind, Result};

/// Threads besides the pool's that a command starts at most, on one device: batches made and sent ahead, a device's
/// own, those of two connections, and some to spare.
const BESIDES: usize = 8;

/// Starts the pool that all work shares, with `threads` threads: as many as the machine has, or as
/// `RAYON_NUM_THREADS` says, where it is none. A pool that is there already stays.
///
/// With `joins` the calling thread is one of them, for as long as it lives: for what computes step after step. A thread
/// outside hands each loop over and sleeps until it is done, and a small network's step has a hundred of them. Of one
/// thread it stays outside, for what waits for others would wait for ever.
///
/// # Errors
/// A system that allows fewer threads.
pub fn start(threads: Option<usize>, joins: bool) -> Result<()> {
    if threads == Some(0) {
        return Err(
            Error::usage("threads", "at least one is needed").remedy("leave it out to take all cores")
        );
    }
    let count = threads.unwrap_or_else(usual);
    let builder = ThreadPoolBuilder::new().num_threads(count);
    let builder = if joins && count > 1 { builder.use_current_thread() } else { builder };
    match builder.build_global() {
        // Without a cause: there is a pool.
        Err(error) if error.source().is_some() => return Err(refused(&error)),
        _ => {}
    }
    can_start(BESIDES)
}

/// Threads where none are asked for.
fn usual() -> usize {
    let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok());
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    asked.filter(|&count: &usize| count > 0).unwrap_or_else(cores)
}

/// What the queue holds next, or none where no one fills it any more. A thread of a pool takes part in the pool's work
/// until it is there.
pub fn wait_for<T>(queue: &Receiver<T>) -> Option<T> {
    /// Until jobs are looked for again: none wakes who waits for the queue.
    const BRIEFLY: Duration = Duration::from_micros(100);
    loop {
        match queue.try_recv() {
            Err(TryRecvError::Empty) => {}
            found => return found.ok(),
        }
        match rayon::yield_now() {
            None => return queue.recv().ok(),
            Some(Yield::Executed) => {}
            Some(Yield::Idle) => match queue.recv_timeout(BRIEFLY) {
                Err(RecvTimeoutError::Timeout) => {}
                found => return found.ok(),
            },
        }
    }
}

/// A pool of `threads` threads of its own.
///
/// # Errors
/// A system that allows fewer threads.
pub fn pool(threads: usize) -> Result<ThreadPool> {
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error: ThreadPoolBuildError| refused(&error))
}

/// Starts a thread.
///
/// # Errors
/// A system that allows no more of them.
pub fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    Builder::new().spawn(work).map_err(|error| refused(&error))
}

/// Starts a thread within a scope.
///
/// # Errors
/// A system that allows no more of them.
pub fn spawn_in<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, T>> {
    Builder::new().spawn_scoped(scope, work).map_err(|error| refused(&error))
}

/// Whether `count` more threads can live at the same time: all of them are started, and end.
fn can_start(count: usize) -> Result<()> {
    let (open, gate) = (Mutex::new(false), Condvar::new());
    std::thread::scope(|scope| {
        let wait = || {
            let open = open.lock().unwrap_or_else(PoisonError::into_inner);
            drop(gate.wait_while(open, |open| !*open).unwrap_or_else(PoisonError::into_inner));
        };
        let started = (0..count).try_for_each(|_| spawn_in(scope, wait).map(drop));
        *open.lock().unwrap_or_else(PoisonError::into_inner) = true;
        gate.notify_all();
        started
    })
}

/// What to do about too few threads, where `jobs` pieces of work run at a time: an error of another kind stays as it is.
#[must_use]
pub fn of_jobs(error: Error, jobs: usize) -> Error {
    match error.subject() == SUBJECT && jobs > 1 {
        true => error.remedy(format!(
            "{jobs} jobs run at a time: use fewer with --jobs N and --threads N, or allow more (`ulimit -u`, or the job's \
             limit of processes)"
        )),
        false => error,
    }
}

/// What errors of this module are about.
const SUBJECT: &str = "threads";

fn refused(error: &(impl std::error::Error + ?Sized)) -> Error {
    // What rayon adds to the system's own words says nothing.
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    let problem = cause.map_or_else(|| error.to_string(), ToString::to_string);
    Error::new(ErrorKind::Io, SUBJECT, format!("could not start a thread: {problem}"))
        .remedy("allow more (`ulimit -u`, or the job's limit of processes), or use fewer with --threads N")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_in_a_pool_does_its_work() {
        let (send, queue) = std::sync::mpsc::sync_channel(1);
        // Of one thread: what is to be sent is only ever made if the one who waits makes it.
        pool(1).unwrap().install(move || {
            rayon::spawn(move || send.send(7).unwrap());
            assert_eq!(wait_for(&queue), Some(7));
            assert_eq!(wait_for(&queue), None);
        });
        let (send, queue) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || send.send(8));
        assert_eq!((wait_for(&queue), wait_for(&queue)), (Some(8), None));
    }

    #[test]
    fn a_pool_that_is_there_stays_and_none_at_all_is_refused() {
        assert!(start(Some(0), false).unwrap_err().to_string().contains("at least one"));
        start(Some(2), false).unwrap();
        let threads = rayon::current_num_threads();
        start(Some(threads + 1), true).unwrap();
        assert_eq!(rayon::current_num_threads(), threads);
    }

    #[test]
    fn threads_do_their_work() {
        assert_eq!(spawn(|| 3).unwrap().join().unwrap(), 3);
        let mut seven = 0;
        std::thread::scope(|scope| spawn_in(scope, || seven = 7).map(drop)).unwrap();
        assert_eq!(seven, 7);
        assert_eq!(pool(2).unwrap().install(rayon::current_num_threads), 2);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let error = refused(&io::Error::from(io::ErrorKind::WouldBlock)).to_string();
        assert!(error.contains("ulimit -u") && error.contains("--threads"), "{error}");
        let eight = of_jobs(refused(&io::Error::from(io::ErrorKind::WouldBlock)), 8).to_string();
        assert!(eight.contains("8 jobs run at a time") && eight.contains("--jobs N"), "{eight}");
        assert_eq!(of_jobs(refused(&io::Error::from(io::ErrorKind::WouldBlock)), 1).to_string(), error);
        let other = || Error::usage("images", "none");
        assert_eq!(of_jobs(other(), 8).to_string(), other().to_string());
    }
}
