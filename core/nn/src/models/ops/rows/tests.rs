#![allow(clippy::unwrap_used, reason = "a test may panic")]
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{DType, Device, TensorData};

use super::*;
use crate::models::ops::testing::{devices, random, same};
use crate::models::replace;

const EPSILON: f64 = 1e-6;

/// Rows and width: odd ones, one number, one row, rows longer than a cube has units, more rows than one cube takes.
const SHAPES: [[usize; 3]; 8] =
    [[2, 3, 5], [1, 1, 1], [4, 1, 64], [3, 7, 197], [1, 2, 1500], [2, 150, 24], [2, 5, 384], [3, 700, 8]];

fn layer(width: usize, device: &Device) -> LayerNorm {
    let mut layer = LayerNormConfig::new(width).with_epsilon(EPSILON).init(device);
    let elements = |first: f32, step: f32| {
        let values: Vec<f32> = (0..width).map(|c| first + step * (c % 7) as f32).collect();
        TensorData::new(values, [width])
    };
    layer.gamma = replace(layer.gamma, elements(0.5, 0.25));
    layer.beta = layer.beta.map(|beta| replace(beta, elements(-0.3, 0.1)));
    layer
}

fn parameters(layer: &LayerNorm) -> [Tensor<1>; 2] {
    [layer.gamma.val(), layer.beta.as_ref().unwrap().val()]
}

/// Output and gradients of input, gamma and beta.
fn step(
    forward: impl Fn(&LayerNorm, Tensor<3>) -> Tensor<3>,
    device: &Device,
    x: &TensorData,
    weights: &TensorData,
) -> [TensorData; 4] {
    let device = device.clone().autodiff();
    let x = Tensor::<3>::from_data(x.clone(), &device).require_grad();
    let layer = layer(x.dims()[2], &device);
    let y = forward(&layer, x.clone());
    let weights = Tensor::<3>::from_data(weights.clone(), (&device, y.dtype()));
    let grads = (y.clone() * y.clone() * weights).cast(FloatDType::F32).sum().backward();
    let of = |param: &burn::module::Param<Tensor<1>>| param.val().grad(&grads).unwrap().into_data();
    let beta = of(layer.beta.as_ref().unwrap());
    [y.into_data(), x.grad(&grads).unwrap().into_data(), of(&layer.gamma), beta]
}

const PARTS: [&str; 4] = ["output", "gradient of x", "gradient of gamma", "gradient of beta"];

fn close(what: &str, found: &[TensorData], expected: &[TensorData], tolerance: f32) {
    let named = PARTS.iter().zip(found).zip(expected);
    named.for_each(|((part, found), expected)| same(&format!("{what}: {part}"), found, expected, tolerance));
}

#[test]
fn every_device_computes_what_burns_layer_norm_computes() {
    for (name, device) in devices() {
        for (seed, shape) in SHAPES.into_iter().enumerate() {
            let (x, weights) = (random(shape, seed as u64), random(shape, 50 + seed as u64));
            let expected = step(LayerNorm::forward, &Device::flex(), &x, &weights);
            let found =
                step(|l, x| layer_norm(x, parameters(l), EPSILON, FloatDType::F32), &device, &x, &weights);
            close(&format!("{name}, {shape:?}"), &found, &expected, 3e-5);
            if device.supports_dtype(FloatDType::BF16) {
                let found = step(
                    |l, x| layer_norm(x, parameters(l), EPSILON, FloatDType::BF16),
                    &device,
                    &x,
                    &weights,
                );
                assert_eq!(found[0].dtype(), DType::BF16);
                assert_eq!(found[1].dtype(), DType::F32);
                close(&format!("{name}, {shape:?}, bf16"), &found, &expected, 2e-2);
            }
        }
    }
}

#[test]
fn a_layer_norm_needs_no_gradient_to_be_computed() {
    for (name, device) in devices() {
        let x = random([4, 3, 30], 3);
        let tensor = |device: &Device| Tensor::<3>::from_data(x.clone(), device) + 500.0;
        let found = layer_norm(tensor(&device), parameters(&layer(30, &device)), EPSILON, FloatDType::F32);
        let expected = layer(30, &Device::flex()).forward(tensor(&Device::flex()));
        same(name, &found.into_data(), &expected.into_data(), 1e-3);
    }
}

/// `softmax(x * scale)` along the last axis.
fn softmax(x: Tensor<3>, scale: f64) -> Tensor<3> {
    Tensor::from_dispatch(Dispatch::softmax_rows(x.into_dispatch(), scale))
}

/// What a softmax makes, and its gradient.
fn of_softmax(
    softmax: impl Fn(Tensor<3>) -> Tensor<3>,
    device: &Device,
    dtype: FloatDType,
    x: &TensorData,
    weights: &TensorData,
) -> [TensorData; 2] {
    let device = device.clone().autodiff();
    let x = Tensor::<3>::from_data(x.clone(), &device).cast(dtype).detach().require_grad();
    let y = softmax(x.clone());
    let weights = Tensor::<3>::from_data(weights.clone(), (&device, y.dtype()));
    let grads = (y.clone() * y.clone() * weights).cast(FloatDType::F32).sum().backward();
    [y.into_data(), x.grad(&grads).unwrap().into_data()]
}

