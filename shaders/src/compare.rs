//! Every shader against its twin, on a device that is at hand: the same comparison on lavapipe and in a browser.

use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use ferkd_data::pixels::{Filter, Normalisation, crop_resize};
use ferkd_method::heat::{Grid, colour, heat_map};
use ferkd_method::mining::Thresholds;
use ferkd_method::region::RegionSampler;
use ferkd_method::rng::{Purpose, Stream};
use ferkd_method::selfmix::{Mix as Mixes, MixStrength, Mixing};
use ferkd_method::{Error, Result};
use image::RgbImage;
use wgpu::{Buffer, BufferUsages, CommandEncoder, Device, Queue, Texture};

use crate::crop_resize::{CropResize, Cut};
use crate::heat::Heat;
use crate::histogram::Histogram;
use crate::kinds::Kinds;
use crate::mix::Mix;
use crate::paint::Paint;
use crate::pipeline::storage;

/// What came of one shader.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// Name of the shader and of its twin.
    pub name: &'static str,
    /// Numbers that were compared.
    pub numbers: usize,
    /// The largest difference of a number; infinite where one is none.
    pub off: f32,
    /// The largest that the shading language allows: 0 where every bit has to be the same.
    pub most: f32,
}

/// Runs every shader once and holds it against its twin.
///
/// # Errors
/// A device that cannot run them, or cannot be read.
pub async fn compare_all(device: &Device, queue: &Queue) -> Result<Vec<Compared>> {
    Ok(vec![
        cut(device, queue).await?,
        kinds(device, queue).await?,
        histogram(device, queue).await?,
        heat(device, queue).await?,
        mix(device, queue).await?,
        paint(device, queue).await?,
    ])
}

/// Confidences of regions that do not exist.
fn confidences(count: u32) -> Vec<f32> {
    let mut draw = Stream::new(3, Purpose::Scene, 2, 0);
    (0..count).map(|_| draw.unit() as f32).collect()
}

async fn cut(device: &Device, queue: &Queue) -> Result<Compared> {
    const SIDE: u32 = 96;
    let mut draw = Stream::new(1, Purpose::Scene, 0, 0);
    let picture =
        RgbImage::from_fn(301, 207, |_, _| image::Rgb(std::array::from_fn(|_| draw.below(256) as u8)));
    let regions = RegionSampler::new(9).regions(2, 6, 301, 207);
    let cut =
        Cut { regions: &regions, side: SIDE, filter: Filter::Bicubic, normalisation: Normalisation::LITE };
    let size = 3 * (SIDE * SIDE) as usize;
    let mut expected = vec![0.0; regions.len() * size];
    for (region, out) in regions.iter().zip(expected.chunks_mut(size)) {
        cut.normalisation.write_chw(&crop_resize(&picture, region, SIDE, cut.filter)?, SIDE, out);
    }
    let texture = CropResize::upload(device, queue, &picture)?;
    let planes = filled(device, expected.len(), 9.0);
    let shader = CropResize::new(device);
    let found = run(device, queue, &planes, |encoder| {
        shader.encode(device, encoder, &texture, &cut, &planes.as_entire_binding())
    });
    compared("crop_resize", &found.await?, &expected, 0.0)
}

async fn kinds(device: &Device, queue: &Queue) -> Result<Compared> {
    let thresholds = Thresholds { low: 0.1, mid: 0.3, high: 0.7 };
    let cs = confidences(5000);
    let expected: Result<Vec<f32>> = cs.iter().map(|&c| Ok(thresholds.kind(c)? as u32 as f32)).collect();
    let [input, found, counts] =
        [storage_of(device, &cs), filled(device, cs.len(), 9.0), filled(device, 5, 0.0)];
    let shader = Kinds::new(device);
    let found = run(device, queue, &found, |encoder| {
        shader.encode(device, encoder, &thresholds, cs.len() as u32, [&input, &found, &counts]);
        Ok(())
    });
    compared("kinds", &counted(found.await?), &expected?, 0.0)
}

