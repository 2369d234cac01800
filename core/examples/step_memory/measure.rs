//! One training step on made-up pictures: the memory that is predicted for it, and the memory that it takes.

use ferkd_method::{Error, Result};
use ferkd_nn::device;
use ferkd_nn::memory::MemoryEstimate;
use ferkd_train::inputs::image_lists;
use ferkd_train::upload::DeviceBatch;
use ferkd_train::{Inputs, Supervision, TrainConfig, Trainer};

use crate::counting;

/// What was predicted, and what was measured.
pub struct Measured {
    pub predicted: MemoryEstimate,
    /// Most bytes held during a step, beyond those held before there was a trainer; a batch on the host is one of them.
    pub peak_bytes: usize,
}

impl Measured {
    /// Predicted bytes: those of the device, and the batch that the step is given.
    pub fn predicted_bytes(&self) -> usize {
        (self.predicted.total_bytes + self.predicted.host_bytes) as usize
    }

    /// Predicted over measured.
    pub fn ratio(&self) -> f64 {
        self.predicted_bytes() as f64 / self.peak_bytes as f64
    }
}

/// The settings of a measured step.
pub fn settings(arch: &str, side: u32, batch: usize) -> Result<TrainConfig> {
    Ok(TrainConfig {
        images: format!("synthetic:{}x10", batch.max(10)).into(),
        supervision: Supervision::Hard,
        arch: arch.parse()?,
        side,
        batch,
        device: "flex".into(),
        cache_mb: 0,
        ..TrainConfig::default()
    })
}

/// Takes three steps and measures the last: by then the optimizer remembers something.
pub fn measure(config: TrainConfig) -> Result<Measured> {
    let (images, validation) = image_lists(&config)?;
    let computes = device::open(&config.device)?;
    // Compressed pictures are not what is measured, and buffers of the last network are none of this one's.
    ferkd_kernels::release_buffers();
    let before = counting::held();
    let inputs = Inputs { images, validation, store: None, teacher: None };
    let mut trainer = Trainer::with_inputs(config, inputs, computes)?;
    let batch = trainer.batcher().batch(0, &mut None)?.map(DeviceBatch::from);
    let batch = batch.ok_or_else(|| Error::usage("images", "there is no step to take"))?;
    for _ in 0..2 {
        trainer.advance(&batch)?.loss.into_scalar::<f32>();
    }
    let step = || trainer.advance(&batch).map(|done| done.loss.into_scalar::<f32>());
    let (peak, loss) = counting::peak_of(step);
    loss?;
    let mut predicted = trainer.memory();
    // Nothing is prepared ahead here: the one batch alone is on the host.
    predicted.host_bytes = batch.pixels.bytes() as u64;
    Ok(Measured { predicted, peak_bytes: peak - before })
}
