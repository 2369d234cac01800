//! The kernels of a batch norm.
//!
//! A "row" is one place of one picture, N H W of them. Steps say how far it lies from its neighbours, so that either
//! layout is walked in the order it has in memory.

#![allow(clippy::too_many_arguments, reason = "what a kernel takes are its bindings")]

use cubecl::prelude::*;
use cubecl::std::FastDivmod;

use super::super::kernels::{Units, add_shares, write_share, write_sums};
use crate::models::ops::activation::Activation;

/// How far it is from one number to the next, in vectors.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Steps {
    picture: usize,
    channel: usize,
    pixel: usize,
}

#[cube]
impl Steps {
    fn place(&self, picture: usize, channel: usize, pixel: usize) -> usize {
        picture * self.picture + channel * self.channel + pixel * self.pixel
    }
}

/// Numbers of one channel, or of the channels of a vector, in a row of `channels` numbers.
#[cube]
fn by_channel<N: Size>(
    values: &Tensor<f32>,
    #[comptime] row: usize,
    channel: usize,
    channels: usize,
    #[comptime] channels_last: bool,
) -> Vector<f32, N> {
    if comptime![channels_last] {
        let mut vector = Vector::<f32, N>::empty();
        #[unroll]
        for i in 0..N::value() {
            vector.insert(i, values[channels * row + channel * N::value() + i]);
        }
        vector
    } else {
        Vector::new(values[channels * row + channel])
    }
}

/// Rows of a norm, (3, C), and of a line, (2, C).
const MEAN: usize = 0;
const VARIANCE: usize = 1;
const FACTOR: usize = 2;
const SLOPE: usize = 0;
const OFFSET: usize = 1;

/// What an activation makes of numbers; what is not a number stays so.
#[cube]
fn activated<N: Size>(value: Vector<f32, N>, #[comptime] activation: Activation) -> Vector<f32, N> {
    let zero = Vector::<f32, N>::new(0.0);
    if comptime![activation == Activation::None] {
        value
    } else {
        let above = select_many(value.less_equal(&zero), zero, value);
        if comptime![activation == Activation::Relu] {
            above
        } else {
            let six = Vector::<f32, N>::new(6.0);
            select_many(above.greater_equal(&six), six, above)
        }
    }
}

/// Gradients where the activation lets them through: `value` is what comes or what went.
#[cube]
fn passed<N: Size>(
    grad: Vector<f32, N>,
    value: Vector<f32, N>,
    #[comptime] activation: Activation,
) -> Vector<f32, N> {
    let zero = Vector::<f32, N>::new(0.0);
    if comptime![activation == Activation::None] {
        grad
    } else {
        let above = select_many(value.less_equal(&zero), zero, grad);
        if comptime![activation == Activation::Relu] {
            above
        } else {
            select_many(value.greater_equal(&Vector::<f32, N>::new(6.0)), zero, above)
        }
    }
}

/// Shares of the sums of `x - origin` and its square; a channel's origin is its first number.
#[cube(launch, address_type = "dynamic")]
pub(super) fn sum_activations<F: Float, N: Size>(
    x: &Tensor<Vector<F, N>>,
    shares: &mut Tensor<f32>,
    steps: Steps,
    area: FastDivmod<usize>,
    rows: usize,
    rows_of_share: usize,
    channels: usize,
    #[comptime] units: Units,
    #[define(F)] _dtype: ElemType,
) {
    let channel = CUBE_POS_X as usize * units.lanes + UNIT_POS_X as usize;
    let vectors = if comptime![units.columns_last] { channels / N::value() } else { channels };
    let mut sum = Vector::<f32, N>::new(0.0);
    let mut square = Vector::<f32, N>::new(0.0);
    let mut origin = Vector::<f32, N>::new(0.0);
    if channel < vectors {
        let first = Vector::<f32, N>::cast_from(x[channel * steps.channel]);
        origin = if comptime![units.columns_last] { first } else { Vector::new(first.extract(0usize)) };
        let start = CUBE_POS_Y as usize * rows_of_share;
        let end = clamp_max(start + rows_of_share, rows);
        let mut row = start + UNIT_POS_Y as usize;
        while row < end {
            let (picture, pixel) = area.div_mod(row);
            let value = Vector::cast_from(x[steps.place(picture, channel, pixel)]) - origin;
            sum += value;
            square += value * value;
            row += units.rows;
        }
    }
    write_sums(shares, sum, square, channel, vectors, channels, units);
    if UNIT_POS_Y == 0 && CUBE_POS_Y == 0 && channel < vectors {
        // One number for a channel: a vector of rows of one channel holds it as often as it is long.
        let origins =
            if comptime![units.columns_last] { origin } else { origin / Vector::cast_from(N::value()) };
        write_share(shares, origins, CUBE_COUNT_Y as usize * 2, channel, channels, units.columns_last);
    }
}

