//! Between a model on a device and tensors on the host.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};

use super::state_dict::StateDict;
use crate::models::{Model, PathStack, replace};
use ferkd_data::tensor::HostTensor;
use ferkd_method::error::{Error, ErrorKind, Result};

impl StateDict {
    /// The state of a model.
    ///
    /// # Errors
    /// A device that cannot be read from, or a tensor that is not f32; the tensor is named.
    pub fn of(model: &Model) -> Result<Self> {
        let mut collector = Collector::default();
        // Running statistics of the last step are only taken over when they are asked for.
        model.valid().visit(&mut collector);
        match collector.problem {
            Some(problem) => Err(Error::new(ErrorKind::Io, "device", problem)),
            None => Ok(Self { tensors: collector.tensors, ..Self::default() }),
        }
    }

    /// Puts the tensors into a model of the same shape; `origin` is what errors call the source.
    ///
    /// Parameters keep their identity and go on being trained where they were.
    ///
    /// # Errors
    /// A tensor that is missing, left over, of another shape, or holds a number that is not finite.
    pub fn load_into(&self, model: Model, origin: &str) -> Result<Model> {
        let mut loader = Loader {
            dict: self,
            path: PathStack::default(),
            used: 0,
            known: BTreeSet::new(),
            problems: Vec::new(),
        };
        let loaded = model.map(&mut loader);
        let Loader { used, known, mut problems, .. } = loader;
        let left_over =
            self.tensors.keys().filter(|k| !known.contains(*k) && !k.ends_with("num_batches_tracked"));
        problems.extend(left_over.map(|k| format!("`{k}` has no place in this model")));
        if problems.is_empty() {
            return Ok(loaded);
        }
        let more =
            if problems.len() > 3 { format!(" and {} more", problems.len() - 3) } else { String::new() };
        problems.truncate(3);
        let problem = format!("{used} tensors fit, but {}{more}", problems.join("; "));
        Err(Error::mismatch(origin, problem)
            .remedy("check that arch, width and classes are those of the file"))
    }
}

#[derive(Default)]
struct Collector {
    path: PathStack,
    tensors: BTreeMap<String, HostTensor>,
    /// Why the first tensor that could not be read was not.
    problem: Option<String>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        // burn keeps linear weights as (inputs, outputs), PyTorch the other way round.
        let tensor = if D == 2 { tensor.swap_dims(0, 1) } else { tensor };
        let shape = tensor.dims().to_vec();
        let (name, dtype) = (self.path.torch(), tensor.dtype());
        // As what it is: what is rounded here would go unnoticed.
        let data = tensor.try_into_data().map_err(|e| format!("{e:?}"));
        let values = data.and_then(|data| {
            data.try_into_vec::<f32>().map_err(|e| format!("it is {dtype:?}, not F32: {e:?}"))
        });
        match values {
            Ok(values) => {
                self.tensors.insert(name, HostTensor { shape, values });
            }
            Err(problem) => {
                self.problem.get_or_insert_with(|| format!("reading `{name}` back: {problem}"));
            }
        }
    }
}

struct Loader<'a> {
    dict: &'a StateDict,
    path: PathStack,
    used: usize,
    /// The model's own names: reading the model back for them would block, which a browser must not.
    known: BTreeSet<String>,
    problems: Vec<String>,
}

impl ModuleMapper for Loader<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.torch();
        self.known.insert(name.clone());
        let mut shape = param.lazy_shape().to_vec();
        if D == 2 {
            shape.reverse();
        }
        let Some(tensor) = self.dict.tensors.get(&name) else {
            self.problems.push(match self.dict.left_out.get(&name) {
                Some(what) => format!("`{name}` is {what}, where floats are needed"),
                None => format!("`{name}` is missing"),
            });
            return param;
        };
        if tensor.shape != shape || tensor.values.len() != shape.iter().product::<usize>() {
            self.problems.push(format!("`{name}` is {:?} where {shape:?} is needed", tensor.shape));
            return param;
        }
        if let Some(bad) = tensor.values.iter().find(|v| !v.is_finite()) {
            self.problems.push(format!("`{name}` holds {bad}"));
            return param;
        }
        self.used += 1;
        let values = match shape[..] {
            [outputs, inputs] if D == 2 => {
                (0..inputs * outputs).map(|i| tensor.values[i % outputs * inputs + i / outputs]).collect()
            }
            _ => tensor.values.clone(),
        };
        if D == 2 {
            shape.reverse();
        }
        replace(param, TensorData::new(values, shape))
    }
}
