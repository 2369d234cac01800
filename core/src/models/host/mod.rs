//! Inference on the CPU: a network as a list of layers over channels-last pictures, batch norms folded into the
//! convolutions.
//!
//! `flex` computes layer by layer over a whole batch, each channel a plane of its own. Here a thread takes one
//! picture through all layers, so that what a layer writes is still in its cache when the next one reads it; a
//! pixel's channels lie side by side, so that a 1x1 convolution is one matrix product and a depthwise one works on
//! whole vectors even where a plane is 7 x 7. Only teachers and evaluation come here; students train on burn.

mod conv;
mod kernels;

use std::cell::RefCell;

use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::device::read::read;
use crate::error::Result;
use conv::{Conv, Pool};
pub(super) use kernels::Activation;

/// A picture on its way through the layers: height x width pixels of some channels each.
#[derive(Debug, Default)]
struct Map {
    height: usize,
    width: usize,
    channels: usize,
    /// At least as long as the shape asks for.
    data: Vec<f32>,
}

impl Map {
    /// Takes on a shape. What was there stays there; every kernel writes all of its output.
    fn reshape(&mut self, height: usize, width: usize, channels: usize) {
        (self.height, self.width, self.channels) = (height, width, channels);
        let len = self.len();
        grow(&mut self.data, len);
    }

    fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// The numbers, pixel by pixel.
    fn view(&self) -> &[f32] {
        &self.data[..self.len()]
    }

    /// The numbers, to be written.
    fn view_mut(&mut self) -> &mut [f32] {
        let len = self.len();
        &mut self.data[..len]
    }
}

/// Makes room and never gives it back: it would have to be zeroed again for the next larger layer.
fn grow(buffer: &mut Vec<f32>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
}

thread_local! {
    static WORKSPACE: RefCell<Workspace> = RefCell::default();
}

/// What a thread needs for one picture.
#[derive(Debug, Default)]
struct Workspace {
    now: Map,
    next: Map,
    kept: Map,
    columns: Vec<f32>,
}

#[derive(Debug)]
enum Layer {
    Conv(Conv),
    MaxPool(Pool),
    /// Remembers the picture for a shortcut.
    Keep,
    /// Takes the remembered picture through a convolution.
    Shortcut(Conv),
    /// Adds the remembered picture.
    Join(Activation),
}

/// A network for inference.
#[derive(Debug)]
pub(crate) struct HostNet {
    layers: Vec<Layer>,
    /// The last layer's weights: shape (features, C).
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// Pictures whose features go through the last layer together.
const ROWS: usize = 8;

impl HostNet {
    /// Logits, row by row, of planar pictures of shape (N, 3, side, side).
    pub(crate) fn logits(&self, pixels: &[f32], side: usize) -> Vec<f32> {
        let features = self.weight.len() / self.bias.len().max(1);
        let size = 3 * side * side;
        let count = pixels.len() / size.max(1);
        let mut pooled = vec![0.0; count * features];
        let pictures = pixels.par_chunks_exact(size.max(1)).zip(pooled.par_chunks_mut(features));
        pictures.for_each(|(picture, pooled)| {
            WORKSPACE.with_borrow_mut(|space| self.features(picture, side, space, pooled));
        });
        let mut logits = vec![0.0; count * self.bias.len()];
        logits.par_chunks_mut(ROWS * self.bias.len()).zip(pooled.par_chunks(ROWS * features)).for_each(
            |(logits, pooled)| {
                let shape = [pooled.len() / features, features, self.bias.len()];
                kernels::product(pooled, &self.weight, logits, shape);
                kernels::finish(logits, &self.bias, Activation::None);
            },
        );
        logits
    }

    /// What the last layer sees of one picture: the mean of every channel.
    fn features(&self, picture: &[f32], side: usize, space: &mut Workspace, pooled: &mut [f32]) {
        let Workspace { now, next, kept, columns } = space;
        now.reshape(side, side, 3);
        for (channel, plane) in picture.chunks_exact(side * side).enumerate() {
            let pixels = now.view_mut().chunks_exact_mut(3);
            pixels.zip(plane).for_each(|(pixel, value)| pixel[channel] = *value);
        }
        for layer in &self.layers {
            match layer {
                Layer::Conv(conv) => conv.apply(now, next, columns),
                Layer::MaxPool(pool) => pool.apply(now, next),
                Layer::Keep => {
                    kept.reshape(now.height, now.width, now.channels);
                    kept.view_mut().copy_from_slice(now.view());
                    continue;
                }
                Layer::Shortcut(conv) => {
                    conv.apply(kept, next, columns);
                    std::mem::swap(kept, next);
                    continue;
                }
                Layer::Join(activation) => {
                    kernels::join(now.view_mut(), kept.view(), *activation);
                    continue;
                }
            }
            std::mem::swap(now, next);
        }
        kernels::mean(now.view(), pooled);
    }
}

/// Collects the layers of a network.
#[derive(Debug, Default)]
pub(super) struct Builder {
    layers: Vec<Layer>,
}

impl Builder {
    /// A convolution, its norm folded in, and what follows.
    pub(super) fn conv(&mut self, conv: &Conv2d, norm: Option<&BatchNorm>, then: Activation) -> Result<()> {
        self.layers.push(Layer::Conv(Conv::folded(conv, norm, then)?));
        Ok(())
    }

