//! Every shader against its CPU twin of the same name, on whatever wgpu adapter is here.

use std::sync::OnceLock;

use bytemuck::Pod;
use ferkd_data::pixels::{Filter, Normalisation, crop_resize};
use ferkd_method::heat::{Grid, heat_map};
use ferkd_method::mining::Thresholds;
use ferkd_method::region::{Region, RegionSampler};
use ferkd_method::rng::{Purpose, Stream};
use ferkd_method::selfmix::{Mix as Mixes, MixStrength, Mixing, Operator};
use ferkd_shaders::{Compared, CropResize, Cut, Heat, Histogram, Kinds, Mix};
use ferkd_skip::not_installed;
use ferkd_tests::repository;
use image::RgbImage;
use wgpu::util::DeviceExt;
use wgpu::{Buffer, BufferUsages, CommandEncoder};

/// A device to try shaders on.
struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
}

impl Gpu {
    /// One for all tests; says aloud where there is none.
    fn get() -> Option<&'static Self> {
        static GPU: OnceLock<Option<Gpu>> = OnceLock::new();
        let gpu = GPU.get_or_init(|| pollster::block_on(Self::open())).as_ref();
        if gpu.is_none() {
            not_installed("there is no wgpu adapter");
        }
        gpu
    }

    async fn open() -> Option<Self> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await.ok()?;
        // WebGPU's own limits: what a browser has.
        let (device, queue) = adapter.request_device(&wgpu::DeviceDescriptor::default()).await.unwrap();
        Some(Self { device, queue })
    }

    fn buffer<T: Pod>(&self, values: &[T]) -> Buffer {
        self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(values),
            usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC,
        })
    }

    /// Runs what `encode` encodes, and reads a buffer.
    fn run<T: Pod>(&self, result: &Buffer, encode: impl FnOnce(&mut CommandEncoder)) -> Vec<T> {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encode(&mut encoder);
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: result.size(),
            usage: BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.copy_buffer_to_buffer(result, 0, &staging, 0, result.size());
        self.queue.submit([encoder.finish()]);
        staging.slice(..).map_async(wgpu::MapMode::Read, |mapped| mapped.unwrap());
        self.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        bytemuck::pod_collect_to_vec(&staging.slice(..).get_mapped_range().unwrap())
    }

    /// The regions as the shader cuts them.
    fn cut(&self, picture: &RgbImage, cut: &Cut<'_>) -> Vec<f32> {
        let texture = CropResize::upload(&self.device, &self.queue, picture).unwrap();
        let numbers = cut.regions.len() * 3 * (cut.side * cut.side) as usize;
        let planes = self.buffer(&vec![f32::NAN; numbers]);
        self.run(&planes, |encoder| {
            let shader = CropResize::new(&self.device);
            shader.encode(&self.device, encoder, &texture, cut, &planes.as_entire_binding()).unwrap();
        })
    }
}

fn noise(seed: u64, width: u32, height: u32) -> RgbImage {
    let mut draw = Stream::new(seed, Purpose::Scene, 0, 0);
    RgbImage::from_fn(width, height, |_, _| image::Rgb(std::array::from_fn(|_| draw.below(256) as u8)))
}

/// A picture that is black or white: where the order of passes and the cut-off between them show.
fn sharp(seed: u64, width: u32, height: u32) -> RgbImage {
    let mut draw = Stream::new(seed, Purpose::Scene, 1, 0);
    RgbImage::from_fn(width, height, |_, _| image::Rgb([255 * draw.below(2) as u8; 3]))
}

/// Confidences of all kinds, among them some that are none.
fn confidences(count: u32) -> Vec<f32> {
    let mut draw = Stream::new(3, Purpose::Scene, 2, 0);
    let odd = [0.0, -0.0, 1.0, 0.3, 0.7, f32::NAN, -f32::NAN, 0.999_999_94];
    (0..count)
        .map(|i| match i % 11 {
            0 => odd[(i / 11) as usize % odd.len()],
            _ => draw.unit() as f32,
        })
        .collect()
}

