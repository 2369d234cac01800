//! Makes a graph of a network's description.

use std::collections::HashMap;

use burn::module::{Module, Param, ParamId};
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, Linear, PaddingConfig2d};
use burn::tensor::Tensor;

use crate::device::read::read;
use crate::models::blank::LayerNorm;
use crate::models::network::Ops;
use crate::models::onnx::graph::{Attribute, Graph};
use crate::models::ops::activation::Activation;
use crate::models::parameters::named;
use ferkd_method::error::{Error, Result};

/// Collects nodes, and constants under PyTorch's names.
pub(super) struct Builder {
    pub(super) graph: Graph,
    names: HashMap<ParamId, String>,
    /// The first parameter that could not be read.
    problem: Option<Error>,
}

/// Tokens of so many numbers, by the name of their value.
#[derive(Clone)]
pub(super) struct Tokens {
    name: String,
    width: usize,
}

impl Builder {
    pub(super) fn of(network: &impl Module) -> Self {
        let names = named(network).into_iter().map(|parameter| (parameter.id, parameter.name)).collect();
        Self { graph: Graph::default(), names, problem: None }
    }

    /// The graph, if every parameter could be read.
    pub(super) fn finish(self) -> Result<Graph> {
        self.problem.map_or(Ok(self.graph), Err)
    }

    /// A parameter's values.
    fn values<const D: usize>(&mut self, tensor: Tensor<D>) -> Vec<f32> {
        read(tensor).unwrap_or_else(|error| {
            self.problem.get_or_insert(error);
            Vec::new()
        })
    }

    /// A parameter as a constant, in the layout that it has here: linear weights are (inputs, outputs).
    fn param<const D: usize>(&mut self, param: &Param<Tensor<D>>) -> String {
        let tensor = param.val();
        let shape = tensor.dims();
        let name = self.name(param);
        let values = self.values(tensor);
        self.graph.floats(&name, &shape, &values)
    }

    fn name<const D: usize>(&self, param: &Param<Tensor<D>>) -> String {
        self.names.get(&param.id).cloned().unwrap_or_else(|| format!("parameter_{}", param.id))
    }

    /// A convolution without what follows it.
    fn conv(&mut self, conv: &Conv2d, x: &str) -> String {
        let mut inputs = vec![x.to_owned(), self.param(&conv.weight)];
        if let Some(bias) = &conv.bias {
            inputs.push(self.param(bias));
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let window = window(&conv.kernel_size, &conv.stride);
        let (dilations, pads) = (conv.dilation.map(|n| n as i64), pads(&conv.padding));
        let attributes = [
            ("kernel_shape", Attribute::Ints(&window[0])),
            ("strides", Attribute::Ints(&window[1])),
            ("dilations", Attribute::Ints(&dilations)),
            ("group", Attribute::Int(conv.groups as i64)),
            padded(&pads),
        ];
        self.graph.node("Conv", &inputs, &attributes)
    }

    /// A batch norm as it is in inference.
    fn batch_norm(&mut self, norm: &BatchNorm, x: &str) -> String {
        let (gamma, beta) = (self.param(&norm.gamma), self.param(&norm.beta));
        let prefix = gamma.strip_suffix("weight").unwrap_or(&gamma).to_owned();
        let [mean, variance] = [("running_mean", &norm.running_mean), ("running_var", &norm.running_var)]
            .map(|(name, state)| {
                let tensor = state.value();
                let shape = tensor.dims();
                let values = self.values(tensor);
                self.graph.floats(&format!("{prefix}{name}"), &shape, &values)
            });
        let epsilon = Attribute::Float(norm.epsilon as f32);
        self.graph.node("BatchNormalization", &[x, &gamma, &beta, &mean, &variance], &[("epsilon", epsilon)])
    }

    fn activation(&mut self, x: String, then: Activation) -> String {
        match then {
            Activation::None => x,
            Activation::Relu => self.graph.node("Relu", &[&x], &[]),
            Activation::Relu6 => {
                let (low, high) = (self.graph.scalar(0.0), self.graph.scalar(6.0));
                self.graph.node("Clip", &[&x, &low, &high], &[])
            }
        }
    }

    fn norm(&mut self, norm: &LayerNorm, epsilon: f64, x: &str) -> String {
        let (gamma, beta) = (self.param(&norm.gamma), self.param(&norm.beta));
        let epsilon = Attribute::Float(epsilon as f32);
        let inputs = [x, gamma.as_str(), beta.as_str()];
        self.graph.node("LayerNormalization", &inputs, &[("axis", Attribute::Int(-1)), ("epsilon", epsilon)])
    }

    fn reshape(&mut self, x: &str, shape: &[i64]) -> String {
        let shape = self.graph.ints(shape);
        self.graph.node("Reshape", &[x, &shape], &[])
    }

    fn transpose(&mut self, x: &str, order: &[i64]) -> String {
        self.graph.node("Transpose", &[x], &[("perm", Attribute::Ints(order))])
    }

    /// The last linear layer, whose output is called `output`.
    pub(super) fn head(&mut self, head: &Linear, features: &str, output: &str) {
        let weight = self.param(&head.weight);
        let bias = head.bias.as_ref().map(|bias| self.param(bias));
        let inputs: Vec<&str> = [features, &*weight].into_iter().chain(bias.as_deref()).collect();
        self.graph.output_node("Gemm", &inputs, output, &[]);
    }
}

/// Kernel and stride.
fn window(kernel: &[usize; 2], stride: &[usize; 2]) -> [[i64; 2]; 2] {
    [kernel, stride].map(|pair| pair.map(|n| n as i64))
}

/// Padding before the axes, then behind them; none for TensorFlow's SAME, which ONNX knows by name.
fn pads(padding: &PaddingConfig2d) -> Option<[i64; 4]> {
    match *padding {
        PaddingConfig2d::Valid => Some([0; 4]),
        PaddingConfig2d::Explicit(top, left, bottom, right) => {
            Some([top, left, bottom, right].map(|n| n as i64))
        }
        PaddingConfig2d::Same => None,
    }
}

fn padded(pads: &Option<[i64; 4]>) -> (&'static str, Attribute<'_>) {
    match pads {
        Some(pads) => ("pads", Attribute::Ints(pads)),
        // The odd pixel goes behind.
        None => ("auto_pad", Attribute::Text("SAME_UPPER")),
    }
}

impl Ops for Builder {
    type Map = String;
    type Tokens = Tokens;
    type Features = String;

