//! The kernels that are taken for a problem.

use std::sync::OnceLock;

use super::plan::CudnnPlan;
use super::problem::ConvPass;

/// The kernels that may compute a problem.
#[derive(Debug)]
pub(super) struct Kernels {
    pub(super) pass: ConvPass,
    pub(super) plans: Vec<CudnnPlan>,
    /// The place of the one that does, once it is known.
    pub(super) taken: OnceLock<usize>,
}

impl Kernels {
    /// What a profile calls them.
    pub(super) fn name(&self) -> &'static str {
        match self.pass {
            ConvPass::Forward => "cudnn_forward",
            ConvPass::ToX => "cudnn_to_x",
            ConvPass::ToWeight => "cudnn_to_weight",
        }
    }

    /// Bytes of its own that a kernel takes, or any of them.
    pub(super) fn room(&self) -> usize {
        match self.taken.get() {
            Some(&taken) => self.plans[taken].room,
            None => self.plans.iter().map(|plan| plan.room).max().unwrap_or(0),
        }
    }
}