async fn histogram(device: &Device, queue: &Queue) -> Result<Compared> {
    const BINS: u32 = 100;
    let cs = confidences(5000);
    let mut expected = ferkd_method::mining::Histogram::new(BINS as usize);
    cs.iter().for_each(|&c| expected.add(c));
    let expected: Vec<f32> = expected.bins.iter().map(|&count| count as f32).chain([0.0]).collect();
    let [input, counts] = [storage_of(device, &cs), filled(device, expected.len(), 0.0)];
    let shader = Histogram::new(device);
    let found = run(device, queue, &counts, |encoder| {
        shader.encode(device, encoder, (cs.len() as u32, BINS), [&input, &counts])
    });
    compared("histogram", &counted(found.await?), &expected, 0.0)
}

async fn heat(device: &Device, queue: &Queue) -> Result<Compared> {
    let grid = Grid::new(451, 300, 48);
    let regions = RegionSampler::new(1).regions(7, 30, 451, 300);
    let cs = confidences(30);
    let expected: Vec<f32> =
        heat_map(&regions, &cs, &grid).into_iter().map(|mean| mean.unwrap_or(-1.0)).collect();
    let [input, means] = [storage_of(device, &cs), filled(device, grid.points(), 9.0)];
    let shader = Heat::new(device);
    let found = run(device, queue, &means, |encoder| {
        shader.encode(device, encoder, &grid, &regions, [&input, &means]);
        Ok(())
    });
    // A division may be off by 2.5 units in the last place.
    compared("heat_map", &found.await?, &expected, 5e-7)
}

async fn mix(device: &Device, queue: &Queue) -> Result<Compared> {
    const SIDE: u32 = 64;
    let mut draw = Stream::new(8, Purpose::Scene, 3, 0);
    let (mut found, mut expected) = (Vec::new(), Vec::new());
    for (step, mixes) in [Mixes::Mixup, Mixes::Cutmix].into_iter().enumerate() {
        let Some(mixing) = Mixing::draw(mixes, &MixStrength::default(), 1, step as u64, SIDE)? else {
            return Err(Error::usage("mix", "nothing was drawn"));
        };
        let mut picture =
            || -> Vec<f32> { (0..6 * SIDE * SIDE).map(|_| 4.0 * draw.unit() as f32 - 2.0).collect() };
        let (mut own, other) = (picture(), picture());
        let [a, b] = [&own, &other].map(|values| storage_of(device, values));
        mixing.apply(&mut own, &other, SIDE);
        let shader = Mix::new(device);
        let mixed = run(device, queue, &a, |encoder| {
            shader.encode(device, encoder, &mixing, (6, SIDE), [&a, &b]);
            Ok(())
        });
        found.extend(mixed.await?);
        expected.extend(own);
    }
    // A device may round a product and its sum once.
    compared("mix", &found, &expected, 5e-7)
}

/// A heat map's colours, and a picture's.
async fn paint(device: &Device, queue: &Queue) -> Result<Compared> {
    const SIZE: (u32, u32) = (75, 40);
    let pixels = SIZE.0 * SIZE.1;
    let mut means = confidences(pixels);
    means.iter_mut().step_by(7).for_each(|mean| *mean = -1.0);
    let planes = confidences(3 * pixels);
    let shader = Paint::new(device);
    let [heat, picture] = [(); 2].map(|()| Paint::texture(device, SIZE));
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    shader.encode_heat(device, &mut encoder, &storage_of(device, &means), &heat);
    shader.encode_planes(device, &mut encoder, &storage_of(device, &planes), &picture);
    queue.submit([encoder.finish()]);
    let mut found = pixels_of(device, queue, &heat).await?;
    found.extend(pixels_of(device, queue, &picture).await?);
    let colours = means.iter().map(|&mean| match mean >= 0.0 {
        true => colour(mean).map(f32::from),
        false => [0.0; 3],
    });
    let alphas = means.iter().map(|&mean| if mean >= 0.0 { 255.0 } else { 0.0 });
    let heat = colours.zip(alphas).flat_map(|([r, g, b], alpha)| [r, g, b, alpha]);
    let of = |pixel: u32, channel: u32| 255.0 * planes[(channel * pixels + pixel) as usize];
    let picture = (0..pixels).flat_map(|i| [of(i, 0), of(i, 1), of(i, 2), 255.0].map(f32::round));
    let expected: Vec<f32> = heat.chain(picture).collect();
    let found: Vec<f32> = found.into_iter().map(f32::from).collect();
    // A device rounds to bytes in its own way.
    compared("paint", &found, &expected, 1.0)
}

