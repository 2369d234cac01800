//! torchvision's ResNets (He et al. 2015; bottlenecks with the stride in the 3x3 convolution), and the same with the stem
//! that is customary for small pictures.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, Linear, PaddingConfig2d};
use burn::tensor::Device;

use crate::models::blank;
use crate::models::network::{Network, Ops, Shapes};
use crate::models::ops::activation::Activation;

/// How pictures enter a ResNet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stem {
    /// A 7x7 convolution and a pooling, each of stride 2.
    Imagenet,
    /// A 3x3 convolution of stride 1.
    Cifar,
}

impl Stem {
    /// The stem of a file's network, by the kernel of its first convolution.
    pub(super) fn of(shape: Shapes) -> Option<Self> {
        let kernel = *shape("conv1.weight")?.last()?;
        Some(if kernel == 3 { Self::Cifar } else { Self::Imagenet })
    }
}

/// ResNet-18, 34, 50 or 101.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    maxpool: Option<MaxPool2d>,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    layer4: Vec<Block>,
    fc: Linear,
}

/// Two or three convolutions and a shortcut around them.
#[derive(Module, Debug)]
pub(super) struct Block {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    conv3: Option<Conv2d>,
    bn3: Option<BatchNorm>,
    downsample: Option<Shortcut>,
}

/// The projection of a block that changes the shape.
#[derive(Module, Debug)]
pub(super) struct Shortcut {
    shortcut_conv: Conv2d,
    shortcut_norm: BatchNorm,
}

/// A square convolution without bias, padded by half its kernel.
pub(super) fn conv(inputs: usize, outputs: usize, kernel: usize, stride: usize, device: &Device) -> Conv2d {
    let half = kernel / 2;
    let padding = PaddingConfig2d::Explicit(half, half, half, half);
    blank::conv([inputs, outputs], kernel, stride, 1, padding, device)
}

pub(super) fn norm(channels: usize, device: &Device) -> BatchNorm {
    blank::batch_norm(channels, 1e-5, 0.1, device)
}

impl Block {
    /// Two 3x3 convolutions.
    pub(super) fn basic(inputs: usize, outputs: usize, stride: usize, device: &Device) -> Self {
        Self {
            conv1: conv(inputs, outputs, 3, stride, device),
            bn1: norm(outputs, device),
            conv2: conv(outputs, outputs, 3, 1, device),
            bn2: norm(outputs, device),
            conv3: None,
            bn3: None,
            downsample: Shortcut::where_needed(inputs, outputs, stride, device),
        }
    }

    /// 1x1, 3x3, 1x1.
    fn bottleneck(inputs: usize, middle: usize, stride: usize, device: &Device) -> Self {
        Self {
            conv1: conv(inputs, middle, 1, 1, device),
            bn1: norm(middle, device),
            conv2: conv(middle, middle, 3, stride, device),
            bn2: norm(middle, device),
            conv3: Some(conv(middle, 4 * middle, 1, 1, device)),
            bn3: Some(norm(4 * middle, device)),
            downsample: Shortcut::where_needed(inputs, 4 * middle, stride, device),
        }
    }

    /// Blocks of a stage of a file's network.
    pub(super) fn count(stage: usize, shape: Shapes) -> usize {
        (0..).take_while(|i| shape(&format!("layer{stage}.{i}.conv1.weight")).is_some()).count()
    }

    /// Whether a file's network has three convolutions a block.
    pub(super) fn is_bottleneck(shape: Shapes) -> bool {
        shape("layer1.0.conv3.weight").is_some()
    }

    /// `x` through the block.
    pub(super) fn apply<O: Ops>(&self, ops: &mut O, x: O::Map) -> O::Map {
        let shortcut = match &self.downsample {
            Some(d) => ops.conv_norm(&d.shortcut_conv, &d.shortcut_norm, x.clone(), Activation::None),
            None => x.clone(),
        };
        let y = ops.conv_norm(&self.conv1, &self.bn1, x, Activation::Relu);
        let (Some(conv3), Some(bn3)) = (&self.conv3, &self.bn3) else {
            return ops.conv_norm_add(&self.conv2, &self.bn2, y, shortcut, Activation::Relu);
        };
        let y = ops.conv_norm(&self.conv2, &self.bn2, y, Activation::Relu);
        ops.conv_norm_add(conv3, bn3, y, shortcut, Activation::Relu)
    }
}

impl Shortcut {
    fn where_needed(inputs: usize, outputs: usize, stride: usize, device: &Device) -> Option<Self> {
        (stride != 1 || inputs != outputs).then(|| Self {
            shortcut_conv: conv(inputs, outputs, 1, stride, device),
            shortcut_norm: norm(outputs, device),
        })
    }
}

impl ResNet {
    /// `blocks` in each stage, of two convolutions each, or three if they are bottlenecks.
    pub(super) fn new(
        blocks: [usize; 4],
        bottleneck: bool,
        stem: Stem,
        classes: usize,
        device: &Device,
    ) -> Self {
        let block = if bottleneck { Block::bottleneck } else { Block::basic };
        let expansion = if bottleneck { 4 } else { 1 };
        let mut inputs = 64;
        let mut layer = |stage: usize| {
            let middle = 64 << stage;
            (0..blocks[stage])
                .map(|i| {
                    let stride = if stage > 0 && i == 0 { 2 } else { 1 };
                    let block = block(inputs, middle, stride, device);
                    inputs = middle * expansion;
                    block
                })
                .collect::<Vec<_>>()
        };
        let pool = MaxPool2dConfig::new([3, 3])
            .with_strides([2, 2])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        let (conv1, maxpool) = match stem {
            Stem::Imagenet => (conv(3, 64, 7, 2, device), Some(pool.init())),
            Stem::Cifar => (conv(3, 64, 3, 1, device), None),
        };
        Self {
            conv1,
            bn1: norm(64, device),
            maxpool,
            layer1: layer(0),
            layer2: layer(1),
            layer3: layer(2),
            layer4: layer(3),
            fc: blank::linear(512 * expansion, classes, true, device),
        }
    }

    /// Whether tensors of these names and shapes are such a network.
    pub(super) fn fits(blocks: [usize; 4], bottleneck: bool, stem: Stem, shape: Shapes) -> bool {
        let found = [1, 2, 3, 4].map(|stage| Block::count(stage, shape));
        found == blocks && Block::is_bottleneck(shape) == bottleneck && Stem::of(shape) == Some(stem)
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.layer1.iter().chain(&self.layer2).chain(&self.layer3).chain(&self.layer4)
    }
}

impl Network for ResNet {
    fn apply<O: Ops>(&self, ops: &mut O, images: O::Map) -> O::Features {
        let x = ops.conv_norm(&self.conv1, &self.bn1, images, Activation::Relu);
        let x = match &self.maxpool {
            Some(pool) => ops.max_pool(pool, x),
            None => x,
        };
        let x = self.blocks().fold(x, |x, block| block.apply(ops, x));
        ops.global_pool(x)
    }

    fn head(&self) -> &Linear {
        &self.fc
    }
}
