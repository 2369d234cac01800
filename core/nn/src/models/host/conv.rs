//! Convolutions and pools over one channels-last picture.

use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, Linear, PaddingConfig2d};
use burn::tensor::Tensor;

use crate::device::read::read;
use crate::models::host::kernels::Axis;
use crate::models::host::map::Map;
use crate::models::ops::activation::Activation;
use crate::models::padding::padding;
use ferkd_kernels::{ConvShape, Prepared};
use ferkd_method::error::{Error, Result};

/// A square window that moves over a picture.
#[derive(Debug, Clone)]
struct Window {
    kernel: usize,
    stride: usize,
    padding: PaddingConfig2d,
}

impl Window {
    /// Padding before and behind the axes of a picture of `size` (height, width).
    fn padding(&self, size: [usize; 2]) -> [(usize, usize); 2] {
        padding(&self.padding, size, [self.kernel; 2], [self.stride; 2])
    }

    /// The convolution of a picture.
    fn shape(&self, input: [usize; 2], [channels, outputs]: [usize; 2], groups: usize) -> ConvShape {
        ConvShape {
            batch: 1,
            input,
            channels,
            outputs,
            kernel: [self.kernel; 2],
            stride: [self.stride; 2],
            padding: self.padding(input),
            dilation: [1, 1],
            groups,
        }
    }

    /// The windows along the axes of a picture of `size` (height, width).
    fn axes(&self, size: [usize; 2]) -> [Axis; 2] {
        let Self { kernel, stride, .. } = *self;
        let padding = self.padding(size);
        std::array::from_fn(|i| {
            let (size, (before, after)) = (size[i], padding[i]);
            let out = (size + before + after).saturating_sub(kernel) / stride + 1;
            Axis { size, kernel, stride, before, out }
        })
    }
}

/// A convolution with a bias, and what follows.
#[derive(Debug)]
pub(super) struct Conv {
    window: Window,
    inputs: usize,
    outputs: usize,
    groups: usize,
    prepared: Prepared,
}

impl Conv {
    /// A convolution whose batch norm, as it is in inference, has gone into its weights and bias.
    ///
    /// # Errors
    /// Kernels that are not square, and convolutions that `ferkd-kernels` does not support.
    pub(super) fn folded(conv: &Conv2d, norm: &BatchNorm, then: Activation) -> Result<Self> {
        let [outputs, inputs, kernel, width] = conv.weight.val().dims();
        let window = Window { kernel, stride: conv.stride[0], padding: conv.padding.clone() };
        let groups = conv.groups;
        let shape = window.shape([kernel; 2], [inputs * groups, outputs], groups);
        if kernel != width || conv.dilation != [1, 1] || !shape.is_supported() {
            return Err(Error::mismatch("network", "it has a convolution that inference on the CPU lacks"));
        }
        let weight = values(conv.weight.val())?;
        let mut scale = vec![1.0; outputs];
        let mut bias = match &conv.bias {
            Some(bias) => values(bias.val())?,
            None => vec![0.0; outputs],
        };
        let (gamma, beta) = (values(norm.gamma.val())?, values(norm.beta.val())?);
        let (mean, var) = (values(norm.running_mean.value())?, values(norm.running_var.value())?);
        for (output, scale) in scale.iter_mut().enumerate() {
            *scale = gamma[output] / libm::sqrt(var[output] + norm.epsilon);
            bias[output] = beta[output] + (bias[output] - mean[output]) * *scale;
        }
        let filter = inputs * kernel * kernel;
        let weight: Vec<f32> =
            weight.iter().enumerate().map(|(i, weight)| (weight * scale[i / filter]) as f32).collect();
        let bias: Vec<f32> = bias.into_iter().map(|b| b as f32).collect();
        Ok(Self::of(window, &shape, &weight, &bias, then))
    }

    /// A convolution of patches that do not overlap, whose kernels are as far apart as they are wide.
    ///
    /// # Errors
    /// Weights that cannot be read.
    pub(super) fn patches(conv: &Conv2d) -> Result<Self> {
        let [outputs, inputs, kernel, _] = conv.weight.val().dims();
        let window = Window { kernel, stride: kernel, padding: PaddingConfig2d::Valid };
        let shape = window.shape([kernel; 2], [inputs, outputs], 1);
        let bias = conv.bias.as_ref().map_or_else(|| Ok(vec![0.0; outputs]), |bias| read(bias.val()))?;
        Ok(Self::of(window, &shape, &read(conv.weight.val())?, &bias, Activation::None))
    }

