#![allow(clippy::unwrap_used, reason = "a test may panic")]
use burn::tensor::module::linear;
use burn::tensor::{DType, Device, TensorData};

use super::*;
use crate::models::ops::testing::{devices, random, same};

/// What a linear layer computes: output, and gradients of input, weight and bias.
fn step(
    layer: impl Fn(Tensor<3>, Tensor<2>, Option<Tensor<1>>) -> Tensor<3>,
    device: &Device,
    [n, tokens, inputs, outputs]: [usize; 4],
) -> [TensorData; 4] {
    let x = Tensor::<3>::from_data(random([n, inputs, tokens], 1), device).detach().require_grad();
    let weight = Tensor::<2>::from_data(random([inputs, outputs], 2), device).detach().require_grad();
    let bias = Tensor::<1>::from_data(random([outputs], 3), device).detach().require_grad();
    let to_y = Tensor::<3>::from_data(random([n, tokens, outputs], 4), device);
    // As it lies after a transposition, too.
    let y = layer(x.clone().swap_dims(1, 2), weight.clone(), Some(bias.clone()));
    let grads = (y.clone() * to_y).sum().backward();
    let [x, weight, bias] = [
        x.grad(&grads).unwrap().into_data(),
        weight.grad(&grads).unwrap().into_data(),
        bias.grad(&grads).unwrap().into_data(),
    ];
    [y.into_data(), x, weight, bias]
}

#[test]
fn a_linear_layer_by_products_is_burns_with_its_gradients() {
    for (name, device) in devices() {
        for sizes in [[1, 1, 1, 1], [2, 5, 7, 3], [3, 4, 8, 10], [1, 64, 33, 12], [5, 70, 40, 48]] {
            let expected = step(linear, &Device::flex().autodiff(), sizes);
            let found = step(affine, &device.clone().autodiff(), sizes);
            // Matrix units round the factors of f32 products on CUDA.
            let tolerance = if name == "cuda" { 2e-2 } else { 1e-4 };
            for (found, expected) in found.iter().zip(&expected) {
                same(&format!("{name}, {sizes:?}"), found, expected, tolerance);
            }
        }
    }
}

/// Natively on wgpu: a page has it there alone.
#[cfg(feature = "wgpu")]
#[test]
fn the_kernel_of_a_page_multiplies_as_burn_does() {
    use crate::models::ops::cubes::with_ours;

    let Some((_, device)) = devices().find(|(name, _)| *name == "wgpu") else { return };
    for sizes in [[1, 1, 1, 1], [2, 5, 7, 3], [3, 4, 8, 10], [1, 64, 33, 12]] {
        let expected = step(linear, &Device::flex().autodiff(), sizes);
        let found = with_ours(|| step(affine, &device.clone().autodiff(), sizes));
        for (found, expected) in found.iter().zip(&expected) {
            same(&format!("{sizes:?}"), found, expected, 1e-5);
        }
    }
    // Matrices of two axes of matrices, read with rows and columns swapped.
    for [outer, matrices, rows, inner, columns] in [[2, 3, 5, 7, 6], [1, 2, 8, 3, 4], [3, 1, 4, 16, 9]] {
        let a = |device: &Device| {
            Tensor::<4>::from_data(random([outer, matrices, inner, rows], 1), device).swap_dims(2, 3)
        };
        let b =
            |device: &Device| Tensor::<4>::from_data(random([outer, matrices, inner, columns], 2), device);
        let expected = a(&Device::flex()).matmul(b(&Device::flex())).into_data();
        let [x, y] = [a(&device), b(&device)].map(Tensor::into_dispatch);
        let found = with_ours(|| Tensor::<4>::from_dispatch(Dispatch::product(x, y)).into_data());
        same(&format!("{outer} {matrices} {rows} {inner} {columns}"), &found, &expected, 1e-5);
    }
}

#[test]
fn what_the_kernels_do_not_take_is_burns() {
    let device = Device::flex();
    // No rows, and another type.
    let empty = affine(Tensor::<2>::zeros([0, 3], &device), Tensor::zeros([3, 4], &device), None);
    assert_eq!(empty.dims(), [0, 4]);
    let [x, weight] = [[2, 3], [3, 4]].map(|shape| Tensor::<2>::ones(shape, &device).cast(DType::BF16));
    assert_eq!(affine(x, weight, None).cast(DType::F32).into_data().try_to_vec::<f32>().unwrap(), [3.0; 8]);
}
