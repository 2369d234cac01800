//! The device that computes, chosen when the program runs.

use burn::tensor::Device;

use crate::error::{Error, Result};

/// Opens a device by name: `flex` (the CPU), `wgpu`, `cuda`, `cuda:1`, or `auto`, the best that is there: a program
/// that stands in for a GPU is slower than the CPU itself, and is taken only by its name.
///
/// # Errors
/// A name that is none of these, a backend that was not compiled in, or a device that is not there.
pub fn open(name: &str) -> Result<Device> {
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    let index: usize = index
        .parse()
        .map_err(|_| Error::usage("device", format!("`{name}`: what follows the colon is no number")))?;
    match kind {
        "flex" | "cpu" => flex(),
        "cuda" => cuda(index),
        "wgpu" => wgpu(),
        "auto" => hardware().or_else(|_| flex()).or_else(|_| wgpu()),
        _ => Err(Error::usage("device", format!("`{name}` is no device"))
            .remedy("auto, flex, wgpu, cuda or cuda:N")),
    }
}

/// Whether a device name means the CPU, which decoding needs too.
pub fn is_cpu(name: &str) -> bool {
    let kind = name.split(':').next().unwrap_or(name);
    matches!(kind, "flex" | "cpu") || (kind == "auto" && hardware().is_err())
}

/// The best device that is no CPU.
fn hardware() -> Result<Device> {
    cuda(0).or_else(|_| wgpu().and_then(no_stand_in))
}

/// `device`, where any of the adapters is hardware.
fn no_stand_in(device: Device) -> Result<Device> {
    #[cfg(feature = "wgpu")]
    {
        use burn::tensor::{DeviceKind, DeviceType};
        let software = Device::wgpu(DeviceKind::Cpu);
        if Device::enumerate(DeviceType::Wgpu).into_vec().iter().all(|found| *found == software) {
            return Err(Error::usage("device", "wgpu: software adapters alone are here")
                .remedy("choose --device flex, or --device wgpu to use one"));
        }
    }
    Ok(device)
}

#[allow(dead_code, reason = "which of the backends are absent depends on the features")]
fn absent(backend: &str) -> Error {
    Error::usage("device", format!("this program was built without {backend}"))
        .remedy(format!("build it with `--features {backend}`, or choose --device flex"))
}

fn flex() -> Result<Device> {
    #[cfg(feature = "flex")]
    return Ok(Device::flex());
    #[cfg(not(feature = "flex"))]
    return Err(absent("flex"));
}

fn cuda(_index: usize) -> Result<Device> {
    #[cfg(feature = "cuda")]
    {
        use burn::tensor::{DeviceType, Devices};
        // The first operation on a missing device would panic on a thread of its own.
        let found = Devices::from(Device::enumerate(DeviceType::Cuda)).into_vec().len();
        if _index < found {
            return Ok(Device::cuda(_index));
        }
        return Err(Error::usage("device", format!("cuda:{_index}: {found} CUDA devices are here"))
            .remedy("install the NVIDIA driver, or choose --device flex"));
    }
    #[cfg(not(feature = "cuda"))]
    return Err(absent("cuda"));
}

fn wgpu() -> Result<Device> {
    #[cfg(feature = "wgpu")]
    {
        use burn::tensor::{DeviceKind, DeviceType};
        if Device::enumerate(DeviceType::Wgpu).into_vec().is_empty() {
            return Err(Error::usage("device", "wgpu: no adapter is here").remedy("choose --device flex"));
        }
        Ok(Device::wgpu(DeviceKind::default()))
    }
    #[cfg(not(feature = "wgpu"))]
    Err(absent("wgpu"))
}

/// A wgpu device that computes, with the handles that let a window draw on it too.
#[cfg(feature = "wgpu")]
#[derive(Clone)]
pub struct SharedWgpu {
    /// The device, for tensors.
    pub device: Device,
    /// Its instance, adapter, device and queue.
    pub setup: burn::tensor::wgpu::WgpuSetup,
}

#[cfg(feature = "wgpu")]
impl SharedWgpu {
    /// The adapter's name.
    pub fn name(&self) -> String {
        self.setup.adapter.get_info().name
    }

    /// Whether the adapter is no hardware but a program that stands in for it.
    pub fn is_software(&self) -> bool {
        self.setup.adapter.get_info().device_type == burn::tensor::wgpu::wgpu::DeviceType::Cpu
    }
}

/// Opens the best wgpu device for tensors and a window. Once in a process: burn keeps what it opens.
///
/// # Errors
/// No adapter, or one that was opened before.
#[cfg(all(feature = "wgpu", not(target_family = "wasm")))]
pub fn open_shared() -> Result<SharedWgpu> {
    let opened = Device::wgpu_options().init_with_setup();
    let (device, setup) = opened.map_err(no_adapter)?;
    Ok(SharedWgpu { device, setup })
}

/// The same, without blocking: a browser must not.
///
/// # Errors
/// No adapter, or one that was opened before.
#[cfg(feature = "wgpu")]
pub async fn open_shared_async() -> Result<SharedWgpu> {
    let opened = Device::wgpu_options().init_with_setup_async().await;
    let (device, setup) = opened.map_err(no_adapter)?;
    Ok(SharedWgpu { device, setup })
}

#[cfg(feature = "wgpu")]
fn no_adapter(error: burn::tensor::wgpu::WgpuInitError) -> Error {
    Error::usage("device", format!("wgpu: {error}")).remedy("choose --device flex")
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;

    #[test]
    fn auto_is_hardware_or_the_cpu_itself() {
        let auto = open("auto").unwrap();
        assert_eq!(auto == Device::flex(), is_cpu("auto"));
        #[cfg(feature = "wgpu")]
        {
            use burn::tensor::{DeviceKind, DeviceType};
            let software = Device::wgpu(DeviceKind::Cpu);
            let found = Device::enumerate(DeviceType::Wgpu).into_vec();
            // Where there is neither CUDA nor any hardware for wgpu, the CPU computes.
            if cuda(0).is_err() && found.iter().all(|device| *device == software) {
                assert_eq!(auto, Device::flex());
            }
        }
    }
}
