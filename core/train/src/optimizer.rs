//! burn's SGD and AdamW, parameter by parameter, with state kept under the parameters' names.
//!
//! Names rather than burn's random identifiers make checkpoints the same bytes for the same training, and
//! let the weight decay of norms, biases and a transformer's tokens and positions be left out, as in timm.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
#[cfg(not(all(feature = "wgpu", not(feature = "cuda"))))]
use burn::optim::AdamWConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{DynOptimizer, DynState, GradientsParams, SgdConfig, StateSink, StateSource};
use burn::tensor::{DType, Device, Tensor, TensorData};

#[cfg(not(all(feature = "wgpu", not(feature = "cuda"))))]
use crate::adamw::{BETAS, EPSILON};
use crate::config::Recipe;
#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
use crate::device_adamw::DeviceAdamW;
#[cfg(feature = "flex")]
use crate::{host_adamw::HostAdamW, host_sgd::HostSgd};
use ferkd_method::error::{Error, Result};
use ferkd_nn::models::{Layers, Model, PathStack};
use ferkd_nn::weights::{HostTensor, StateDict};

/// An optimizer for a whole model.
pub struct Optimizer {
    /// For weights of convolutions and linear layers.
    decayed: Box<dyn DynOptimizer>,
    /// For norms, biases, class tokens and positions.
    plain: Box<dyn DynOptimizer>,
    states: BTreeMap<String, DynState>,
    clip_norm: Option<f32>,
    layer_decay: Option<(f64, Layers)>,
}

/// Parameters of several dimensions that do not decay: they are no weights of a layer (DeiT, timm).
const UNDECAYED: [&str; 2] = ["cls_token", "pos_embed"];

impl Optimizer {
    /// The optimizer of a recipe, for parameters on `device`.
    pub fn new(recipe: &Recipe, device: &Device) -> Self {
        let build = |decay: f64| -> Box<dyn DynOptimizer> {
            #[cfg(not(feature = "flex"))]
            let _ = device;
            #[cfg(feature = "flex")]
            if device.clone().inner() == Device::flex() {
                let (momentum, decay) = (recipe.momentum as f32, decay as f32);
                return match recipe.adamw {
                    true => Box::new(HostAdamW { decay }),
                    false => Box::new(HostSgd { momentum, decay }),
                };
            }
            #[cfg(all(feature = "wgpu", not(feature = "cuda")))]
            if recipe.adamw {
                return Box::new(DeviceAdamW { decay: decay as f32 });
            }
            #[cfg(not(all(feature = "wgpu", not(feature = "cuda"))))]
            if recipe.adamw {
                let [first, second] = BETAS;
                let config = AdamWConfig::new().with_beta_1(first).with_beta_2(second).with_epsilon(EPSILON);
                let config = config.with_weight_decay(decay as f32);
                return Box::new(config.build());
            }
            let momentum = MomentumConfig::new().with_momentum(recipe.momentum).with_dampening(0.0);
            let config = SgdConfig::new().with_momentum(Some(momentum));
            let decay = (decay > 0.0).then_some(WeightDecayConfig { penalty: decay as f32 });
            Box::new(config.with_weight_decay(decay).build())
        };
        Self {
            decayed: build(recipe.weight_decay),
            plain: build(if recipe.decay_all { recipe.weight_decay } else { 0.0 }),
            states: BTreeMap::new(),
            clip_norm: recipe.clip_norm,
            layer_decay: None,
        }
    }

    /// Multiplies the learning rate by `decay` for every layer between a parameter and the head (BEiT, timm).
    pub fn with_layer_decay(mut self, decay: Option<f64>, layers: Layers) -> Self {
        self.layer_decay = decay.map(|decay| (decay, layers));
        self
    }

    /// What a parameter's learning rate is multiplied by.
    pub fn rate_scale(&self, name: &str) -> f64 {
        let depth = |layers: &Layers| (layers.last() - layers.of_parameter(name)) as i32;
        self.layer_decay.as_ref().map_or(1.0, |(decay, layers)| libm::pow(*decay, depth(layers).into()))
    }

