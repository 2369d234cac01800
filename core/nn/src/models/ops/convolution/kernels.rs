//! Kernels that convolve directly, without laying out anything.
//!
//! Tensors are read as they lie: steps say how far it is from one number to the next. A unit computes some neighbouring
//! outputs or channels at a time, a tile, for what it reads once is then of use to all of them. Sums are in f32.

#![allow(clippy::too_many_arguments, reason = "what a kernel takes are its bindings")]

use cubecl::prelude::*;
use cubecl::std::FastDivmod;

/// How far it is from one number to the next, along the axes of pictures (N, channels, height, width) or of a weight
/// (outputs, channels / groups, height, width).
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Steps {
    first: usize,
    second: usize,
    row: usize,
    pixel: usize,
}

/// Extents of a convolution that its kernels divide by or compare with.
#[derive(CubeType, CubeLaunch)]
pub(super) struct Extents {
    /// Height and width of what comes in.
    height: usize,
    width: usize,
    /// Channels and outputs of a group.
    channels: usize,
    outputs: usize,
    /// Height and width of what the units are spread over, and pictures.
    rows: FastDivmod<usize>,
    pixels: FastDivmod<usize>,
    pictures: FastDivmod<usize>,
    /// Tiles of a group.
    tiles: FastDivmod<usize>,
}

/// What is known of a convolution when its kernels are compiled; the height first, then the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
}

/// Sums that have not begun.
#[cube]
fn zeros(#[comptime] count: usize) -> Array<f32> {
    let mut sums = Array::<f32>::new(count);
    #[unroll]
    for i in 0..count {
        sums[i] = 0.0f32;
    }
    sums
}

/// Where along an axis an output reads through a number of its window, and whether that lies within what comes in.
#[cube]
fn read_place(
    output: usize,
    number: usize,
    extent: usize,
    #[comptime] window: Window,
    #[comptime] axis: usize,
) -> (usize, bool) {
    let padded = output * comptime![window.stride[axis]] + number * comptime![window.dilation[axis]];
    let padding = comptime![window.padding[axis]];
    (padded - padding, padded >= padding && padded < extent + padding)
}

/// Which output along an axis reads a place through a number of its window, and whether there is one.
#[cube]
fn reading_output(
    place: usize,
    number: usize,
    extent: usize,
    #[comptime] window: Window,
    #[comptime] axis: usize,
) -> (usize, bool) {
    let behind = place + comptime![window.padding[axis]];
    let ahead = number * comptime![window.dilation[axis]];
    let distance = select(behind >= ahead, behind - ahead, 0usize);
    let output = distance / comptime![window.stride[axis]];
    let is_read = behind >= ahead && output * comptime![window.stride[axis]] == distance && output < extent;
    (output, is_read)
}

/// The convolution: a unit computes `tile` outputs at one pixel.
#[cube(launch, address_type = "dynamic")]
pub(super) fn convolve<F: Float>(
    x: &Tensor<F>,
    weight: &Tensor<F>,
    y: &mut Tensor<F>,
    x_steps: Steps,
    weight_steps: Steps,
    y_steps: Steps,
    extents: Extents,
    units: usize,
    #[comptime] window: Window,
    #[comptime] tile: usize,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let (rest, pixel) = extents.pixels.div_mod(ABSOLUTE_POS);
    let (rest, row) = extents.rows.div_mod(rest);
    let (tiles, picture) = extents.pictures.div_mod(rest);
    let group = extents.tiles.div(tiles);
    let output = tiles * tile;
    let from = picture * x_steps.first + group * extents.channels * x_steps.second;
    let mut sums = zeros(tile);
    for down in 0..window.kernel[0] {
        let (in_row, is_in) = read_place(row, down, extents.height, window, 0usize);
        if is_in {
            let from = from + in_row * x_steps.row;
            for across in 0..window.kernel[1] {
                let (in_pixel, is_in) = read_place(pixel, across, extents.width, window, 1usize);
                if is_in {
                    let mut place = from + in_pixel * x_steps.pixel;
                    let mut factor =
                        output * weight_steps.first + down * weight_steps.row + across * weight_steps.pixel;
                    for _ in 0..extents.channels {
                        let value = f32::cast_from(x[place]);
                        #[unroll]
                        for i in 0..tile {
                            sums[i] += value * f32::cast_from(weight[factor + i * weight_steps.first]);
                        }
                        place += x_steps.second;
                        factor += weight_steps.second;
                    }
                }
            }
        }
    }
    let to = picture * y_steps.first + output * y_steps.second + row * y_steps.row + pixel * y_steps.pixel;
    #[unroll]
    for i in 0..tile {
        y[to + i * y_steps.second] = F::cast_from(sums[i]);
    }
}

