#![allow(clippy::unwrap_used, reason = "a test may panic")]
use burn::module::Module;
use burn::nn::BatchNormConfig;
use burn::tensor::{Device, TensorData};

use super::*;
use crate::models::ops::testing::{devices, random, same};
use crate::models::replace;

/// A layer whose numbers are all different, and the same for every device.
fn layer(channels: usize, device: &Device) -> BatchNorm {
    let mut layer = BatchNormConfig::new(channels).init(device);
    let elements = |first: f32, step: f32| {
        let values: Vec<f32> = (0..channels).map(|c| first + step * (c % 7) as f32).collect();
        TensorData::new(values, [channels])
    };
    layer.gamma = replace(layer.gamma, elements(0.5, 0.25));
    layer.beta = replace(layer.beta, elements(-0.3, 0.1));
    layer
}

/// How a layer is used: what is behind it, and whether something is added before that.
#[derive(Debug, Clone, Copy)]
struct Use {
    activation: Activation,
    adds: bool,
}

const PLAIN: Use = Use { activation: Activation::None, adds: false };

fn uses() -> impl Iterator<Item = Use> {
    let activations = [Activation::None, Activation::Relu, Activation::Relu6].into_iter();
    activations.flat_map(|activation| [false, true].map(|adds| Use { activation, adds }))
}

/// Ours.
fn ours(layer: &BatchNorm, x: Tensor<4>, other: Tensor<4>, how: Use) -> Tensor<4> {
    if how.adds {
        batch_norm_add(layer, x, other, how.activation)
    } else {
        batch_norm(layer, x, how.activation)
    }
}

/// burn's layer, in f32, and what is behind it.
fn burns(layer: &BatchNorm, x: Tensor<4>, other: Tensor<4>, how: Use) -> Tensor<4> {
    let dtype = x.dtype();
    let before = layer.running_var.value();
    let y = layer.forward(x.clone().cast(FloatDType::F32));
    // burn moves the running variance towards the biased one.
    if layer.training.is_enabled() && x.device().is_autodiff() {
        let [pictures, _, height, width] = x.dims();
        let count = (pictures * height * width) as f32;
        let keep = 1.0 - layer.momentum;
        let moved = layer.running_var.value_sync() - before.clone() * keep;
        layer.running_var.update((moved * (count / (count - 1.0)) + before * keep).detach());
    }
    let y = if how.adds { y + other.cast(FloatDType::F32) } else { y };
    let y = match how.activation {
        Activation::None => y,
        Activation::Relu => burn::tensor::activation::relu(y),
        Activation::Relu6 => y.clamp(0.0, 6.0),
    };
    y.cast(dtype)
}

/// Everything that a step sees of a layer: output, gradients of input, of what is added, gamma and beta, running mean
/// and variance.
fn step(
    forward: impl Fn(&BatchNorm, Tensor<4>, Tensor<4>, Use) -> Tensor<4>,
    how: Use,
    device: &Device,
    x: impl Fn(&Device) -> Tensor<4>,
    weights: &TensorData,
) -> Vec<TensorData> {
    let device = device.clone().autodiff();
    let x = x(&device).require_grad();
    let layer = layer(x.dims()[1], &device);
    let weights = Tensor::<4>::from_data(weights.clone(), (&device, x.dtype()));
    let other = (weights.clone() * 0.7).detach().require_grad();
    let y = forward(&layer, x.clone(), other.clone(), how);
    // The output is needed twice, as in front of a shortcut: its gradient has two owners.
    let loss = (y.clone() * weights.clone()).sum() + (y.clone() * y.clone() * weights).sum();
    let grads = loss.backward();
    let (gamma, beta) = (layer.gamma.val().grad(&grads).unwrap(), layer.beta.val().grad(&grads).unwrap());
    let of_other = other.grad(&grads).unwrap_or_else(|| other.clone().inner().zeros_like());
    let running = layer.valid();
    let (mean, variance) = (running.running_mean.value(), running.running_var.value());
    let data = |data: TensorData| data.convert::<f32>();
    vec![
        data(y.into_data()),
        data(x.grad(&grads).unwrap().into_data()),
        data(of_other.into_data()),
        data(gamma.into_data()),
        data(beta.into_data()),
        data(mean.into_data()),
        data(variance.into_data()),
    ]
}

const PARTS: [&str; 6] =
    ["output", "gradient of x", "gradient of gamma", "gradient of beta", "mean", "variance"];

