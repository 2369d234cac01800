//! How cuDNN's kernels take their place among those of CubeCL's: on the thread that CubeCL launches a device's kernels
//! from, in the stream of who asks, with its buffers.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ptr::null_mut;
use std::sync::Arc;

use burn::backend::StreamId;
use cubecl::client::Client;
use cubecl::device::DeviceId;
use cubecl::device_handle::{CallResultExt, DeviceHandle};
use cubecl::prelude::KernelId;
use cubecl::server::{BufferBinding, Handle, ServerError};
use cubecl_cuda::CudaRuntime;
use cubecl_server::runtime::Runtime;
use cubecl_server::stream::{ExecuteScope, WriteScoped};
use cudarc::cudnn::sys;
use cudarc::driver::result::event;
use cudarc::driver::sys::{CUevent, CUevent_flags, CUstream};

use super::descriptor::checked;
use super::graph::Target;
use super::kernels::Kernels;
use super::plan::CudnnPlan;
use super::problem::Problem;
use crate::device::launches::watched;

/// What launches the kernels of a CUDA device, on a thread of its own.
type Server = <CudaRuntime as Runtime>::Server;

/// Whether a client's device is one of CUDA's.
pub(super) fn is_cuda(client: &Client) -> bool {
    client.service_id().service == TypeId::of::<Server>()
}

fn server(client: &Client) -> (DeviceHandle<Server>, DeviceId) {
    let device = client.service_id().device;
    (DeviceHandle::new(device), device)
}

/// At most so many plans for a problem on a client's device.
///
/// # Errors
/// cuDNN's words where it has none.
pub(super) fn plan(client: &Client, problem: &Problem, most: usize) -> Result<Vec<CudnnPlan>, String> {
    let (server, device) = server(client);
    let made = server.submit_blocking(|_| CudnnPlan::fastest(problem, Target::Handle(handle(device)?), most));
    made.unwrap_or_resume()
}

/// Has a kernel run behind all that was launched before, and before all that is launched after: `computed` from
/// `operands`, each with channels last and without gaps; `room` is what any of the kernels takes. Which one, is measured
/// the first time. What fails is told to who reads what was to be computed.
pub(super) fn run(
    client: &Client,
    kernels: Arc<Kernels>,
    operands: [&Handle; 2],
    computed: &Handle,
    room: Option<Handle>,
) {
    let Some(launches) = watched() else {
        return submit(client, kernels, operands, computed, room);
    };
    let (name, window) = (kernels.name(), client.profile_start());
    submit(client, kernels, operands, computed, room);
    if let Ok(took) = window.and_then(|window| client.profile_end(window)) {
        launches.add(name, took);
    }
}

fn submit(
    client: &Client,
    kernels: Arc<Kernels>,
    operands: [&Handle; 2],
    computed: &Handle,
    room: Option<Handle>,
) {
    let (server, device) = server(client);
    let operands = operands.map(|operand| operand.clone().binding());
    let computed = computed.clone().binding();
    let room = room.map(Handle::binding);
    server.submit(move |server| {
        let stream = StreamId::current();
        let written = vec![computed.clone()];
        let scope =
            ExecuteScope::launching(server, KernelId::new::<Kernels>(), stream, operands.iter(), written);
        scope.execute(|server| {
            let [a, b] = operands;
            enqueue(server, device, &kernels, [computed, a, b], room).map_err(|reason| match reason {
                Failure::Server(error) => error,
                Failure::Cudnn(reason) => ServerError::Generic { reason, backtrace: Default::default() },
            })
        });
    });
}

/// Whose words say what went wrong.
enum Failure {
    Server(ServerError),
    Cudnn(String),
}