#[test]
fn every_device_computes_what_burns_softmax_computes() {
    for (name, device) in devices() {
        for (seed, shape) in SHAPES.into_iter().enumerate() {
            let (x, weights) = (random(shape, seed as u64), random(shape, 80 + seed as u64));
            let burns = |x: Tensor<3>| burn::tensor::activation::softmax(x * 3.0, 2);
            let expected = of_softmax(burns, &Device::flex(), FloatDType::F32, &x, &weights);
            let found = of_softmax(|x| softmax(x, 3.0), &device, FloatDType::F32, &x, &weights);
            for (found, expected) in found.iter().zip(&expected) {
                same(&format!("{name}, {shape:?}"), found, expected, 3e-5);
            }
            if device.supports_dtype(FloatDType::BF16) {
                let found = of_softmax(|x| softmax(x, 3.0), &device, FloatDType::BF16, &x, &weights);
                assert_eq!(found.each_ref().map(TensorData::dtype), [DType::BF16; 2]);
                for (found, expected) in found.iter().zip(&expected) {
                    same(&format!("{name}, {shape:?}, bf16"), found, expected, 5e-2);
                }
            }
        }
    }
}

#[test]
fn a_softmax_of_large_numbers_is_finite_and_sums_to_one() {
    for (name, device) in devices() {
        let values = TensorData::new(vec![1e30f32, 1e30, -1e30, 80.0, 90.0, 100.0], [2, 1, 3]);
        let y = softmax(Tensor::<3>::from_data(values, &device), 1.0);
        let expected = TensorData::new(vec![0.5f32, 0.5, 0.0, 2.0611e-9, 4.5398e-5, 0.999_954_6], [2, 1, 3]);
        same(name, &y.into_data(), &expected, 1e-5);
    }
}

#[test]
fn a_row_that_is_made_anew_is_the_same() {
    let (shape, flex) = ([3, 4, 20], Device::flex());
    let (x, weights) = (random(shape, 11), random(shape, 12));
    let gradient = |device: Device| {
        let x = Tensor::<3>::from_data(x.clone(), &device).require_grad();
        let weights = Tensor::<3>::from_data(weights.clone(), &device);
        let y = layer_norm(
            x.clone() * weights.clone(),
            parameters(&layer(20, &device)),
            EPSILON,
            FloatDType::F32,
        );
        // The second norm keeps what the first one makes, or asks for it again.
        let y = layer_norm(y, parameters(&layer(20, &device)), EPSILON, FloatDType::F32);
        let grads = (softmax(y, 0.5) * weights).sum().backward();
        x.grad(&grads).unwrap().into_data()
    };
    assert_eq!(gradient(flex.clone().autodiff()), gradient(flex.autodiff().gradient_checkpointing()));
}

/// CUDA's tensors have room behind their rows; here the same is made by hand.
#[cfg(all(feature = "wgpu", not(feature = "cuda")))]
#[test]
fn rows_with_room_behind_them_are_read_as_they_are() {
    use burn::backend::Wgpu;
    use burn_cubecl::CubeBackend;
    use burn_cubecl::tensor::CubeTensor;

    let Some((_, device)) = devices().find(|(name, _)| *name == "wgpu") else { return };
    let whole = |seed| Tensor::<3>::from_data(random([2, 6, 8], seed), &device);
    // The first five of eight numbers of a row.
    let cut = |x: &Tensor<3>| -> CubeTensor {
        let mut x = x.clone().try_into_primitive::<Wgpu>().unwrap();
        x.meta.shape_mut()[2] = 5;
        assert_eq!(x.meta.strides()[..], [48, 8, 1]);
        x
    };
    let copied = |x: &Tensor<3>| (x.clone() * 1.0).slice_dim(2, 0..5).try_into_primitive::<Wgpu>().unwrap();
    let elements = |x: CubeTensor| Tensor::<3>::from_primitive::<Wgpu>(x).into_data();
    let flat = |x: CubeTensor| Tensor::<1>::from_primitive::<Wgpu>(x).into_data();
    let (x, grad) = (whole(1), whole(2));
    let row = |value: f32| Tensor::<1>::full([5], value, &device).try_into_primitive::<Wgpu>().unwrap();
    let found = CubeBackend::softmax_rows(cut(&x), 0.7);
    let expected = CubeBackend::softmax_rows(copied(&x), 0.7);
    assert_eq!(elements(found), elements(expected));
    let found = CubeBackend::softmax_rows_backward(cut(&grad), cut(&x), 0.7);
    let expected = CubeBackend::softmax_rows_backward(copied(&grad), copied(&x), 0.7);
    assert_eq!(elements(found), elements(expected));
    let norm = |x| CubeBackend::layer_norm_rows(x, row(1.5), row(0.5), EPSILON, FloatDType::F32);
    let ((found, statistics), (expected, _)) = (norm(cut(&x)), norm(copied(&x)));
    assert_eq!(elements(found), elements(expected));
    let back = |grad, x| CubeBackend::layer_norm_rows_backward(grad, x, statistics.clone(), row(1.5));
    let (found, expected) = (back(cut(&grad), cut(&x)), back(copied(&grad), copied(&x)));
    assert_eq!(elements(found.0), elements(expected.0));
    assert_eq!([flat(found.1), flat(found.2)], [flat(expected.1), flat(expected.2)]);
}
