//! The kernel that computes a convolution.

use std::ffi::c_void;

use cudarc::cudnn::sys;
use cudarc::cudnn::sys::cudnnBackendAttributeName_t as Name;
use cudarc::cudnn::sys::cudnnBackendDescriptorType_t as Kind;
use cudarc::cudnn::sys::cudnnBackendHeurMode_t as Mode;
use cudarc::cudnn::sys::cudnnBackendNumericalNote_t as Note;

use super::descriptor::{Descriptor, checked};
use super::{Pass, Problem};

/// Most bytes of its own that a kernel may take.
const ROOM: i64 = 1 << 30;

/// Bytes that the buffers' addresses are multiples of: CubeCL's are multiples of more.
const ALIGNMENT: i64 = 16;

/// Most candidates that are looked at.
const CANDIDATES: usize = 64;

/// What a plan is made for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'a> {
    /// The device of a handle.
    Handle(sys::cudnnHandle_t),
    /// A device that cuDNN's own description tells of; it need not be there.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests plan for devices that are not there"))]
    Described(&'a Descriptor),
}

/// A kernel for a convolution.
#[derive(Debug)]
pub(super) struct Plan {
    plan: Descriptor,
    /// Bytes of its own that the kernel takes.
    pub room: usize,
    /// Which tensor is computed, and from which two.
    uids: [i64; 3],
}

/// How cuDNN is told which tensor is which.
const X: i64 = 1;
const WEIGHT: i64 = 2;
const Y: i64 = 3;

