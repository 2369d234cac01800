//! Convolutions by NVIDIA's cuDNN, on CubeCL's buffers and in its streams.
//!
//! - `descriptor`: what cuDNN's graph API is told with.
//! - `graph`: the convolution and its tensors.
//! - `plan`: the kernels that cuDNN's heuristics name for a convolution. The first is taken, as PyTorch does by default,
//!   and the same in every run; or they are timed, as PyTorch does with `cudnn.benchmark`.
//! - `stream`: a kernel takes its place among the launches of CubeCL's.
//!
//! Pictures and weights are laid out with channels last, as burn lays them out for its own kernels. Sums are in f32 and
//! in an order that does not change from run to run. What cuDNN has no such kernel for is left to burn.

mod descriptor;
mod graph;
mod plan;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use burn::backend::TensorMetadata;
use burn::tensor::DType;
use burn::tensor::ops::ConvOptions;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::{permute_nchw_to_nhwc, permute_nhwc_to_nchw};
use burn_cubecl::tensor::CubeTensor;
use cubecl::client::Client;
use cubecl::device::DeviceId;

use self::plan::CudnnPlan;
use super::super::cubes::empty;
use super::output;
use crate::device::cudnn::{State, state};

/// Which of a convolution's three tensors is computed from the other two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ConvPass {
    /// The output, from pictures and weight.
    Forward,
    /// The gradient of the pictures, from that of the output and the weight.
    ToX,
    /// The gradient of the weight, from that of the output and the pictures.
    ToWeight,
}

/// Everything that the choice of a kernel depends on but the device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Problem {
    pass: ConvPass,
    /// (N, channels, height, width), (outputs, channels / groups, height, width), (N, outputs, height, width).
    x: [usize; 4],
    weight: [usize; 4],
    y: [usize; 4],
    options: ConvOptions<2>,
    /// Numbers in bf16; else in f32.
    half: bool,
}

impl Problem {
    /// Nothing where there is nothing to compute, or in a type that nothing is trained in.
    fn new(pass: ConvPass, [x, weight]: [&CubeTensor; 2], options: &ConvOptions<2>) -> Option<Self> {
        let half = match x.dtype {
            DType::F32 => false,
            DType::BF16 => true,
            _ => return None,
        };
        let (x, weight) = (x.shape().dims(), weight.shape().dims());
        let y = output(x, weight, options);
        let some = [x, weight, y].iter().flatten().all(|&side| side > 0);
        some.then(|| Self { pass, x, weight, y, options: options.clone(), half })
    }

    /// The shape of what is computed.
    fn computed(&self) -> [usize; 4] {
        match self.pass {
            ConvPass::Forward => self.y,
            ConvPass::ToX => self.x,
            ConvPass::ToWeight => self.weight,
        }
    }
}

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

/// The kernels that may compute a problem.
#[derive(Debug)]
struct Kernels {
    pass: ConvPass,
    plans: Vec<CudnnPlan>,
    /// The place of the one that does, once it is known.
    taken: OnceLock<usize>,
}

impl Kernels {
    /// What a profile calls them.
    fn name(&self) -> &'static str {
        match self.pass {
            ConvPass::Forward => "cudnn_forward",
            ConvPass::ToX => "cudnn_to_x",
            ConvPass::ToWeight => "cudnn_to_weight",
        }
    }

    /// Bytes of its own that a kernel takes, or any of them.
    fn room(&self) -> usize {
        match self.taken.get() {
            Some(&taken) => self.plans[taken].room,
            None => self.plans.iter().map(|plan| plan.room).max().unwrap_or(0),
        }
    }
}

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