    /// A max pool.
    pub(super) fn max_pool(&mut self, pool: &MaxPool2d) {
        self.layers.push(Layer::MaxPool(Pool::of(pool)));
    }

    /// Remembers the picture for a shortcut.
    pub(super) fn keep(&mut self) {
        self.layers.push(Layer::Keep);
    }

    /// A convolution on the shortcut.
    pub(super) fn shortcut(&mut self, conv: &Conv2d, norm: &BatchNorm) -> Result<()> {
        self.layers.push(Layer::Shortcut(Conv::folded(conv, Some(norm), Activation::None)?));
        Ok(())
    }

    /// The sum with the shortcut.
    pub(super) fn join(&mut self, then: Activation) {
        self.layers.push(Layer::Join(then));
    }

    /// The mean over all pixels and the last layer.
    pub(super) fn classify(self, linear: &Linear) -> Result<HostNet> {
        let weight = linear.weight.val();
        let [_, outputs] = weight.dims();
        let bias = match &linear.bias {
            Some(bias) => read(bias.val())?,
            None => vec![0.0; outputs],
        };
        Ok(HostNet { layers: self.layers, weight: read(weight)?, bias })
    }
}

/// The values of a parameter or a running statistic.
fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f64>> {
    Ok(read(tensor)?.into_iter().map(f64::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::{Arch, ModelSpec};
    use crate::rng::{Purpose, Stream};
    use crate::weights::StateDict;
    use burn::module::Module;
    use burn::tensor::{Device, TensorData};

    /// A network whose batch norms do something.
    fn model(arch: Arch, classes: usize, seed: u64) -> crate::models::Model {
        let fresh = ModelSpec::new(arch, classes).init(seed, &Device::flex()).unwrap();
        let mut dict = StateDict::of(&fresh);
        let mut draw = Stream::new(seed, Purpose::Weights, 1, 0);
        for (name, tensor) in &mut dict.tensors {
            let norm = tensor.shape.len() == 1 && !name.contains("fc");
            for value in tensor.values.iter_mut().filter(|_| norm) {
                *value = match name {
                    name if name.ends_with("running_var") => draw.uniform(0.5, 2.0) as f32,
                    name if name.ends_with("weight") => draw.uniform(0.5, 1.5) as f32,
                    _ => draw.uniform(-0.3, 0.3) as f32,
                };
            }
        }
        dict.load_into(fresh, "test").unwrap().valid()
    }

    #[test]
    fn every_network_gives_burns_logits() {
        for (arch, side) in [
            (Arch::EfficientnetLite0, 64),
            (Arch::EfficientnetLite0, 33),
            (Arch::Resnet18, 33),
            (Arch::Resnet50, 40),
            (Arch::Resnet8, 15),
        ] {
            let (classes, count) = (11, 3);
            let model = model(arch, classes, 5);
            let mut draw = Stream::new(2, Purpose::Scene, 0, side as u32);
            let pixels: Vec<f32> =
                (0..count * 3 * side * side).map(|_| draw.uniform(-2.0, 2.0) as f32).collect();
            let data = TensorData::new(pixels.clone(), [count, 3, side, side]);
            let expected = read(model.forward(Tensor::<4>::from_data(data, &Device::flex()))).unwrap();
            let found = model.host().unwrap().unwrap().logits(&pixels, side);
            assert_eq!(found.len(), expected.len());
            let largest = expected.iter().fold(1.0f32, |most, z| most.max(z.abs()));
            for (a, b) in found.iter().zip(&expected) {
                assert!((a - b).abs() < 1e-4 * largest, "{arch} at {side}: {a}, burn {b}");
            }
        }
    }

    #[test]
    fn a_picture_alone_gives_what_it_gives_among_others() {
        let (side, size) = (32, 3 * 32 * 32);
        let net = model(Arch::EfficientnetLite0, 7, 3).host().unwrap().unwrap();
        let mut draw = Stream::new(2, Purpose::Scene, 0, 0);
        let pixels: Vec<f32> = (0..5 * size).map(|_| draw.uniform(-2.0, 2.0) as f32).collect();
        let together = net.logits(&pixels, side);
        for (picture, expected) in pixels.chunks(size).zip(together.chunks(7)) {
            for (a, b) in net.logits(picture, side).iter().zip(expected) {
                assert!((a - b).abs() < 1e-5, "{a}, {b}");
            }
        }
        assert!(net.logits(&[], side).is_empty());
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let net = model(Arch::EfficientnetLite0, 7, 3).host().unwrap().unwrap();
        let mut pixels = vec![0.1; 3 * 32 * 32];
        pixels[40] = f32::NAN;
        assert!(net.logits(&pixels, 32).iter().all(|z| z.is_nan()));
    }
}
