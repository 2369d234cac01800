//! How the kernels of our own are launched, on GPUs where burn's would have to be compiled into a page.

use burn::backend::ops::FloatTensorOps;
use burn::tensor::DType;
use burn::tensor::ops::ConvOptions;
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

use super::kernels::{self, ExtentsLaunch, StepsLaunch, Tiles, Window};
use crate::models::ops::cast::cast;
use crate::models::ops::cubes::{address, elem_type, empty};

/// Most outputs or channels that a unit computes at a pixel.
const TILE: usize = 8;

/// Most outputs, and channels, of a weight's gradient that a cube computes.
const SIDE: usize = 4;

/// Units of a cube that share the pixels of a weight's gradient.
const UNITS: usize = 64;

/// Pixels that each of these should have before another cube shares the work.
const PIXELS: usize = 16;

/// Cubes that keep a GPU busy.
const CUBES: usize = 2048;

/// Most shares of a weight's gradient: they are added up afterwards.
const SHARES: usize = 64;

/// A convolution's shapes: pictures (N, channels, height, width) and weight (outputs, channels / groups, height, width).
struct Shape {
    x: [usize; 4],
    weight: [usize; 4],
    y: [usize; 4],
    window: Window,
    groups: usize,
}

impl Shape {
    fn of(x: &CubeTensor, weight: &CubeTensor, options: &ConvOptions<2>) -> Self {
        let (x, weight) = (x.meta.shape().dims(), weight.meta.shape().dims());
        let window = Window {
            kernel: [weight[2], weight[3]],
            stride: options.stride,
            padding: [options.padding[0].0, options.padding[1].0],
            dilation: options.dilation,
        };
        Self { y: super::output(x, weight, options), x, weight, window, groups: options.groups }
    }

    fn outputs_of_group(&self) -> usize {
        self.weight[0] / self.groups
    }

    /// For kernels that compare with a height and width, and are spread over those of `over`.
    fn extents(&self, inside: [usize; 4], over: [usize; 4], tiles: usize) -> ExtentsLaunch {
        let [pictures, _, rows, pixels] = over;
        let (channels, outputs) = (self.weight[1], self.outputs_of_group());
        ExtentsLaunch::new(inside[2], inside[3], channels, outputs, rows, pixels, pictures, tiles)
    }
}

/// The most of `most`, halved again and again, that numbers can be divided into.
fn divisor(numbers: usize, most: usize) -> usize {
    let mut tile = most;
    while !numbers.is_multiple_of(tile) {
        tile /= 2;
    }
    tile
}

fn steps(tensor: &CubeTensor) -> StepsLaunch {
    let strides = tensor.meta.strides();
    StepsLaunch::new(strides[0], strides[1], strides[2], strides[3])
}

/// The convolution.
pub(super) fn convolve(x: CubeTensor, weight: CubeTensor, options: &ConvOptions<2>) -> CubeTensor {
    let shape = Shape::of(&x, &weight, options);
    let y = empty(&x, shape.y, x.dtype);
    let tile = divisor(shape.outputs_of_group(), TILE);
    let units = shape.y.iter().product::<usize>() / tile;
    let client = x.client.clone();
    let dim = CubeDim::new(&client, units);
    kernels::convolve::launch(
        &client,
        calculate_cube_count_elemwise(&client, units, dim),
        dim,
        address(&[&x, &weight, &y]),
        x.clone().into_tensor_arg(),
        weight.clone().into_tensor_arg(),
        y.clone().into_tensor_arg(),
        steps(&x),
        steps(&weight),
        steps(&y),
        shape.extents(shape.x, shape.y, shape.outputs_of_group() / tile),
        units,
        shape.window,
        tile,
        elem_type(&x),
    );
    y
}

/// The gradient of `x`, of which the shape alone has a say.
pub(super) fn convolve_to_x(
    grad: CubeTensor,
    x: &CubeTensor,
    weight: CubeTensor,
    options: &ConvOptions<2>,
) -> CubeTensor {
    let shape = Shape::of(x, &weight, options);
    let to_x = empty(&grad, shape.x, grad.dtype);
    let tile = divisor(shape.weight[1], TILE);
    let units = shape.x.iter().product::<usize>() / tile;
    let client = grad.client.clone();
    let dim = CubeDim::new(&client, units);
    kernels::convolve_to_x::launch(
        &client,
        calculate_cube_count_elemwise(&client, units, dim),
        dim,
        address(&[&grad, &weight, &to_x]),
        grad.clone().into_tensor_arg(),
        weight.clone().into_tensor_arg(),
        to_x.clone().into_tensor_arg(),
        steps(&grad),
        steps(&weight),
        steps(&to_x),
        shape.extents(shape.y, shape.x, shape.weight[1] / tile),
        units,
        shape.window,
        tile,
        elem_type(&grad),
    );
    to_x
}

/// The gradient of `weight`, of which the shape alone has a say.
pub(super) fn convolve_to_weight(
    grad: CubeTensor,
    x: CubeTensor,
    weight: &CubeTensor,
    options: &ConvOptions<2>,
) -> CubeTensor {
    let shape = Shape::of(&x, weight, options);
    let client = grad.client.clone();
    let tiles = Tiles {
        outputs: divisor(shape.outputs_of_group(), SIDE),
        channels: divisor(shape.weight[1], SIDE),
        units: UNITS.min(1 << client.properties().hardware.max_units_per_cube.max(1).ilog2()),
    };
    let pixels = shape.y[0] * shape.y[2] * shape.y[3];
    let across = shape.weight.iter().product::<usize>() / (tiles.outputs * tiles.channels);
    let worth = pixels.div_ceil(tiles.units * PIXELS).min(SHARES);
    let shares = CUBES.div_ceil(across.max(1)).clamp(1, worth.max(1));
    let [outputs, channels, height, width] = shape.weight;
    let all = empty(&grad, [shares, outputs, channels, height, width], DType::F32);
    let cubes = across * shares;
    kernels::convolve_to_weight::launch(
        &client,
        calculate_cube_count_elemwise(&client, cubes, CubeDim::new_single()),
        CubeDim::new_1d(tiles.units as u32),
        address(&[&grad, &x, &all]),
        grad.clone().into_tensor_arg(),
        x.clone().into_tensor_arg(),
        all.clone().into_tensor_arg(),
        steps(&grad),
        steps(&x),
        shape.extents(shape.x, shape.y, channels / tiles.channels),
        shares,
        outputs,
        pixels,
        pixels.div_ceil(shares),
        cubes,
        shape.window,
        tiles,
        elem_type(&grad),
    );
    let sum = if shares == 1 { all } else { CubeBackend::float_sum_dim(all, 0) };
    let sum = CubeBackend::float_reshape(sum, shape.weight.into());
    cast::<CubeBackend>(sum, grad.dtype.into())
}