    /// A linear layer on each pixel: a convolution of one.
    ///
    /// # Errors
    /// Weights that cannot be read.
    pub(super) fn linear(linear: &Linear) -> Result<Self> {
        let weight = linear.weight.val();
        let [inputs, outputs] = weight.dims();
        let window = Window { kernel: 1, stride: 1, padding: PaddingConfig2d::Valid };
        let shape = window.shape([1; 2], [inputs, outputs], 1);
        let bias = linear.bias.as_ref().map_or_else(|| Ok(vec![0.0; outputs]), |bias| read(bias.val()))?;
        Ok(Self::of(window, &shape, &read(weight.swap_dims(0, 1))?, &bias, Activation::None))
    }

    fn of(window: Window, shape: &ConvShape, weight: &[f32], bias: &[f32], then: Activation) -> Self {
        let prepared = Prepared::new(shape, weight, bias, then.bounds());
        let ConvShape { channels: inputs, outputs, groups, .. } = *shape;
        Self { window, inputs, outputs, groups, prepared }
    }

    /// Whether a shortcut can be added to what comes out before it is written: not where each channel has a filter of
    /// its own.
    pub(super) fn takes_shortcut(conv: &Conv2d) -> bool {
        conv.groups == 1
    }

    /// Numbers of the weights of a convolution that adds up over channels, and its outputs.
    pub(super) fn weights(&self) -> Option<[usize; 2]> {
        let filter = self.window.kernel * self.window.kernel;
        let is_dense = self.groups == 1;
        is_dense.then_some([self.inputs * self.outputs * filter, self.outputs])
    }

    /// Height and width of the output of a picture of `size`.
    pub(super) fn output(&self, size: [usize; 2]) -> [usize; 2] {
        self.window.shape(size, [self.inputs, self.outputs], self.groups).output()
    }

    /// Convolves `from` into `to`; `shortcut`, of the shape of `to`, is added before the activation.
    pub(super) fn apply(&self, from: &Map, shortcut: Option<&Map>, to: &mut Map) {
        let shape = self.window.shape([from.height, from.width], [self.inputs, self.outputs], self.groups);
        let [height, width] = shape.output();
        to.reshape(height, width, self.outputs);
        self.prepared.apply(&shape, from.view(), shortcut.map(Map::view), to.view_mut());
    }
}

/// The values of a parameter or a running statistic.
fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f64>> {
    Ok(read(tensor)?.into_iter().map(f64::from).collect())
}

/// A max pool.
#[derive(Debug)]
pub(super) struct Pool(Window);

impl Pool {
    pub(super) fn of(pool: &MaxPool2d) -> Self {
        Self(Window { kernel: pool.kernel_size[0], stride: pool.stride[0], padding: pool.padding.clone() })
    }

    /// Height and width of the output of a picture of `size`.
    pub(super) fn output(&self, size: [usize; 2]) -> [usize; 2] {
        self.0.axes(size).map(|axis| axis.out)
    }

    /// Pools `from` into `to`.
    pub(super) fn apply(&self, from: &Map, to: &mut Map) {
        let [rows, columns] = self.0.axes([from.height, from.width]);
        let channels = from.channels;
        to.reshape(rows.out, columns.out, channels);
        for (at, out) in to.view_mut().chunks_exact_mut(channels).enumerate() {
            let (y0, y1, top) = rows.taps(at / columns.out);
            let (x0, x1, left) = columns.taps(at % columns.out);
            out.fill(f32::NEG_INFINITY);
            for y in top..top + y1 - y0 {
                for x in left..left + x1 - x0 {
                    let pixel = &from.data[(y * from.width + x) * channels..][..channels];
                    for (most, value) in out.iter_mut().zip(pixel) {
                        // What is not a number stays.
                        *most = if *most >= *value || most.is_nan() { *most } else { *value };
                    }
                }
            }
        }
    }
}
