//! Batches ahead of time: a thread prepares the next ones while the device works on this one.

use std::sync::Arc;

use crate::data::batch::{Batch, Batcher};
use crate::data::share::Share;
use crate::error::Result;

/// Batches from step `start` on, in order, up to the end of the plan.
///
/// Native programs prepare them on a thread of their own, at most `ahead` of them; the browser, which has no
/// threads, prepares each when it is asked for. The batches are the same.
pub struct Prefetch {
    #[cfg(not(target_family = "wasm"))]
    queue: std::sync::mpsc::Receiver<Result<Batch>>,
    #[cfg(target_family = "wasm")]
    next: (Arc<Batcher>, u64, crate::data::batch::Order, Share),
}

impl Prefetch {
    /// Starts at step `start`.
    pub fn new(batcher: Arc<Batcher>, start: u64, ahead: usize) -> Self {
        Self::of(batcher, Share::WHOLE, start, ahead)
    }

    /// The same, a share of each batch.
    #[cfg(not(target_family = "wasm"))]
    pub fn of(batcher: Arc<Batcher>, share: Share, start: u64, ahead: usize) -> Self {
        let (send, queue) = std::sync::mpsc::sync_channel(ahead);
        std::thread::spawn(move || {
            let mut order = None;
            for step in start.. {
                let batch = batcher.share(step, &mut order, share).transpose();
                let Some(batch) = batch else { break };
                let failed = batch.is_err();
                // A closed queue means that nobody wants more.
                if send.send(batch).is_err() || failed {
                    break;
                }
            }
        });
        Self { queue }
    }

    /// The same, a share of each batch.
    #[cfg(target_family = "wasm")]
    pub fn of(batcher: Arc<Batcher>, share: Share, start: u64, _ahead: usize) -> Self {
        Self { next: (batcher, start, None, share) }
    }
}

impl Iterator for Prefetch {
    type Item = Result<Batch>;

    #[cfg(not(target_family = "wasm"))]
    fn next(&mut self) -> Option<Result<Batch>> {
        self.queue.recv().ok()
    }

    #[cfg(target_family = "wasm")]
    fn next(&mut self) -> Option<Result<Batch>> {
        let (batcher, step, order, share) = &mut self.next;
        let batch = batcher.share(*step, order, *share).transpose();
        *step += 1;
        batch
    }
}