/// Every number the same as the twin's, bit by bit.
fn cuts_as_the_twin(picture: &RgbImage, cut: &Cut<'_>) {
    let Some(gpu) = Gpu::get() else { return };
    let found = gpu.cut(picture, cut);
    let size = 3 * (cut.side * cut.side) as usize;
    for (region, found) in cut.regions.iter().zip(found.chunks(size)) {
        let mut expected = vec![0.0; size];
        let bytes = crop_resize(picture, region, cut.side, cut.filter).unwrap();
        cut.normalisation.write_chw(&bytes, cut.side, &mut expected);
        let differ = found.iter().zip(&expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
        let most = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert_eq!(
            differ, 0,
            "{region:?} to {}, {:?}: {differ} differ, by {most} at most",
            cut.side, cut.filter
        );
    }
}

#[test]
fn the_comparison_that_a_browser_makes_holds_here() {
    let Some(gpu) = Gpu::get() else { return };
    let compared = pollster::block_on(ferkd_shaders::compare_all(&gpu.device, &gpu.queue)).unwrap();
    assert_eq!(compared.len(), 6);
    for Compared { name, numbers, off, most } in compared {
        assert!(numbers > 100 && off <= most, "{name}: off by {off} in {numbers} numbers");
    }
}

#[test]
fn crop_resize_of_a_photo() {
    let photo = image::open(repository("assets/photos/chelsea.png")).unwrap().into_rgb8();
    let (width, height) = photo.dimensions();
    let regions = RegionSampler::new(5).regions(1, 12, width, height);
    assert!(regions.iter().any(|r| r.flip) && regions.iter().any(|r| !r.flip));
    for filter in [Filter::Bilinear, Filter::Bicubic] {
        let cut = Cut { regions: &regions, side: 224, filter, normalisation: Normalisation::LITE };
        cuts_as_the_twin(&photo, &cut);
    }
}

#[test]
fn crop_resize_of_tiny_huge_long_and_odd_regions() {
    let region = |left, top, width, height, flip| Region { left, top, width, height, flip };
    for filter in [Filter::Bilinear, Filter::Bicubic] {
        for (picture, side) in [(noise(1, 301, 207), 37), (sharp(2, 301, 207), 61), (noise(3, 5, 900), 9)] {
            let (width, height) = picture.dimensions();
            let mut regions = RegionSampler::new(9).regions(2, 6, width, height);
            regions.extend([
                region(0, 0, width, height, true),
                region(width - 1, height - 1, 1, 1, false),
                region(1, 2, 2, 1, true),
                region(2, 0, 1, height, false),
                region(0, 3, width, 2, true),
                region(0, 0, side.min(width), side.min(height), false),
            ]);
            let cut = Cut { regions: &regions, side, filter, normalisation: Normalisation::IMAGENET };
            cuts_as_the_twin(&picture, &cut);
        }
    }
}

#[test]
fn crop_resize_of_more_than_fits_at_once() {
    // Between the passes each takes 512 x 3000 pixels, rows first: two groups, and the second in the first's memory.
    let picture = noise(4, 2000, 3000);
    let regions: Vec<Region> =
        (0..7).map(|i| Region { left: i, top: 0, width: 1990 - i, height: 3000, flip: i % 2 == 0 }).collect();
    let cut =
        Cut { regions: &regions, side: 512, filter: Filter::Bilinear, normalisation: Normalisation::LITE };
    assert!(regions.iter().all(|r| !ferkd_data::pixels::columns_first((r.width, r.height), (512, 512))));
    cuts_as_the_twin(&picture, &cut);
}

#[test]
fn crop_resize_refuses_a_box_outside() {
    let Some(gpu) = Gpu::get() else { return };
    let texture = CropResize::upload(&gpu.device, &gpu.queue, &noise(1, 8, 8)).unwrap();
    let regions = [Region { left: 4, top: 0, width: 5, height: 1, flip: false }];
    let planes = gpu.buffer(&[0.0f32; 3 * 16]);
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let cut = Cut { regions: &regions, side: 4, filter: Filter::Bicubic, normalisation: Normalisation::LITE };
    let shader = CropResize::new(&gpu.device);
    let refused = shader.encode(&gpu.device, &mut encoder, &texture, &cut, &planes.as_entire_binding());
    assert!(refused.unwrap_err().to_string().contains("8 x 8"));
}

#[test]
fn kinds() {
    let Some(gpu) = Gpu::get() else { return };
    let thresholds = Thresholds { low: 0.1, mid: 0.3, high: 0.7 };
    let shader = Kinds::new(&gpu.device);
    // The last is more than one row of workgroups.
    for count in [1, 63, 64, 1000, 64 * 32_768 + 77] {
        let cs = confidences(count);
        let expected: Vec<u32> =
            cs.iter().map(|&c| thresholds.kind(c).map_or(4, |kind| kind as u32)).collect();
        let (input, kinds, counts) =
            (gpu.buffer(&cs), gpu.buffer(&vec![9u32; count as usize]), gpu.buffer(&[0u32; 5]));
        let found: Vec<u32> = gpu.run(&kinds, |encoder| {
            shader.encode(&gpu.device, encoder, &thresholds, count, [&input, &kinds, &counts]);
        });
        assert!(found == expected, "kinds of {count}");
        let found: Vec<u32> = gpu.run(&counts, |_| {});
        let of = |kind| expected.iter().filter(|k| **k == kind).count() as u32;
        assert_eq!(found, [of(0), of(1), of(2), of(3), of(4)]);
    }
}

#[test]
fn histogram() {
    let Some(gpu) = Gpu::get() else { return };
    let shader = Histogram::new(&gpu.device);
    for (count, bins) in [(1, 1), (100, 7), (1000, 100), (64 * 32_768 + 77, 100), (5000, Histogram::MOST)] {
        let cs = confidences(count);
        let mut expected = ferkd_method::mining::Histogram::new(bins as usize);
        cs.iter().filter(|c| !c.is_nan()).for_each(|&c| expected.add(c));
        let non_finite = cs.iter().filter(|c| c.is_nan()).count() as u64;
        let (input, counts) = (gpu.buffer(&cs), gpu.buffer(&vec![0u32; bins as usize + 1]));
        let found: Vec<u32> = gpu.run(&counts, |encoder| {
            shader.encode(&gpu.device, encoder, (count, bins), [&input, &counts]).unwrap();
        });
        let found: Vec<u64> = found.into_iter().map(u64::from).collect();
        assert_eq!(found, [expected.bins, vec![non_finite]].concat(), "{count} in {bins} bins");
    }
    let (input, counts) = (gpu.buffer(&[0.0f32]), gpu.buffer(&[0u32]));
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    for bins in [0, Histogram::MOST + 1] {
        assert!(shader.encode(&gpu.device, &mut encoder, (1, bins), [&input, &counts]).is_err());
    }
}

#[test]
fn heat() {
    let Some(gpu) = Gpu::get() else { return };
    let shader = Heat::new(&gpu.device);
    for (width, height, cells, count) in
        [(451, 300, 48, 30), (33, 20, 33, 4), (7, 100, 48, 1), (64, 64, 8, 0)]
    {
        let grid = Grid::new(width, height, cells);
        let regions = RegionSampler::new(1).regions(7, count, width, height);
        let cs = confidences(count.max(1));
        let expected = heat_map(&regions, &cs, &grid);
        let (input, means) = (gpu.buffer(&cs), gpu.buffer(&vec![9.0f32; grid.points()]));
        let found: Vec<f32> = gpu.run(&means, |encoder| {
            shader.encode(&gpu.device, encoder, &grid, &regions, [&input, &means]);
        });
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            // A division may be off by 2.5 units in the last place.
            let expected = expected.unwrap_or(-1.0);
            assert!((found - expected).abs() <= 5e-7, "{found} for {expected}");
        }
    }
}

