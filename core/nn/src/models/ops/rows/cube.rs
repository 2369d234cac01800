//! Layer norm and softmax on a GPU: how the kernels are launched.

use burn::backend::TensorMetadata;
use burn::tensor::{DType, FloatDType};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::super::cubes::{
    RowsOf, Sharing, address, along_rows, cube_dim, elem_type, empty, roomy, rows_arg,
};
use super::super::kernels::Units;
use super::{RowOps, kernels};

/// Rows, and how they are shared among units.
struct Rows {
    /// Rows in all, and vectors of a row.
    count: (usize, usize),
    vector: usize,
    units: Units,
    cubes: CubeCount,
}

impl Rows {
    /// Rows that all of `tensors`, of one shape, are read in, in vectors that fit numbers of `widest` bytes.
    fn of(tensors: &[&RowsOf], widest: usize) -> Self {
        let first = &tensors[0].tensor;
        let width = first.shape().last().copied().unwrap_or(1).max(1);
        let rows = first.shape().num_elements() / width;
        let fits = |&size: &usize| width % size == 0 && tensors.iter().all(|tensor| tensor.reads(size));
        let vector = { first.client.io_optimized_vector_sizes(widest) }.find(fits).unwrap_or(1);
        let (units, cubes) = along_rows(&first.client, width / vector, rows, vector);
        Self { count: (rows, width / vector), vector, units, cubes }
    }
}

/// Bytes of an f32, the widest number that is read.
const F32: usize = 4;

impl RowOps for CubeBackend {
    fn layer_norm_rows(
        x: CubeTensor,
        gamma: CubeTensor,
        beta: CubeTensor,
        epsilon: f64,
        dtype: FloatDType,
    ) -> (CubeTensor, CubeTensor) {
        let of = RowsOf::new(x);
        let Rows { count: (rows, row), vector, units, cubes } = Rows::of(&[&of], F32);
        let x = &of.tensor;
        let y = empty(x, x.shape(), dtype.into());
        let statistics = empty(x, [rows, 2], DType::F32);
        kernels::layer_norm::launch(
            &x.client,
            cubes,
            cube_dim(units),
            address(&[x, &y]),
            vector,
            of.arg(),
            rows_arg(gamma),
            rows_arg(beta),
            y.clone().into_tensor_arg(),
            statistics.clone().into_tensor_arg(),
            rows,
            row,
            of.step(vector),
            epsilon as f32,
            units,
            [elem_type(x), elem_type(&y)],
        );
        (y, statistics)
    }

    fn layer_norm_rows_backward(
        grad: CubeTensor,
        x: CubeTensor,
        statistics: CubeTensor,
        gamma: CubeTensor,
    ) -> (CubeTensor, CubeTensor, CubeTensor) {
        let (grad, of) = (RowsOf::new(grad), RowsOf::new(x));
        let statistics = into_contiguous(statistics);
        let Rows { count: (rows, row), vector, units, cubes } = Rows::of(&[&of, &grad], F32);
        let x = &of.tensor;
        let client = x.client.clone();
        let out = empty(x, x.shape(), x.dtype);
        let width = row * vector;
        let sharing = Sharing::of(&client, row, rows, vector, true);
        let shares = empty(x, [2 * sharing.cubes.1, width], DType::F32);
        let [gamma_grad, beta_grad] = [(); 2].map(|()| empty(x, [width], DType::F32));
        let (finishing, count) = sharing.finishing(&client, width);
        let dtypes = [elem_type(x), elem_type(&grad.tensor)];
        let (grad_step, step) = (grad.step(vector), of.step(vector));
        kernels::layer_norm_backward::launch(
            &client,
            cubes,
            cube_dim(units),
            address(&[x, &grad.tensor]),
            vector,
            grad.arg(),
            of.arg(),
            statistics.clone().into_tensor_arg(),
            rows_arg(gamma),
            out.clone().into_tensor_arg(),
            rows,
            row,
            grad_step,
            step,
            units,
            dtypes,
        );
        kernels::sum_columns::launch(
            &client,
            sharing.count(),
            cube_dim(sharing.units),
            address(&[x, &grad.tensor, &shares]),
            vector,
            grad.arg(),
            of.arg(),
            statistics.into_tensor_arg(),
            shares.clone().into_tensor_arg(),
            sharing.rows.0,
            sharing.rows.1,
            row,
            grad_step,
            step,
            sharing.units,
            dtypes,
        );
        kernels::finish_columns::launch(
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
        (out, gamma_grad, beta_grad)
    }

    fn softmax_rows(x: CubeTensor, scale: f64) -> CubeTensor {
        let x = RowsOf::new(x);
        let y = RowsOf::new(roomy(&x.tensor, x.tensor.shape(), x.tensor.dtype));
        let Rows { count: (rows, row), vector, units, cubes } = Rows::of(&[&x, &y], x.tensor.dtype.size());
        kernels::softmax::launch(
            &x.tensor.client,
            cubes,
            cube_dim(units),
            address(&[&x.tensor, &y.tensor]),
            vector,
            x.arg(),
            y.arg(),
            rows,
            row,
            x.step(vector),
            y.step(vector),
            scale as f32,
            units,
            elem_type(&x.tensor),
        );
        y.tensor
    }

    fn softmax_rows_backward(grad: CubeTensor, y: CubeTensor, scale: f64) -> CubeTensor {
        let (grad, y) = (RowsOf::new(grad), RowsOf::new(y));
        let out = RowsOf::new(roomy(&y.tensor, y.tensor.shape(), y.tensor.dtype));
        let Rows { count: (rows, row), vector, units, cubes } =
            Rows::of(&[&y, &grad, &out], y.tensor.dtype.size());
        kernels::softmax_backward::launch(
            &y.tensor.client,
            cubes,
            cube_dim(units),
            address(&[&y.tensor, &grad.tensor, &out.tensor]),
            vector,
            grad.arg(),
            y.arg(),
            out.arg(),
            rows,
            row,
            grad.step(vector),
            y.step(vector),
            out.step(vector),
            scale as f32,
            units,
            elem_type(&y.tensor),
        );
        out.tensor
    }
}
