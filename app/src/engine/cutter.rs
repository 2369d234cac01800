//! From a picture and its regions to a teacher's input: on the host, or by a shader into the tensor's own buffer.

use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_wgpu::{AutoCompiler, Wgpu};
use cubecl::wgpu::WgpuServer;
use ferkd_data::batches::batch::InputSpec;
use ferkd_method::region::Region;
use ferkd_method::{Error, ErrorKind, Result};
use ferkd_nn::device::SharedWgpu;
use ferkd_shaders::{CropResize, Cut};
use image::RgbImage;

/// A picture to be cut, and its copy on the device once there is one.
pub(super) struct Source {
    image: RgbImage,
    texture: Option<wgpu::Texture>,
}

impl Source {
    pub(super) fn new(image: RgbImage) -> Self {
        Self { image, texture: None }
    }

    /// The regions as a network wants to see them, on the host: shape (regions, 3, side, side).
    ///
    /// # Errors
    /// A box outside of the picture.
    pub(super) fn pixels(&self, regions: &[Region], view: &InputSpec) -> Result<Vec<f32>> {
        let mut pixels = vec![0.0; regions.len() * view.size()];
        for (region, out) in regions.iter().zip(pixels.chunks_mut(view.size().max(1))) {
            view.cut(&self.image, region, out)?;
        }
        Ok(pixels)
    }
}

/// Makes a teacher's input.
pub(super) trait Cutter {
    /// The regions of a picture as a network wants to see them: shape (regions, 3, side, side).
    ///
    /// # Errors
    /// A box outside of the picture.
    fn cut(
        &self,
        source: &mut Source,
        regions: &[Region],
        view: &InputSpec,
        device: &Device,
    ) -> Result<Tensor<4>>;
}

/// On the host; the pixels travel to the device.
pub(super) struct HostCutter;

impl Cutter for HostCutter {
    fn cut(
        &self,
        source: &mut Source,
        regions: &[Region],
        view: &InputSpec,
        device: &Device,
    ) -> Result<Tensor<4>> {
        let side = view.side as usize;
        let data = TensorData::new(source.pixels(regions, view)?, [regions.len(), 3, side, side]);
        Ok(Tensor::from_data(data, &device.clone().inner()))
    }
}

/// By a shader: the picture travels to the device once, its regions never.
pub(super) struct ShaderCutter {
    device: wgpu::Device,
    queue: wgpu::Queue,
    shader: CropResize,
}

impl ShaderCutter {
    pub(super) fn new(shared: &SharedWgpu) -> Self {
        let (device, queue) = (shared.setup.device.clone(), shared.setup.queue.clone());
        let shader = CropResize::new(&device);
        Self { device, queue, shader }
    }
}

impl Cutter for ShaderCutter {
    fn cut(
        &self,
        source: &mut Source,
        regions: &[Region],
        view: &InputSpec,
        device: &Device,
    ) -> Result<Tensor<4>> {
        // Rather slow than not at all.
        if !CropResize::has_room(&self.device, source.image.dimensions(), view.side, regions.len()) {
            return HostCutter.cut(source, regions, view, device);
        }
        let picture = match &source.texture {
            Some(texture) => texture,
            None => {
                let texture = CropResize::upload(&self.device, &self.queue, &source.image)?;
                source.texture.insert(texture)
            }
        };
        let failed =
            |problem: String| Error::new(ErrorKind::Io, "device", format!("cutting regions: {problem}"));
        let side = view.side as usize;
        let input = Tensor::<4>::empty([regions.len(), 3, side, side], &device.clone().inner());
        let cube = input.clone().try_into_primitive::<Wgpu>().map_err(|e| failed(format!("{e:?}")))?;
        // The shader knows no gaps between rows, and no numbers but f32.
        if !cube.is_contiguous() || cube.dtype != DType::F32 {
            return HostCutter.cut(source, regions, view, device);
        }
        let buffer = cube.client.get_resource::<WgpuServer<AutoCompiler>>(cube.handle.clone());
        let buffer = buffer.map_err(|e| failed(format!("{e:?}")))?;
        let planes = buffer.resource().as_wgpu_bind_resource();
        let cut = Cut { regions, side: view.side, filter: view.filter, normalisation: view.normalisation };
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.shader.encode(&self.device, &mut encoder, picture, &cut, &planes)?;
        // What burn has put aside may still work on memory that this tensor got: it goes first.
        cube.client.flush().map_err(|e| failed(format!("{e:?}")))?;
        self.queue.submit([encoder.finish()]);
        Ok(input)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use ferkd_data::pixels::{Filter, Normalisation};
    use ferkd_method::region::RegionSampler;

    use super::*;

    #[test]
    fn a_shader_cuts_what_the_host_cuts_into_the_tensors_own_buffer() {
        let shared = match ferkd_nn::device::open_shared() {
            Ok(shared) => shared,
            Err(error) => {
                return ferkd_skip::not_installed(format_args!("there is no wgpu adapter: {error}"));
            }
        };
        let image = RgbImage::from_fn(90, 70, |x, y| image::Rgb([x as u8 * 2, y as u8 * 3, (x * y) as u8]));
        let mut source = Source::new(image);
        let cutter = ShaderCutter::new(&shared);
        let view = InputSpec { side: 33, filter: Filter::Bicubic, normalisation: Normalisation::IMAGENET };
        let mut known = Vec::new();
        for (seed, count) in [(1, 5), (2, 1), (3, 9), (4, 5)] {
            let regions = RegionSampler::new(seed).regions(1, count, 90, 70);
            let found = cutter.cut(&mut source, &regions, &view, &shared.device).unwrap();
            assert_eq!(found.dims(), [count as usize, 3, 33, 33]);
            let expected = HostCutter.cut(&mut source, &regions, &view, &shared.device).unwrap();
            // Memory is given back and taken again between the cuts.
            known.push(((found + 1.0).into_data(), (expected + 1.0).into_data()));
            assert!(source.texture.is_some(), "the shader was passed over");
        }
        assert!(known.iter().all(|(found, expected)| found == expected));
    }
}
