//! The memory that a trainer's step takes.

use super::Trainer;
use ferkd_nn::memory::{Conditions, MemoryEstimate, Training, estimate};

impl Trainer {
    /// The memory that a step takes on each of its devices, counted from the settings.
    pub fn memory(&self) -> MemoryEstimate {
        let (config, primary, devices) = (&self.config, self.group.primary(), self.replicas());
        let cpu = ferkd_nn::device::is_cpu(&config.device);
        let mut memory = estimate(&Training {
            student: &primary.student,
            side: config.side as usize,
            classes: self.card.classes.len(),
            batch: config.batch.div_ceil(devices),
            accumulate: config.accumulate,
            frozen: config.freeze_backbone,
            drop_path: config.drop_path > 0.0,
            moments: if config.recipe().adamw { 2 } else { 1 },
            average: config.ema.is_some(),
            // ONNX Runtime has a memory of its own.
            teacher: primary
                .teacher
                .as_ref()
                .and_then(|teacher| Some((teacher.model()?, teacher.preprocessing.side as usize))),
            prefetch: config.prefetch,
            conditions: Conditions {
                width: config.precision.bytes(),
                recompute: config.gradient_checkpointing,
                threads: cpu.then(|| rayon::current_num_threads() as u64),
                row_align: if ferkd_nn::device::kind(&config.device) == "cuda" { 512 } else { 1 },
            },
        });
        // The pixels of all shares wait in one memory.
        memory.host_bytes *= devices as u64;
        memory.host_bytes +=
            self.features.as_ref().filter(|_| self.keeps_features()).map_or(0, |kept| kept.bytes);
        memory
    }
}
