//! What launches of our kernels have in common.

use burn::tensor::{DType, Shape};
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::{empty_device_contiguous_dtype, empty_device_dtype};
use burn_cubecl::tensor::CubeTensor;
use cubecl::client::Client;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::kernels::Units;

/// Units of a cube.
const UNITS: usize = 256;

/// Cubes that keep a large GPU busy.
const CUBES: usize = 1024;

/// Most shares of a sum: the second launch adds them up.
const SHARES: usize = 512;

/// Bytes of a cube's memory that the sums of its units may take.
const SHARED: usize = 1 << 14;

/// Rows that a unit should have to add up before another cube shares the work.
const ROWS: usize = 8;

/// Most units side by side.
const LANES: usize = 32;

/// How a sum over the rows of each column is shared.
pub(super) struct Sharing {
    pub units: Units,
    /// Cubes for all columns, and for the rows of a column.
    pub cubes: (usize, usize),
    /// Rows in all, and of a share.
    pub rows: (usize, usize),
}

/// Units that a cube has room for, a power of two, with two sums of a vector each.
pub(super) fn units(client: &Client, vector: usize) -> usize {
    let most = (client.properties().hardware.max_units_per_cube as usize).min(UNITS);
    1 << most.min(SHARED / (8 * vector)).max(1).ilog2()
}

impl Sharing {
    /// For `columns` and `rows` in vectors of `vector` numbers. Units stand side by side along columns where these are
    /// neighbours in memory, and vectors lie along them.
    pub fn of(client: &Client, columns: usize, rows: usize, vector: usize, columns_last: bool) -> Self {
        let units = units(client, vector);
        let lanes = if columns_last { columns.next_power_of_two().min(LANES).min(units) } else { 1 };
        let units = Units { lanes, rows: units / lanes, columns_last };
        let across = columns.div_ceil(lanes);
        let worth = rows.div_ceil(units.rows * ROWS);
        let down = CUBES.div_ceil(across).min(worth).clamp(1, SHARES);
        Self { units, cubes: (across, down), rows: (rows, rows.div_ceil(down)) }
    }

    pub fn count(&self) -> CubeCount {
        CubeCount::Static(self.cubes.0 as u32, self.cubes.1 as u32, 1)
    }

    /// The cubes that add up the shares of each of `columns` columns.
    pub fn finishing(&self, client: &Client, columns: usize) -> (Units, CubeCount) {
        let units = units(client, 1);
        let lanes = units.min(8);
        let rows = self.cubes.1.next_power_of_two().min(units / lanes);
        let units = Units { lanes, rows, columns_last: false };
        (units, CubeCount::Static(columns.div_ceil(lanes) as u32, 1, 1))
    }
}

/// How the units of a cube share rows that are each summed up along themselves: a row in vectors, `rows` in all.
pub(super) fn along_rows(client: &Client, row: usize, rows: usize, vector: usize) -> (Units, CubeCount) {
    let units = units(client, vector);
    let lanes = row.next_power_of_two().min(LANES).min(units);
    let units = Units { lanes, rows: (units / lanes).min(rows.next_power_of_two()), columns_last: false };
    let cubes = rows.div_ceil(units.rows);
    (units, cubecl::calculate_cube_count_elemwise(client, cubes, CubeDim::new_single()))
}

pub(super) fn cube_dim(units: Units) -> CubeDim {
    CubeDim::new_2d(units.lanes as u32, units.rows as u32)
}

/// A tensor on the device of another, with room behind its rows where products read them faster for it.
pub(super) fn roomy(like: &CubeTensor, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
    empty_device_dtype(like.client.clone(), like.device.clone(), shape.into(), dtype)
}

/// A tensor on the device of another, without gaps.
pub(super) fn empty(like: &CubeTensor, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
    empty_device_contiguous_dtype(like.client.clone(), like.device.clone(), shape.into(), dtype)
}

/// A tensor with rows of neighbours, each as far from the one before: rows may have room behind them, as CubeCL leaves
/// it on CUDA. Others are laid out again.
pub(super) struct RowsOf {
    pub tensor: CubeTensor,
    /// Numbers from one row to the next.
    step: usize,
}

impl RowsOf {
    pub fn new(tensor: CubeTensor) -> Self {
        let (shape, strides) = (tensor.meta.shape(), tensor.meta.strides());
        let rank = shape.num_dims();
        // Axes of one number have no say.
        let outer: Vec<usize> = (0..rank - 1).filter(|&i| shape[i] > 1).collect();
        let neighbours = shape[rank - 1] == 1 || strides[rank - 1] == 1;
        let even = outer.windows(2).all(|axes| strides[axes[0]] == shape[axes[1]] * strides[axes[1]]);
        let step = outer.last().map_or(shape[rank - 1], |&i| strides[i]);
        if neighbours && even && step >= shape[rank - 1] {
            return Self { step, tensor };
        }
        let tensor = into_contiguous(tensor);
        Self { step: tensor.meta.shape()[rank - 1], tensor }
    }

    /// Whether it can be read in vectors of `size` numbers.
    pub fn reads(&self, size: usize) -> bool {
        self.step.is_multiple_of(size)
    }

    /// Vectors from one row to the next.
    pub fn step(&self, vector: usize) -> usize {
        self.step / vector
    }

    pub fn arg(&self) -> TensorArg {
        self.tensor.clone().into_tensor_arg()
    }
}

/// Rows without gaps, as kernels take them.
pub(super) fn rows_arg(tensor: CubeTensor) -> TensorArg {
    into_contiguous(tensor).into_tensor_arg()
}

pub(super) fn address(tensors: &[&CubeTensor]) -> AddressType {
    tensors.iter().map(|tensor| tensor.required_address_type()).max().unwrap_or_default()
}

pub(super) fn elem_type(tensor: &CubeTensor) -> ElemType {
    burn::backend::cubecl::dtype_to_elem_type(tensor.dtype)
}

#[cfg(all(test, feature = "wgpu"))]
thread_local! {
    static TAKES_OURS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Whether convolutions and products are computed as in a page, by kernels of our own: a test asked for it.
#[cfg(all(test, feature = "wgpu"))]
pub(super) fn takes_ours() -> bool {
    TAKES_OURS.get()
}

/// Calls a function for which convolutions and products are computed as in a page.
#[cfg(all(test, feature = "wgpu"))]
pub(super) fn with_ours<T>(compute: impl FnOnce() -> T) -> T {
    TAKES_OURS.set(true);
    let done = compute();
    TAKES_OURS.set(false);
    done
}
