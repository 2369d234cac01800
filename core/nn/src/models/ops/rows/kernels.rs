//! The kernels of layer norm and softmax: the units of a row of a cube share a row of the tensor.
//!
//! A step is how many vectors it is from one row of a tensor to the next: rows may have room behind them.

#![allow(clippy::too_many_arguments, reason = "what a kernel takes are its bindings")]

use cubecl::prelude::*;

use super::super::kernels::{Units, add_shares, fold_row, largest_of_row, write_sums};

/// A layer norm and its statistics.
#[cube(launch, address_type = "dynamic")]
pub(super) fn layer_norm<I: Float, O: Float, N: Size>(
    x: &Tensor<Vector<I, N>>,
    gamma: &Tensor<Vector<f32, N>>,
    beta: &Tensor<Vector<f32, N>>,
    y: &mut Tensor<Vector<O, N>>,
    statistics: &mut Tensor<f32>,
    rows: usize,
    row_vectors: usize,
    step: usize,
    epsilon: f32,
    #[comptime] units: Units,
    #[define(I, O)] _dtypes: [ElemType; 2],
) {
    let row = CUBE_POS * units.rows + UNIT_POS_Y as usize;
    let start = row * step;
    let written = row * row_vectors;
    let mut sum = Vector::<f32, N>::new(0.0);
    let mut square = Vector::<f32, N>::new(0.0);
    let mut origin = 0.0f32;
    if row < rows {
        origin = f32::cast_from(x[start].extract(0usize));
        let mut i = UNIT_POS_X as usize;
        while i < row_vectors {
            let value = Vector::<f32, N>::cast_from(x[start + i]) - Vector::new(origin);
            sum += value;
            square += value * value;
            i += units.lanes;
        }
    }
    let count = f32::cast_from(row_vectors * N::value());
    let middle = fold_row(sum, units) / count;
    let spread = fold_row(square, units) / count - middle * middle;
    let scale = 1.0 / (max(spread, 0.0) + epsilon).sqrt();
    let mean = middle + origin;
    if row < rows {
        if UNIT_POS_X == 0 {
            statistics[row * 2] = mean;
            statistics[row * 2 + 1] = scale;
        }
        let mut i = UNIT_POS_X as usize;
        while i < row_vectors {
            let value = Vector::<f32, N>::cast_from(x[start + i]) - Vector::new(mean);
            y[written + i] = Vector::cast_from(value * Vector::new(scale) * gamma[i] + beta[i]);
            i += units.lanes;
        }
    }
}

/// The gradient of a layer norm's input.
#[cube(launch, address_type = "dynamic")]
pub(super) fn layer_norm_backward<I: Float, O: Float, N: Size>(
    grad: &Tensor<Vector<O, N>>,
    x: &Tensor<Vector<I, N>>,
    statistics: &Tensor<f32>,
    gamma: &Tensor<Vector<f32, N>>,
    out: &mut Tensor<Vector<I, N>>,
    rows: usize,
    row_vectors: usize,
    grad_step: usize,
    step: usize,
    #[comptime] units: Units,
    #[define(I, O)] _dtypes: [ElemType; 2],
) {
    let row = CUBE_POS * units.rows + UNIT_POS_Y as usize;
    let start = row * step;
    let grad_start = row * grad_step;
    let written = row * row_vectors;
    let mut sum = Vector::<f32, N>::new(0.0);
    let mut product = Vector::<f32, N>::new(0.0);
    let mut mean = Vector::<f32, N>::new(0.0);
    let mut scale = Vector::<f32, N>::new(0.0);
    if row < rows {
        mean = Vector::new(statistics[row * 2]);
        scale = Vector::new(statistics[row * 2 + 1]);
        let mut i = UNIT_POS_X as usize;
        while i < row_vectors {
            let through = Vector::<f32, N>::cast_from(grad[grad_start + i]) * gamma[i];
            sum += through;
            product += through * (Vector::<f32, N>::cast_from(x[start + i]) - mean) * scale;
            i += units.lanes;
        }
    }
    let count = f32::cast_from(row_vectors * N::value());
    let a = Vector::<f32, N>::new(fold_row(sum, units) / count);
    let b = Vector::<f32, N>::new(fold_row(product, units) / count);
    if row < rows {
        let mut i = UNIT_POS_X as usize;
        while i < row_vectors {
            let through = Vector::<f32, N>::cast_from(grad[grad_start + i]) * gamma[i];
            let normal = (Vector::<f32, N>::cast_from(x[start + i]) - mean) * scale;
            out[written + i] = Vector::cast_from(scale * (through - a - normal * b));
            i += units.lanes;
        }
    }
}

