//! Sums over CUDA devices of several processes, by NCCL, in CubeCL's streams and on its buffers.
//!
//! burn adds up over devices of one process alone: it keeps NCCL's identifiers in a static. Here one process makes the
//! identifier, the launcher's process hands it to all, and every device joins with a number of its own. It has run on
//! the software device alone, by a stand-in for NCCL that adds (docs/cuda.md); the test below is for two devices.

use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::MaybeUninit;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchDevice, StreamId, backend_extension};
use burn::tensor::{DType, Device, Tensor};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::device::DeviceId;
use cubecl::device_handle::{CallResultExt, DeviceHandle};
use cubecl::prelude::KernelId;
use cubecl::server::{BufferBinding, ServerError};
use cubecl_cuda::CudaRuntime;
use cubecl_server::runtime::Runtime;
use cubecl_server::stream::{ExecuteScope, WriteScoped};
use cudarc::nccl::{result, sys};

use ferkd_method::error::{Error, Result};

/// What launches the kernels of a CUDA device, on a thread of its own.
type Server = <CudaRuntime as Runtime>::Server;

/// Bytes of an identifier.
const ID: usize = 128;

/// Whether NCCL's library is here.
pub fn is_here() -> bool {
    // SAFETY: the call only tries to open the library under each of its names, as cubecl does.
    unsafe { sys::is_culib_present() }
}

fn failed(problem: impl std::fmt::Debug) -> Error {
    Error::mismatch("NCCL", format!("{problem:?}"))
        .remedy("see what NCCL says with NCCL_DEBUG=INFO; each device may be used by one process alone")
}

/// What devices join a sum by: made once, and handed to all.
///
/// # Errors
/// What NCCL refuses.
pub fn identifier() -> Result<Vec<u8>> {
    let id = result::get_uniqueid().map_err(failed)?;
    Ok(id.internal.iter().map(|&byte| byte as u8).collect())
}

/// Joins `device` as number `rank` of `of`, all of which have to call it at the same time, each on a thread of its own.
///
/// # Errors
/// A device that is not one of CUDA's, a wrong identifier, what NCCL refuses.
pub fn join(device: &Device, id: &[u8], rank: usize, of: usize) -> Result<()> {
    let device = device.clone().inner();
    let DispatchDevice::Cube(cubecl::Device::Cuda(device)) = device.as_dispatch() else {
        return Err(failed("a device that is not one of CUDA's"));
    };
    let id: &[u8; ID] = id.try_into().map_err(failed)?;
    let id = sys::ncclUniqueId { internal: id.map(|byte| byte as std::ffi::c_char) };
    let device = CudaRuntime::client(device).service_id().device;
    let server: DeviceHandle<Server> = DeviceHandle::new(device);
    let joined = server.submit_blocking(move |_| {
        let mut made = MaybeUninit::uninit();
        // SAFETY: it writes a communicator where it is told to, for the device that is current on this thread: its own.
        unsafe { result::comm_init_rank(made.as_mut_ptr(), of as i32, id, rank as i32) }.map_err(failed)?;
        // SAFETY: it has succeeded, and written one.
        let made = unsafe { made.assume_init() };
        COMMUNICATORS.with_borrow_mut(|all| all.insert(device, made));
        Ok(())
    });
    joined.unwrap_or_resume()
}

/// The sum of what all devices give that have [joined](join): each has to call it. f32, any shape, the same everywhere.
pub fn sum<const D: usize>(row: Tensor<D>) -> Tensor<D> {
    Tensor::from_dispatch(Dispatch::sum_over_devices(row.into_dispatch()))
}

/// What each backend sums over devices with.
#[backend_extension(
    Cube: cfg(feature = "cuda"),
    Flex: cfg(feature = "flex"),
    Fusion: cfg(feature = "cuda")
)]
pub(crate) trait DeviceSum: Backend {
    /// The sum over all devices.
    #[fusion(dtype = row, shape = row)]
    fn sum_over_devices(row: FloatTensor<Self>) -> FloatTensor<Self>;
}