fn enqueue(
    server: &mut Server,
    device: DeviceId,
    kernels: &Kernels,
    tensors: [BufferBinding; 3],
    room: Option<BufferBinding>,
) -> Result<(), Failure> {
    let handle = handle(device).map_err(Failure::Cudnn)?;
    // Work of other streams on the same buffers is waited for here.
    let all = tensors.iter().chain(&room);
    let mut streams = server.write_streams().resolve(StreamId::current(), all).map_err(Failure::Server)?;
    let mut address = |binding: BufferBinding| {
        let memory = &mut streams.get(&binding.stream).memory_management_gpu;
        let found = memory.get_resource(binding.memory, binding.offset_start, binding.offset_end);
        found.map(|resource| resource.ptr).map_err(|error| Failure::Server(error.into()))
    };
    let [computed, a, b] = tensors;
    let tensors = [address(computed)?, address(a)?, address(b)?];
    let room = room.map_or(Ok(0), &mut address)?;
    let stream = streams.current().sys;
    // SAFETY: handle and stream belong to the device of this thread.
    let status = unsafe { sys::cudnnSetStream(handle, stream.cast()) };
    checked("a stream", status).map_err(Failure::Cudnn)?;
    // SAFETY: the buffers are of the plans' shapes, and live until what is in the stream so far has run.
    let run = |plan: &CudnnPlan| unsafe { plan.run(handle, tensors, room) };
    let taken = kernels.taken.get().copied();
    let taken = taken.unwrap_or_else(|| *kernels.taken.get_or_init(|| fastest(&kernels.plans, stream, run)));
    run(&kernels.plans[taken]).map_err(Failure::Cudnn)
}

/// Times that a kernel runs while it is timed, after once to warm up.
const RUNS: usize = 3;

/// The place of the plan that runs fastest; of one that cannot be told, the first.
fn fastest(plans: &[CudnnPlan], stream: CUstream, run: impl Fn(&CudnnPlan) -> Result<(), String>) -> usize {
    if plans.len() < 2 {
        return 0;
    }
    let timed = |plan: &CudnnPlan| -> Result<f32, String> {
        run(plan)?;
        let begun = Event::in_stream(stream)?;
        (0..RUNS).try_for_each(|_| run(plan))?;
        begun.until(&Event::in_stream(stream)?)
    };
    let times = plans.iter().map(|plan| timed(plan).unwrap_or(f32::INFINITY)).enumerate();
    times.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(place, _)| place)
}

/// A moment in a stream.
struct Event(CUevent);

impl Event {
    /// When all that is in the stream so far has run.
    fn in_stream(stream: CUstream) -> Result<Self, String> {
        let event = Self(driver(event::create(CUevent_flags::CU_EVENT_DEFAULT))?);
        // SAFETY: event and stream belong to this thread's device.
        driver(unsafe { event::record(event.0, stream) })?;
        Ok(event)
    }

    /// Milliseconds until a later one, once that has come.
    fn until(&self, later: &Self) -> Result<f32, String> {
        // SAFETY: both were recorded.
        driver(unsafe { event::synchronize(later.0) })?;
        // SAFETY: as above.
        driver(unsafe { event::elapsed(self.0, later.0) })
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: nothing else destroys it. There is no one to tell if the driver could not.
        let _ = unsafe { event::destroy(self.0) };
    }
}

fn driver<T>(result: Result<T, cudarc::driver::DriverError>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

thread_local! {
    /// Handles of the devices that this thread launches for: one.
    static HANDLES: RefCell<HashMap<DeviceId, sys::cudnnHandle_t>> = RefCell::default();
}

/// cuDNN's handle of a device. On the device's own thread, whose current context it is bound to.
fn handle(device: DeviceId) -> Result<sys::cudnnHandle_t, String> {
    HANDLES.with_borrow_mut(|handles| {
        if let Some(&handle) = handles.get(&device) {
            return Ok(handle);
        }
        let mut handle = null_mut();
        // SAFETY: it writes a handle where it is told to.
        checked("cuDNN's handle", unsafe { sys::cudnnCreate(&raw mut handle) })?;
        handles.insert(device, handle);
        Ok(handle)
    })
}
