//! Batches ahead of time: a thread prepares the next ones while the device works on this one, and another sends them to
//! a device that has memory of its own.

use std::sync::Arc;
#[cfg(not(target_family = "wasm"))]
use std::sync::LazyLock;
#[cfg(not(target_family = "wasm"))]
use std::sync::mpsc::{Receiver, sync_channel};
#[cfg(not(target_family = "wasm"))]
use std::thread::JoinHandle;

#[cfg(not(target_family = "wasm"))]
use burn::tensor::{Device, StreamId};

use crate::upload::DeviceBatch;
use ferkd_data::batches::batch::{Batcher, Order};
use ferkd_data::batches::share::Share;
#[cfg(not(target_family = "wasm"))]
use ferkd_data::threads;
#[cfg(not(target_family = "wasm"))]
use ferkd_method::error::Error;
use ferkd_method::error::Result;

/// Batches from some step on, in order, up to the end of the plan. However they are made, they are the same.
pub struct Prefetch(Source);

enum Source {
    /// Threads of their own make them.
    #[cfg(not(target_family = "wasm"))]
    Ahead(Receiver<Result<DeviceBatch>>),
    /// The system allows no thread more: said in the place of the first batch.
    #[cfg(not(target_family = "wasm"))]
    Refused(Option<Error>),
    /// Each is made when it is asked for: a browser has no threads.
    OnDemand { batcher: Arc<Batcher>, share: Share, step: u64, order: Order },
}

impl Prefetch {
    /// From step `step` on, with a share of each batch, each made when it is asked for.
    pub fn on_demand(batcher: Arc<Batcher>, share: Share, step: u64) -> Self {
        Self(Source::OnDemand { batcher, share, step, order: None })
    }

    /// From step `start` on, with a share of each batch, made by a thread of their own, at most `ahead` of them.
    #[cfg(not(target_family = "wasm"))]
    pub fn of(batcher: Arc<Batcher>, share: Share, start: u64, ahead: usize) -> Self {
        let (send, queue) = sync_channel(ahead);
        let all = move || {
            for batch in Self::on_demand(batcher, share, start) {
                let failed = batch.is_err();
                // A closed queue means that no one wants more.
                if send.send(batch).is_err() || failed {
                    break;
                }
            }
        };
        Self::by(threads::spawn(all), queue)
    }

    /// What a thread makes that was started, or was not.
    #[cfg(not(target_family = "wasm"))]
    fn by(thread: Result<JoinHandle<()>>, queue: Receiver<Result<DeviceBatch>>) -> Self {
        Self(match thread {
            Ok(_) => Source::Ahead(queue),
            Err(error) => Source::Refused(Some(error)),
        })
    }
}

#[cfg(not(target_family = "wasm"))]
impl Prefetch {
    /// With the student's pixels on the devices that work on them, one batch ahead: a thread of its own sends them, in a
    /// queue of its own, while the devices compute. The CPU has them where they are.
    /// `devices` are a trainer's, which keep gradients.
    #[must_use]
    pub fn sent_to(self, devices: Vec<Device>, side: u32) -> Self {
        if !devices.iter().all(ferkd_nn::device::has_memory) {
            return self;
        }
        // One queue for all that is ever sent: each has memory of its own on a device.
        static QUEUE: LazyLock<StreamId> = LazyLock::new(StreamId::allocate);
        // Handed over, not kept: one is on its way while the one before is worked on.
        let (send, queue) = sync_channel(0);
        let all = move || {
            for batch in self {
                let failed = batch.is_err();
                if send.send(batch.map(|batch| batch.sent_to(&devices, side))).is_err() || failed {
                    break;
                }
            }
        };
        Self::by(threads::spawn(|| QUEUE.executes(all)), queue)
    }
}

impl Iterator for Prefetch {
    type Item = Result<DeviceBatch>;

    fn next(&mut self) -> Option<Result<DeviceBatch>> {
        match &mut self.0 {
            #[cfg(not(target_family = "wasm"))]
            Source::Ahead(queue) => threads::wait_for(queue),
            #[cfg(not(target_family = "wasm"))]
            Source::Refused(error) => error.take().map(Err),
            Source::OnDemand { batcher, share, step, order } => {
                let batch =
                    batcher.share(*step, order, *share).transpose().map(|batch| batch.map(DeviceBatch::from));
                *step += 1;
                batch
            }
        }
    }
}
