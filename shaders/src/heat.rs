//! The heat map.

use ferkd_method::heat::Grid;
use ferkd_method::region::Region;
use wgpu::{Buffer, CommandEncoder, Device};

use crate::pipeline::{Pipeline, storage, uniform};

/// Mean confidence of the regions that hold each point of a grid: the twin of [`ferkd_method::heat::heat_map`].
pub struct Heat(Pipeline);

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Settings {
    columns: u32,
    rows: u32,
    width: u32,
    height: u32,
    cell: f32,
    regions: u32,
}

impl Heat {
    /// Compiles the shader.
    pub fn new(device: &Device) -> Self {
        Self(Pipeline::new(device, "heat", include_str!("heat.wgsl"), "main"))
    }

    /// Encodes the heat map of `regions`, whose confidences (f32) are in a buffer.
    ///
    /// `means` gets an f32 for each of [`Grid::points`], row by row; -1 where no region is.
    pub fn encode(
        &self,
        device: &Device,
        encoder: &mut CommandEncoder,
        grid: &Grid,
        regions: &[Region],
        [confidences, means]: [&Buffer; 2],
    ) {
        let Grid { columns, rows, width, height, cell } = *grid;
        let settings = Settings { columns, rows, width, height, cell, regions: regions.len() as u32 };
        let boxes: Vec<[u32; 4]> = regions.iter().map(|r| [r.left, r.top, r.width, r.height]).collect();
        let (settings, boxes) = (uniform(device, &settings), storage(device, &boxes));
        let bindings = self.0.bind(
            device,
            &[
                (0, settings.as_entire_binding()),
                (1, boxes.as_entire_binding()),
                (2, confidences.as_entire_binding()),
                (3, means.as_entire_binding()),
            ],
        );
        self.0.encode(encoder, &bindings, [(columns + 1).div_ceil(8), (rows + 1).div_ceil(8), 1]);
    }
}
