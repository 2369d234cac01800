//! What is convolved.

/// A convolution over a batch of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Pictures.
    pub batch: usize,
    /// Height and width of the input, in pixels.
    pub input: [usize; 2],
    /// Channels of the input: a multiple of `groups`.
    pub channels: usize,
    /// Channels of the output: a multiple of `groups`.
    pub outputs: usize,
    /// Height and width of a filter.
    pub kernel: [usize; 2],
    /// From one window to the next, down and across: at least 1.
    pub stride: [usize; 2],
    /// Zeros before and after the input, down and across.
    pub padding: [(usize, usize); 2],
    /// From one tap of a filter to the next, down and across: at least 1.
    pub dilation: [usize; 2],
    /// Parts that channels and outputs are divided into; each part of the outputs sees one of the channels.
    pub groups: usize,
}

impl ConvShape {
    /// Height and width of the output; 0 where the padded input is smaller than a filter.
    pub fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let reach = self.dilation[axis] * (self.kernel[axis].max(1) - 1) + 1;
            let (before, after) = self.padding[axis];
            match (self.input[axis] + before + after).checked_sub(reach) {
                Some(room) => room / self.stride[axis] + 1,
                None => 0,
            }
        })
    }

    /// Numbers of the input: N x height x width x channels.
    pub fn input_len(&self) -> usize {
        self.batch * self.input_area() * self.channels
    }

    /// Numbers of the output: N x height x width x outputs.
    pub fn output_len(&self) -> usize {
        self.batch * self.output_area() * self.outputs
    }

    /// Numbers of the weight: outputs x channels / groups x height x width.
    pub fn weight_len(&self) -> usize {
        self.outputs * self.group_channels() * self.taps()
    }

    /// Whether each channel has one filter of its own.
    pub fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.groups == self.channels && self.groups == self.outputs
    }

    /// Pixels of a picture of the input.
    pub(crate) fn input_area(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Pixels of a picture of the output.
    pub(crate) fn output_area(&self) -> usize {
        let [height, width] = self.output();
        height * width
    }

    /// Channels that one output sees.
    pub(crate) fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    /// Outputs of a group.
    pub(crate) fn group_outputs(&self) -> usize {
        self.outputs / self.groups
    }

    /// Positions of a filter.
    pub(crate) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Row and column of a tap.
    pub(crate) fn tap(&self, tap: usize) -> [usize; 2] {
        [tap / self.kernel[1], tap % self.kernel[1]]
    }

    /// Whether this is a convolution that can be computed: sizes, strides and groups that make sense, and pictures of
    /// fewer than 2^28 numbers.
    pub fn is_supported(&self) -> bool {
        const LARGEST: u128 = 1 << 28;
        let some = |pair: [usize; 2]| pair.iter().all(|&n| n > 0);
        let product = |numbers: &[usize]| numbers.iter().map(|&n| n as u128).product::<u128>();
        let padded = [0, 1].map(|axis| {
            let (before, after) = self.padding[axis];
            self.input[axis].saturating_add(before).saturating_add(after)
        });
        self.groups > 0
            && self.channels > 0
            && self.outputs > 0
            && product(&[padded[0], padded[1], self.channels.max(self.outputs)]) < LARGEST
            && self.channels.is_multiple_of(self.groups)
            && self.outputs.is_multiple_of(self.groups)
            && some(self.kernel)
            && some(self.stride)
            && some(self.dilation)
    }
}