/// Shares of the sums of the gradient that the activation lets through, and of its product with `x - mean`.
#[cube(launch, address_type = "dynamic")]
pub(super) fn sum_gradients<F: Float, N: Size>(
    grad: &Tensor<Vector<F, N>>,
    x: &Tensor<Vector<F, N>>,
    norm: &Tensor<f32>,
    beta: &Tensor<f32>,
    shares: &mut Tensor<f32>,
    grad_steps: Steps,
    steps: Steps,
    area: FastDivmod<usize>,
    rows: usize,
    rows_of_share: usize,
    channels: usize,
    #[comptime] units: Units,
    #[comptime] activation: Activation,
    #[define(F)] _dtype: ElemType,
) {
    let channel = CUBE_POS_X as usize * units.lanes + UNIT_POS_X as usize;
    let vectors = if comptime![units.columns_last] { channels / N::value() } else { channels };
    let mut sum = Vector::<f32, N>::new(0.0);
    let mut product = Vector::<f32, N>::new(0.0);
    if channel < vectors {
        let mean = by_channel::<N>(norm, MEAN, channel, channels, units.columns_last);
        let factor = by_channel::<N>(norm, FACTOR, channel, channels, units.columns_last);
        let beta = by_channel::<N>(beta, 0usize, channel, channels, units.columns_last);
        let start = CUBE_POS_Y as usize * rows_of_share;
        let end = clamp_max(start + rows_of_share, rows);
        let mut row = start + UNIT_POS_Y as usize;
        while row < end {
            let (picture, pixel) = area.div_mod(row);
            let gradient = Vector::<f32, N>::cast_from(grad[grad_steps.place(picture, channel, pixel)]);
            let value = Vector::<f32, N>::cast_from(x[steps.place(picture, channel, pixel)]) - mean;
            let gradient = passed(gradient, value * factor + beta, activation);
            sum += gradient;
            product += gradient * value;
            row += units.rows;
        }
    }
    write_sums(shares, sum, product, channel, vectors, channels, units);
}

/// Norm and running statistics of a channel, from the shares of its sums.
#[cube(launch, address_type = "dynamic")]
pub(super) fn finish_statistics<N: Size>(
    shares: &Tensor<Vector<f32, N>>,
    gamma: &Tensor<Vector<f32, N>>,
    mean: &Tensor<Vector<f32, N>>,
    variance: &Tensor<Vector<f32, N>>,
    norm: &mut Tensor<Vector<f32, N>>,
    mean_after: &mut Tensor<Vector<f32, N>>,
    variance_after: &mut Tensor<Vector<f32, N>>,
    channels: usize,
    count: usize,
    rows: f32,
    epsilon: f32,
    momentum: f32,
    unbiased: f32,
    #[comptime] units: Units,
) {
    let channel = CUBE_POS_X as usize * units.lanes + UNIT_POS_X as usize;
    let (sum, squares) = add_shares(shares, channel, channels, count, units);
    if UNIT_POS_Y == 0 && channel < channels {
        let rows = Vector::new(rows);
        let momentum = Vector::new(momentum);
        let distance = sum / rows;
        let spread = max(squares / rows - distance * distance, Vector::new(0.0));
        let middle = distance + shares[count * 2 * channels + channel];
        norm[channels * MEAN + channel] = middle;
        norm[channels * VARIANCE + channel] = spread;
        norm[channels * FACTOR + channel] = gamma[channel] / (spread + Vector::new(epsilon)).sqrt();
        mean_after[channel] = mean[channel] + momentum * (middle - mean[channel]);
        let spread = spread * Vector::new(unbiased);
        variance_after[channel] = variance[channel] + momentum * (spread - variance[channel]);
    }
}

