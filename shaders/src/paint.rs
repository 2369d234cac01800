//! Colours of a texture from what other shaders have computed.

use wgpu::{BindingResource, Buffer, CommandEncoder, Device, Texture, TextureUsages};

use crate::pipeline::{Pipeline, uniform};

/// Turns numbers into a picture that a window draws: a heat map's means as [`ferkd_method::heat::colour`] does it, or planes
/// as [`ferkd_method::selfmix::mixed_picture`] does it.
pub struct Paint {
    heat: Pipeline,
    planes: Pipeline,
}

impl Paint {
    /// Compiles the shader.
    pub fn new(device: &Device) -> Self {
        let pipeline = |entry| Pipeline::new(device, "paint", include_str!("paint.wgsl"), entry);
        Self { heat: pipeline("heat"), planes: pipeline("planes") }
    }

    /// A texture of `width` x `height` pixels to be painted, which a window can draw.
    pub fn texture(device: &Device, (width, height): (u32, u32)) -> Texture {
        device.create_texture(&wgpu::TextureDescriptor {
            label: Some("painted"),
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage: TextureUsages::STORAGE_BINDING | TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_SRC,
            view_formats: &[],
        })
    }

    /// Encodes the colours of a heat map: `means` holds an f32 for each of the texture's pixels, row by row, -1
    /// where nothing is to be drawn.
    pub fn encode_heat(&self, device: &Device, encoder: &mut CommandEncoder, means: &Buffer, onto: &Texture) {
        encode(&self.heat, device, encoder, &means.as_entire_binding(), onto);
    }

    /// Encodes the colours of a picture: `planes` holds f32 of shape (3, height, width), in 0..=1.
    pub fn encode_planes(
        &self,
        device: &Device,
        encoder: &mut CommandEncoder,
        planes: &Buffer,
        onto: &Texture,
    ) {
        encode(&self.planes, device, encoder, &planes.as_entire_binding(), onto);
    }
}

fn encode(
    pipeline: &Pipeline,
    device: &Device,
    encoder: &mut CommandEncoder,
    numbers: &BindingResource<'_>,
    onto: &Texture,
) {
    let (width, height) = (onto.width(), onto.height());
    let size = uniform(device, &[width, height]);
    let view = onto.create_view(&wgpu::TextureViewDescriptor::default());
    let bindings = pipeline.bind(
        device,
        &[(0, size.as_entire_binding()), (1, numbers.clone()), (2, BindingResource::TextureView(&view))],
    );
    pipeline.encode(encoder, &bindings, [width.div_ceil(8), height.div_ceil(8), 1]);
}