/// The gradient of the pictures: a unit computes `tile` channels at one pixel.
#[cube(launch, address_type = "dynamic")]
pub(super) fn convolve_to_x<F: Float>(
    grad: &Tensor<F>,
    weight: &Tensor<F>,
    x: &mut Tensor<F>,
    grad_steps: Steps,
    weight_steps: Steps,
    x_steps: Steps,
    extents: Extents,
    units: usize,
    #[comptime] window: Window,
    #[comptime] tile: usize,
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let (rest, pixel) = extents.pixels.div_mod(ABSOLUTE_POS);
    let (rest, row) = extents.rows.div_mod(rest);
    let (tiles, picture) = extents.pictures.div_mod(rest);
    let (group, tile_of_group) = extents.tiles.div_mod(tiles);
    let output = group * extents.outputs;
    let from = picture * grad_steps.first + output * grad_steps.second;
    let first_factor = output * weight_steps.first + tile_of_group * tile * weight_steps.second;
    let mut sums = zeros(tile);
    for down in 0..window.kernel[0] {
        let (out_row, is_read) = reading_output(row, down, extents.height, window, 0usize);
        if is_read {
            for across in 0..window.kernel[1] {
                let (out_pixel, is_read) = reading_output(pixel, across, extents.width, window, 1usize);
                if is_read {
                    let mut place = from + out_row * grad_steps.row + out_pixel * grad_steps.pixel;
                    let mut factor = first_factor + down * weight_steps.row + across * weight_steps.pixel;
                    for _ in 0..extents.outputs {
                        let value = f32::cast_from(grad[place]);
                        #[unroll]
                        for i in 0..tile {
                            sums[i] += value * f32::cast_from(weight[factor + i * weight_steps.second]);
                        }
                        place += grad_steps.second;
                        factor += weight_steps.first;
                    }
                }
            }
        }
    }
    let to =
        picture * x_steps.first + tiles * tile * x_steps.second + row * x_steps.row + pixel * x_steps.pixel;
    #[unroll]
    for i in 0..tile {
        x[to + i * x_steps.second] = F::cast_from(sums[i]);
    }
}

/// How the gradient of a weight is divided among cubes and within them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tiles {
    /// Outputs and channels that a cube computes.
    pub outputs: usize,
    pub channels: usize,
    /// Units of a cube, a power of two, which share its pixels.
    pub units: usize,
}

/// Shares of the gradient of a weight, (shares, outputs, channels of a group, height, width): a cube adds up some outputs'
/// and channels' products at one place of the window over some of the outputs' pixels.
#[cube(launch, address_type = "dynamic")]
pub(super) fn convolve_to_weight<F: Float>(
    grad: &Tensor<F>,
    x: &Tensor<F>,
    shares: &mut Tensor<f32>,
    grad_steps: Steps,
    x_steps: Steps,
    extents: Extents,
    share_count: FastDivmod<usize>,
    outputs: usize,
    pixels_in_all: usize,
    pixels_of_share: usize,
    cubes: usize,
    #[comptime] window: Window,
    #[comptime] tiles: Tiles,
    #[define(F)] _dtype: ElemType,
) {
    // Cubes beyond the last do nothing, but do not end either: all units of a cube must meet where it is in step.
    let is_one = CUBE_POS < cubes;
    let (rest, share) = share_count.div_mod(CUBE_POS);
    let across = rest % comptime![window.kernel[1]];
    let rest = rest / comptime![window.kernel[1]];
    let down = rest % comptime![window.kernel[0]];
    let rest = rest / comptime![window.kernel[0]];
    // Tiles of channels, and behind them tiles of outputs.
    let (output_tile, channel_tile) = extents.tiles.div_mod(rest);
    let (output, channel) = (output_tile * tiles.outputs, channel_tile * tiles.channels);
    let group = output / extents.outputs;
    let count = comptime![tiles.outputs * tiles.channels];
    let mut sums = zeros(count);
    let start = share * pixels_of_share;
    let end = select(is_one, clamp_max(start + pixels_of_share, pixels_in_all), start);
    let mut at = start + UNIT_POS as usize;
    while at < end {
        let (rest, pixel) = extents.pixels.div_mod(at);
        let (picture, row) = extents.rows.div_mod(rest);
        let (in_row, is_row) = read_place(row, down, extents.height, window, 0usize);
        let (in_pixel, is_pixel) = read_place(pixel, across, extents.width, window, 1usize);
        if is_row && is_pixel {
            let from = picture * grad_steps.first
                + output * grad_steps.second
                + row * grad_steps.row
                + pixel * grad_steps.pixel;
            let place = picture * x_steps.first
                + (group * extents.channels + channel) * x_steps.second
                + in_row * x_steps.row
                + in_pixel * x_steps.pixel;
            #[unroll]
            for i in 0..tiles.outputs {
                let gradient = f32::cast_from(grad[from + i * grad_steps.second]);
                #[unroll]
                for j in 0..tiles.channels {
                    sums[i * tiles.channels + j] += gradient * f32::cast_from(x[place + j * x_steps.second]);
                }
            }
        }
        at += tiles.units;
    }
    // Each number's sums lie side by side.
    let mut all = Shared::<[f32]>::new_slice(count * tiles.units);
    #[unroll]
    for i in 0..count {
        all[i * tiles.units + UNIT_POS as usize] = sums[i];
    }
    let mut half = comptime![tiles.units / 2].runtime();
    while half > 0 {
        sync_cube();
        if (UNIT_POS as usize) < half {
            #[unroll]
            for i in 0..count {
                let other = all[i * tiles.units + UNIT_POS as usize + half];
                all[i * tiles.units + UNIT_POS as usize] += other;
            }
        }
        half /= 2;
    }
    sync_cube();
    let mut i = UNIT_POS as usize;
    let last = select(is_one, count.runtime(), 0usize);
    while i < last {
        let to =
            (share * outputs + output + i / tiles.channels) * extents.channels + channel + i % tiles.channels;
        let to = (to * comptime![window.kernel[0]] + down) * comptime![window.kernel[1]] + across;
        shares[to] = all[i * tiles.units];
        i += tiles.units;
    }
}