/// Asserts that all parts are the same within a share of the largest number of each.
fn close(what: &str, found: &[TensorData], expected: &[TensorData], tolerance: f32) {
    let named = PARTS.iter().zip(found).zip(expected);
    named.for_each(|((part, found), expected)| same(&format!("{what}: {part}"), found, expected, tolerance));
}

/// Shapes (N, C, H, W): odd ones, one pixel, one picture, more channels than a cube has units, more rows than one cube
/// takes.
const SHAPES: [[usize; 4]; 8] = [
    [4, 3, 5, 7],
    [3, 16, 8, 8],
    [16, 40, 1, 1],
    [1, 8, 6, 4],
    [2, 300, 2, 3],
    [5, 24, 7, 7],
    [2, 1, 1, 9],
    [9, 4, 32, 32],
];

#[test]
fn every_device_computes_what_burns_layer_computes() {
    for (name, device) in devices() {
        for (seed, shape) in SHAPES.into_iter().enumerate() {
            let (x, weights) = (random(shape, seed as u64), random(shape, 100 + seed as u64));
            let logical = |device: &Device| Tensor::<4>::from_data(x.clone(), device) * 2.0 + 0.5;
            // Channels last in memory, as convolutions leave them on a GPU.
            let last = |device: &Device| {
                let x = Tensor::<4>::from_data(x.clone(), &Device::flex()) * 2.0 + 0.5;
                let data = x.permute([0, 2, 3, 1]).into_data();
                Tensor::<4>::from_data(data, device).permute([0, 3, 1, 2])
            };
            for how in uses() {
                let expected = step(burns, how, &Device::flex(), logical, &weights);
                let found = step(ours, how, &device, logical, &weights);
                close(&format!("{name}, {shape:?}, {how:?}"), &found, &expected, 3e-5);
                let found = step(ours, how, &device, last, &weights);
                close(&format!("{name}, {shape:?}, {how:?}, channels last"), &found, &expected, 3e-5);
            }
        }
    }
}

#[test]
fn a_mean_far_from_zero_costs_no_digits() {
    let shape = [8, 5, 9, 9];
    let (x, weights) = (random(shape, 1), random(shape, 2));
    for (name, device) in devices() {
        let far = |device: &Device| Tensor::<4>::from_data(x.clone(), device) + 1000.0;
        let found = step(ours, PLAIN, &device, far, &weights);
        let expected = step(burns, PLAIN, &Device::flex(), far, &weights);
        close(name, &found[..1], &expected[..1], 1e-3);
        close(name, &found[6..], &expected[6..], 1e-4);
    }
}

#[test]
fn a_channel_that_is_the_same_everywhere_has_no_gradient() {
    for (name, device) in devices() {
        let weights = random([3, 2, 4, 4], 3);
        let same = |device: &Device| Tensor::<4>::full([3, 2, 4, 4], 7.0, device);
        let found = step(ours, PLAIN, &device, same, &weights);
        let expected = step(burns, PLAIN, &Device::flex(), same, &weights);
        close(name, &found, &expected, 1e-3);
    }
}

#[test]
fn sixteen_bits_are_summed_up_in_thirty_two() {
    let shape = [6, 10, 8, 8];
    let (x, weights) = (random(shape, 5), random(shape, 6));
    for (name, device) in devices() {
        if !device.supports_dtype(FloatDType::BF16) {
            eprintln!("skipped: {name} does not compute in bf16");
            continue;
        }
        let half = |device: &Device| Tensor::<4>::from_data(x.clone(), device).cast(FloatDType::BF16);
        for how in uses() {
            let found = step(ours, how, &device, half, &weights);
            let expected = step(burns, how, &Device::flex(), half, &weights);
            // An output may be rounded to the number next to it; statistics are as good as in f32.
            close(&format!("{name}, {how:?}"), &found[..3], &expected[..3], 1e-2);
            close(&format!("{name}, {how:?}"), &found[5..], &expected[5..], 1e-6);
        }
    }
}