/// Gradients of gamma and beta, and the line of a channel, from the shares of its sums.
#[cube(launch, address_type = "dynamic")]
pub(super) fn finish_gradients<N: Size>(
    shares: &Tensor<Vector<f32, N>>,
    norm: &Tensor<Vector<f32, N>>,
    gamma_grad: &mut Tensor<Vector<f32, N>>,
    beta_grad: &mut Tensor<Vector<f32, N>>,
    line: &mut Tensor<Vector<f32, N>>,
    channels: usize,
    count: usize,
    rows: f32,
    epsilon: f32,
    #[comptime] units: Units,
) {
    let channel = CUBE_POS_X as usize * units.lanes + UNIT_POS_X as usize;
    let (sum, product) = add_shares(shares, channel, channels, count, units);
    if UNIT_POS_Y == 0 && channel < channels {
        let deviation = (norm[channels * VARIANCE + channel] + Vector::new(epsilon)).sqrt();
        let share = norm[channels * FACTOR + channel] / Vector::new(-rows);
        let gamma = product / deviation;
        gamma_grad[channel] = gamma;
        beta_grad[channel] = sum;
        line[channels * SLOPE + channel] = share * gamma / deviation;
        line[channels * OFFSET + channel] = share * sum;
    }
}

/// The picture, the channel (or the vector of channels) and the pixel (or the vector of pixels) of a place in memory of
/// a tensor without gaps.
#[cube]
fn coordinates(
    place: usize,
    channels: &FastDivmod<usize>,
    area: &FastDivmod<usize>,
    #[comptime] channels_last: bool,
) -> (usize, usize, usize) {
    if comptime![channels_last] {
        let (row, channel) = channels.div_mod(place);
        let (picture, pixel) = area.div_mod(row);
        (picture, channel, pixel)
    } else {
        let (plane, pixel) = area.div_mod(place);
        let (picture, channel) = channels.div_mod(plane);
        (picture, channel, pixel)
    }
}

/// `(x - mean) * factor + beta` in f32.
#[cube]
fn scaled<F: Float, N: Size>(
    x: Vector<F, N>,
    norm: &Tensor<f32>,
    beta: &Tensor<f32>,
    channel: usize,
    channels: usize,
    #[comptime] channels_last: bool,
) -> Vector<f32, N> {
    let centred =
        Vector::<f32, N>::cast_from(x) - by_channel::<N>(norm, MEAN, channel, channels, channels_last);
    let value = centred * by_channel::<N>(norm, FACTOR, channel, channels, channels_last);
    value + by_channel::<N>(beta, 0usize, channel, channels, channels_last)
}

/// `activation((x - mean) * factor + beta)`; `x` and the output lie in memory alike and have no gaps.
#[cube(launch, address_type = "dynamic")]
pub(super) fn normalise<F: Float, N: Size>(
    x: &Tensor<Vector<F, N>>,
    norm: &Tensor<f32>,
    beta: &Tensor<f32>,
    y: &mut Tensor<Vector<F, N>>,
    planes: FastDivmod<usize>,
    area: FastDivmod<usize>,
    channels: usize,
    vectors: usize,
    #[comptime] channels_last: bool,
    #[comptime] activation: Activation,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= vectors {
        terminate!();
    }
    let (_, channel, _) = coordinates(ABSOLUTE_POS, &planes, &area, channels_last);
    let value = scaled::<F, N>(x[ABSOLUTE_POS], norm, beta, channel, channels, channels_last);
    y[ABSOLUTE_POS] = Vector::cast_from(activated(value, activation));
}

