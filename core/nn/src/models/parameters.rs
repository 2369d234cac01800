//! What a network's parameters are called and how large they are; their values need not be there.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

use crate::models::layers::Layers;
use crate::models::network::Network;
use crate::models::path::PathStack;
use crate::models::registry::Model;

impl Model {
    /// How many parameters are trained: running statistics apart. Needs no weights.
    pub fn parameters(&self) -> usize {
        self.trained().map(|(_, count)| count).sum()
    }

    /// Numbers of the network: parameters and running statistics.
    pub(crate) fn elements(&self) -> u64 {
        self.named_shapes().iter().map(|(_, shape)| shape.iter().product::<usize>() as u64).sum()
    }

    /// Parameters of the last layer.
    pub(crate) fn head_parameters(&self) -> u64 {
        let head = self.head();
        let bias = head.bias.as_ref().map_or(0, |bias| bias.lazy_shape().num_elements());
        (head.weight.lazy_shape().num_elements() + bias) as u64
    }

    /// Numbers of the largest parameter.
    pub(crate) fn largest_parameter(&self) -> u64 {
        self.trained().map(|(_, count)| count as u64).max().unwrap_or_default()
    }

    /// Names and sizes of what is trained.
    fn trained(&self) -> impl Iterator<Item = (String, usize)> {
        let shapes = self.named_shapes().into_iter().filter(|(name, _)| !name.contains("running_"));
        shapes.map(|(name, shape)| (name, shape.iter().product()))
    }

    /// The layers that the parameters belong to.
    pub fn layers(&self) -> Layers {
        let names: Vec<String> = self.trained().map(|(name, _)| name).collect();
        Layers::of(names.iter().map(String::as_str))
    }

    /// PyTorch's name and shape of every parameter and running statistic.
    #[cfg(test)]
    pub(crate) fn torch_shapes(&self) -> impl Iterator<Item = (String, Vec<usize>)> {
        self.named_shapes().into_iter().map(|(name, mut shape)| {
            if shape.len() == 2 {
                shape.reverse();
            }
            (name, shape)
        })
    }

    /// PyTorch's name of every parameter and running statistic, and its shape here: linear weights are (inputs,
    /// outputs).
    fn named_shapes(&self) -> Vec<(String, Vec<usize>)> {
        named(self).into_iter().map(|Named { name, shape, .. }| (name, shape)).collect()
    }
}

/// A parameter or a running statistic.
pub(crate) struct Named {
    pub id: ParamId,
    /// PyTorch's name.
    pub name: String,
    /// Its shape here: linear weights are (inputs, outputs).
    pub shape: Vec<usize>,
}

/// Every parameter and running statistic of a module, in its order.
pub(crate) fn named(module: &impl Module) -> Vec<Named> {
    #[derive(Default)]
    struct Names {
        path: PathStack,
        found: Vec<Named>,
    }
    impl ModuleVisitor for Names {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let shape = param.lazy_shape().to_vec();
            self.found.push(Named { id: param.id, name: self.path.torch(), shape });
        }
    }
    let mut names = Names::default();
    module.visit(&mut names);
    names.found
}
