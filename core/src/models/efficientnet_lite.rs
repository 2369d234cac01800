//! EfficientNet-Lite (Google, 2020): inverted bottlenecks with ReLU6, no squeeze-and-excite, TensorFlow's SAME
//! padding.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::{Device, Tensor};

use crate::memory::{Tape, Value};
use crate::models::ops::{Clip, batch_norm, batch_norm_add};
use crate::models::resnet::{global_pool, linear_macs};
use crate::models::{conv_macs, mixed};

/// Repeats, kernel, stride, expansion, inputs, outputs of each stage.
const STAGES: [[usize; 6]; 7] = [
    [1, 3, 1, 1, 32, 16],
    [2, 3, 2, 6, 16, 24],
    [2, 5, 2, 6, 24, 40],
    [3, 3, 2, 6, 40, 80],
    [3, 5, 1, 6, 80, 112],
    [4, 5, 2, 6, 112, 192],
    [1, 3, 1, 6, 192, 320],
];

/// EfficientNet-Lite; Lite1 and Lite2 differ by their multipliers of width and depth.
#[derive(Module, Debug)]
pub struct EfficientNetLite {
    lite: Lite,
}

/// The layers, under EfficientNet-PyTorch's names.
#[derive(Module, Debug)]
struct Lite {
    conv_stem: Conv2d,
    bn0: BatchNorm,
    blocks: Vec<MbConv>,
    conv_head: Conv2d,
    bn1: BatchNorm,
    fc: Linear,
}

/// Expand, filter each channel alone, project; a shortcut where the shape stays.
#[derive(Module, Debug)]
struct MbConv {
    expand_conv: Option<Conv2d>,
    bn0: Option<BatchNorm>,
    depthwise_conv: Conv2d,
    bn1: BatchNorm,
    project_conv: Conv2d,
    bn2: BatchNorm,
    residual: bool,
}

fn conv(channels: [usize; 2], kernel: usize, stride: usize, groups: usize, device: &Device) -> Conv2d {
    Conv2dConfig::new(channels, [kernel, kernel])
        .with_stride([stride, stride])
        .with_groups(groups)
        .with_padding(PaddingConfig2d::Same)
        .with_bias(false)
        .init(device)
}

fn norm(channels: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(channels).with_epsilon(1e-3).with_momentum(0.01).init(device)
}

impl MbConv {
    fn new(
        kernel: usize,
        stride: usize,
        expansion: usize,
        inputs: usize,
        outputs: usize,
        device: &Device,
    ) -> Self {
        let middle = inputs * expansion;
        let expands = expansion > 1;
        Self {
            expand_conv: expands.then(|| conv([inputs, middle], 1, 1, 1, device)),
            bn0: expands.then(|| norm(middle, device)),
            depthwise_conv: conv([middle, middle], kernel, stride, middle, device),
            bn1: norm(middle, device),
            project_conv: conv([middle, outputs], 1, 1, 1, device),
            bn2: norm(outputs, device),
            residual: stride == 1 && inputs == outputs,
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut y = x.clone();
        if let (Some(conv), Some(norm)) = (&self.expand_conv, &self.bn0) {
            y = batch_norm(norm, mixed::conv(conv, y), Clip::Relu6);
        }
        y = batch_norm(&self.bn1, mixed::conv(&self.depthwise_conv, y), Clip::Relu6);
        y = mixed::conv(&self.project_conv, y);
        if self.residual {
            return batch_norm_add(&self.bn2, y, x, Clip::Nothing);
        }
        batch_norm(&self.bn2, y, Clip::Nothing)
    }

    /// [`forward`](Self::forward), for the memory it takes, and the side of what comes out.
    fn trace(&self, tape: &mut Tape, x: Value, side: usize) -> (Value, usize) {
        let mut y = tape.copy(&x);
        if let (Some(conv), Some(norm)) = (&self.expand_conv, &self.bn0) {
            y = tape.conv(conv, y, side).0;
            y = tape.batch_norm(norm, y);
        }
        let (y, side) = tape.conv(&self.depthwise_conv, y, side);
        let y = tape.batch_norm(&self.bn1, y);
        let y = tape.conv(&self.project_conv, y, side).0;
        if self.residual {
            return (tape.batch_norm_add(&self.bn2, y, x), side);
        }
        tape.drop(x);
        (tape.batch_norm(&self.bn2, y), side)
    }
}

impl EfficientNetLite {
    /// `width` and `depth` multiply channels and repeats; stem and head keep theirs, as do the repeats of the
    /// first and the last stage.
    pub(super) fn new(width: f64, depth: f64, classes: usize, device: &Device) -> Self {
        let channels = |base: usize| scaled_channels(base, width);
        let mut blocks = Vec::new();
        for (stage, [repeats, kernel, stride, expansion, inputs, outputs]) in STAGES.into_iter().enumerate() {
            let fixed = stage == 0 || stage == STAGES.len() - 1;
            let repeats = if fixed { repeats } else { (repeats as f64 * depth).ceil() as usize };
            // The stem's 32 channels are not scaled.
            let inputs = if stage == 0 { inputs } else { channels(inputs) };
            for i in 0..repeats {
                let (stride, inputs) = if i == 0 { (stride, inputs) } else { (1, channels(outputs)) };
                blocks.push(MbConv::new(kernel, stride, expansion, inputs, channels(outputs), device));
            }
        }
        Self {
            lite: Lite {
                conv_stem: conv([3, 32], 3, 2, 1, device),
                bn0: norm(32, device),
                blocks,
                conv_head: conv([channels(320), 1280], 1, 1, 1, device),
                bn1: norm(1280, device),
                fc: LinearConfig::new(1280, classes).init(device),
            },
        }
    }

