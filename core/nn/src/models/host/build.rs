//! Makes the list of layers of a network's description.

use std::cell::RefCell;
use std::rc::Rc;

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;

use crate::device::read::read;
use crate::models::blank::LayerNorm;
use crate::models::host::conv::{Conv, Pool};
use crate::models::host::net::{HostNet, Layer, What};
use crate::models::host::tokens::{Embed, Norm};
use crate::models::network::{Network, Ops};
use crate::models::ops::activation::Activation;
use ferkd_method::error::{Error, Result};

/// Collects layers, and gives every picture a place to lie in.
#[derive(Default)]
pub(crate) struct Builder {
    layers: Vec<Layer>,
    places: Rc<RefCell<Places>>,
    /// The first layer that cannot be computed, or not be read.
    problem: Option<Error>,
    /// Whether there was something that is computed on burn.
    foreign: bool,
}

/// Places for pictures.
#[derive(Default)]
struct Places {
    count: usize,
    /// Those whose picture no one will read again.
    free: Vec<usize>,
}

/// A picture's place: it is free when the last one who may read it is gone.
#[derive(Clone)]
pub(crate) struct Picture(Rc<Place>);

struct Place {
    number: usize,
    places: Rc<RefCell<Places>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.borrow_mut().free.push(self.number);
    }
}

impl Builder {
    /// A network for inference, with its present weights; none for one that is computed on burn.
    ///
    /// # Errors
    /// A convolution that inference on the CPU lacks, weights that cannot be read.
    pub(crate) fn build(network: &impl Network) -> Result<Option<HostNet>> {
        let mut layers = Self::default();
        let images = layers.place();
        let first = images.0.number;
        let last = network.apply(&mut layers, images).0.number;
        if layers.foreign {
            return Ok(None);
        }
        if let Some(problem) = layers.problem {
            return Err(problem);
        }
        let head = network.head();
        let weight = head.weight.val();
        let [_, outputs] = weight.dims();
        let bias = match &head.bias {
            Some(bias) => read(bias.val())?,
            None => vec![0.0; outputs],
        };
        let places = layers.places.borrow().count;
        Ok(Some(HostNet { layers: layers.layers, places, first, last, weight: read(weight)?, bias }))
    }

    /// A layer that reads `x`, and `shortcut`.
    fn layer(
        &mut self,
        x: &Picture,
        shortcut: Option<Picture>,
        what: impl FnOnce() -> Result<What>,
    ) -> Picture {
        let y = self.place();
        // What is computed on burn, or cannot be computed, needs no weights.
        if !self.foreign && self.problem.is_none() {
            let (from, shortcut, to) = (x.0.number, shortcut.map(|shortcut| shortcut.0.number), y.0.number);
            match what() {
                Ok(what) => self.layers.push(Layer { what, from, shortcut, to }),
                Err(problem) => self.problem = Some(problem),
            }
        }
        y
    }

    /// A place that no one reads.
    fn place(&mut self) -> Picture {
        let mut places = self.places.borrow_mut();
        let number = match places.free.pop() {
            Some(number) => number,
            None => {
                places.count += 1;
                places.count - 1
            }
        };
        Picture(Rc::new(Place { number, places: self.places.clone() }))
    }
}

impl Ops for Builder {
    type Map = Picture;
    type Tokens = Picture;
    type Features = Picture;

    fn conv_norm(&mut self, conv: &Conv2d, norm: &BatchNorm, x: Picture, then: Activation) -> Picture {
        self.layer(&x, None, || Conv::folded(conv, norm, then).map(What::Conv))
    }

    fn conv_norm_add(
        &mut self,
        conv: &Conv2d,
        norm: &BatchNorm,
        x: Picture,
        shortcut: Picture,
        then: Activation,
    ) -> Picture {
        self.foreign |= !Conv::takes_shortcut(conv);
        self.layer(&x, Some(shortcut), || Conv::folded(conv, norm, then).map(What::Conv))
    }

    fn max_pool(&mut self, pool: &MaxPool2d, x: Picture) -> Picture {
        self.layer(&x, None, || Ok(What::MaxPool(Pool::of(pool))))
    }

    fn global_pool(&mut self, x: Picture) -> Picture {
        self.layer(&x, None, || Ok(What::Mean { skipped: 0 }))
    }

    fn patches(&mut self, conv: &Conv2d, images: Picture) -> Picture {
        self.layer(&images, None, || Conv::patches(conv).map(What::Conv))
    }

    fn embed(&mut self, class: &Param<Tensor<3>>, positions: &Param<Tensor<3>>, x: Picture) -> Picture {
        let embed = || Ok(Embed { class: read(class.val())?, positions: read(positions.val())? });
        self.layer(&x, None, || embed().map(What::Embed))
    }

    fn layer_norm(&mut self, norm: &LayerNorm, epsilon: f64, x: Picture) -> Picture {
        let norm = || Ok(Norm { gamma: read(norm.gamma.val())?, beta: read(norm.beta.val())?, epsilon });
        self.layer(&x, None, || norm().map(What::Norm))
    }

    fn linear(&mut self, linear: &Linear, x: Picture) -> Picture {
        self.layer(&x, None, || Conv::linear(linear).map(What::Conv))
    }

    fn query_value_bias(
        &mut self,
        query: &Param<Tensor<1>>,
        value: &Param<Tensor<1>>,
        x: Picture,
    ) -> Picture {
        let bias = || {
            let query = read(query.val())?;
            let keys = vec![0.0; query.len()];
            Ok(What::Add([query, keys, read(value.val())?].concat()))
        };
        self.layer(&x, None, bias)
    }

    fn attention(&mut self, qkv: Picture, heads: usize) -> Picture {
        self.layer(&qkv, None, || Ok(What::Attention(heads)))
    }

    fn gelu(&mut self, x: Picture) -> Picture {
        self.layer(&x, None, || Ok(What::Gelu))
    }

    /// The linear layer that the branch ends with adds what went around it. Nothing is dropped in inference.
    fn add_branch(&mut self, x: Picture, branch: Picture, _: usize, _: usize) -> Picture {
        let ends = |layer: &&mut Layer| layer.to == branch.0.number && matches!(layer.what, What::Conv(_));
        match self.layers.last_mut().filter(ends) {
            Some(layer) => layer.shortcut = Some(x.0.number),
            None => self.foreign |= self.problem.is_none(),
        }
        branch
    }

    fn class_token(&mut self, x: Picture) -> Picture {
        self.layer(&x, None, || Ok(What::Token))
    }

    fn token_mean(&mut self, x: Picture) -> Picture {
        self.layer(&x, None, || Ok(What::Mean { skipped: 1 }))
    }

    fn feature_norm(&mut self, norm: &LayerNorm, epsilon: f64, x: Picture) -> Picture {
        self.layer_norm(norm, epsilon, x)
    }
}
