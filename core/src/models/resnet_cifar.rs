//! Residual networks for small pictures (He et al. 2015, section 4.2), with projections as shortcuts.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

use crate::memory::{Tape, Value};
use crate::models::ops::{Clip, batch_norm};
use crate::models::resnet::{Block, conv, global_pool, linear_macs, norm};
use crate::models::{conv_macs, mixed};

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
            fc: LinearConfig::new(4 * width, classes).init(device),
        }
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.layer1.iter().chain(&self.layer2).chain(&self.layer3)
    }

    /// What the head sees: shape (N, channels).
    pub(super) fn features(&self, images: Tensor<4>) -> Tensor<2> {
        let x = batch_norm(&self.bn1, mixed::conv(&self.conv1, images), Clip::Relu);
        let x = self.blocks().fold(x, |x, block| block.forward(x));
        global_pool(x)
    }

    pub(super) fn head(&self) -> &Linear {
        &self.fc
    }

    #[cfg(feature = "flex")]
    pub(super) fn host(&self) -> crate::Result<super::HostNet> {
        let mut layers = super::host::Builder::default();
        layers.conv(&self.conv1, Some(&self.bn1), super::host::Activation::Relu)?;
        self.blocks().try_for_each(|block| block.host(&mut layers))?;
        layers.classify(&self.fc)
    }

    pub(super) fn macs(&self, side: usize) -> u64 {
        let (mut total, mut side) = conv_macs(&self.conv1, side);
        for block in self.blocks() {
            let (macs, out) = block.macs(side);
            total += macs;
            side = out;
        }
        total + linear_macs(&self.fc)
    }

    /// [`features`](Self::features), for the memory it takes.
    pub(super) fn trace(&self, tape: &mut Tape, images: Value, side: usize) -> Value {
        let (x, side) = tape.conv(&self.conv1, images, side);
        let x = tape.batch_norm(&self.bn1, x);
        let (x, side) = self.blocks().fold((x, side), |(x, side), block| block.trace(tape, x, side));
        tape.global_pool(x, side)
    }
}
