//! Kinds of regions, for a threshold that is dragged over a million of them.

use ferkd_method::mining::Thresholds;
use wgpu::{Buffer, CommandEncoder, Device};

use crate::pipeline::{Pipeline, line, uniform};

/// Sorts regions into kinds by their confidence and counts them: the twin of [`Thresholds::kind`].
pub struct Kinds(Pipeline);

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Settings {
    low: f32,
    mid: f32,
    high: f32,
    count: u32,
}

impl Kinds {
    /// Compiles the shader.
    pub fn new(device: &Device) -> Self {
        Self(Pipeline::new(device, "kinds", include_str!("kinds.wgsl"), "main"))
    }

    /// Encodes the sorting of the first `count` confidences (f32).
    ///
    /// `kinds` gets a u32 for each: 0 discarded, 1 context, 2 important, 3 trivial, 4 a confidence that is not a number.
    /// `counts` holds five u32, and gets the number of each added.
    pub fn encode(
        &self,
        device: &Device,
        encoder: &mut CommandEncoder,
        thresholds: &Thresholds,
        count: u32,
        [confidences, kinds, counts]: [&Buffer; 3],
    ) {
        let Thresholds { low, mid, high } = *thresholds;
        let settings = uniform(device, &Settings { low, mid, high, count });
        let bindings = self.0.bind(
            device,
            &[
                (0, settings.as_entire_binding()),
                (1, confidences.as_entire_binding()),
                (2, kinds.as_entire_binding()),
                (3, counts.as_entire_binding()),
            ],
        );
        self.0.encode(encoder, &bindings, line(count));
    }
}
