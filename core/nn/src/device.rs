//! The device that computes, chosen when the program runs.

#[cfg(feature = "cuda")]
mod cuda;
#[cfg(feature = "cuda")]
pub mod cudnn;
#[cfg(feature = "cuda")]
pub mod launches;
#[cfg(feature = "cuda")]
pub mod nccl;
pub mod read;

use burn::tensor::Device;

use ferkd_method::error::{Error, Result};

/// Opens a device by name: `flex` (the CPU), `wgpu`, `cuda`, `cuda:1`, or `auto`, the best that is there: a program
/// that emulates a GPU is slower than the CPU itself, and is taken only by its name.
///
/// # Errors
/// A name that is none of these, a backend that was not compiled in, a device that is not there or lacks what it needs.
pub fn open(name: &str) -> Result<Device> {
    if name.contains([',', '-']) {
        return Err(Error::usage("device", format!("`{name}` names several devices: expected one"))
            .remedy("name one; `ferkd train` alone takes several"));
    }
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    let index: usize = index.parse().map_err(|_| {
        Error::usage("device", format!("`{name}`: invalid index: expected a number after the colon"))
    })?;
    match kind {
        "flex" | "cpu" => flex(),
        "cuda" => cuda(index),
        "wgpu" => wgpu(),
        "auto" => hardware().unwrap_or_else(|| flex().or_else(|_| wgpu())),
        _ => Err(Error::usage("device", format!("invalid device `{name}`"))
            .remedy("expected auto, flex, wgpu, cuda or cuda:N")),
    }
}

/// Opens the devices of a list such as `cuda:0,cuda:1`, `cuda:0-3` or `flex,flex` (the CPU, twice); a name alone is
/// a list of one.
///
/// # Errors
/// Those of [`open`]; devices of several kinds, which would not compute the same bits; one that is named twice,
/// unless it is the CPU.
pub fn open_all(names: &str) -> Result<Vec<Device>> {
    let names = listed(names)?;
    names.iter().map(|name| open(name)).collect()
}

/// The names in a list of devices.
fn listed(names: &str) -> Result<Vec<String>> {
    let wrong = |problem: String| {
        Err(Error::usage("device", format!("`{names}`: {problem}")).remedy("write cuda:0,cuda:1 or cuda:0-3"))
    };
    let mut found = Vec::new();
    for name in names.split(',').map(str::trim) {
        let range = name.split_once(':').and_then(|(kind, range)| Some((kind, range.split_once('-')?)));
        let Some((kind, (first, last))) = range else {
            found.push(name.to_owned());
            continue;
        };
        match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) if first <= last && last - first < MOST => {
                found.extend((first..=last).map(|index| format!("{kind}:{index}")));
            }
            _ => return wrong(format!("invalid range of devices `{first}-{last}`")),
        }
    }
    if found.len() > MOST {
        return wrong(format!("invalid list of {} devices: expected {MOST} at most", found.len()));
    }
    let kind = |name: &str| match name.split(':').next() {
        Some("cpu") => "flex".to_owned(),
        first => first.unwrap_or_default().to_owned(),
    };
    let index = |name: &str| name.split_once(':').map_or("0", |(_, index)| index).to_owned();
    for (i, name) in found.iter().enumerate().skip(1) {
        if kind(name) != kind(&found[0]) {
            return wrong("devices of several kinds would not stay the same to the bit".into());
        }
        if kind(name) != "flex" && found[..i].iter().any(|other| index(other) == index(name)) {
            return wrong(format!("`{name}` is named twice"));
        }
    }
    Ok(found)
}

/// The devices of process `number` of the `of` processes that a machine runs: of a list its part, of `cuda` or `auto`
/// the one of its number where CUDA has several. One device that is named stays: the CPU, or the only one that a
/// scheduler lets each process see.
///
/// # Errors
/// A list that the processes cannot share evenly, fewer devices than processes; those of a list that cannot be read.
pub fn of_process(names: &str, number: usize, of: usize) -> Result<String> {
    let all = listed(names)?;
    let uneven = |count: usize| {
        let problem =
            format!("`{names}`: {of} processes of this machine cannot share {count} devices evenly");
        Error::usage("device", problem)
            .remedy("start one process a device, or one process for all, on each machine")
    };
    match (&all[..], cuda_count()) {
        ([one], 2..) if of > 1 && !one.contains(':') && kind(one) == "cuda" => {
            let count = cuda_count();
            if count < of { Err(uneven(count)) } else { Ok(format!("cuda:{number}")) }
        }
        ([_], _) => Ok(names.to_owned()),
        (all, _) if all.len().is_multiple_of(of) => {
            let each = all.len() / of;
            Ok(all[number * each..(number + 1) * each].join(","))
        }
        (all, _) => Err(uneven(all.len())),
    }
}

/// CUDA's devices.
fn cuda_count() -> usize {
    #[cfg(feature = "cuda")]
    return cuda::count();
    #[cfg(not(feature = "cuda"))]
    0
}

/// Most devices of one process.
const MOST: usize = 64;

/// What computes under a device's name, or the first name of a list: `flex`, `wgpu` or `cuda`. Devices of one kind
/// compute the same bits.
pub fn kind(name: &str) -> &'static str {
    match name.split([':', ',']).next() {
        Some("cuda") => "cuda",
        Some("wgpu") => "wgpu",
        Some("auto") if first_cuda().is_some() => "cuda",
        Some("auto") if hardware().is_some() => "wgpu",
        _ => "flex",
    }
}

/// Whether a device is one of CUDA's.
pub fn is_cuda(_device: &Device) -> bool {
    #[cfg(feature = "cuda")]
    return matches!(
        _device.clone().inner().as_dispatch(),
        burn::backend::DispatchDevice::Cube(cubecl::Device::Cuda(_))
    );
    #[cfg(not(feature = "cuda"))]
    false
}

