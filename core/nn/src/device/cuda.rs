//! CUDA's devices: whether one is there, and whether it can be computed on.

use std::sync::Once;

use burn::tensor::{Device, DeviceType};
use cubecl_runtime::config::cache::CacheConfig;
use cubecl_runtime::config::{CubeClRuntimeConfig, RuntimeConfig};

use ferkd_method::error::{Error, Result};

/// Device `index`, as the driver numbers them.
///
/// # Errors
/// No such device, nothing to compile kernels with, or a choice of a convolution backend that cannot be met.
pub(super) fn open(index: usize) -> Result<Device> {
    static FIRST: Once = Once::new();
    FIRST.call_once(keep_kernels);
    // The first operation on a missing device would panic on a thread of its own.
    let found = count();
    if index >= found {
        return Err(Error::usage("device", format!("cuda:{index}: {found} CUDA devices are here"))
            .remedy("install the NVIDIA driver, or choose --device flex"));
    }
    kernels_can_be_compiled()?;
    super::cudnn::state()?;
    Ok(Device::cuda(index))
}

/// Devices that the driver knows; none without a driver.
pub(super) fn count() -> usize {
    Device::enumerate(DeviceType::Cuda).into_vec().len()
}

/// Has compiled kernels kept beside what was tuned, in the user's cache: a few hundred, each of which takes NVRTC a
/// second or so. CubeCL by itself keeps only which of them are the fastest, and that under the `target` folder of
/// whatever Rust project it is started in. What `cubecl.toml` and the environment say holds for all else.
fn keep_kernels() {
    let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
    config.compilation.cache = true;
    if matches!(config.environment.path, CacheConfig::Target) {
        config.environment.path = CacheConfig::Global;
    }
    // Refused where someone has read the configuration before: a program around this library.
    CubeClRuntimeConfig::try_set(config);
}

/// Whether what kernels are compiled with is here; without it the first of them would panic on a thread of the device.
fn kernels_can_be_compiled() -> Result<()> {
    let absent = |what: String, remedy: &str| Err(Error::usage("device", what).remedy(remedy));
    // SAFETY: it looks for a library by its usual names, and loads it as the first kernel would.
    if !unsafe { cudarc::nvrtc::sys::is_culib_present() } {
        return absent(
            "cuda: NVRTC (libnvrtc), which compiles kernels, is not found".into(),
            "install CUDA's toolkit, or NVRTC alone with its folder in LD_LIBRARY_PATH",
        );
    }
    let header = "include/cuda_bf16.h";
    match cubecl_cuda::install::cuda_path() {
        Some(path) if path.join(header).exists() => Ok(()),
        Some(path) => absent(
            format!("cuda: {} does not exist, which kernels include", path.join(header).display()),
            "set CUDA_PATH to the folder of CUDA's toolkit",
        ),
        None => absent(
            "cuda: CUDA's headers, which kernels include, are not found".into(),
            "install CUDA's toolkit, and set CUDA_PATH to its folder if it lies in an unusual place",
        ),
    }
}
