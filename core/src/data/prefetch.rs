//! Batches ahead of time: a thread prepares the next ones while the device works on this one, and another sends them to
//! a device that has memory of its own.

use std::sync::Arc;
#[cfg(not(target_family = "wasm"))]
use std::sync::LazyLock;

#[cfg(not(target_family = "wasm"))]
use burn::tensor::{Device, StreamId};

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
    /// Starts at step `start`, with a share of each batch.
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

    /// Starts at step `start`, with a share of each batch.
    #[cfg(target_family = "wasm")]
    pub fn of(batcher: Arc<Batcher>, share: Share, start: u64, _ahead: usize) -> Self {
        Self { next: (batcher, start, None, share) }
    }
}

#[cfg(not(target_family = "wasm"))]
impl Prefetch {
    /// With the student's pixels on the devices that work on them, one batch ahead: a thread of its own sends them, in a
    /// queue of its own, while the devices compute. The CPU has them where they are.
    /// `devices` are a trainer's, which keep gradients.
    #[must_use]
    pub fn sent_to(self, devices: Vec<Device>, side: u32) -> Self {
        if !devices.iter().all(crate::device::has_memory) {
            return self;
        }
        // One queue for all that is ever sent: each has memory of its own on a device.
        static QUEUE: LazyLock<StreamId> = LazyLock::new(StreamId::allocate);
        // Handed over, not kept: one is on its way while the one before is worked on.
        let (send, queue) = std::sync::mpsc::sync_channel(0);
        let all = move || {
            for batch in self {
                let failed = batch.is_err();
                if send.send(batch.map(|batch| batch.sent_to(&devices, side))).is_err() || failed {
                    break;
                }
            }
        };
        std::thread::spawn(|| QUEUE.executes(all));
        Self { queue }
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
