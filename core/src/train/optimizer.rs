//! burn's SGD and AdamW, parameter by parameter, with state kept under the parameters' names.
//!
//! Names rather than burn's random identifiers make checkpoints the same bytes for the same training, and
//! let the weight decay of norms, biases and a transformer's tokens and positions be left out, as in timm.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamWConfig, DynOptimizer, DynState, GradientsParams, SgdConfig, StateSink, StateSource};
use burn::tensor::{Device, Tensor, TensorData};

use crate::classifier::read;
use crate::error::{Error, Result};
use crate::models::{Layers, Model, PathStack};
use crate::train::config::Recipe;
#[cfg(feature = "flex")]
use crate::train::host_sgd::HostSgd;
use crate::weights::{HostTensor, StateDict};

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
            if !recipe.adamw && device.clone().inner() == Device::flex() {
                let sgd = HostSgd { momentum: recipe.momentum as f32, decay: decay as f32 };
                return Box::new(sgd);
            }
            if recipe.adamw {
                let config = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(decay as f32);
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

    /// Updates the model by its gradients, at learning rate `lr`.
    pub fn step(&mut self, lr: f64, model: Model, grads: GradientsParams) -> Result<Model> {
        let scale = match self.clip_norm {
            Some(limit) => {
                let norm = gradient_norm(&model, &grads)?;
                if norm > limit { limit / norm } else { 1.0 }
            }
            None => 1.0,
        };
        Ok(model.map(&mut Step { optimizer: self, grads, lr, scale, path: PathStack::default() }))
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
                let value = i64::try_from(scalar).unwrap_or_default();
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
    lr: f64,
    scale: f32,
    path: PathStack,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        // Running statistics have no gradient.
        let Some(mut grad) = self.grads.remove::<D>(id) else {
            return Param::from_mapped_value(id, tensor, mapper);
        };
        if self.scale != 1.0 {
            grad = grad.mul_scalar(self.scale);
        }
        let name = self.path.torch();
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

/// Root of the sum of squares of all gradients.
fn gradient_norm(model: &Model, grads: &GradientsParams) -> Result<f32> {
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
        return Ok(0.0);
    }
    let sum: f32 = read(Tensor::cat(squares.sums, 0))?.iter().sum();
    Ok(libm::sqrtf(sum))
}
