//! Steps on a device, timed: the one measurement of `ferkd bench step` and of the planner.

use burn::tensor::Device;

use super::timing::Timing;
use ferkd_method::error::{Error, ErrorKind, Result};
use ferkd_train::Trainer;
use ferkd_train::upload::DeviceBatch;

/// Steps that a device may have before it: a training run reads its losses back now and then, too.
pub(crate) const AHEAD: u32 = 16;

/// Steps per second of a turn, in which the device finishes all that it was handed.
pub(crate) fn steps_per_s(
    timing: &Timing,
    device: &Device,
    mut step: impl FnMut() -> Result<()>,
) -> Result<f64> {
    let mut steps = 0u32;
    let one = || {
        step()?;
        steps += 1;
        if steps.is_multiple_of(AHEAD) {
            wait(device)?;
        }
        Ok(1)
    };
    timing.turn_until(one, || wait(device))
}

/// Waits until a device has done everything.
pub(crate) fn wait(device: &Device) -> Result<()> {
    device.sync().map_err(|error| Error::new(ErrorKind::Io, "device", error.to_string()))
}

/// The batch of a trainer's first step.
pub(crate) fn first_batch(trainer: &Trainer) -> Result<DeviceBatch> {
    let batch = trainer.batcher().batch(0, &mut None)?.map(DeviceBatch::from);
    batch.ok_or_else(|| Error::mismatch("training plan", "it has no step"))
}
