//! The kernel of a matrix product.

#![allow(clippy::too_many_arguments, reason = "what a kernel takes are its bindings")]

use cubecl::prelude::*;
use cubecl::std::FastDivmod;

/// How far it is from one number of matrices to the next, along two axes of matrices and within one.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
pub(super) struct Steps {
    outer: usize,
    matrix: usize,
    row: usize,
    column: usize,
}

/// Products of matrices, read as they lie: a unit computes `tile[0]` rows of `tile[1]` columns. Sums are in f32.
#[cube(launch, address_type = "dynamic")]
pub(super) fn product<F: Float>(
    a: &Tensor<F>,
    b: &Tensor<F>,
    out: &mut Tensor<F>,
    a_steps: Steps,
    b_steps: Steps,
    out_steps: Steps,
    matrices: FastDivmod<usize>,
    rows: FastDivmod<usize>,
    columns: FastDivmod<usize>,
    inner: usize,
    units: usize,
    #[comptime] tile: [usize; 2],
    #[define(F)] _dtype: ElemType,
) {
    if ABSOLUTE_POS >= units {
        terminate!();
    }
    let (rest, column) = columns.div_mod(ABSOLUTE_POS);
    let (rest, row) = rows.div_mod(rest);
    let (outer, matrix) = matrices.div_mod(rest);
    let (row, column) = (row * comptime![tile[0]], column * comptime![tile[1]]);
    let mut left = outer * a_steps.outer + matrix * a_steps.matrix + row * a_steps.row;
    let mut right = outer * b_steps.outer + matrix * b_steps.matrix + column * b_steps.column;
    let mut sums = Array::<f32>::new(comptime![tile[0] * tile[1]]);
    #[unroll]
    for i in 0..comptime![tile[0] * tile[1]] {
        sums[i] = 0.0f32;
    }
    for _ in 0..inner {
        let mut factors = Array::<f32>::new(comptime![tile[1]]);
        #[unroll]
        for j in 0..comptime![tile[1]] {
            factors[j] = f32::cast_from(b[right + j * b_steps.column]);
        }
        #[unroll]
        for i in 0..comptime![tile[0]] {
            let value = f32::cast_from(a[left + i * a_steps.row]);
            #[unroll]
            for j in 0..comptime![tile[1]] {
                sums[i * comptime![tile[1]] + j] += value * factors[j];
            }
        }
        left += a_steps.column;
        right += b_steps.row;
    }
    let to =
        outer * out_steps.outer + matrix * out_steps.matrix + row * out_steps.row + column * out_steps.column;
    #[unroll]
    for i in 0..comptime![tile[0]] {
        #[unroll]
        for j in 0..comptime![tile[1]] {
            out[to + i * out_steps.row + j * out_steps.column] =
                F::cast_from(sums[i * comptime![tile[1]] + j]);
        }
    }
}
