//! A student's gradients as one row of numbers, in the order of its tensors, the loss behind them; and back.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};

use crate::error::{Error, Result};
use crate::models::PathStack;
use crate::train::replica::{Lesson, Replica};

/// Lines a replica's gradients up and puts its loss behind them: shape (trained parameters + 1). Zeros where it had no
/// rows to learn from.
///
/// # Errors
/// A trained tensor without a gradient.
pub(super) fn gather(
    replica: &Replica,
    lesson: &Lesson<'_>,
    learned: Option<(GradientsParams, Tensor<1>)>,
) -> Result<Tensor<1>> {
    let device = replica.device.clone().inner();
    let (gradients, loss) = match learned {
        Some((gradients, loss)) => (Some(gradients), loss),
        None => (None, Tensor::zeros([1], &device)),
    };
    let mut row = Gather { gradients, lesson, path: PathStack::default(), parts: Vec::new(), missing: None };
    replica.student.visit(&mut row);
    if let Some(name) = row.missing {
        return Err(Error::mismatch("gradients", format!("`{name}` is trained and has none"))
            .remedy("train this student on one device, and report it"));
    }
    row.parts.push(loss);
    Ok(Tensor::cat(row.parts, 0))
}

/// The gradients that a row of numbers holds, on a replica's device.
pub(super) fn scatter(replica: &Replica, lesson: &Lesson<'_>, row: &Row) -> GradientsParams {
    let gradients = GradientsParams::new();
    let mut out = Scatter { gradients, lesson, path: PathStack::default(), row, at: 0 };
    replica.student.visit(&mut out);
    out.gradients
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

struct Gather<'a> {
    gradients: Option<GradientsParams>,
    lesson: &'a Lesson<'a>,
    path: PathStack,
    parts: Vec<Tensor<1>>,
    missing: Option<String>,
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
        if !self.lesson.trains(&name) {
            return;
        }
        let count: usize = param.lazy_shape().iter().product();
        match &mut self.gradients {
            None => self.parts.push(Tensor::zeros([count], &param.lazy_device().inner())),
            Some(gradients) => match gradients.remove::<D>(param.id) {
                Some(gradient) => self.parts.push(gradient.reshape([count])),
                None => self.missing = Some(name),
            },
        }
    }
}

struct Scatter<'a> {
    gradients: GradientsParams,
    lesson: &'a Lesson<'a>,
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
        if !self.lesson.trains(&self.path.torch()) {
            return;
        }
        let shape = param.lazy_shape();
        let place = self.at..self.at + shape.iter().product::<usize>();
        self.at = place.end;
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