impl Plan {
    /// What cuDNN's heuristics take for the fastest kernels, the fastest first and `most` of them, among those that add up
    /// in f32 and in one order.
    ///
    /// # Errors
    /// cuDNN's words where it refuses the problem, or has no such kernel.
    pub fn fastest(problem: &Problem, target: Target<'_>, most: usize) -> Result<Vec<Self>, String> {
        let graph = graph(problem, target)?;
        let mut refused = String::from("there is none");
        // The second mode has kernels for what the first has none for.
        for mode in [Mode::CUDNN_HEUR_MODE_A, Mode::CUDNN_HEUR_MODE_FALLBACK] {
            let mut found = Vec::new();
            for candidate in candidates(&graph, mode, target)? {
                match Self::of(&candidate, problem.pass, target) {
                    Ok(plan) => found.push(plan),
                    Err(why) => refused = why,
                }
                if found.len() == most {
                    break;
                }
            }
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Err(format!("{problem:?}: no kernel; the last one: {refused}"))
    }

    /// The plan by one candidate, if it will do.
    fn of(candidate: &Descriptor, pass: Pass, target: Target<'_>) -> Result<Self, String> {
        let mut engine = [Descriptor::new(Kind::CUDNN_BACKEND_ENGINE_DESCRIPTOR)?];
        candidate.copy_into(Name::CUDNN_ATTR_ENGINECFG_ENGINE, &mut engine)?;
        let unwanted = [
            Note::CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS,
            Note::CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION,
            Note::CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC,
        ];
        let notes = engine[0].notes(Name::CUDNN_ATTR_ENGINE_NUMERICAL_NOTE)?;
        if let Some(note) = unwanted.into_iter().find(|&note| notes.contains(&(note as u32))) {
            return Err(format!("{note:?}"));
        }
        let plan = Descriptor::new(Kind::CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)?
            .with_all(Name::CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, &[candidate])?;
        let plan = match target {
            Target::Handle(handle) => plan.with(Name::CUDNN_ATTR_EXECUTION_PLAN_HANDLE, &[handle])?,
            Target::Described(device) => {
                plan.with_all(Name::CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, &[device])?
            }
        };
        let plan = plan.finished()?;
        let room = plan.number(Name::CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE)?;
        if room > ROOM {
            return Err(format!("it wants {room} bytes of its own"));
        }
        let uids = match pass {
            Pass::Forward => [Y, X, WEIGHT],
            Pass::ToX => [X, Y, WEIGHT],
            Pass::ToWeight => [WEIGHT, Y, X],
        };
        Ok(Self { plan, room: usize::try_from(room).unwrap_or(0), uids })
    }

    /// Puts the kernel in the stream of `handle`.
    ///
    /// # Errors
    /// cuDNN's words.
    ///
    /// # Safety
    /// The addresses are those of what is computed and of the two that it is computed from, on the handle's device, of
    /// the problem's shapes, with channels last; `room` has the plan's bytes.
    pub unsafe fn run(
        &self,
        handle: sys::cudnnHandle_t,
        addresses: [u64; 3],
        room: u64,
    ) -> Result<(), String> {
        let addresses = addresses.map(|address| address as *mut c_void);
        let tensors = Descriptor::new(Kind::CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)?
            .with(Name::CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, &self.uids)?
            .with(Name::CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, &addresses)?
            .with(Name::CUDNN_ATTR_VARIANT_PACK_WORKSPACE, &[room as *mut c_void])?
            .finished()?;
        // SAFETY: the caller says so.
        let status = unsafe { sys::cudnnBackendExecute(handle, self.plan.raw(), tensors.raw()) };
        checked("a convolution", status)
    }
}

/// The convolution, as cuDNN is told of it.
fn graph(problem: &Problem, target: Target<'_>) -> Result<Descriptor, String> {
    let numbers = match problem.half {
        true => sys::cudnnDataType_t::CUDNN_DATA_BFLOAT16,
        false => sys::cudnnDataType_t::CUDNN_DATA_FLOAT,
    };
    let x = tensor(X, problem.x, numbers)?;
    let weight = tensor(WEIGHT, problem.weight, numbers)?;
    let y = tensor(Y, problem.y, numbers)?;
    let options = &problem.options;
    let both = |of: &dyn Fn(usize) -> usize| [of(0) as i64, of(1) as i64];
    let convolution = Descriptor::new(Kind::CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)?
        .with(Name::CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, &[2i64])?
        .with(Name::CUDNN_ATTR_CONVOLUTION_COMP_TYPE, &[sys::cudnnDataType_t::CUDNN_DATA_FLOAT])?
        .with(
            Name::CUDNN_ATTR_CONVOLUTION_CONV_MODE,
            &[sys::cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION],
        )?
        .with(Name::CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, &both(&|i| options.stride[i]))?
        .with(Name::CUDNN_ATTR_CONVOLUTION_DILATIONS, &both(&|i| options.dilation[i]))?
        .with(Name::CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, &both(&|i| options.padding[i].0))?
        .with(Name::CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, &both(&|i| options.padding[i].1))?
        .finished()?;
    let Names { kind, convolution: of, x: of_x, weight: of_weight, y: of_y, scale, add } =
        names(problem.pass);
    let operation = Descriptor::new(kind)?
        .with_all(of, &[&convolution])?
        .with_all(of_x, &[&x])?
        .with_all(of_weight, &[&weight])?
        .with_all(of_y, &[&y])?
        .with(scale, &[1f32])?
        .with(add, &[0f32])?
        .finished()?;
    let graph = Descriptor::new(Kind::CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)?
        .with_all(Name::CUDNN_ATTR_OPERATIONGRAPH_OPS, &[&operation])?;
    match target {
        Target::Handle(handle) => graph.with(Name::CUDNN_ATTR_OPERATIONGRAPH_HANDLE, &[handle])?,
        Target::Described(_) => graph,
    }
    .finished()
}

/// A tensor of shape (N, channels, height, width) that lies with channels last.
fn tensor(uid: i64, shape: [usize; 4], numbers: sys::cudnnDataType_t) -> Result<Descriptor, String> {
    let [n, channels, height, width] = shape.map(|side| side as i64);
    let steps = [height * width * channels, 1, width * channels, channels];
    Descriptor::new(Kind::CUDNN_BACKEND_TENSOR_DESCRIPTOR)?
        .with(Name::CUDNN_ATTR_TENSOR_UNIQUE_ID, &[uid])?
        .with(Name::CUDNN_ATTR_TENSOR_DATA_TYPE, &[numbers])?
        .with(Name::CUDNN_ATTR_TENSOR_DIMENSIONS, &[n, channels, height, width])?
        .with(Name::CUDNN_ATTR_TENSOR_STRIDES, &steps)?
        .with(Name::CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, &[ALIGNMENT])?
        .finished()
}

/// What cuDNN calls a pass and its parts.
struct Names {
    kind: Kind,
    convolution: Name,
    x: Name,
    weight: Name,
    y: Name,
    scale: Name,
    add: Name,
}

fn names(pass: Pass) -> Names {
    match pass {
        Pass::Forward => Names {
            kind: Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
            convolution: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
            x: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
            weight: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
            y: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
            scale: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
            add: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
        },
        Pass::ToX => Names {
            kind: Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
            convolution: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
            x: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
            weight: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
            y: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
            scale: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
            add: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
        },
        Pass::ToWeight => Names {
            kind: Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
            convolution: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
            x: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
            weight: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
            y: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
            scale: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
            add: Name::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
        },
    }
}

/// Kernels and their settings, the best first.
fn candidates(graph: &Descriptor, mode: Mode, target: Target<'_>) -> Result<Vec<Descriptor>, String> {
    let heuristics = Descriptor::new(Kind::CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)?
        .with_all(Name::CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, &[graph])?
        .with(Name::CUDNN_ATTR_ENGINEHEUR_MODE, &[mode])?;
    let heuristics = match target {
        Target::Handle(_) => heuristics,
        Target::Described(device) => {
            heuristics.with_all(Name::CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, &[device])?
        }
    }
    .finished()?;
    let results = Name::CUDNN_ATTR_ENGINEHEUR_RESULTS;
    let count = heuristics.count(results)?.min(CANDIDATES);
    let empty = || Descriptor::new(Kind::CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    let mut found = (0..count).map(|_| empty()).collect::<Result<Vec<_>, String>>()?;
    if count > 0 {
        let count = heuristics.copy_into(results, &mut found)?;
        found.truncate(count);
    }
    Ok(found)
}
