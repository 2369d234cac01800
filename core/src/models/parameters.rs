//! What a network's parameters are called and how large they are; their values need not be there.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::models::{Layers, Model, PathStack};

impl Model {
    /// How many parameters are trained: running statistics apart. Needs no weights.
    pub fn parameters(&self) -> usize {
        self.named_shapes().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum()
    }

    /// The layers that the parameters belong to.
    pub fn layers(&self) -> Layers {
        Layers::of(self.named_shapes().iter().map(|(name, _)| name.as_str()))
    }

    /// PyTorch's name of every trained parameter, and its shape here: linear weights are (inputs, outputs).
    fn named_shapes(&self) -> Vec<(String, Vec<usize>)> {
        #[derive(Default)]
        struct Names {
            path: PathStack,
            found: Vec<(String, Vec<usize>)>,
        }
        impl ModuleVisitor for Names {
            fn enter_module(&mut self, name: &str, container: &str) {
                self.path.enter(name, container);
            }

            fn exit_module(&mut self, _: &str, _: &str) {
                self.path.exit();
            }

            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let name = self.path.torch();
                if !name.contains("running_") {
                    self.found.push((name, param.lazy_shape().to_vec()));
                }
            }
        }
        let mut names = Names::default();
        self.visit(&mut names);
        names.found
    }
}
