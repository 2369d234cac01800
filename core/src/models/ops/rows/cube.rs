//! Layer norm and softmax on a GPU: how the kernels are launched.

use burn::backend::TensorMetadata;
use burn::tensor::{DType, FloatDType};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::super::cubes::{Sharing, address, along_rows, cube_dim, elem_type, empty, rows_arg};
use super::super::kernels::Units;
use super::{RowOps, kernels};

/// Rows without gaps, and how they are shared among units.
struct Rows {
    /// Rows in all, and vectors of a row.
    count: (usize, usize),
    vector: usize,
    units: Units,
    cubes: CubeCount,
}

impl Rows {
    /// The rows of `x`, read in vectors that `other` can be read in too.
    fn of(x: &CubeTensor, other: DType) -> Self {
        let width = x.shape().last().copied().unwrap_or(1).max(1);
        let rows = x.shape().num_elements() / width;
        let bytes = x.dtype.size().max(other.size());
        let vector = x.client.io_optimized_vector_sizes(bytes).find(|size| width % size == 0).unwrap_or(1);
        let (units, cubes) = along_rows(&x.client, width / vector, rows, vector);
        Self { count: (rows, width / vector), vector, units, cubes }
    }
}

impl RowOps for CubeBackend {
    fn layer_norm_rows(
        x: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        epsilon: f64,
        dtype: FloatDType,
    ) -> (CubeTensor, CubeTensor) {
        let x = into_contiguous(x);
        let y = empty(&x, x.shape(), dtype.into());
        let Rows { count: (rows, row), vector, units, cubes } = Rows::of(&x, DType::F32);
        let statistics = empty(&x, [rows, 2], DType::F32);
        // SAFETY: the kernel stays within the rows that it is told of, which are those of `x`, and `y` has its shape.
        unsafe {
            kernels::layer_norm::launch_unchecked(
                &x.client,
                cubes,
                cube_dim(units),
                address(&[&x, &y]),
                vector,
                x.clone().into_tensor_arg(),
                rows_arg(gamma),
                rows_arg(beta),
                y.clone().into_tensor_arg(),
                statistics.clone().into_tensor_arg(),
                rows,
                row,
                epsilon as f32,
                units,
                [elem_type(&x), elem_type(&y)],
            );
        }
        (y, statistics)
    }

    fn layer_norm_rows_backward(
        grad: CubeTensor,
        x: CubeTensor,
        statistics: CubeTensor,
        gamma: CubeTensor,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let [grad, x, statistics] = [grad, x, statistics].map(into_contiguous);
        let client = x.client.clone();
        let out = empty(&x, x.shape(), x.dtype);
        let Rows { count: (rows, row), vector, units, cubes } = Rows::of(&x, grad.dtype);
        let width = row * vector;
        let sharing = Sharing::of(&client, row, rows, vector, true);
        let shares = empty(&x, [2 * sharing.cubes.1, width], DType::F32);
        let [gamma_grad, beta_grad] = [(); 2].map(|()| empty(&x, [width], DType::F32));
        let (finishing, count) = sharing.finishing(&client, width);
        let dtypes = [elem_type(&x), elem_type(&grad)];
        // SAFETY: the kernels stay within the rows and columns that they are told of, which are those of `x`; `grad` and
        // the output have its shape.
        unsafe {
            kernels::layer_norm_backward::launch_unchecked(
                &client,
                cubes,
                cube_dim(units),
                address(&[&x, &grad]),
                vector,
                grad.clone().into_tensor_arg(),
                x.clone().into_tensor_arg(),
                statistics.clone().into_tensor_arg(),
                rows_arg(gamma),
                out.clone().into_tensor_arg(),
                rows,
                row,
                units,
                dtypes,
            );
            kernels::sum_columns::launch_unchecked(
                &client,
                sharing.count(),
                cube_dim(sharing.units),
                address(&[&x, &grad, &shares]),
                vector,
                grad.into_tensor_arg(),
                x.into_tensor_arg(),
                statistics.into_tensor_arg(),
                shares.clone().into_tensor_arg(),
                sharing.rows.0,
                sharing.rows.1,
                row,
                sharing.units,
                dtypes,
            );
            kernels::finish_columns::launch_unchecked(
                &client,
                count,
                cube_dim(finishing),
                address(&[&shares]),
                1,
                shares.into_tensor_arg(),
                gamma_grad.clone().into_tensor_arg(),
                beta_grad.clone().into_tensor_arg(),
                width,
                sharing.cubes.1,
                finishing,
            );
        }
        (out, gamma_grad, beta_grad)
    }

    fn softmax_rows(x: CubeTensor, scale: f64) -> CubeTensor {
        let x = into_contiguous(x);
        let y = empty(&x, x.shape(), x.dtype);
        let Rows { count: (rows, row), vector, units, cubes } = Rows::of(&x, x.dtype);
        // SAFETY: the kernel stays within the rows that it is told of, which are those of `x`, and `y` has its shape.
        unsafe {
            kernels::softmax::launch_unchecked(
                &x.client,
                cubes,
                cube_dim(units),
                address(&[&x]),
                vector,
                x.clone().into_tensor_arg(),
                y.clone().into_tensor_arg(),
                rows,
                row,
                scale as f32,
                units,
                elem_type(&x),
            );
        }
        y
    }

    fn softmax_rows_backward(grad: CubeTensor, y: CubeTensor, scale: f64) -> CubeTensor {
        let [grad, y] = [grad, y].map(into_contiguous);
        let out = empty(&y, y.shape(), y.dtype);
        let Rows { count: (rows, row), vector, units, cubes } = Rows::of(&y, grad.dtype);
        // SAFETY: the kernel stays within the rows that it is told of, which are those of `y`; `grad` and the output have
        // its shape.
        unsafe {
            kernels::softmax_backward::launch_unchecked(
                &y.client,
                cubes,
                cube_dim(units),
                address(&[&y]),
                vector,
                grad.into_tensor_arg(),
                y.clone().into_tensor_arg(),
                out.clone().into_tensor_arg(),
                rows,
                row,
                scale as f32,
                units,
                elem_type(&y),
            );
        }
        out
    }
}
