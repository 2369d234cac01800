//! What all shaders share: a compute pipeline from WGSL, its bindings, and how many workgroups there are.

use wgpu::util::DeviceExt;
use wgpu::{BindGroup, BindGroupEntry, BindingResource, Buffer, BufferUsages, CommandEncoder, Device};

/// Invocations of a workgroup where a shader goes through a list.
pub(crate) const LINE: u32 = 64;

/// One entry point of a shader.
pub(crate) struct Pipeline {
    pipeline: wgpu::ComputePipeline,
    name: &'static str,
}

impl Pipeline {
    /// Compiles entry point `entry` of the WGSL `source`; `name` is what a debugger shows.
    pub(crate) fn new(device: &Device, name: &'static str, source: &str, entry: &str) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(name),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: None,
            module: &module,
            entry_point: Some(entry),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        Self { pipeline, name }
    }

    /// Bindings of group 0, by their numbers; an entry point may leave some of its shader's out.
    pub(crate) fn bind(&self, device: &Device, bindings: &[(u32, BindingResource<'_>)]) -> BindGroup {
        let entries: Vec<BindGroupEntry<'_>> = bindings
            .iter()
            .map(|(binding, resource)| BindGroupEntry { binding: *binding, resource: resource.clone() })
            .collect();
        device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(self.name),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &entries,
        })
    }

    /// Encodes a pass over so many workgroups; none where there is nothing to do.
    pub(crate) fn encode(&self, encoder: &mut CommandEncoder, bindings: &BindGroup, groups: [u32; 3]) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: Some(self.name),
            timestamp_writes: None,
        });
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, bindings, &[]);
        pass.dispatch_workgroups(groups[0], groups[1], groups[2]);
    }
}

/// Workgroups for a list: several rows of them where one row is not allowed to be so long.
pub(crate) fn line(count: u32) -> [u32; 3] {
    const ROW: u32 = 1 << 15;
    let groups = count.div_ceil(LINE);
    [groups.min(ROW), groups.div_ceil(ROW), 1]
}

/// A buffer that holds `values`.
pub(crate) fn uniform<T: bytemuck::NoUninit>(device: &Device, values: &T) -> Buffer {
    device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: None,
        contents: bytemuck::bytes_of(values),
        usage: BufferUsages::UNIFORM,
    })
}

/// A buffer that holds a list; one element of zeros where it is empty, as a binding must not be.
pub(crate) fn storage<T: bytemuck::Pod>(device: &Device, values: &[T]) -> Buffer {
    let none = [T::zeroed()];
    device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: None,
        contents: bytemuck::cast_slice(if values.is_empty() { &none } else { values }),
        usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC,
    })
}
