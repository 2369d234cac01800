//! The sum over several CUDA devices by NCCL: over those of this process through burn, over those of all processes in
//! communicators of our own. Run on the software CUDA device (docs/cuda.md); never on real GPUs.
//!
//! NCCL's groups are known to one process alone in burn (cubecl keeps their identifiers in a static), hence the second
//! way. The order of adding is NCCL's own, fixed for the machines and a group, not the order of the replicas.

use burn::tensor::distributed::{ReduceOperation, all_reduce as collective};
use burn::tensor::{Device, DeviceType, Tensor};

use super::group::Group;
use ferkd_method::error::Result;
use ferkd_nn::device::nccl::{identifier, is_here};

/// Which devices NCCL adds up over.
#[derive(Clone)]
pub(super) enum Devices {
    /// Several of this process.
    Own(Vec<Device>),
    /// Those of all processes, which have joined each other.
    All,
}

/// The devices of this process to add up over, if NCCL can: several of CUDA's, and its library is here. Without the
/// library burn would panic on the first sum; the host makes it instead.
pub(super) fn own<'a>(devices: impl Iterator<Item = &'a Device>) -> Option<Devices> {
    let own: Vec<Device> = devices.map(|device| device.clone().inner()).collect();
    (own.len() > 1 && can_add(&own)).then_some(Devices::Own(own))
}

/// Whether NCCL is here, and can add up over these devices.
fn can_add(devices: &[Device]) -> bool {
    let cuda = Device::enumerate(DeviceType::Cuda).into_vec();
    devices.iter().all(|device| cuda.contains(device)) && is_here()
}

/// What the devices of this process join those of the others by.
pub(super) struct Invitation {
    pub id: Vec<u8>,
    /// Number of this process's first device among all.
    pub first: usize,
    /// How many there are.
    pub of: usize,
}

/// Agrees with the other processes on a sum by NCCL; none where one of them cannot.
///
/// # Errors
/// What NCCL refuses.
pub(super) fn invite(group: &mut dyn Group, own: Vec<Device>) -> Result<Option<Invitation>> {
    if group.any(!can_add(&own)) {
        return Ok(None);
    }
    let id = if group.rank() == 0 { identifier()? } else { Vec::new() };
    let id = group.broadcast(id);
    // At most 64 devices a process.
    let counts: Vec<usize> =
        group.gather(&[own.len() as u8]).iter().map(|count| usize::from(count[0])).collect();
    let first = counts[..group.rank()].iter().sum();
    Ok(Some(Invitation { id, first, of: counts.iter().sum() }))
}

/// The sum of what every one of the devices gives; each has to call it, on a thread of its own.
pub(super) fn sum(row: Tensor<1>, devices: &Devices) -> Tensor<1> {
    match devices {
        Devices::Own(own) => collective(row, ReduceOperation::Sum, own.clone()).resolve(),
        Devices::All => ferkd_nn::device::nccl::sum(row),
    }
}
