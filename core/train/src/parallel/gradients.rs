//! A student's gradients as one row of numbers, in the order of its tensors, the loss behind them; and back.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor, TensorData};

use crate::replica::{Replica, StepContext};
use ferkd_method::error::{Error, Result};
use ferkd_nn::models::PathStack;

/// Lines a replica's gradients up and puts its loss behind them: shape (trained parameters + 1). Zeros where it had no
/// rows to learn from.
///
/// # Errors
/// A trained tensor without a gradient, or with one that is not f32.
pub(super) fn gather(
    replica: &Replica,
    context: &StepContext<'_>,
    learned: Option<(GradientsParams, Tensor<1>)>,
) -> Result<Tensor<1>> {
    let device = replica.device.clone().inner();
    let (gradients, loss) = match learned {
        Some((gradients, loss)) => (Some(gradients), loss),
        None => (None, Tensor::zeros([1], &device)),
    };
    let mut row = Gather { gradients, context, path: PathStack::default(), parts: Vec::new(), problem: None };
    replica.student.visit(&mut row);
    if let Some(problem) = row.problem {
        return Err(Error::mismatch("gradients", problem).remedy("train another network, and report it"));
    }
    row.parts.push(loss);
    Ok(Tensor::cat(row.parts, 0))
}

/// The gradients that a row of numbers holds, on a replica's device.
///
/// # Errors
/// A row of another length than the student's.
pub(super) fn scatter(replica: &Replica, context: &StepContext<'_>, row: &Row) -> Result<GradientsParams> {
    let gradients = GradientsParams::new();
    let mut out = Scatter { gradients, context, path: PathStack::default(), row, at: 0 };
    replica.student.visit(&mut out);
    // The loss stands behind them.
    if out.at + 1 != row.len() {
        let problem = format!("{} numbers, and the student has {} and a loss", row.len(), out.at);
        return Err(Error::mismatch("gradients", problem).remedy("train the same network everywhere"));
    }
    Ok(out.gradients)
}

/// Gradients in a row, where they are: the loss behind them is left out.
#[expect(clippy::large_enum_variant, reason = "one for each device lives in a step")]
pub(super) enum Row {
    /// In memory.
    Host(Vec<f32>),
    /// On a replica's device.
    #[cfg_attr(not(feature = "cuda"), expect(dead_code, reason = "NCCL alone leaves them there"))]
    Device(Tensor<1>),
}

impl Row {
    fn len(&self) -> usize {
        match self {
            Self::Host(values) => values.len(),
            Self::Device(row) => row.dims()[0],
        }
    }
}

struct Gather<'a> {
    gradients: Option<GradientsParams>,
    context: &'a StepContext<'a>,
    path: PathStack,
    parts: Vec<Tensor<1>>,
    /// Why the first gradient that is not in the row is not.
    problem: Option<String>,
}

impl ModuleVisitor for Gather<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let name = self.path.torch();
        if !self.context.trains(&name) {
            return;
        }
        let count: usize = param.lazy_shape().iter().product();
        match &mut self.gradients {
            None => self.parts.push(Tensor::zeros([count], &param.lazy_device().inner())),
            Some(gradients) => match gradients.remove::<D>(param.id) {
                Some(gradient) if gradient.dtype() == DType::F32 => {
                    self.parts.push(gradient.reshape([count]));
                }
                Some(gradient) => {
                    let dtype = gradient.dtype();
                    self.problem.get_or_insert_with(|| format!("that of `{name}` is {dtype:?}, not F32"));
                }
                None => {
                    self.problem.get_or_insert_with(|| format!("`{name}` is trained and has none"));
                }
            },
        }
    }
}

struct Scatter<'a> {
    gradients: GradientsParams,
    context: &'a StepContext<'a>,
    path: PathStack,
    row: &'a Row,
    at: usize,
}

impl ModuleVisitor for Scatter<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.context.trains(&self.path.torch()) {
            return;
        }
        let shape = param.lazy_shape();
        let place = self.at..self.at + shape.iter().product::<usize>();
        self.at = place.end;
        if place.end >= self.row.len() {
            return;
        }
        let gradient = match self.row {
            Row::Host(values) => {
                let data = TensorData::new(values[place].to_vec(), shape);
                Tensor::<D>::from_data(data, &param.lazy_device().inner())
            }
            Row::Device(row) => row.clone().narrow(0, place.start, place.len()).reshape(shape),
        };
        self.gradients.register(param.id, gradient);
    }
}