#[test]
fn a_gradient_is_the_slope_of_the_loss() {
    let shape = [3, 2, 2, 2];
    let weights = random(shape, 8);
    let x: Vec<f32> = random(shape, 7).try_to_vec().unwrap();
    let flex = Device::flex();
    let tensor = |x: &[f32], device: &Device| Tensor::from_data(TensorData::new(x.to_vec(), shape), device);
    let loss = |x: &[f32]| -> f64 {
        let device = flex.clone().autodiff();
        let weights = Tensor::<4>::from_data(weights.clone(), &device);
        let y = batch_norm(&layer(2, &device), tensor(x, &device), Activation::None);
        let y = y.clone() * weights.clone() + y.clone() * y * weights;
        y.into_data().try_to_vec::<f32>().unwrap().iter().map(|&y| f64::from(y)).sum()
    };
    let found =
        step(ours, PLAIN, &flex, |device| tensor(&x, device), &weights)[1].try_to_vec::<f32>().unwrap();
    for i in 0..x.len() {
        let moved = |by: f32| {
            let mut x = x.clone();
            x[i] += by;
            loss(&x)
        };
        let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        assert!(
            (slope - f64::from(found[i])).abs() < 5e-3 * slope.abs().max(1.0),
            "{i}: {} not {slope}",
            found[i]
        );
    }
}

#[test]
fn a_frozen_or_finished_layer_goes_by_its_running_statistics() {
    let shape = [4, 6, 5, 5];
    let x = random(shape, 9);
    for (name, device) in devices() {
        let training = device.clone().autodiff();
        let layer = layer(6, &training);
        let input = |device: &Device| Tensor::<4>::from_data(x.clone(), device) * 3.0 - 1.0;
        for _ in 0..3 {
            batch_norm(&layer, input(&training), Activation::None);
        }
        let reference = {
            let layer = layer.valid().to_device(&Device::flex());
            layer.forward(input(&Device::flex())).into_data()
        };
        let finished = batch_norm(&layer.valid(), input(&device), Activation::None).into_data();
        close(name, &[finished], std::slice::from_ref(&reference), 2e-5);
        for how in uses() {
            let reference = {
                let layer = layer.valid().to_device(&Device::flex());
                burns(&layer, input(&Device::flex()), input(&Device::flex()), how).into_data()
            };
            let finished = ours(&layer.valid(), input(&device), input(&device), how).into_data();
            close(name, &[finished], &[reference], 2e-5);
        }
        let frozen = layer.freeze();
        let x = input(&training).require_grad();
        let y = batch_norm(&frozen, x.clone(), Activation::None);
        let grads = y.clone().sum().backward();
        close(name, &[y.into_data()], &[reference], 2e-5);
        // A slope of gamma / deviation, the same for a whole channel.
        let grad: Vec<f32> = x.grad(&grads).unwrap().into_data().try_to_vec().unwrap();
        assert!(
            grad.chunks(25).all(|channel| channel.iter().all(|g| (g - channel[0]).abs() < 1e-6)),
            "{name}"
        );
        assert!(grad.iter().all(|g| *g > 0.01), "{name}");
    }
}

#[test]
fn an_output_that_is_made_anew_is_the_same() {
    let (shape, flex) = ([4, 6, 5, 5], Device::flex());
    let (x, weights) = (random(shape, 11), random(shape, 12));
    let gradient = |device: Device| {
        let x = Tensor::<4>::from_data(x.clone(), &device).require_grad();
        let (first, second) = (layer(6, &device), layer(6, &device));
        let weights = Tensor::<4>::from_data(weights.clone(), &device);
        // The second norm keeps what the first one makes, or asks for it again.
        let y = batch_norm(&first, x.clone() * weights.clone(), Activation::Relu);
        let y = batch_norm_add(&second, y, x.clone(), Activation::Relu6);
        let grads = (y * weights).sum().backward();
        x.grad(&grads).unwrap().into_data()
    };
    assert_eq!(gradient(flex.clone().autodiff()), gradient(flex.autodiff().gradient_checkpointing()));
}

#[test]
fn what_is_no_number_stays_none() {
    for (name, device) in devices() {
        let device = device.autodiff();
        let mut values = vec![0.5f32; 2 * 3 * 4];
        values[5] = f32::NAN;
        let x = Tensor::<4>::from_data(TensorData::new(values, [1, 3, 2, 4]), &device);
        for activation in [Activation::None, Activation::Relu, Activation::Relu6] {
            let y: Vec<f32> =
                batch_norm(&layer(3, &device), x.clone(), activation).into_data().try_to_vec().unwrap();
            assert!(y[..8].iter().all(|y| y.is_nan()), "{name}, {activation:?}: {y:?}");
            assert!(y[8..].iter().all(|y| y.is_finite()), "{name}, {activation:?}: {y:?}");
        }
    }
}
