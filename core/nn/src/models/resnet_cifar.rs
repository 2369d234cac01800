//! Residual networks for small pictures (He et al. 2015, section 4.2), with projections as shortcuts.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Device;

use crate::models::blank::linear;
use crate::models::network::{Network, Ops, Shapes};
use crate::models::ops::activation::Activation;
use crate::models::resnet::{Block, Stem, conv, norm};

/// `6 n + 2` layers: a 3x3 convolution, three stages of `n` blocks with 1, 2 and 4 times `width` channels.
#[derive(Module, Debug)]
pub struct ResNetCifar {
    conv1: Conv2d,
    bn1: BatchNorm,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    fc: Linear,
}

impl ResNetCifar {
    /// Channels of the first stage, unless others are asked for.
    pub(super) const WIDTH: usize = 16;

    pub(super) fn new(blocks: usize, width: usize, classes: usize, device: &Device) -> Self {
        let stage = |inputs: usize, outputs: usize, stride: usize| {
            let block = |i| match i {
                0 => Block::basic(inputs, outputs, stride, device),
                _ => Block::basic(outputs, outputs, 1, device),
            };
            (0..blocks).map(block).collect::<Vec<_>>()
        };
        Self {
            conv1: conv(3, width, 3, 1, device),
            bn1: norm(width, device),
            layer1: stage(width, width, 1),
            layer2: stage(width, 2 * width, 2),
            layer3: stage(2 * width, 4 * width, 2),
            fc: linear(4 * width, classes, true, device),
        }
    }

    /// Whether tensors of these names and shapes are such a network, of any width.
    pub(super) fn fits(blocks: usize, shape: Shapes) -> bool {
        let found = [1, 2, 3, 4].map(|stage| Block::count(stage, shape));
        found == [blocks, blocks, blocks, 0]
            && !Block::is_bottleneck(shape)
            && Stem::of(shape) == Some(Stem::Cifar)
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.layer1.iter().chain(&self.layer2).chain(&self.layer3)
    }
}

impl Network for ResNetCifar {
    fn apply<O: Ops>(&self, ops: &mut O, images: O::Map) -> O::Features {
        let x = ops.conv_norm(&self.conv1, &self.bn1, images, Activation::Relu);
        let x = self.blocks().fold(x, |x, block| block.apply(ops, x));
        ops.global_pool(x)
    }

    fn head(&self) -> &Linear {
        &self.fc
    }
}
