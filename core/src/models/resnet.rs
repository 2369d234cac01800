//! torchvision's ResNets (He et al. 2015; bottlenecks with the stride in the 3x3 convolution), and the same with the stem
//! that is customary for small pictures.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, FloatDType, Tensor};

use crate::memory::{Tape, Value};
use crate::models::ops::{Clip, batch_norm, batch_norm_add};
use crate::models::{conv_macs, mixed};

/// How pictures enter a ResNet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stem {
    /// A 7x7 convolution and a pooling, each of stride 2.
    Imagenet,
    /// A 3x3 convolution of stride 1.
    Cifar,
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
    Conv2dConfig::new([inputs, outputs], [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(half, half, half, half))
        .with_bias(false)
        .init(device)
}

pub(super) fn norm(channels: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels).init(device)
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

    pub(super) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let shortcut = match &self.downsample {
            Some(d) => batch_norm(&d.shortcut_norm, mixed::conv(&d.shortcut_conv, x.clone()), Clip::Nothing),
            None => x.clone(),
        };
        let y = batch_norm(&self.bn1, mixed::conv(&self.conv1, x), Clip::Relu);
        let y = mixed::conv(&self.conv2, y);
        let (Some(conv3), Some(bn3)) = (&self.conv3, &self.bn3) else {
            return batch_norm_add(&self.bn2, y, shortcut, Clip::Relu);
        };
        let y = batch_norm(&self.bn2, y, Clip::Relu);
        batch_norm_add(bn3, mixed::conv(conv3, y), shortcut, Clip::Relu)
    }

    #[cfg(feature = "flex")]
    pub(super) fn host(&self, layers: &mut super::host::Builder) -> crate::Result<()> {
        use super::host::Activation;
        layers.keep();
        if let Some(d) = &self.downsample {
            layers.shortcut(&d.shortcut_conv, &d.shortcut_norm)?;
        }
        layers.conv(&self.conv1, Some(&self.bn1), Activation::Relu)?;
        let last = if self.conv3.is_some() { Activation::Relu } else { Activation::None };
        layers.conv(&self.conv2, Some(&self.bn2), last)?;
        if let Some(conv3) = &self.conv3 {
            layers.conv(conv3, self.bn3.as_ref(), Activation::None)?;
        }
        layers.join(Activation::Relu);
        Ok(())
    }

    /// Multiply-adds, and the side of what comes out.
    pub(super) fn macs(&self, side: usize) -> (u64, usize) {
        let shortcut = self.downsample.as_ref().map_or(0, |d| conv_macs(&d.shortcut_conv, side).0);
        let (first, side) = conv_macs(&self.conv1, side);
        let (second, side) = conv_macs(&self.conv2, side);
        let third = self.conv3.as_ref().map_or(0, |c| conv_macs(c, side).0);
        (shortcut + first + second + third, side)
    }

    /// [`forward`](Self::forward), for the memory it takes, and the side of what comes out.
    pub(super) fn trace(&self, tape: &mut Tape, x: Value, side: usize) -> (Value, usize) {
        let copy = tape.copy(&x);
        let shortcut = match &self.downsample {
            Some(d) => {
                let y = tape.conv(&d.shortcut_conv, copy, side).0;
                tape.batch_norm(&d.shortcut_norm, y)
            }
            None => copy,
        };
        let (y, side) = tape.conv(&self.conv1, x, side);
        let y = tape.batch_norm(&self.bn1, y);
        let (y, side) = tape.conv(&self.conv2, y, side);
        let (Some(conv3), Some(bn3)) = (&self.conv3, &self.bn3) else {
            return (tape.batch_norm_add(&self.bn2, y, shortcut), side);
        };
        let y = tape.batch_norm(&self.bn2, y);
        let y = tape.conv(conv3, y, side).0;
        (tape.batch_norm_add(bn3, y, shortcut), side)
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
    pub(super) fn basic(blocks: [usize; 4], stem: Stem, classes: usize, device: &Device) -> Self {
        Self::new(blocks, stem, 1, classes, device, Block::basic)
    }

    pub(super) fn bottleneck(blocks: [usize; 4], stem: Stem, classes: usize, device: &Device) -> Self {
        Self::new(blocks, stem, 4, classes, device, Block::bottleneck)
    }

    fn new(
        blocks: [usize; 4],
        stem: Stem,
        expansion: usize,
        classes: usize,
        device: &Device,
        block: fn(usize, usize, usize, &Device) -> Block,
    ) -> Self {
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
            fc: LinearConfig::new(512 * expansion, classes).init(device),
        }
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.layer1.iter().chain(&self.layer2).chain(&self.layer3).chain(&self.layer4)
    }

    /// What the head sees: shape (N, channels).
    pub(super) fn features(&self, images: Tensor<4>) -> Tensor<2> {
        let x = batch_norm(&self.bn1, mixed::conv(&self.conv1, images), Clip::Relu);
        let x = match &self.maxpool {
            Some(pool) => pool.forward(x),
            None => x,
        };
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
        self.maxpool.iter().for_each(|pool| layers.max_pool(pool));
        self.blocks().try_for_each(|block| block.host(&mut layers))?;
        layers.classify(&self.fc)
    }

    pub(super) fn macs(&self, side: usize) -> u64 {
        let (mut total, mut side) = conv_macs(&self.conv1, side);
        side = if self.maxpool.is_some() { side.div_ceil(2) } else { side };
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
        let x = if self.maxpool.is_some() { tape.max_pool(x, side) } else { (x, side) };
        let (x, side) = self.blocks().fold(x, |(x, side), block| block.trace(tape, x, side));
        tape.global_pool(x, side)
    }
}

/// Mean over height and width: (N, channels, height, width) of any type to (N, channels) in f32.
pub(super) fn global_pool(x: Tensor<4>) -> Tensor<2> {
    let [n, channels, height, width] = x.dims();
    let x = x.cast(FloatDType::F32);
    x.reshape([n, channels, height * width]).mean_dim(2).reshape([n, channels])
}

pub(super) fn linear_macs(linear: &Linear) -> u64 {
    linear.weight.lazy_shape().dims::<2>().iter().product::<usize>() as u64
}