    /// Whether a parameter of `rank` dimensions is one that weight decay is meant for.
    pub fn is_weight(name: &str, rank: usize) -> bool {
        rank > 1 && !UNDECAYED.contains(&name)
    }

    /// Updates the model by its gradients, at learning rate `lr`; `trains` says by name which parameters it has to.
    ///
    /// # Errors
    /// A parameter that is trained and has no gradient; a parameter or gradient that is not f32.
    pub fn step(
        &mut self,
        lr: f64,
        model: Model,
        grads: GradientsParams,
        trains: &dyn Fn(&str) -> bool,
    ) -> Result<Model> {
        let scale = self.clip_norm.and_then(|limit| clipping(&model, &grads, limit));
        let path = PathStack::default();
        let mut step = Step { optimizer: self, grads, trains, lr, scale, path, problem: None };
        let model = model.map(&mut step);
        match step.problem {
            Some(problem) => {
                Err(Error::mismatch("optimizer", problem).remedy("train another network, and report it"))
            }
            None => Ok(model),
        }
    }

    /// The state, for a checkpoint: tensors under `<parameter>/<field>`.
    pub fn state(&self) -> Result<StateDict> {
        let mut dict = StateDict::default();
        for (name, state) in &self.states {
            let mut sink = StateSink::default();
            self.of(name, state.rank()).state_flatten(name, state, &mut sink);
            for (key, data) in sink.tensors {
                let shape = data.shape().to_vec();
                let values = data.convert::<f32>().try_into_vec::<f32>();
                let values = values.map_err(|e| Error::damaged("optimizer state", format!("{e:?}")))?;
                dict.tensors.insert(format!("rank{}.{key}", state.rank()), HostTensor { shape, values });
            }
            for (key, scalar) in sink.scalars {
                // Counters of steps: exact in a double, and two floats hold one.
                let counter = i64::try_from(scalar);
                let value =
                    counter.map_err(|e| Error::damaged("optimizer state", format!("{key}: {e:?}")))?;
                let values = vec![(value >> 20) as f32, (value & 0xF_FFFF) as f32];
                dict.tensors.insert(
                    format!("rank{}.{key}.scalar", state.rank()),
                    HostTensor { shape: vec![2], values },
                );
            }
        }
        Ok(dict)
    }

    /// Takes up a checkpoint's state; `origin` is what errors call it.
    ///
    /// # Errors
    /// A state of another optimizer.
    pub fn restore(
        &mut self,
        dict: StateDict,
        parameters: &[(String, usize)],
        device: &Device,
        origin: &str,
    ) -> Result<()> {
        let mut scalars = BTreeMap::new();
        let mut tensors = Vec::new();
        for (key, t) in dict.tensors {
            let key = key.split_once('.').map(|(_, key)| key.to_owned()).unwrap_or(key);
            match key.strip_suffix(".scalar") {
                Some(key) if t.values.len() == 2 => {
                    let value = ((t.values[0] as i64) << 20) | t.values[1] as i64;
                    scalars.insert(key.to_owned(), value.into());
                }
                _ => tensors.push((key, TensorData::new(t.values, t.shape))),
            }
        }
        let mut source = StateSource::new(scalars);
        for (key, data) in tensors {
            source.insert_tensor(key, data);
        }
        for (name, rank) in parameters {
            let state =
                self.of(name, *rank).state_unflatten(*rank, name, &mut source, device).ok_or_else(|| {
                    Error::mismatch(origin, format!("it holds no optimizer state of `{name}`"))
                        .remedy("resume with the optimizer that the run was begun with")
                })?;
            self.states.insert(name.clone(), state);
        }
        Ok(())
    }