    fn conv_norm(&mut self, conv: &Conv2d, norm: &BatchNorm, x: String, then: Activation) -> String {
        let y = self.conv(conv, &x);
        let y = self.batch_norm(norm, &y);
        self.activation(y, then)
    }

    fn conv_norm_add(
        &mut self,
        conv: &Conv2d,
        norm: &BatchNorm,
        x: String,
        shortcut: String,
        then: Activation,
    ) -> String {
        let y = self.conv_norm(conv, norm, x, Activation::None);
        let y = self.graph.node("Add", &[&y, &shortcut], &[]);
        self.activation(y, then)
    }

    fn max_pool(&mut self, pool: &MaxPool2d, x: String) -> String {
        let window = window(&pool.kernel_size, &pool.stride);
        let pads = pads(&pool.padding);
        let attributes = [
            ("kernel_shape", Attribute::Ints(&window[0])),
            ("strides", Attribute::Ints(&window[1])),
            padded(&pads),
        ];
        self.graph.node("MaxPool", &[&x], &attributes)
    }

    fn global_pool(&mut self, x: String) -> String {
        let y = self.graph.node("GlobalAveragePool", &[&x], &[]);
        self.graph.node("Flatten", &[&y], &[])
    }

    fn patches(&mut self, conv: &Conv2d, images: String) -> Tokens {
        let [width, ..] = conv.weight.lazy_shape().dims::<4>();
        let y = self.conv(conv, &images);
        let y = self.reshape(&y, &[0, width as i64, -1]);
        Tokens { name: self.transpose(&y, &[0, 2, 1]), width }
    }

    fn embed(&mut self, class: &Param<Tensor<3>>, positions: &Param<Tensor<3>>, x: Tokens) -> Tokens {
        let (class, positions) = (self.param(class), self.param(positions));
        // As many class tokens as there are images.
        let shape = self.graph.node("Shape", &[&x.name], &[("end", Attribute::Int(1))]);
        let rest = self.graph.ints(&[1, x.width as i64]);
        let shape = self.graph.node("Concat", &[&shape, &rest], &[("axis", Attribute::Int(0))]);
        let class = self.graph.node("Expand", &[&class, &shape], &[]);
        let all = self.graph.node("Concat", &[&class, &x.name], &[("axis", Attribute::Int(1))]);
        Tokens { name: self.graph.node("Add", &[&all, &positions], &[]), ..x }
    }