/// Whether a device is the CPU by burn-flex.
pub fn is_flex(_device: &Device) -> bool {
    #[cfg(feature = "flex")]
    return matches!(_device.clone().inner().as_dispatch(), burn::backend::DispatchDevice::Flex(_));
    #[cfg(not(feature = "flex"))]
    false
}

/// Whether a device has memory of its own, or may have: the CPU has not.
#[cfg(not(target_family = "wasm"))]
pub fn has_memory(_device: &Device) -> bool {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return matches!(_device.clone().inner().as_dispatch(), burn::backend::DispatchDevice::Cube(_));
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    false
}

/// Whether a device's name, or the first of a list, means the CPU, which decoding needs too.
pub fn is_cpu(name: &str) -> bool {
    kind(name) == "flex"
}

/// Whether a name means the CPU alone, and once, whatever devices there are: none is looked for, so that it can be asked
/// before threads are started. `auto` in a program that knows other devices may be any of them.
pub fn is_only_cpu(name: &str) -> bool {
    let knows_others = cfg!(any(feature = "wgpu", feature = "cuda"));
    name == "flex" || name == "cpu" || name == "auto" && !knows_others
}

/// The best device that is no CPU, where there is one.
fn hardware() -> Option<Result<Device>> {
    first_cuda().or_else(|| wgpu().and_then(reject_software_adapter).ok().map(Ok))
}

/// CUDA's first device, where there is one: what it lacks is said, rather than something slower taken in silence.
fn first_cuda() -> Option<Result<Device>> {
    #[cfg(feature = "cuda")]
    return (cuda::count() > 0).then(|| cuda::open(0));
    #[cfg(not(feature = "cuda"))]
    None
}

/// `device`, where any of the adapters is hardware.
fn reject_software_adapter(device: Device) -> Result<Device> {
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
    return cuda::open(_index);
    #[cfg(not(feature = "cuda"))]
    return Err(absent("cuda"));
}

/// Tells that a device's first use takes its time, where it does: CUDA's kernels are compiled, and the fastest of
/// several chosen, when they are first wanted.
#[cfg(not(target_family = "wasm"))]
pub fn first_use(name: &str, listen: ferkd_data::events::Listener<'_>) {
    let mut tell = |text: String| listen(&ferkd_data::events::Event::Notice { text });
    if kind(name) == "cuda" {
        let text = "the first step compiles and tunes CUDA kernels for this network and size, which takes minutes \
                    or more; ~/.cache/cubecl keeps them for later runs";
        tell(text.into());
    }
    if let Some(who) = conv_backend(name) {
        tell(format!("convolutions are computed by {who}"));
    }
}

/// Who computes convolutions on a device of CUDA's, as a person or a run's record is told.
#[cfg(not(target_family = "wasm"))]
pub fn conv_backend(_name: &str) -> Option<String> {
    #[cfg(feature = "cuda")]
    if kind(_name) == "cuda" {
        return Some(cudnn::state().map_or_else(|_| "burn".into(), |state| state.to_string()));
    }
    None
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

    /// Whether the adapter is not hardware but a program that emulates it.
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
    fn the_cpu_alone_is_known_without_looking_for_devices() {
        assert!(is_only_cpu("flex") && is_only_cpu("cpu"));
        assert!(!["flex,flex", "cuda:0", "wgpu", "cpus"].into_iter().any(is_only_cpu));
    }

    #[test]
    fn lists_name_devices_of_one_kind() {
        assert_eq!(listed("cuda:0-2,cuda:5").unwrap(), ["cuda:0", "cuda:1", "cuda:2", "cuda:5"]);
        assert_eq!(listed("flex").unwrap(), ["flex"]);
        assert_eq!(open_all("flex, cpu").unwrap(), [Device::flex(), Device::flex()]);
        for (wrong, why) in [
            ("cuda:0,flex", "several kinds"),
            ("cuda,cuda:0", "named twice"),
            ("auto,auto", "named twice"),
            ("cuda:3-1", "invalid range"),
            ("cuda:0-x", "invalid range"),
            ("cuda:0-999999999999", "invalid range"),
        ] {
            let error = listed(wrong).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("cuda:0-3"), "{error}");
        }
        assert!(is_cpu("flex,flex") && is_cpu("cpu") && !is_cpu("cuda:0-3") && !is_cpu("wgpu"));
        assert!(open("flex,flex").unwrap_err().to_string().contains("ferkd train"));
        assert!(open_all("flex,").is_err() && open_all("").is_err());
    }

    #[test]
    fn processes_of_a_machine_share_its_devices() {
        let parts =
            |names, of| (0..of).map(|number| of_process(names, number, of)).collect::<Result<Vec<_>>>();
        assert_eq!(parts("cuda:0-3", 2).unwrap(), ["cuda:0,cuda:1", "cuda:2,cuda:3"]);
        assert_eq!(parts("cuda:0-3", 4).unwrap(), ["cuda:0", "cuda:1", "cuda:2", "cuda:3"]);
        assert_eq!(parts("cuda:0-3", 1).unwrap(), ["cuda:0,cuda:1,cuda:2,cuda:3"]);
        // The CPU, or the one that each process sees.
        assert_eq!(parts("flex", 3).unwrap(), ["flex"; 3]);
        assert_eq!(parts("cuda:0", 2).unwrap(), ["cuda:0"; 2]);
        let error = parts("cuda:0-2", 2).unwrap_err().to_string();
        assert!(error.contains("2 processes") && error.contains("3 devices"), "{error}");
    }

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
            if first_cuda().is_none() && found.iter().all(|device| *device == software) {
                assert_eq!(auto, Device::flex());
            }
        }
    }
}
