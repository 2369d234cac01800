//! Convolutions by NVIDIA's cuDNN, on CubeCL's buffers and in its streams.
//!
//! - `descriptor`: what cuDNN's graph API is told with.
//! - `problem`: what is convolved; `graph`: the same as cuDNN is told it.
//! - `plan`: the kernels that cuDNN's heuristics name for a convolution. The first is taken, as PyTorch does by default,
//!   and the same in every run; or they are timed, as PyTorch does with `cudnn.benchmark`.
//! - `kernels`: those that are taken for a problem; `stream`: a kernel takes its place among the launches of CubeCL's.
//!
//! Pictures and weights are laid out with channels last, as burn lays them out for its own kernels. Sums are in f32 and
//! in an order that does not change from run to run. What cuDNN has no such kernel for is left to burn.

mod descriptor;
mod graph;
mod kernels;
mod plan;
mod problem;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use burn::tensor::ops::ConvOptions;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::{permute_nchw_to_nhwc, permute_nhwc_to_nchw};
use burn_cubecl::tensor::CubeTensor;
use cubecl::client::Client;
use cubecl::device::DeviceId;

use self::kernels::Kernels;
pub(super) use self::problem::ConvPass;
use self::problem::Problem;
use super::super::cubes::empty;
use crate::device::cudnn::{State, state};

/// What `pass` computes from `operands`, in the order of [`ConvPass`]'s words; nothing where cuDNN does not compute it.
/// `of` are the convolution's pictures and weight, or tensors of their shapes.
pub(super) fn convolved(
    pass: ConvPass,
    operands: [&CubeTensor; 2],
    of: [&CubeTensor; 2],
    options: &ConvOptions<2>,
) -> Option<CubeTensor> {
    let like = operands[0];
    if !stream::is_cuda(&like.client) {
        return None;
    }
    let problem = Problem::new(pass, of, options)?;
    let [n, channels, height, width] = problem.computed();
    let kernels = planned(&like.client, problem)?;
    let operands = operands.map(|tensor| into_contiguous(permute_nchw_to_nhwc(tensor.clone())));
    let computed = empty(&operands[0], [n, height, width, channels], operands[0].dtype);
    let client = &operands[0].client;
    let room = kernels.room();
    let room = (room > 0).then(|| client.empty(room));
    stream::run(client, kernels, operands.each_ref().map(|x| &x.handle), &computed.handle, room);
    Some(permute_nhwc_to_nchw(computed))
}

/// Most kernels that are timed for a problem, as many as PyTorch times.
const TIMED: usize = 10;

/// The kernels for a problem, looked for when they are first wanted: nothing where cuDNN is absent, unwanted, or has none.
fn planned(client: &Client, problem: Problem) -> Option<Arc<Kernels>> {
    type All = HashMap<(DeviceId, Problem), Option<Arc<Kernels>>>;
    static ALL: LazyLock<Mutex<All>> = LazyLock::new(Mutex::default);
    let key = (client.service_id().device, problem);
    let all = || ALL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = all().get(&key) {
        return found.clone();
    }
    // Without the lock: other devices plan meanwhile.
    let kernels = match state() {
        Ok(State::Open { measured, .. }) => stream::plan(client, &key.1, if measured { TIMED } else { 1 })
            .map(|plans| Arc::new(Kernels { pass: key.1.pass, plans, taken: OnceLock::new() }))
            // Where it cannot be written, it is lost, and nothing else is.
            .inspect_err(|error| {
                let _ = writeln!(std::io::stderr(), "cuDNN leaves a convolution to burn: {error}");
            })
            .ok(),
        _ => None,
    };
    all().insert(key, kernels.clone());
    kernels
}
