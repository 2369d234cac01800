//! Layer norm and softmax on the CPU: the truth that other devices are held to.

use burn::backend::flex::FlexTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{FloatDType, TensorData};
use rayon::prelude::*;

use super::super::cast::cast;
use super::super::elements::{Number, WORTH, by_channel, elements, in_type, row_sums, tensor, wide};
use super::RowOps;

/// Rows of which the gradients of gamma and beta are summed up by one thread: their sums do not depend on how many
/// threads there are.
const TOGETHER: usize = 256;

/// Rows that are worth a thread.
fn min_rows_per_thread(width: usize) -> usize {
    (WORTH / width.max(1)).max(1)
}

fn layer_norm<I: Number, O: Number>(
    x: &FlexTensor,
    gamma: &[f32],
    beta: &[f32],
    epsilon: f64,
) -> (FlexTensor, FlexTensor) {
    let (shape, width) = (x.shape(), gamma.len().max(1));
    let x = x.to_contiguous();
    let x = elements::<I>(&x);
    let mut out = vec![O::narrow(0.0); x.len()];
    let mut statistics = vec![0.0f32; x.len() / width * 2];
    let rows = out.par_chunks_mut(width).zip(x.par_chunks(width)).zip(statistics.par_chunks_mut(2));
    rows.with_min_len(min_rows_per_thread(width)).for_each(|((out, x), statistics)| {
        statistics.copy_from_slice(&normalise_row(x, gamma, beta, epsilon, out));
    });
    let rows = statistics.len() / 2;
    let statistics = FlexTensor::from_data(TensorData::new(statistics, [rows, 2]));
    (FlexTensor::from_data(TensorData::new(out, shape)), statistics)
}

/// Writes a row's layer norm; its mean, and what its distances to it were scaled by.
#[inline(always)]
pub(in crate::models) fn normalise_row<I: Number, O: Number>(
    x: &[I],
    gamma: &[f32],
    beta: &[f32],
    epsilon: f64,
    out: &mut [O],
) -> [f32; 2] {
    let width = x.len() as f64;
    // Sums of distances to the row's first number: a mean far from zero costs no digits.
    let origin = x.first().map_or(0.0, |x| x.wide());
    let [sum, squares] = row_sums(x, x, |x, _| (x - origin, x - origin));
    let middle = sum / width;
    let variance = (squares / width - middle * middle).max(0.0);
    let (mean, scale) = ((middle + f64::from(origin)) as f32, (1.0 / (variance + epsilon).sqrt()) as f32);
    for (((y, x), gamma), beta) in out.iter_mut().zip(x).zip(gamma).zip(beta) {
        *y = O::narrow((x.wide() - mean) * scale * gamma + beta);
    }
    [mean, scale]
}

/// A row's gradient: what comes through the numbers themselves, less what comes through mean and variance.
fn row_gradient<I: Number, O: Number>(
    grad: &[O],
    x: &[I],
    [mean, scale]: [f32; 2],
    gamma: &[f32],
    out: &mut [I],
) {
    let width = x.len() as f64;
    let mut sums = [0.0f64; 2];
    for ((grad, x), gamma) in grad.chunks(16).zip(x.chunks(16)).zip(gamma.chunks(16)) {
        let mut some = [0.0f32; 2];
        for ((grad, x), gamma) in grad.iter().zip(x).zip(gamma) {
            let through = grad.wide() * gamma;
            some[0] += through;
            some[1] += through * (x.wide() - mean) * scale;
        }
        sums[0] += f64::from(some[0]);
        sums[1] += f64::from(some[1]);
    }
    let [a, b] = sums.map(|sum| (sum / width) as f32);
    for (((out, grad), x), gamma) in out.iter_mut().zip(grad).zip(x).zip(gamma) {
        let normal = (x.wide() - mean) * scale;
        *out = I::narrow(scale * (grad.wide() * gamma - a - normal * b));
    }
}

fn layer_norm_backward<I: Number, O: Number>(
    grad: &FlexTensor,
    x: &FlexTensor,
    statistics: &FlexTensor,
    gamma: &[f32],
) -> [FlexTensor; 3] {
    let (shape, width) = (x.shape(), gamma.len().max(1));
    let (grad, x, statistics) = (grad.to_contiguous(), x.to_contiguous(), statistics.to_contiguous());
    let (grad, x, statistics) = (elements::<O>(&grad), elements::<I>(&x), elements::<f32>(&statistics));
    let mut out = vec![I::narrow(0.0); x.len()];
    let rows = out.par_chunks_mut(width).zip(grad.par_chunks(width)).zip(x.par_chunks(width));
    rows.zip(statistics.par_chunks(2)).with_min_len(min_rows_per_thread(width)).for_each(
        |(((out, grad), x), of)| {
            row_gradient(grad, x, [of[0], of[1]], gamma, out);
        },
    );
    let part = |((grad, x), statistics): ((&[O], &[I]), &[f32])| {
        let mut sums = vec![0.0f32; 2 * width];
        let (gammas, betas) = sums.split_at_mut(width);
        for ((grad, x), of) in grad.chunks(width).zip(x.chunks(width)).zip(statistics.chunks(2)) {
            for (((gamma, beta), grad), x) in gammas.iter_mut().zip(betas.iter_mut()).zip(grad).zip(x) {
                *gamma += grad.wide() * (x.wide() - of[0]) * of[1];
                *beta += grad.wide();
            }
        }
        sums
    };
    let parts: Vec<Vec<f32>> = grad
        .par_chunks(TOGETHER * width)
        .zip(x.par_chunks(TOGETHER * width))
        .zip(statistics.par_chunks(TOGETHER * 2))
        .map(part)
        .collect();
    let mut sums = vec![0.0f64; 2 * width];
    parts.iter().for_each(|part| sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += f64::from(*part)));
    let betas = sums.split_off(width);
    [
        FlexTensor::from_data(TensorData::new(out, shape)),
        tensor(sums.into_iter(), [width]),
        tensor(betas.into_iter(), [width]),
    ]
}