#[test]
fn mix() {
    let Some(gpu) = Gpu::get() else { return };
    let shader = Mix::new(&gpu.device);
    let mut draw = Stream::new(8, Purpose::Scene, 3, 0);
    for (step, side) in [(0, 1), (1, 7), (2, 32), (3, 33), (4, 224), (5, 224)] {
        for mixes in [Mixes::Mixup, Mixes::Cutmix] {
            let mixing = Mixing::draw(mixes, &MixStrength::default(), 1, step, side).unwrap().unwrap();
            let size = 6 * (side * side) as usize;
            let mut picture = || -> Vec<f32> { (0..size).map(|_| 4.0 * draw.unit() as f32 - 2.0).collect() };
            let (mut expected, other) = (picture(), picture());
            let (a, b) = (gpu.buffer(&expected), gpu.buffer(&other));
            mixing.apply(&mut expected, &other, side);
            let found: Vec<f32> = gpu.run(&a, |encoder| {
                shader.encode(&gpu.device, encoder, &mixing, (6, side), [&a, &b]);
            });
            let off = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // A device may round a product and its sum once.
            let most = if mixing.operator == Operator::Pixels { 5e-7 } else { 0.0 };
            assert!(off <= most, "{mixing:?} at {side}: off by {off}");
        }
    }
}
