//! The SelfMix picture.

use ferkd_method::selfmix::{Mixing, Operator};
use wgpu::{Buffer, CommandEncoder, Device};

use crate::pipeline::{Pipeline, line, uniform};

/// Mixes pictures of regions: the twin of [`Mixing::apply`].
pub struct Mix(Pipeline);

#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Settings {
    paste: u32,
    l: f32,
    side: u32,
    count: u32,
    top: u32,
    bottom: u32,
    left: u32,
    right: u32,
}

impl Mix {
    /// Compiles the shader.
    pub fn new(device: &Device) -> Self {
        Self(Pipeline::new(device, "mix", include_str!("mix.wgsl"), "main"))
    }

    /// Encodes the mixing of `b` into `a`: `planes` planes of `side` x `side` f32 each. Several pictures in one
    /// buffer are so many planes more.
    pub fn encode(
        &self,
        device: &Device,
        encoder: &mut CommandEncoder,
        mixing: &Mixing,
        (planes, side): (u32, u32),
        [a, b]: [&Buffer; 2],
    ) {
        let count = planes * side * side;
        let plain = Settings { l: mixing.l, side, count, ..Settings::default() };
        let settings = match mixing.operator {
            Operator::Pixels => plain,
            Operator::Paste { top, bottom, left, right } => {
                Settings { paste: 1, top, bottom, left, right, ..plain }
            }
        };
        let settings = uniform(device, &settings);
        let bindings = self.0.bind(
            device,
            &[(0, settings.as_entire_binding()), (1, a.as_entire_binding()), (2, b.as_entire_binding())],
        );
        self.0.encode(encoder, &bindings, line(count));
    }
}