    fn layer_norm(&mut self, norm: &LayerNorm, epsilon: f64, x: Tokens) -> Tokens {
        Tokens { name: self.norm(norm, epsilon, &x.name), ..x }
    }

    fn linear(&mut self, linear: &Linear, x: Tokens) -> Tokens {
        let [_, width] = linear.weight.lazy_shape().dims::<2>();
        let weight = self.param(&linear.weight);
        let mut name = self.graph.node("MatMul", &[&x.name, &weight], &[]);
        if let Some(bias) = &linear.bias {
            let bias = self.param(bias);
            name = self.graph.node("Add", &[&name, &bias], &[]);
        }
        Tokens { name, width }
    }

    fn query_value_bias(&mut self, query: &Param<Tensor<1>>, value: &Param<Tensor<1>>, x: Tokens) -> Tokens {
        let name = self.name(query).replace("q_bias", "qkv.bias");
        let (query, value) = (self.values(query.val()), self.values(value.val()));
        let bias = [&query[..], &vec![0.0; query.len()], &value].concat();
        let bias = self.graph.floats(&name, &[bias.len()], &bias);
        Tokens { name: self.graph.node("Add", &[&x.name, &bias], &[]), ..x }
    }

    fn attention(&mut self, qkv: Tokens, heads: usize) -> Tokens {
        let width = qkv.width / 3;
        let of_a_head = (width / heads) as i64;
        // (3, N, heads, tokens, numbers of a head).
        let parts = self.reshape(&qkv.name, &[0, 0, 3, heads as i64, of_a_head]);
        let parts = self.transpose(&parts, &[2, 0, 3, 1, 4]);
        let parts = self.graph.split_node::<3>("Split", &[&parts], &[("axis", Attribute::Int(0))]);
        let first = self.graph.ints(&[0]);
        let [q, k, v] = parts.map(|part| self.graph.node("Squeeze", &[&part, &first], &[]));
        let k = self.transpose(&k, &[0, 1, 3, 2]);
        let scale = self.graph.scalar((of_a_head as f32).sqrt().recip());
        let q = self.graph.node("Mul", &[&q, &scale], &[]);
        let scores = self.graph.node("MatMul", &[&q, &k], &[]);
        let weights = self.graph.node("Softmax", &[&scores], &[("axis", Attribute::Int(-1))]);
        let seen = self.graph.node("MatMul", &[&weights, &v], &[]);
        let seen = self.transpose(&seen, &[0, 2, 1, 3]);
        Tokens { name: self.reshape(&seen, &[0, 0, width as i64]), width }
    }

    /// Opset 17 has no GELU: `x / 2 * (1 + erf(x / sqrt(2)))`.
    fn gelu(&mut self, x: Tokens) -> Tokens {
        let graph = &mut self.graph;
        let (root, one, half) =
            (graph.scalar(std::f32::consts::FRAC_1_SQRT_2), graph.scalar(1.0), graph.scalar(0.5));
        let y = graph.node("Mul", &[&x.name, &root], &[]);
        let y = graph.node("Erf", &[&y], &[]);
        let y = graph.node("Add", &[&y, &one], &[]);
        let y = graph.node("Mul", &[&x.name, &y], &[]);
        Tokens { name: graph.node("Mul", &[&y, &half], &[]), ..x }
    }

    fn add_branch(&mut self, x: Tokens, branch: Tokens, _: usize, _: usize) -> Tokens {
        Tokens { name: self.graph.node("Add", &[&x.name, &branch.name], &[]), ..x }
    }

    fn class_token(&mut self, x: Tokens) -> String {
        let first = self.graph.ints(&[0]);
        let token = self.graph.node("Gather", &[&x.name, &first], &[("axis", Attribute::Int(1))]);
        self.reshape(&token, &[0, x.width as i64])
    }

    fn token_mean(&mut self, x: Tokens) -> String {
        let (start, end, axis) = (self.graph.ints(&[1]), self.graph.ints(&[i64::MAX]), self.graph.ints(&[1]));
        let patches = self.graph.node("Slice", &[&x.name, &start, &end, &axis], &[]);
        let attributes = [("axes", Attribute::Ints(&[1])), ("keepdims", Attribute::Int(0))];
        self.graph.node("ReduceMean", &[&patches], &attributes)
    }

    fn feature_norm(&mut self, norm: &LayerNorm, epsilon: f64, x: String) -> String {
        self.norm(norm, epsilon, &x)
    }
}
