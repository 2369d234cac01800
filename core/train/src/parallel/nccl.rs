//! The sum over several CUDA devices of this process, by NCCL through burn. Type-checked; never run on a device.
//!
//! NCCL's groups are known to one process alone (cubecl keeps their identifiers in a static), so that it cannot add up
//! over processes: the ring does, after it. Its order of adding is NCCL's own, fixed for a machine and a group, not the
//! order of the replicas.

use burn::tensor::distributed::{ReduceOperation, all_reduce as collective};
use burn::tensor::{Device, DeviceType, Tensor};

/// The devices to add up over, if NCCL can: several of CUDA's, and its library is here. Without the library burn would
/// panic on the first sum; the host makes it instead.
pub(super) fn group<'a>(devices: impl Iterator<Item = &'a Device>) -> Option<Vec<Device>> {
    let group: Vec<Device> = devices.map(|device| device.clone().inner()).collect();
    let cuda = Device::enumerate(DeviceType::Cuda).into_vec();
    if group.len() < 2 || !group.iter().all(|device| cuda.contains(device)) {
        return None;
    }
    // SAFETY: the call only tries to open the library under each of its names, as cubecl does.
    let found = unsafe { cudarc::nccl::sys::is_culib_present() };
    found.then_some(group)
}

/// The sum of what every device of the group gives; each has to call it, on a thread of its own.
pub(super) fn all_reduce(row: Tensor<1>, group: &[Device]) -> Tensor<1> {
    collective(row, ReduceOperation::Sum, group.to_vec()).resolve()
}
