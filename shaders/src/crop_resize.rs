//! Regions of a picture as a network's input, without a look at any pixel on the host.

use std::collections::HashMap;

use ferkd_data::pixels::{Filter, Normalisation, columns_first};
use ferkd_method::region::Region;
use ferkd_method::{Error, Result};
use image::RgbImage;
use wgpu::{BindingResource, BufferUsages, CommandEncoder, Device, Queue, Texture};

use crate::axis::Axis;
use crate::pipeline::{Pipeline, storage, uniform};

/// Cuts, resizes, mirrors and normalises regions: the twin of [`ferkd_data::pixels::crop_resize`] and [`Normalisation`].
pub struct CropResize {
    one_axis: Pipeline,
    other_axis: Pipeline,
}

/// What is to be cut, and how a network wants to see it.
#[derive(Debug, Clone, Copy)]
pub struct Cut<'a> {
    /// Boxes and flips, in pixels of the picture.
    pub regions: &'a [Region],
    /// Side of the output, in pixels.
    pub side: u32,
    /// How regions are resized.
    pub filter: Filter,
    /// How bytes become numbers.
    pub normalisation: Normalisation,
}

/// Pixels between the two passes that are worked on at once: 32 MiB. More regions follow in the same memory.
const AT_ONCE: u64 = 8 << 20;

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Settings {
    side: u32,
    begin: u32,
}

#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Record {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
    flip: u32,
    columns_first: u32,
    across: u32,
    down: u32,
    across_bits: u32,
    down_bits: u32,
    between: u32,
}

impl Record {
    /// Width and height between the passes, in pixels.
    fn between_size(&self, side: u32) -> (u32, u32) {
        if self.columns_first == 1 { (self.width, side) } else { (side, self.height) }
    }
}

/// The tables of all regions, which share those of equal sizes.
#[derive(Default)]
struct Tables {
    taps: Vec<[u32; 3]>,
    weights: Vec<i32>,
    /// Place and digits by the size that is resized.
    known: HashMap<u32, (u32, u32)>,
}

impl Tables {
    /// Place of an axis' first tap, and its weights' digits.
    fn axis(&mut self, from: u32, side: u32, filter: Filter) -> (u32, u32) {
        if let Some(known) = self.known.get(&from) {
            return *known;
        }
        let axis = Axis::new(from, side, filter);
        let (place, shift) = (self.taps.len() as u32, self.weights.len() as u32);
        self.taps.extend(axis.taps.iter().map(|[first, count, weights]| [*first, *count, weights + shift]));
        self.weights.extend(axis.weights);
        self.known.insert(from, (place, axis.bits));
        (place, axis.bits)
    }
}

/// Regions that are worked on at once: from, to, and width and height of the largest between the passes.
type Group = (usize, usize, (u32, u32));

impl CropResize {
    /// Compiles the shader.
    pub fn new(device: &Device) -> Self {
        let pipeline = |entry| Pipeline::new(device, "crop_resize", include_str!("crop_resize.wgsl"), entry);
        Self { one_axis: pipeline("one_axis"), other_axis: pipeline("other_axis") }
    }

    /// Whether `device` has room for pictures of `width` x `height` pixels, cut to `side`, `count` at once.
    pub fn has_room(device: &Device, (width, height): (u32, u32), side: u32, count: usize) -> bool {
        let limits = device.limits();
        let longest = width.max(height);
        let most = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let side = u64::from(side);
        longest <= limits.max_texture_dimension_2d
            && 4 * AT_ONCE.max(u64::from(longest) * side) <= most
            && count as u64 * 12 * side * side <= most
    }