/// Calls `of` with each row and the same row of another tensor, in the tensor's own memory where no one else holds it.
fn map_rows<E: Number>(
    mut x: FlexTensor,
    other: Option<&FlexTensor>,
    of: impl Fn(&mut [E], &[E]) + Sync,
) -> FlexTensor {
    let width = x.shape().last().copied().unwrap_or(1).max(1);
    let other = other.map(FlexTensor::to_contiguous);
    let others = other.as_ref().map(elements::<E>);
    let each = |values: &mut [E]| {
        let rows = values.par_chunks_mut(width).with_min_len(min_rows_per_thread(width));
        match others {
            Some(others) => rows.zip(others.par_chunks(width)).for_each(|(row, other)| of(row, other)),
            None => rows.for_each(|row| of(row, &[])),
        }
    };
    // An assignment lets the tensor go that it came from: its memory is written over, or copied where others hold it.
    x = x.to_contiguous();
    each(x.storage_mut::<E>());
    x
}

fn softmax<E: Number>(x: FlexTensor, scale: f32) -> FlexTensor {
    map_rows::<E>(x, None, |row, _| {
        let largest = row.iter().fold(f32::NEG_INFINITY, |most, x| most.max(x.wide() * scale));
        let powers: Vec<f32> = row.iter().map(|x| (x.wide() * scale - largest).exp()).collect();
        let share = 1.0 / powers.iter().sum::<f32>();
        row.iter_mut().zip(powers).for_each(|(x, power)| *x = E::narrow(power * share));
    })
}

fn softmax_backward<E: Number>(grad: FlexTensor, y: &FlexTensor, scale: f32) -> FlexTensor {
    map_rows::<E>(grad, Some(y), |grad, y| {
        let [_, product] = row_sums(grad, y, |grad, y| (grad, y));
        let product = product as f32;
        grad.iter_mut()
            .zip(y)
            .for_each(|(grad, y)| *grad = E::narrow(scale * y.wide() * (grad.wide() - product)));
    })
}

impl RowOps for Flex {
    fn layer_norm_rows(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        epsilon: f64,
        dtype: FloatDType,
    ) -> (FlexTensor, FlexTensor) {
        let (gamma, beta) = (by_channel(&gamma), by_channel(&beta));
        let x = if matches!(x.dtype(), burn::tensor::DType::F32 | burn::tensor::DType::BF16) {
            x
        } else {
            wide(x)
        };
        in_type!(
            x.dtype(),
            |I| in_type!(
                burn::tensor::DType::from(dtype),
                |O| layer_norm::<I, O>(&x, &gamma, &beta, epsilon),
                otherwise {
                    let (y, statistics) = layer_norm::<I, f32>(&x, &gamma, &beta, epsilon);
                    (cast::<Self>(y, dtype), statistics)
                }
            ),
            otherwise unreachable!("f32 or bf16 above")
        )
    }

    fn layer_norm_rows_backward(
        grad: FlexTensor,
        x: FlexTensor,
        statistics: FlexTensor,
        gamma: FlexTensor,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let (gamma, dtype) = (by_channel(&gamma), x.dtype());
        let [x, gamma, beta] = in_type!(
            dtype,
            |I| in_type!(
                grad.dtype(),
                |O| layer_norm_backward::<I, O>(&grad, &x, &statistics, &gamma),
                otherwise layer_norm_backward::<I, f32>(&wide(grad), &x, &statistics, &gamma)
            ),
            otherwise {
                let [x, gamma, beta] =
                    layer_norm_backward::<f32, f32>(&wide(grad), &wide(x), &statistics, &gamma);
                [cast::<Self>(x, dtype.into()), gamma, beta]
            }
        );
        (x, gamma, beta)
    }

    fn softmax_rows(x: FlexTensor, scale: f64) -> FlexTensor {
        let dtype = x.dtype();
        in_type!(
            dtype,
            |E| softmax::<E>(x, scale as f32),
            otherwise cast::<Self>(softmax::<f32>(wide(x), scale as f32), dtype.into())
        )
    }

    fn softmax_rows_backward(grad: FlexTensor, y: FlexTensor, scale: f64) -> FlexTensor {
        let dtype = y.dtype();
        in_type!(
            dtype,
            |E| softmax_backward::<E>(grad, &y, scale as f32),
            otherwise cast::<Self>(softmax_backward::<f32>(wide(grad), &wide(y), scale as f32), dtype.into())
        )
    }
}
