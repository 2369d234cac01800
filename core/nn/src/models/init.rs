//! Initial weights, drawn on the host: the same seed gives the same weights on every device (ours).
//!
//! Convolutions as in torchvision's ResNet: normal, Kaiming, fan out. Linear layers as in PyTorch: uniform
//! within one over the root of the inputs. Vision transformers as in DeiT: normal with deviation 0.02, biases 0,
//! the patches' convolution as PyTorch has it. Norms keep 1 and 0.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::models::path::PathStack;
use ferkd_method::rng::{Purpose, Stream, path_hash};

/// Replaces the weights of `model`; a vision transformer's are drawn by laws of their own.
pub(super) fn draw_weights<M: Module>(model: M, seed: u64, transformer: bool) -> M {
    model.map(&mut Drawer { seed, path: PathStack::default(), linear_inputs: 1, transformer })
}

struct Drawer {
    seed: u64,
    path: PathStack,
    /// Inputs of the last linear layer, whose bias comes next.
    linear_inputs: usize,
    transformer: bool,
}

impl ModuleMapper for Drawer {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.burn();
        let shape = param.lazy_shape().to_vec();
        let patches = path.starts_with("patch_embed");
        let law = match shape[..] {
            [_, inputs, height, width] if self.transformer => {
                self.linear_inputs = inputs * height * width;
                Law::within_root(self.linear_inputs)
            }
            [_, _] | [_, _, _] if self.transformer => Law::Normal(0.02),
            [_] if self.transformer && !patches && path.ends_with(".bias") => Law::Normal(0.0),
            [outputs, inputs, height, width] => {
                // A depthwise convolution has one input a group: an output's field is all it reaches.
                let fan_out = if inputs == 1 { height * width } else { outputs * height * width };
                Law::Normal(libm::sqrt(2.0 / fan_out as f64))
            }
            [inputs, _] => {
                self.linear_inputs = inputs;
                Law::within_root(inputs)
            }
            [_] if path.ends_with(".bias") => Law::within_root(self.linear_inputs),
            _ => return param,
        };
        let seed = self.seed;
        // Drawn when they are first asked for: counting a network or loading into it draws nothing.
        let draw = move |device: &Device, trained: bool| {
            let data = TensorData::new(law.draw(seed, &path, shape.iter().product()), shape);
            Tensor::from_data(data, device).set_require_grad(trained)
        };
        Param::uninitialized(param.id, draw, param.lazy_device(), true, param.lazy_shape())
    }
}

/// How the numbers of a tensor are distributed around 0.
#[derive(Debug, Clone, Copy)]
enum Law {
    /// Normally, with this deviation.
    Normal(f64),
    /// Uniformly, up to this bound.
    Uniform(f64),
}

impl Law {
    fn within_root(inputs: usize) -> Self {
        Self::Uniform(1.0 / libm::sqrt(inputs as f64))
    }

    fn draw(self, seed: u64, path: &str, count: usize) -> Vec<f32> {
        let mut draw = Stream::new(seed, Purpose::Weights, path_hash(path), 0);
        let number = |_| match self {
            Self::Normal(std) => std * draw.normal(),
            Self::Uniform(bound) => draw.uniform(-bound, bound),
        };
        (0..count).map(number).map(|value| value as f32).collect()
    }
}

/// Puts new values into a parameter, which keeps its identity, device and need of a gradient.
pub(crate) fn replace<const D: usize>(param: Param<Tensor<D>>, data: TensorData) -> Param<Tensor<D>> {
    // As burn loads a record: values that were never made are not made only to be replaced.
    let (id, device) = (param.id, param.lazy_device());
    param.transform_for_load(Tensor::from_data(data, &device), id)
}
