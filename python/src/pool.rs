//! Threads of this process: work is done without the interpreter's lock, on a pool that a fork does not inherit.
//!
//! A process that `DataLoader` forks has none of its parent's threads: waiting for a pool of the parent's, such as
//! rayon's global one, would never end. So each process has a pool of its own.

use std::process;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use ferkd_data::threads;
use ferkd_method::error::Result;
use pyo3::prelude::*;
use rayon::ThreadPool;

use crate::errors::raised;

struct Pool {
    process: u32,
    threads: usize,
    pool: ThreadPool,
}

/// The pool that was made last. Pools are never freed: a fork must not wait for its parent's threads.
static POOL: AtomicPtr<Pool> = AtomicPtr::new(null_mut());
/// Threads that are asked for; 0 for as many as there are cores, or as `RAYON_NUM_THREADS` says.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Sets the number of threads of this process from now on.
pub fn set_threads(threads: usize) {
    THREADS.store(threads, Ordering::Relaxed);
}

fn current() -> Result<&'static ThreadPool> {
    let (process, threads) = (process::id(), THREADS.load(Ordering::Relaxed));
    // SAFETY: it is null, or comes from a box that was leaked and is never written again.
    let last = unsafe { POOL.load(Ordering::Acquire).as_ref() };
    if let Some(pool) = last.filter(|pool| pool.process == process && pool.threads == threads) {
        return Ok(&pool.pool);
    }
    let pool: &'static mut Pool =
        Box::leak(Box::new(Pool { process, threads, pool: threads::pool(threads)? }));
    let pool: *mut Pool = pool;
    POOL.store(pool, Ordering::Release);
    // SAFETY: it was leaked just now.
    Ok(unsafe { &(*pool).pool })
}

/// Does `work` on this process's threads, without the interpreter's lock.
///
/// # Errors
/// Those of `work`; a system that allows no more threads.
pub fn result<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    py.detach(|| current()?.install(work))
}

/// The same, with errors as Python's.
///
/// # Errors
/// Those of [`result`].
pub fn run<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send) -> PyResult<T> {
    result(py, work).map_err(raised)
}