    /// What the head sees: shape (N, channels).
    pub(super) fn features(&self, images: Tensor<4>) -> Tensor<2> {
        let net = &self.lite;
        let x = batch_norm(&net.bn0, mixed::conv(&net.conv_stem, images), Clip::Relu6);
        let x = net.blocks.iter().fold(x, |x, block| block.forward(x));
        let x = batch_norm(&net.bn1, mixed::conv(&net.conv_head, x), Clip::Relu6);
        global_pool(x)
    }

    pub(super) fn head(&self) -> &Linear {
        &self.lite.fc
    }

    #[cfg(feature = "flex")]
    pub(super) fn host(&self) -> crate::Result<super::HostNet> {
        use super::host::{Activation, Builder};
        let (net, mut layers) = (&self.lite, Builder::default());
        layers.conv(&net.conv_stem, Some(&net.bn0), Activation::Relu6)?;
        for block in &net.blocks {
            if block.residual {
                layers.keep();
            }
            if let (Some(conv), Some(norm)) = (&block.expand_conv, &block.bn0) {
                layers.conv(conv, Some(norm), Activation::Relu6)?;
            }
            layers.conv(&block.depthwise_conv, Some(&block.bn1), Activation::Relu6)?;
            layers.conv(&block.project_conv, Some(&block.bn2), Activation::None)?;
            if block.residual {
                layers.join(Activation::None);
            }
        }
        layers.conv(&net.conv_head, Some(&net.bn1), Activation::Relu6)?;
        layers.classify(&net.fc)
    }

    pub(super) fn macs(&self, side: usize) -> u64 {
        let (mut total, mut side) = conv_macs(&self.lite.conv_stem, side);
        let mut add = |conv: &Conv2d| {
            let (macs, out) = conv_macs(conv, side);
            total += macs;
            side = out;
        };
        for block in &self.lite.blocks {
            block.expand_conv.iter().for_each(&mut add);
            add(&block.depthwise_conv);
            add(&block.project_conv);
        }
        add(&self.lite.conv_head);
        total + linear_macs(&self.lite.fc)
    }

    /// [`features`](Self::features), for the memory it takes.
    pub(super) fn trace(&self, tape: &mut Tape, images: Value, side: usize) -> Value {
        let net = &self.lite;
        let (x, side) = tape.conv(&net.conv_stem, images, side);
        let x = tape.batch_norm(&net.bn0, x);
        let (x, side) = net.blocks.iter().fold((x, side), |(x, side), block| block.trace(tape, x, side));
        let x = tape.conv(&net.conv_head, x, side).0;
        let x = tape.batch_norm(&net.bn1, x);
        tape.global_pool(x, side)
    }
}

/// Channels scaled and rounded to a multiple of 8, never down by more than a tenth.
fn scaled_channels(base: usize, width: f64) -> usize {
    let scaled = base as f64 * width;
    let rounded = ((scaled + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * scaled { rounded + 8 } else { rounded }
}
