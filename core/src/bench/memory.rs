//! The memory that work takes on a device, as the device's allocator has it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use burn::tensor::Device;

use ferkd_data::threads::spawn_in;
use ferkd_method::error::Result;

/// How often is looked.
const EVERY: Duration = Duration::from_micros(500);

/// Bytes of a device's memory.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    /// Most in use at once, as far as was looked.
    pub in_use: u64,
    /// Asked of the driver, and kept for later.
    pub reserved: u64,
}

/// Does `work`, and looks at the device's memory again and again meanwhile; nothing for a device that has none of its own.
///
/// # Errors
/// Those of `work`.
pub(super) fn while_done<T>(device: &Device, work: impl FnOnce() -> Result<T>) -> Result<Option<Memory>> {
    if !ferkd_nn::device::has_memory(device) {
        return Ok(None);
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also where the work panics: the scope waits for its threads.
        let end = End(&done);
        let watch = spawn_in(scope, || {
            let mut most = Memory::default();
            while !done.load(Ordering::Relaxed) {
                if let Some(usage) = device.memory_pool_usage() {
                    most.in_use = most.in_use.max(usage.bytes_in_use);
                    most.reserved = most.reserved.max(usage.bytes_reserved);
                }
                std::thread::sleep(EVERY);
            }
            most
        })?;
        let worked = work();
        drop(end);
        let most = watch.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        worked.map(|_| Some(most))
    })
}

/// Ends the watch when it is dropped.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