/// What a texture of 8-bit red, green, blue and alpha holds, row by row.
///
/// # Errors
/// A device that cannot be read.
pub async fn pixels_of(device: &Device, queue: &Queue, texture: &Texture) -> Result<Vec<u8>> {
    let row = 4 * texture.width();
    let padded = row.next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let copy = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("pixels"),
        size: u64::from(padded) * u64::from(texture.height()),
        usage: BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(padded), rows_per_image: None };
    let read = run(device, queue, &copy, |encoder| {
        let onto = wgpu::TexelCopyBufferInfo { buffer: &copy, layout };
        encoder.copy_texture_to_buffer(texture.as_image_copy(), onto, texture.size());
        Ok(())
    });
    let bytes: Vec<u8> = read.await?.into_iter().flat_map(f32::to_ne_bytes).collect();
    let rows = bytes.chunks(padded as usize);
    Ok(rows.flat_map(|line| &line[..(row as usize).min(line.len())]).copied().collect())
}

fn compared(name: &'static str, found: &[f32], expected: &[f32], most: f32) -> Result<Compared> {
    if found.len() != expected.len() {
        let problem = format!("{} numbers came of {}", found.len(), expected.len());
        return Err(Error::mismatch(name, problem));
    }
    let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    let off = off.fold(0.0, |most, off| if off.is_nan() { f32::INFINITY } else { f32::max(most, off) });
    Ok(Compared { name, numbers: found.len(), off, most })
}

/// What a buffer of u32 holds, as numbers.
fn counted(bits: Vec<f32>) -> Vec<f32> {
    bits.into_iter().map(|bits| bits.to_bits() as f32).collect()
}

fn storage_of(device: &Device, values: &[f32]) -> Buffer {
    let bits: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
    let copied = storage(device, &bits);
    // Results are read from inputs too, where a shader works in place.
    debug_assert!(copied.usage().contains(BufferUsages::COPY_SRC));
    copied
}

fn filled(device: &Device, count: usize, value: f32) -> Buffer {
    storage_of(device, &vec![value; count])
}

/// Runs what `encode` encodes, and reads a buffer.
async fn run(
    device: &Device,
    queue: &Queue,
    result: &Buffer,
    encode: impl FnOnce(&mut CommandEncoder) -> Result<()>,
) -> Result<Vec<f32>> {
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    encode(&mut encoder)?;
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("comparison"),
        size: result.size(),
        usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    encoder.copy_buffer_to_buffer(result, 0, &staging, 0, result.size());
    queue.submit([encoder.finish()]);
    let mapped = map(device, &staging).await;
    let failed = |why: String| Error::mismatch("the device", why).remedy("choose another adapter");
    mapped.map_err(|error| failed(error.to_string()))?;
    let range = staging.slice(..).get_mapped_range().map_err(|error| failed(error.to_string()))?;
    Ok(bytemuck::pod_collect_to_vec(&range))
}

type Mapped = std::result::Result<(), wgpu::BufferAsyncError>;

/// Waits until a buffer is mapped: a browser calls back by itself, elsewhere the device is asked.
async fn map(device: &Device, buffer: &Buffer) -> Mapped {
    let state: Arc<Mutex<(Option<Mapped>, Option<Waker>)>> = Arc::default();
    let said = state.clone();
    buffer.slice(..).map_async(wgpu::MapMode::Read, move |mapped| {
        let Ok(mut state) = said.lock() else { return };
        state.0 = Some(mapped);
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    });
    // In a browser this does nothing.
    let _ = device.poll(wgpu::PollType::wait_indefinitely());
    std::future::poll_fn(|context| match state.lock() {
        Ok(mut state) => match state.0.take() {
            Some(mapped) => Poll::Ready(mapped),
            None => {
                state.1 = Some(context.waker().clone());
                Poll::Pending
            }
        },
        Err(_) => Poll::Ready(Err(wgpu::BufferAsyncError)),
    })
    .await
}
