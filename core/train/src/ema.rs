//! An exponential moving average of the student's weights and running statistics.

use std::any::Any;
use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use ferkd_method::error::{Error, Result};
use ferkd_nn::models::{Model, ModelSpec, PathStack};
use ferkd_nn::weights::StateDict;

/// The average: `decay` of itself and the rest of the student, after every step.
pub struct Ema {
    decay: f32,
    model: Model,
}

impl Ema {
    /// Starts from the student's weights.
    pub fn new(decay: f32, spec: &ModelSpec, student: &StateDict, device: &Device) -> Result<Self> {
        let fresh = spec.init(0, &device.clone().inner())?;
        Ok(Self { decay, model: student.load_into(fresh, "average")?.valid() })
    }

    /// The averaged model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Takes one more step's weights in; `student` is without gradients.
    ///
    /// # Errors
    /// A tensor that one of the two does not have.
    pub fn update(&mut self, student: &Model) -> Result<()> {
        let mut taken = Take { path: PathStack::default(), tensors: BTreeMap::new() };
        student.visit(&mut taken);
        let path = PathStack::default();
        let mut mix = Mix { decay: self.decay, path, tensors: taken.tensors, missing: None };
        let model = self.model.clone().map(&mut mix);
        if let Some(name) = mix.missing.or_else(|| mix.tensors.into_keys().next()) {
            return Err(Error::mismatch("average", format!("`{name}` is not in both it and the student"))
                .remedy("train without --ema, and report it"));
        }
        self.model = model;
        Ok(())
    }
}

struct Take {
    path: PathStack,
    tensors: BTreeMap<String, Box<dyn Any>>,
}

impl ModuleVisitor for Take {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.tensors.insert(self.path.burn(), Box::new(param.val()));
    }
}

struct Mix {
    decay: f32,
    path: PathStack,
    tensors: BTreeMap<String, Box<dyn Any>>,
    /// The first tensor that the student does not have.
    missing: Option<String>,
}

impl ModuleMapper for Mix {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.burn();
        let student = self.tensors.remove(&name).and_then(|t| t.downcast::<Tensor<D>>().ok());
        let Some(student) = student else {
            self.missing.get_or_insert(name);
            return param;
        };
        let (id, average, mapper) = param.consume();
        let average = average.mul_scalar(self.decay) + student.mul_scalar(1.0 - self.decay);
        Param::from_mapped_value(id, average, mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferkd_nn::models::Arch;

    #[test]
    fn the_average_moves_by_one_less_decay() {
        let device = Device::flex();
        let spec = ModelSpec { width: Some(2), ..ModelSpec::new(Arch::Resnet8, 2) };
        let (a, b) = (spec.init(1, &device).unwrap(), spec.init(2, &device).unwrap());
        let mut ema = Ema::new(0.75, &spec, &StateDict::of(&a).unwrap(), &device).unwrap();
        ema.update(&b.valid()).unwrap();
        let value = |m: &Model| StateDict::of(m).unwrap().tensors["fc.weight"].values[3];
        let expected = 0.75 * value(&a) + 0.25 * value(&b);
        assert!((value(ema.model()) - expected).abs() < 1e-6);
    }

    #[test]
    fn a_student_of_another_shape_is_an_error_that_names_what_is_missing() {
        let device = Device::flex();
        let small = ModelSpec { width: Some(2), ..ModelSpec::new(Arch::Resnet8, 2) };
        let large = ModelSpec { arch: Arch::Resnet14, ..small };
        let [small_model, large_model] = [small, large].map(|spec| spec.init(1, &device).unwrap());
        let mut ema = Ema::new(0.5, &small, &StateDict::of(&small_model).unwrap(), &device).unwrap();
        let error = ema.update(&large_model.valid()).unwrap_err().to_string();
        assert!(error.contains("layer1.1."), "{error}");
        ema.update(&small_model.valid()).unwrap();
    }
}
