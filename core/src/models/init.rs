//! Initial weights, drawn on the host: the same seed gives the same weights on every device (ours).
//!
//! Convolutions as in torchvision's ResNet: normal, Kaiming, fan out. Linear layers as in PyTorch: uniform
//! within one over the root of the inputs. Vision transformers as in DeiT: normal with deviation 0.02, biases 0,
//! the patches' convolution as PyTorch has it. Norms keep 1 and 0.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};

use crate::models::{Model, PathStack};
use crate::rng::{Purpose, Stream, path_hash};

/// Replaces the weights of `model`.
pub(super) fn draw_weights(model: Model, seed: u64) -> Model {
    let transformer = matches!(model, Model::Vit(_));
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
        let count: usize = shape.iter().product();
        let mut draw = Stream::new(self.seed, Purpose::Weights, path_hash(&path), 0);
        let patches = path.starts_with("patch_embed");
        let values: Vec<f32> = match shape[..] {
            [_, inputs, height, width] if self.transformer => {
                self.linear_inputs = inputs * height * width;
                uniform(&mut draw, self.linear_inputs, count)
            }
            [_, _] | [_, _, _] if self.transformer => {
                (0..count).map(|_| (0.02 * draw.normal()) as f32).collect()
            }
            [_] if self.transformer && !patches && path.ends_with(".bias") => vec![0.0; count],
            [outputs, inputs, height, width] => {
                // A depthwise convolution has one input a group: an output's field is all it reaches.
                let fan_out = if inputs == 1 { height * width } else { outputs * height * width };
                let std = libm::sqrt(2.0 / fan_out as f64);
                (0..count).map(|_| (std * draw.normal()) as f32).collect()
            }
            [inputs, _] => {
                self.linear_inputs = inputs;
                uniform(&mut draw, inputs, count)
            }
            [_] if path.ends_with(".bias") => uniform(&mut draw, self.linear_inputs, count),
            _ => return param,
        };
        replace(param, TensorData::new(values, shape))
    }
}

fn uniform(draw: &mut Stream, inputs: usize, count: usize) -> Vec<f32> {
    let bound = 1.0 / libm::sqrt(inputs as f64);
    (0..count).map(|_| draw.uniform(-bound, bound) as f32).collect()
}

/// Puts new values into a parameter, which keeps its identity, device and need of a gradient.
pub(crate) fn replace<const D: usize>(param: Param<Tensor<D>>, data: TensorData) -> Param<Tensor<D>> {
    // As burn loads a record: values that were never made are not made only to be replaced.
    let (id, device) = (param.id, param.lazy_device());
    param.transform_for_load(Tensor::from_data(data, &device), id)
}
