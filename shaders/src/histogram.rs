//! Bins of confidences.

use ferkd_method::{Error, Result};
use wgpu::{Buffer, CommandEncoder, Device};

use crate::pipeline::{Pipeline, line, uniform};

/// Counts confidences in bins: the twin of [`ferkd_method::mining::Histogram::add`].
pub struct Histogram(Pipeline);

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Settings {
    count: u32,
    bins: u32,
}

impl Histogram {
    /// Bins that a workgroup has room for.
    pub const MOST: u32 = 1024;

    /// Compiles the shader.
    pub fn new(device: &Device) -> Self {
        Self(Pipeline::new(device, "histogram", include_str!("histogram.wgsl"), "main"))
    }

    /// Encodes the counting of the first `count` confidences (f32, 0 to 1) in `bins` equal bins.
    ///
    /// `counts` holds `bins` + 1 of u32 and gets the counts added; the last counts confidences that are not a number,
    /// which are in no bin.
    ///
    /// # Errors
    /// No bin, or more than [`MOST`](Self::MOST).
    pub fn encode(
        &self,
        device: &Device,
        encoder: &mut CommandEncoder,
        (count, bins): (u32, u32),
        [confidences, counts]: [&Buffer; 2],
    ) -> Result<()> {
        if !(1..=Self::MOST).contains(&bins) {
            return Err(Error::usage(
                "histogram",
                format!("{bins} bins; between 1 and {} are possible", Self::MOST),
            ));
        }
        let settings = uniform(device, &Settings { count, bins });
        let bindings = self.0.bind(
            device,
            &[
                (0, settings.as_entire_binding()),
                (1, confidences.as_entire_binding()),
                (2, counts.as_entire_binding()),
            ],
        );
        self.0.encode(encoder, &bindings, line(count));
        Ok(())
    }
}
