//! What a convolution holds: its input for the backward pass, and on the CPU copies in other layouts.

use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;

use crate::memory::tape::{Back, Operation, Scratch, Tape, Value};

/// Pictures of a tile of burn-flex's matrix product (`TILE_SIZE` of its `ops/conv.rs`).
const TILE: u64 = 512;
/// Bytes of the columns of its transposed convolution at most (`COLUMNS_BYTES` of `ops/conv_transpose.rs`).
const COLUMNS_BYTES: u64 = 8 << 20;

/// The sizes of a convolution.
struct Sizes {
    /// Numbers of input, with the padding that burn adds itself, and output.
    input: u64,
    output: u64,
    weights: u64,
    /// Channels of output, of input in a group, groups.
    channels: u64,
    group: u64,
    groups: u64,
    /// Numbers of a kernel of one channel, and of a channel of the output.
    kernel: u64,
    pixels: u64,
    stride: usize,
}

impl Tape {
    /// A convolution of pictures of side `side`, and the side of what comes out. Holds for odd kernels padded by half
    /// their size, for TensorFlow's SAME padding, and for kernels as large as their stride.
    pub(super) fn conv(&mut self, layer: &Conv2d, x: Value, side: usize) -> (Value, usize) {
        let [channels, group, height, width] = layer.weight.lazy_shape().dims::<4>();
        let stride = layer.stride[0];
        let out = side.div_ceil(stride);
        let padding = ((out - 1) * stride + height).saturating_sub(side);
        // An odd padding is more on one side: burn pads a copy of the picture.
        let uneven = matches!(layer.padding, PaddingConfig2d::Same) && padding % 2 == 1;
        let padded = if uneven { side + padding } else { side };
        let sizes = Sizes {
            input: x.count / (side * side) as u64 * (padded * padded) as u64,
            output: self.rows * (channels * out * out) as u64,
            weights: (channels * group * height * width) as u64,
            channels: channels as u64,
            group: group as u64,
            groups: layer.groups as u64,
            kernel: (height * width) as u64,
            pixels: (out * out) as u64,
            stride,
        };
        let number = x.width;
        let mut what = Operation::new(sizes.output, number, Back::Fresh);
        what.needs = vec![0];
        what.gradients = 4 * (sizes.weights + layer.bias.as_ref().map_or(0, |_| sizes.channels));
        let cut = number == 4 && !matches!(layer.padding, PaddingConfig2d::Same);
        if self.conditions.threads.is_some() && cut {
            // With a stride burn computes a gradient of a larger kernel, and burn-flex's cut of it keeps it all.
            let padded = if height % 2 == 1 { side + height - 1 } else { side };
            let kernel = padded.saturating_sub((out - 1) * stride).max(height);
            what.gradients += 4 * (channels * group * (kernel * kernel - height * width)) as u64;
        }
        what.scratch = self.conditions.threads.map_or_else(Scratch::default, |t| sizes.on_cpu(t, number));
        if uneven {
            let copy = number * sizes.input;
            what.scratch.forward += copy;
            // The picture, and its gradient.
            what.scratch.input += 2 * copy;
            what.scratch.weights += copy;
        }
        if number == 2 {
            // The weights in bf16, until their gradient is there; it comes in bf16 too, first.
            what.state = 2 * sizes.weights;
            what.scratch.weights += 2 * sizes.weights;
        }
        (self.run(vec![x], what), out)
    }
}

impl Sizes {
    /// Scratch of burn-flex with so many threads.
    fn on_cpu(&self, threads: u64, number: u64) -> Scratch {
        let depthwise = self.group == 1 && self.groups == self.channels && self.groups > 1;
        let pointwise = self.kernel == 1 && self.stride == 1;
        let few = self.groups == 1 && self.group <= 4 && self.channels <= 16;
        let tile = self.pixels.min(TILE);
        let laid_out =
            self.input + self.weights + threads * tile * (self.group * self.kernel + self.channels);
        let columns = self.group * self.kernel;
        let columns = columns * self.pixels.min((COLUMNS_BYTES / 4 / columns).max(1));
        // The gradient of the weights is a convolution with the output's gradient as its kernel.
        let tile = self.kernel.min(TILE);
        let rows = self.output / self.channels;
        let turned = 2 * (self.input + self.output) + threads * tile * (rows + self.channels);
        // bf16 is widened first, and what comes out is narrowed.
        let wide = if number == 2 { self.input + self.output + self.weights } else { 0 };
        Scratch {
            forward: 4 * (if depthwise || pointwise || few { 0 } else { laid_out } + wide),
            input: 4 * (threads * columns + wide),
            weights: if depthwise { 0 } else { 4 * (turned + wide) },
        }
    }
}