    /// The names and ranks of the parameters that have a state.
    pub fn parameters(&self) -> Vec<(String, usize)> {
        self.states.iter().map(|(name, state)| (name.clone(), state.rank())).collect()
    }

    fn of(&self, name: &str, rank: usize) -> &dyn DynOptimizer {
        if Self::is_weight(name, rank) { &*self.decayed } else { &*self.plain }
    }
}

struct Step<'a> {
    optimizer: &'a mut Optimizer,
    grads: GradientsParams,
    trains: &'a dyn Fn(&str) -> bool,
    lr: f64,
    /// What every gradient is multiplied by: shape (1).
    scale: Option<Tensor<1>>,
    path: PathStack,
    /// Why the first parameter that could not be updated was not.
    problem: Option<String>,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.torch();
        let (id, tensor, mapper) = param.consume();
        // Running statistics have no gradient, nor has what is frozen.
        let Some(mut grad) = self.grads.remove::<D>(id) else {
            if (self.trains)(&name) {
                self.problem.get_or_insert_with(|| format!("`{name}` is trained and has no gradient"));
            }
            return Param::from_mapped_value(id, tensor, mapper);
        };
        let (dtype, of_grad) = (tensor.dtype(), grad.dtype());
        if (dtype, of_grad) != (DType::F32, DType::F32) {
            let problem = format!("`{name}` is {dtype:?} and its gradient {of_grad:?}: both must be F32");
            self.problem.get_or_insert(problem);
            return Param::from_mapped_value(id, tensor, mapper);
        }
        if let Some(scale) = &self.scale {
            grad = grad * scale.clone().reshape([1; D]);
        }
        let required = tensor.is_require_grad();
        let checkpointing = tensor.gradient_checkpointing_strategy();
        let before = self.optimizer.states.remove(&name);
        let lr = self.lr * self.optimizer.rate_scale(&name);
        let optimizer = self.optimizer.of(&name, D);
        let (new, state) =
            optimizer.step_dyn(D, lr, tensor.inner().into_bridge(), grad.into_bridge(), before);
        if let Some(state) = state {
            self.optimizer.states.insert(name, state);
        }
        let mut new = Tensor::<D>::from_bridge(new);
        // Tensors that meet must all be recomputed, or none.
        if let Some(strategy) = checkpointing {
            new = new.autodiff().with_gradient_checkpointing_strategy(strategy);
        }
        let new = new.set_require_grad(required);
        Param::from_mapped_value(id, new, mapper)
    }
}