    /// A picture as this shader reads it.
    ///
    /// # Errors
    /// A picture that is larger than the device's textures.
    pub fn upload(device: &Device, queue: &Queue, picture: &RgbImage) -> Result<Texture> {
        let (width, height) = picture.dimensions();
        let most = device.limits().max_texture_dimension_2d;
        if width.max(height) > most || width.min(height) == 0 {
            let problem = format!("{width} x {height} pixels; this device's textures hold {most} x {most}");
            return Err(Error::mismatch("picture", problem).remedy("let the CPU cut its regions"));
        }
        let rgba: Vec<u8> = picture.pixels().flat_map(|&image::Rgb([r, g, b])| [r, g, b, 255]).collect();
        let size = wgpu::Extent3d { width, height, depth_or_array_layers: 1 };
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("picture"),
            size,
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            // Bytes as they are: no rounding on the way.
            format: wgpu::TextureFormat::Rgba8Uint,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let layout =
            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * width), rows_per_image: None };
        queue.write_texture(texture.as_image_copy(), &rgba, layout, size);
        Ok(texture)
    }

    /// Encodes the cutting of regions out of `picture` (see [`upload`](Self::upload)) into `planes`: f32 of shape
    /// (regions, 3, side, side).
    ///
    /// # Errors
    /// A box outside of the picture, or a side of 0.
    pub fn encode(
        &self,
        device: &Device,
        encoder: &mut CommandEncoder,
        picture: &Texture,
        cut: &Cut<'_>,
        planes: &BindingResource<'_>,
    ) -> Result<()> {
        if cut.regions.is_empty() {
            return Ok(());
        }
        let mut tables = Tables::default();
        let mut records = records(cut, (picture.width(), picture.height()), &mut tables)?;
        let (groups, most) = groups(&mut records, cut.side);
        let records = storage(device, &records);
        let (taps, weights) = (storage(device, &tables.taps), storage(device, &tables.weights));
        let numbers: Vec<f32> = (0..3).flat_map(|channel| cut.normalisation.table(channel)).collect();
        let numbers: [f32; 768] = std::array::from_fn(|i| numbers[i]);
        let numbers = uniform(device, &numbers);
        let view = picture.create_view(&wgpu::TextureViewDescriptor::default());
        let between = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("between the passes"),
            size: 4 * most,
            usage: BufferUsages::STORAGE,
            mapped_at_creation: false,
        });
        for (from, to, (width, height)) in groups {
            let settings = uniform(device, &Settings { side: cut.side, begin: from as u32 });
            let shared = [
                (0, settings.as_entire_binding()),
                (1, records.as_entire_binding()),
                (2, taps.as_entire_binding()),
                (3, weights.as_entire_binding()),
                (5, between.as_entire_binding()),
            ];
            let picture = [(4, BindingResource::TextureView(&view))];
            let bindings = self.one_axis.bind(device, &[&shared[..], &picture].concat());
            let count = (to - from) as u32;
            self.one_axis.encode(encoder, &bindings, [width.div_ceil(8), height.div_ceil(8), count]);
            let output = [(6, numbers.as_entire_binding()), (7, planes.clone())];
            let bindings = self.other_axis.bind(device, &[&shared[..], &output].concat());
            let across = cut.side.div_ceil(8);
            self.other_axis.encode(encoder, &bindings, [across, across, count]);
        }
        Ok(())
    }
}

fn records(cut: &Cut<'_>, (width, height): (u32, u32), tables: &mut Tables) -> Result<Vec<Record>> {
    let record = |region: &Region| {
        if !region.fits(width, height) || cut.side == 0 {
            let problem = format!("{} pixels of an image of {width} x {height} pixels", cut.side);
            return Err(Error::mismatch(format!("region {region:?}"), problem));
        }
        let (across, across_bits) = tables.axis(region.width, cut.side, cut.filter);
        let (down, down_bits) = tables.axis(region.height, cut.side, cut.filter);
        Ok(Record {
            left: region.left,
            top: region.top,
            width: region.width,
            height: region.height,
            flip: region.flip.into(),
            columns_first: columns_first((region.width, region.height), (cut.side, cut.side)).into(),
            across,
            down,
            across_bits,
            down_bits,
            between: 0,
        })
    };
    cut.regions.iter().map(record).collect()
}

/// Divides the regions so that each group has room between the passes, gives each its place there, and says how
/// many pixels the largest group takes.
fn groups(records: &mut [Record], side: u32) -> (Vec<Group>, u64) {
    let mut groups: Vec<Group> = Vec::new();
    let (mut taken, mut most) = (0, 0);
    for (number, record) in records.iter_mut().enumerate() {
        let (width, height) = record.between_size(side);
        let pixels = u64::from(width) * u64::from(height);
        match groups.last_mut() {
            Some((_, to, size)) if taken + pixels <= AT_ONCE => {
                *to = number + 1;
                *size = (size.0.max(width), size.1.max(height));
            }
            _ => {
                taken = 0;
                groups.push((number, number + 1, (width, height)));
            }
        }
        record.between = taken as u32;
        taken += pixels;
        most = most.max(taken);
    }
    (groups, most)
}
