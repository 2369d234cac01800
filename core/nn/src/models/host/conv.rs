//! Convolutions and pools over one channels-last picture.

use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, PaddingConfig2d};
use burn::tensor::Tensor;

use crate::device::read::read;
use crate::models::host::kernels::{Axis, depthwise, finish, product};
use crate::models::host::map::{Map, grow};
use crate::models::ops::activation::Activation;
use ferkd_method::error::{Error, Result};

/// A square window that moves over a picture.
#[derive(Debug, Clone)]
struct Window {
    kernel: usize,
    stride: usize,
    padding: PaddingConfig2d,
}

impl Window {
    /// The windows along an axis of `size` inputs.
    fn axis(&self, size: usize) -> Axis {
        let Self { kernel, stride, .. } = *self;
        let (before, after) = match self.padding {
            PaddingConfig2d::Valid => (0, 0),
            PaddingConfig2d::Explicit(before, _, after, _) => (before, after),
            PaddingConfig2d::Same => {
                let reach = (size.div_ceil(stride).max(1) - 1) * stride + kernel;
                let total = reach.saturating_sub(size);
                // The odd pixel is padded behind, as TensorFlow does.
                (total / 2, total - total / 2)
            }
        };
        let out = (size + before + after).saturating_sub(kernel) / stride + 1;
        Axis { size, kernel, stride, before, out }
    }
}

/// A convolution with a bias, and what follows.
#[derive(Debug)]
pub(super) struct Conv {
    window: Window,
    inputs: usize,
    outputs: usize,
    /// Each channel has a filter of its own.
    depthwise: bool,
    /// Shape (kernel, kernel, inputs, outputs); (kernel, kernel, channels) of a depthwise one.
    weight: Vec<f32>,
    bias: Vec<f32>,
    then: Activation,
}

/// Numbers of a tile of pixels: in and out stay in a core's cache.
const TILE: usize = 1 << 16;
/// Pixels of a tile where the weights are what fills the cache.
const LEAST: usize = 64;

impl Conv {
    /// A convolution whose batch norm, as it is in inference, has gone into its weights and bias.
    ///
    /// # Errors
    /// Groups other than one for all or one for each channel, and kernels that are not square.
    pub(super) fn folded(conv: &Conv2d, norm: &BatchNorm, then: Activation) -> Result<Self> {
        let [outputs, inputs, kernel, width] = conv.weight.val().dims();
        let depthwise = conv.groups > 1;
        if kernel != width || conv.dilation != [1, 1] || depthwise && (conv.groups != outputs || inputs != 1)
        {
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
        let taps = kernel * kernel;
        let mut moved = vec![0.0; weight.len()];
        for (from, value) in weight.iter().enumerate() {
            let (output, input, tap) = (from / (inputs * taps), from / taps % inputs, from % taps);
            moved[(tap * inputs + input) * outputs + output] = (value * scale[output]) as f32;
        }
        Ok(Self {
            window: Window { kernel, stride: conv.stride[0], padding: conv.padding.clone() },
            inputs: if depthwise { outputs } else { inputs },
            outputs,
            depthwise,
            weight: moved,
            bias: bias.into_iter().map(|b| b as f32).collect(),
            then,
        })
    }

    /// Convolves `from` into `to`; `columns` is room for patches.
    pub(super) fn apply(&self, from: &Map, to: &mut Map, columns: &mut Vec<f32>) {
        let axes = [self.window.axis(from.height), self.window.axis(from.width)];
        to.reshape(axes[0].out, axes[1].out, self.outputs);
        if self.depthwise {
            return depthwise(from.view(), axes, (&self.weight, &self.bias), self.then, to.view_mut());
        }
        let depth = self.window.kernel * self.window.kernel * self.inputs;
        // Tiles of one size: a last one of a few pixels would read all weights for them.
        let total = to.height * to.width;
        let tiles = total.div_ceil((TILE / (depth + self.outputs)).max(LEAST));
        let pixels = total.div_ceil(tiles.max(1)).max(1);
        let plain = self.window.kernel == 1 && self.window.stride == 1;
        for (tile, out) in to.view_mut().chunks_mut(pixels * self.outputs).enumerate() {
            let rows = out.len() / self.outputs;
            let patches = if plain {
                &from.view()[tile * pixels * depth..]
            } else {
                grow(columns, pixels * depth);
                self.patches(from, axes, tile * pixels, &mut columns[..rows * depth]);
                &columns[..]
            };
            product(patches, &self.weight, out, [rows, depth, self.outputs]);
            finish(out, &self.bias, self.then);
        }
    }

    /// Lines up what the windows from output pixel `first` on see, zeros outside of the picture.
    fn patches(&self, from: &Map, [rows, columns]: [Axis; 2], first: usize, out: &mut [f32]) {
        let (kernel, channels) = (self.window.kernel, self.inputs);
        for (number, patch) in out.chunks_exact_mut(kernel * kernel * channels).enumerate() {
            let at = first + number;
            let (y0, y1, top) = rows.taps(at / columns.out);
            let (x0, x1, left) = columns.taps(at % columns.out);
            for (y, line) in patch.chunks_exact_mut(kernel * channels).enumerate() {
                if !(y0..y1).contains(&y) || x0 == x1 {
                    line.fill(0.0);
                    continue;
                }
                let start = ((top + y - y0) * from.width + left) * channels;
                let (before, after) = (x0 * channels, x1 * channels);
                line[..before].fill(0.0);
                line[before..after].copy_from_slice(&from.data[start..start + after - before]);
                line[after..].fill(0.0);
            }
        }
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

    /// Pools `from` into `to`.
    pub(super) fn apply(&self, from: &Map, to: &mut Map) {
        let (rows, columns) = (self.0.axis(from.height), self.0.axis(from.width));
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