/// What gradients are multiplied by so that the root of the sum of all their squares is at most `limit`: shape (1), or
/// none without gradients. It stays on the device, which goes on without being waited for.
fn clipping(model: &Model, grads: &GradientsParams, limit: f32) -> Option<Tensor<1>> {
    struct Squares<'a> {
        grads: &'a GradientsParams,
        sums: Vec<Tensor<1>>,
    }
    impl ModuleVisitor for Squares<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.grads.get::<D>(param.id) {
                self.sums.push(grad.square().sum());
            }
        }
    }
    let mut squares = Squares { grads, sums: Vec::new() };
    model.visit(&mut squares);
    if squares.sums.is_empty() {
        return None;
    }
    let norm = Tensor::cat(squares.sums, 0).sum().sqrt();
    Some(norm.recip().mul_scalar(limit).clamp_max(1.0))
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use burn::tensor::FloatDType;

    use super::*;
    use crate::config::{OptimizerName, TrainConfig};
    use ferkd_nn::models::{Arch, ModelSpec};

    /// Root of the sum of squares of what a step at learning rate 1 changes in the trained weights, with gradients of
    /// logits multiplied by `by`.
    fn moved(clip_norm: Option<f32>, by: f32) -> f64 {
        let device = Device::flex().autodiff();
        let spec = ModelSpec { width: Some(4), ..ModelSpec::new(Arch::Resnet8, 3) };
        let model: Model = spec.init(1, &device).unwrap();
        let config = TrainConfig {
            optimizer: Some(OptimizerName::Sgd),
            momentum: 0.0,
            weight_decay: Some(0.0),
            clip_norm,
            ..TrainConfig::default()
        };
        let images = Tensor::<4>::ones([2, 3, 16, 16], &device);
        let grads =
            GradientsParams::from_grads(model.forward(images).mul_scalar(by).sum().backward(), &model);
        let before = StateDict::of(&model).unwrap();
        let mut optimizer = Optimizer::new(&config.recipe(), &device);
        let trains = |name: &str| !name.contains("running_");
        let after = StateDict::of(&optimizer.step(1.0, model, grads, &trains).unwrap()).unwrap();
        let trained = before.tensors.iter().filter(|(name, _)| !name.contains("running_"));
        let squares = trained.flat_map(|(name, old)| {
            let new = &after.tensors[name].values;
            old.values.iter().zip(new).map(|(a, b)| f64::from(a - b).powi(2))
        });
        squares.sum::<f64>().sqrt()
    }

    #[test]
    fn gradients_of_a_large_norm_are_scaled_down_to_it_and_others_left() {
        let norm = moved(None, 1.0);
        let limit = (norm / 3.0) as f32;
        assert!((moved(Some(limit), 1.0) / f64::from(limit) - 1.0).abs() < 1e-3, "{norm}");
        assert!((moved(Some(limit), 0.1) / moved(None, 0.1) - 1.0).abs() < 1e-6);
        assert_eq!(moved(Some(limit), 0.0), 0.0);
    }

    /// A cast of one parameter, by PyTorch's name.
    struct Cast {
        name: &'static str,
        to: FloatDType,
        path: PathStack,
    }

    impl ModuleMapper for Cast {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if self.path.torch() != self.name {
                return param;
            }
            let (id, tensor, mapper) = param.consume();
            Param::from_mapped_value(id, tensor.cast(self.to), mapper)
        }
    }

    /// What a step says whose gradients are those of a small network, of which one parameter is `of` another type.
    fn refused(name: &'static str, of: FloatDType, forget: bool) -> String {
        let device = Device::flex().autodiff();
        let spec = ModelSpec { width: Some(4), ..ModelSpec::new(Arch::Resnet8, 3) };
        let model: Model = spec.init(1, &device).unwrap();
        let images = Tensor::<4>::ones([2, 3, 16, 16], &device);
        let loss = model.forward(images).sum();
        let mut grads = GradientsParams::from_grads(loss.backward(), &model);
        if forget {
            grads = GradientsParams::new();
        }
        let model = model.map(&mut Cast { name, to: of, path: PathStack::default() });
        let mut optimizer = Optimizer::new(&TrainConfig::default().recipe(), &device);
        let trains = |trained: &str| trained == name;
        optimizer.step(0.1, model, grads, &trains).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_parameter_that_cannot_be_updated_is_named_not_passed_over() {
        assert_eq!(refused("layer1.0.conv1.weight", FloatDType::F32, false), "");
        let error = refused("layer1.0.conv1.weight", FloatDType::F64, false);
        assert!(error.contains("`layer1.0.conv1.weight` is F64") && error.contains("must be F32"), "{error}");
        let error = refused("fc.bias", FloatDType::F32, true);
        assert!(error.contains("`fc.bias` is trained and has no gradient"), "{error}");
    }

    #[test]
    fn weights_that_are_not_f32_are_not_written_as_if_they_were() {
        let device = Device::flex();
        let spec = ModelSpec { width: Some(4), ..ModelSpec::new(Arch::Resnet8, 3) };
        let model: Model = spec.init(1, &device).unwrap();
        let mut cast = Cast { name: "bn1.weight", to: FloatDType::F64, path: PathStack::default() };
        let error = StateDict::of(&model.map(&mut cast)).unwrap_err().to_string();
        assert!(error.contains("`bn1.weight`") && error.contains("F64"), "{error}");
    }
}
