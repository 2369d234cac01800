//! The kernel that computes a convolution.

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::cudnn::sys;
use cudarc::cudnn::sys::cudnnBackendAttributeName_t as Name;
use cudarc::cudnn::sys::cudnnBackendDescriptorType_t as DescriptorKind;
use cudarc::cudnn::sys::cudnnBackendHeurMode_t as Mode;
use cudarc::cudnn::sys::cudnnBackendNumericalNote_t as Note;

use super::descriptor::{Descriptor, checked};
use super::graph::{Graph, Target, WEIGHT, X, Y};
use super::problem::{ConvPass, Problem};

/// Most bytes of its own that a kernel may take.
const ROOM: i64 = 1 << 30;

/// Most candidates that are looked at.
const CANDIDATES: usize = 64;

/// A kernel for a convolution.
#[derive(Debug)]
pub(super) struct CudnnPlan {
    plan: Descriptor,
    /// What it was made from stays as long as it does, as NVIDIA's own front end keeps it.
    _from: (Descriptor, Arc<Graph>),
    /// Bytes of its own that the kernel takes.
    pub room: usize,
    /// Which tensor is computed, and from which two.
    uids: [i64; 3],
}

impl CudnnPlan {
    /// What cuDNN's heuristics take for the fastest kernels, the fastest first and `most` of them, among those that add up
    /// in f32 and in one order.
    ///
    /// # Errors
    /// cuDNN's words where it refuses the problem, or has no such kernel.
    pub fn fastest(problem: &Problem, target: Target<'_>, most: usize) -> Result<Vec<Self>, String> {
        let graph = Arc::new(Graph::new(problem, target)?);
        let mut refused = String::from("there is none");
        // The second mode has kernels for what the first has none for.
        for mode in [Mode::CUDNN_HEUR_MODE_A, Mode::CUDNN_HEUR_MODE_FALLBACK] {
            let candidates = match candidates(graph.whole(), mode, target) {
                Ok(candidates) => candidates,
                Err(why) => {
                    refused = why;
                    continue;
                }
            };
            let mut found = Vec::new();
            for candidate in candidates {
                match Self::of(candidate, &graph, problem.pass, target) {
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
    fn of(
        candidate: Descriptor,
        graph: &Arc<Graph>,
        pass: ConvPass,
        target: Target<'_>,
    ) -> Result<Self, String> {
        let mut engine = [Descriptor::new(DescriptorKind::CUDNN_BACKEND_ENGINE_DESCRIPTOR)?];
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
        let plan = Descriptor::new(DescriptorKind::CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)?
            .with_all(Name::CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, &[&candidate])?;
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
            ConvPass::Forward => [Y, X, WEIGHT],
            ConvPass::ToX => [X, Y, WEIGHT],
            ConvPass::ToWeight => [WEIGHT, Y, X],
        };
        let from = (candidate, graph.clone());
        Ok(Self { plan, _from: from, room: usize::try_from(room).unwrap_or(0), uids })
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
        let tensors = Descriptor::new(DescriptorKind::CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)?
            .with(Name::CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, &self.uids)?
            .with(Name::CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, &addresses)?
            .with(Name::CUDNN_ATTR_VARIANT_PACK_WORKSPACE, &[room as *mut c_void])?
            .finished()?;
        // SAFETY: the caller says so.
        let status = unsafe { sys::cudnnBackendExecute(handle, self.plan.raw(), tensors.raw()) };
        checked("a convolution", status)
    }
}

/// Kernels and their settings, the best first.
fn candidates(graph: &Descriptor, mode: Mode, target: Target<'_>) -> Result<Vec<Descriptor>, String> {
    let heuristics = Descriptor::new(DescriptorKind::CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)?
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
    let empty = || Descriptor::new(DescriptorKind::CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    let mut found = (0..count).map(|_| empty()).collect::<Result<Vec<_>, String>>()?;
    if count > 0 {
        let count = heuristics.copy_into(results, &mut found)?;
        found.truncate(count);
    }
    Ok(found)
}
