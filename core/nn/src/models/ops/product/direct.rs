//! How the kernel of our own is launched.

use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::prelude::*;

use super::kernels::{self, StepsLaunch};
use crate::models::ops::cubes::{address, elem_type, empty};

/// Most rows and columns that a unit computes.
const TILE: usize = 4;

/// The shape of matrices as two axes of them, rows and columns; axes that are not there are 1.
fn extents(tensor: &CubeTensor) -> [usize; 4] {
    let shape = tensor.meta.shape();
    let missing = 4 - shape.num_dims();
    std::array::from_fn(|i| if i < missing { 1 } else { shape[i - missing] })
}

fn steps(tensor: &CubeTensor) -> StepsLaunch {
    let strides = tensor.meta.strides();
    let missing = 4 - tensor.meta.shape().num_dims();
    let step = |i: usize| if i < missing { 0 } else { strides[i - missing] };
    StepsLaunch::new(step(0), step(1), step(2), step(3))
}

/// The most of [`TILE`] rows or columns that all of them can be divided into.
fn tile(count: usize) -> usize {
    [TILE, 2].into_iter().find(|tile| count.is_multiple_of(*tile)).unwrap_or(1)
}

/// The products of matrices of shapes (..., rows, inner) and (..., inner, columns), of four axes at the most.
pub(super) fn product(a: CubeTensor, b: CubeTensor) -> CubeTensor {
    let ([outer, matrices, rows, inner], [_, _, _, columns]) = (extents(&a), extents(&b));
    let mut shape = a.meta.shape().clone();
    let last = shape.num_dims() - 1;
    shape[last] = columns;
    let out = empty(&a, shape, a.dtype);
    let tile = [tile(rows), tile(columns)];
    let units = outer * matrices * (rows / tile[0]) * (columns / tile[1]);
    let client = a.client.clone();
    let dim = CubeDim::new(&client, units);
    kernels::product::launch(
        &client,
        calculate_cube_count_elemwise(&client, units, dim),
        dim,
        address(&[&a, &b, &out]),
        a.clone().into_tensor_arg(),
        b.clone().into_tensor_arg(),
        out.clone().into_tensor_arg(),
        steps(&a),
        steps(&b),
        steps(&out),
        matrices,
        rows / tile[0],
        columns / tile[1],
        inner,
        units,
        tile,
        elem_type(&a),
    );
    out
}
