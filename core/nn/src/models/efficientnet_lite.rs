//! EfficientNet-Lite (Google, 2020): inverted bottlenecks with ReLU6, no squeeze-and-excite, TensorFlow's SAME
//! padding.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, Linear, PaddingConfig2d};
use burn::tensor::Device;

use crate::models::blank;
use crate::models::network::{Network, Ops, Shapes};
use crate::models::ops::activation::Activation;

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

/// Channels of the last stage.
const LAST: usize = STAGES[STAGES.len() - 1][5];

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
    blank::conv(channels, kernel, stride, groups, PaddingConfig2d::Same, device)
}

fn norm(channels: usize, device: &Device) -> BatchNorm {
    blank::batch_norm(channels, 1e-3, 0.01, device)
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

    /// `x` through the block.
    fn apply<O: Ops>(&self, ops: &mut O, x: O::Map) -> O::Map {
        let shortcut = self.residual.then(|| x.clone());
        let y = match (&self.expand_conv, &self.bn0) {
            (Some(conv), Some(norm)) => ops.conv_norm(conv, norm, x, Activation::Relu6),
            _ => x,
        };
        let y = ops.conv_norm(&self.depthwise_conv, &self.bn1, y, Activation::Relu6);
        match shortcut {
            Some(x) => ops.conv_norm_add(&self.project_conv, &self.bn2, y, x, Activation::None),
            None => ops.conv_norm(&self.project_conv, &self.bn2, y, Activation::None),
        }
    }
}

impl EfficientNetLite {
    /// `width` and `depth` multiply channels and repeats; stem and head keep theirs, as do the repeats of the
    /// first and the last stage.
    pub(super) fn new(width: f64, depth: f64, classes: usize, device: &Device) -> Self {
        let channels = |base: usize| scaled_channels(base, width);
        let mut blocks = Vec::new();
        for (stage, [_, kernel, stride, expansion, inputs, outputs]) in STAGES.into_iter().enumerate() {
            let repeats = repeats(stage, depth);
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
                conv_head: conv([channels(LAST), 1280], 1, 1, 1, device),
                bn1: norm(1280, device),
                fc: blank::linear(1280, classes, true, device),
            },
        }
    }

    /// Blocks of a file's EfficientNet, and channels before its head.
    pub(super) fn found(shape: Shapes) -> Option<(usize, usize)> {
        shape("_fc.weight")?;
        let blocks = (0..).take_while(|i| shape(&format!("_blocks.{i}._project_conv.weight")).is_some());
        let channels = shape("_conv_head.weight").and_then(|head| head.get(1).copied());
        Some((blocks.count(), channels.unwrap_or_default()))
    }

    /// Whether tensors of these names and shapes are the network of these multipliers.
    pub(super) fn fits(width: f64, depth: f64, shape: Shapes) -> bool {
        // Lite1 and Lite2 round their depths to the same one.
        let blocks: usize = (0..STAGES.len()).map(|stage| repeats(stage, depth)).sum();
        Self::found(shape) == Some((blocks, scaled_channels(LAST, width)))
    }
}

impl Network for EfficientNetLite {
    fn apply<O: Ops>(&self, ops: &mut O, images: O::Map) -> O::Features {
        let net = &self.lite;
        let x = ops.conv_norm(&net.conv_stem, &net.bn0, images, Activation::Relu6);
        let x = net.blocks.iter().fold(x, |x, block| block.apply(ops, x));
        let x = ops.conv_norm(&net.conv_head, &net.bn1, x, Activation::Relu6);
        ops.global_pool(x)
    }

    fn head(&self) -> &Linear {
        &self.lite.fc
    }
}

/// Blocks of a stage: the first and the last stage keep theirs.
fn repeats(stage: usize, depth: f64) -> usize {
    let repeats = STAGES[stage][0];
    let fixed = stage == 0 || stage == STAGES.len() - 1;
    if fixed { repeats } else { (repeats as f64 * depth).ceil() as usize }
}

/// Channels scaled and rounded to a multiple of 8, never down by more than a tenth.
fn scaled_channels(base: usize, width: f64) -> usize {
    let scaled = base as f64 * width;
    let rounded = ((scaled + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * scaled { rounded + 8 } else { rounded }
}