/// Shares of the gradients of beta and gamma: sums over rows of the gradient, and of its product with what was
/// normalised.
#[cube(launch, address_type = "dynamic")]
pub(super) fn sum_columns<I: Float, O: Float, N: Size>(
    grad: &Tensor<Vector<O, N>>,
    x: &Tensor<Vector<I, N>>,
    statistics: &Tensor<f32>,
    shares: &mut Tensor<f32>,
    rows: usize,
    rows_of_share: usize,
    row_vectors: usize,
    grad_step: usize,
    step: usize,
    #[comptime] units: Units,
    #[define(I, O)] _dtypes: [ElemType; 2],
) {
    let column = CUBE_POS_X as usize * units.lanes + UNIT_POS_X as usize;
    let mut sum = Vector::<f32, N>::new(0.0);
    let mut product = Vector::<f32, N>::new(0.0);
    if column < row_vectors {
        let start = CUBE_POS_Y as usize * rows_of_share;
        let end = clamp_max(start + rows_of_share, rows);
        let mut row = start + UNIT_POS_Y as usize;
        while row < end {
            let gradient = Vector::<f32, N>::cast_from(grad[row * grad_step + column]);
            let value = Vector::<f32, N>::cast_from(x[row * step + column]);
            let normal = (value - Vector::new(statistics[row * 2])) * Vector::new(statistics[row * 2 + 1]);
            sum += gradient;
            product += gradient * normal;
            row += units.rows;
        }
    }
    write_sums(shares, sum, product, column, row_vectors, row_vectors * N::value(), units);
}

/// Gradients of gamma and beta, from their shares.
#[cube(launch, address_type = "dynamic")]
pub(super) fn finish_columns<N: Size>(
    shares: &Tensor<Vector<f32, N>>,
    gamma_grad: &mut Tensor<Vector<f32, N>>,
    beta_grad: &mut Tensor<Vector<f32, N>>,
    columns: usize,
    count: usize,
    #[comptime] units: Units,
) {
    let column = CUBE_POS_X as usize * units.lanes + UNIT_POS_X as usize;
    let (sum, product) = add_shares(shares, column, columns, count, units);
    if UNIT_POS_Y == 0 && column < columns {
        gamma_grad[column] = product;
        beta_grad[column] = sum;
    }
}

/// `softmax(x * scale)` of each row.
#[cube(launch, address_type = "dynamic")]
pub(super) fn softmax<F: Float, N: Size>(
    x: &Tensor<Vector<F, N>>,
    y: &mut Tensor<Vector<F, N>>,
    rows: usize,
    row_vectors: usize,
    step: usize,
    y_step: usize,
    scale: f32,
    #[comptime] units: Units,
    #[define(F)] _dtype: ElemType,
) {
    let row = CUBE_POS * units.rows + UNIT_POS_Y as usize;
    let start = row * step;
    let written = row * y_step;
    let scale = Vector::<f32, N>::new(scale);
    let mut most = Vector::<f32, N>::new(f32::min_value());
    if row < rows {
        let mut i = UNIT_POS_X as usize;
        while i < row_vectors {
            most = max(most, Vector::cast_from(x[start + i]) * scale);
            i += units.lanes;
        }
    }
    let most = Vector::<f32, N>::new(largest_of_row(most, units));
    let mut sum = Vector::<f32, N>::new(0.0);
    if row < rows {
        let mut i = UNIT_POS_X as usize;
        while i < row_vectors {
            sum += (Vector::<f32, N>::cast_from(x[start + i]) * scale - most).exp();
            i += units.lanes;
        }
    }
    let share = Vector::<f32, N>::new(1.0 / fold_row(sum, units));
    if row < rows {
        let mut i = UNIT_POS_X as usize;
        while i < row_vectors {
            let power = (Vector::<f32, N>::cast_from(x[start + i]) * scale - most).exp();
            y[written + i] = Vector::cast_from(power * share);
            i += units.lanes;
        }
    }
}

/// The gradient of what a softmax was taken of.
#[cube(launch, address_type = "dynamic")]
pub(super) fn softmax_backward<F: Float, N: Size>(
    grad: &Tensor<Vector<F, N>>,
    y: &Tensor<Vector<F, N>>,
    out: &mut Tensor<Vector<F, N>>,
    rows: usize,
    row_vectors: usize,
    grad_step: usize,
    y_step: usize,
    out_step: usize,
    scale: f32,
    #[comptime] units: Units,
    #[define(F)] _dtype: ElemType,
) {
    let row = CUBE_POS * units.rows + UNIT_POS_Y as usize;
    let start = row * grad_step;
    let y_start = row * y_step;
    let written = row * out_step;
    let mut product = Vector::<f32, N>::new(0.0);
    if row < rows {
        let mut i = UNIT_POS_X as usize;
        while i < row_vectors {
            product += Vector::<f32, N>::cast_from(grad[start + i]) * Vector::cast_from(y[y_start + i]);
            i += units.lanes;
        }
    }
    let product = Vector::<f32, N>::new(fold_row(product, units));
    if row < rows {
        let mut i = UNIT_POS_X as usize;
        while i < row_vectors {
            let share = Vector::<f32, N>::cast_from(y[y_start + i]) * Vector::new(scale);
            let gradient = Vector::<f32, N>::cast_from(grad[start + i]) - product;
            out[written + i] = Vector::cast_from(share * gradient);
            i += units.lanes;
        }
    }
}