#[cfg(feature = "flex")]
impl DeviceSum for burn::backend::Flex {
    /// No other device can have joined.
    fn sum_over_devices(row: FloatTensor<Self>) -> FloatTensor<Self> {
        row
    }
}

impl DeviceSum for CubeBackend {
    fn sum_over_devices(row: CubeTensor) -> CubeTensor {
        let row = into_contiguous(row);
        assert_eq!(row.dtype, DType::F32, "gradients are summed in f32");
        let count = row.meta.num_elements();
        let out = row.client.empty(count * size_of::<f32>());
        let (from, to) = (row.handle.clone().binding(), out.clone().binding());
        let device = row.client.service_id().device;
        let server: DeviceHandle<Server> = DeviceHandle::new(device);
        server.submit(move |server| {
            let stream = StreamId::current();
            let written = vec![to.clone()];
            let read = [from];
            let scope = ExecuteScope::launching(server, KernelId::new::<Sum>(), stream, read.iter(), written);
            scope.execute(|server| {
                let [from] = read.clone();
                enqueue(server, device, from, to, count)
            });
        });
        CubeTensor { handle: out, ..row }
    }
}

/// What CubeCL calls the sum.
struct Sum;

fn enqueue(
    server: &mut Server,
    device: DeviceId,
    from: BufferBinding,
    to: BufferBinding,
    count: usize,
) -> std::result::Result<(), ServerError> {
    // Work of other streams on the same buffers is waited for here.
    let mut streams = server.write_streams().resolve(StreamId::current(), [&from, &to].into_iter())?;
    let mut address = |binding: BufferBinding| {
        let memory = &mut streams.get(&binding.stream).memory_management_gpu;
        memory.get_resource(binding.memory, binding.offset_start, binding.offset_end).map(|found| found.ptr)
    };
    let (from, to) = (address(from)?, address(to)?);
    let stream = streams.current().sys;
    let told = |reason: String| ServerError::Generic { reason, backtrace: Default::default() };
    let joined = COMMUNICATORS.with_borrow(|all| all.get(&device).copied());
    let joined = joined.ok_or_else(|| told("NCCL: this device has not joined the others".into()))?;
    // SAFETY: both buffers hold `count` numbers and live until what is in the stream so far has run; the communicator is
    // this device's.
    let asked = unsafe {
        result::all_reduce(
            from as *const _,
            to as *mut _,
            count,
            sys::ncclDataType_t::ncclFloat32,
            sys::ncclRedOp_t::ncclSum,
            joined,
            stream.cast(),
        )
    };
    asked.map(drop).map_err(|error| told(format!("NCCL: {error:?}")))
}

thread_local! {
    /// Communicators of the devices that this thread launches for: one. They live as long as the process.
    static COMMUNICATORS: RefCell<HashMap<DeviceId, sys::ncclComm_t>> = RefCell::default();
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and says what it skips")]
mod tests {
    use super::*;
    use crate::device::open;
    use crate::device::read::read;

    /// Two devices join as those of two processes do, and add up what kernels have made just before.
    #[test]
    fn devices_that_have_joined_add_up() {
        let (Ok(first), Ok(second)) = (open("cuda:0"), open("cuda:1")) else {
            eprintln!("skipped: there are no two cuda devices");
            return;
        };
        if !is_here() {
            eprintln!("skipped: NCCL is not here");
            return;
        }
        let id = identifier().unwrap();
        let work = |device: Device, rank: usize| {
            join(&device, &id, rank, 2).unwrap();
            let mut row = Tensor::<1>::ones([1000], &device).mul_scalar(rank as f32 + 1.0);
            for _ in 0..3 {
                row = sum(row.add_scalar(1.0));
            }
            read(row).unwrap()
        };
        let sums = std::thread::scope(|scope| {
            let other = scope.spawn(|| work(second, 1));
            [work(first, 0), other.join().unwrap()]
        });
        // (1 + 1) + (2 + 1) = 5, then twice 2 (x + 1).
        assert_eq!(sums, [vec![26.0; 1000], vec![26.0; 1000]]);
    }
}