/// `activation((x - mean) * factor + beta + other)`; `x` and the output lie in memory alike and have no gaps.
#[cube(launch, address_type = "dynamic")]
pub(super) fn normalise_add<F: Float, N: Size>(
    x: &Tensor<Vector<F, N>>,
    norm: &Tensor<f32>,
    beta: &Tensor<f32>,
    other: &Tensor<Vector<F, N>>,
    y: &mut Tensor<Vector<F, N>>,
    other_steps: Steps,
    planes: FastDivmod<usize>,
    area: FastDivmod<usize>,
    channels: usize,
    vectors: usize,
    #[comptime] channels_last: bool,
    #[comptime] activation: Activation,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= vectors {
        terminate!();
    }
    let (picture, channel, pixel) = coordinates(ABSOLUTE_POS, &planes, &area, channels_last);
    let value = scaled::<F, N>(x[ABSOLUTE_POS], norm, beta, channel, channels, channels_last);
    let other = Vector::<f32, N>::cast_from(other[other_steps.place(picture, channel, pixel)]);
    y[ABSOLUTE_POS] = Vector::cast_from(activated(value + other, activation));
}

/// Gradients where the activation let through what came; `y` and the output lie in memory alike and have no gaps.
#[cube(launch, address_type = "dynamic")]
pub(super) fn activation_backward<F: Float, N: Size>(
    grad: &Tensor<Vector<F, N>>,
    y: &Tensor<Vector<F, N>>,
    out: &mut Tensor<Vector<F, N>>,
    grad_steps: Steps,
    planes: FastDivmod<usize>,
    area: FastDivmod<usize>,
    vectors: usize,
    #[comptime] channels_last: bool,
    #[comptime] activation: Activation,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= vectors {
        terminate!();
    }
    let (picture, channel, pixel) = coordinates(ABSOLUTE_POS, &planes, &area, channels_last);
    let gradient = Vector::<f32, N>::cast_from(grad[grad_steps.place(picture, channel, pixel)]);
    out[ABSOLUTE_POS] = Vector::cast_from(passed(gradient, Vector::cast_from(y[ABSOLUTE_POS]), activation));
}

/// `grad * factor + (x - mean) * slope + offset`, of the gradient that the activation lets through; `x` and the output
/// lie in memory alike and have no gaps.
#[cube(launch, address_type = "dynamic")]
pub(super) fn normalise_backward<F: Float, N: Size>(
    grad: &Tensor<Vector<F, N>>,
    x: &Tensor<Vector<F, N>>,
    norm: &Tensor<f32>,
    beta: &Tensor<f32>,
    line: &Tensor<f32>,
    out: &mut Tensor<Vector<F, N>>,
    grad_steps: Steps,
    planes: FastDivmod<usize>,
    area: FastDivmod<usize>,
    channels: usize,
    vectors: usize,
    #[comptime] channels_last: bool,
    #[comptime] activation: Activation,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= vectors {
        terminate!();
    }
    let (picture, channel, pixel) = coordinates(ABSOLUTE_POS, &planes, &area, channels_last);
    let gradient = Vector::<f32, N>::cast_from(grad[grad_steps.place(picture, channel, pixel)]);
    let centred = Vector::<f32, N>::cast_from(x[ABSOLUTE_POS])
        - by_channel::<N>(norm, MEAN, channel, channels, channels_last);
    let factor = by_channel::<N>(norm, FACTOR, channel, channels, channels_last);
    let value = centred * factor + by_channel::<N>(beta, 0usize, channel, channels, channels_last);
    let through = passed(gradient, value, activation) * factor;
    let back = centred * by_channel::<N>(line, SLOPE, channel, channels, channels_last);
    out[ABSOLUTE_POS] =
        Vector::cast_from(through + back + by_channel::<N>(line, OFFSET, channel, channels, channels_last));
}
