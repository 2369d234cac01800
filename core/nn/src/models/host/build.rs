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
use crate::models::host::net::{HostNet, Layer};
use crate::models::network::{Network, Ops};
use crate::models::ops::activation::Activation;
use ferkd_method::error::{Error, Result};

/// Collects layers, and gives every picture a place to lie in.
#[derive(Default)]
pub(crate) struct Builder {
    layers: Vec<Layer>,
    places: Rc<RefCell<Places>>,
    /// Where the picture lies whose means are the features.
    last: usize,
    /// The first convolution that cannot be computed.
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
        network.apply(&mut layers, images);
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
        Ok(Some(HostNet {
            layers: layers.layers,
            places,
            first,
            last: layers.last,
            weight: read(weight)?,
            bias,
        }))
    }

    /// A convolution, its norm, what is added, and the activation behind it.
    fn conv(
        &mut self,
        conv: &Conv2d,
        norm: &BatchNorm,
        x: Picture,
        shortcut: Option<Picture>,
        then: Activation,
    ) -> Picture {
        let y = self.place();
        // What is computed on burn, or cannot be computed, needs no weights.
        if !self.foreign && self.problem.is_none() {
            let (from, to) = (x.0.number, y.0.number);
            let shortcut = shortcut.map(|shortcut| shortcut.0.number);
            match Conv::folded(conv, norm, then) {
                Ok(conv) => self.layers.push(Layer::Conv { conv, from, shortcut, to }),
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
    type Tokens = ();
    type Features = ();

    fn conv_norm(&mut self, conv: &Conv2d, norm: &BatchNorm, x: Picture, then: Activation) -> Picture {
        self.conv(conv, norm, x, None, then)
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
        self.conv(conv, norm, x, Some(shortcut), then)
    }

    fn max_pool(&mut self, pool: &MaxPool2d, x: Picture) -> Picture {
        let y = self.place();
        self.layers.push(Layer::MaxPool { pool: Pool::of(pool), from: x.0.number, to: y.0.number });
        y
    }

    fn global_pool(&mut self, x: Picture) {
        self.last = x.0.number;
    }

    fn patches(&mut self, _: &Conv2d, _: Picture) {
        self.foreign = true;
    }

    fn embed(&mut self, _: &Param<Tensor<3>>, _: &Param<Tensor<3>>, (): ()) {}

    fn layer_norm(&mut self, _: &LayerNorm, _: f64, (): ()) {}

    fn linear(&mut self, _: &Linear, (): ()) {}

    fn query_value_bias(&mut self, _: &Param<Tensor<1>>, _: &Param<Tensor<1>>, (): ()) {}

    fn attention(&mut self, (): (), _: usize) {}

    fn gelu(&mut self, (): ()) {}

    fn add_branch(&mut self, (): (), (): (), _: usize, _: usize) {}

    fn class_token(&mut self, (): ()) {}

    fn token_mean(&mut self, (): ()) {}

    fn feature_norm(&mut self, _: &LayerNorm, _: f64, (): ()) {}
}
