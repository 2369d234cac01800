#![allow(clippy::unwrap_used, reason = "a test may panic")]
use burn::tensor::module::conv2d;
use burn::tensor::{DType, Device, FloatDType, TensorData};

use super::*;
use crate::models::ops::testing::{devices, random, same};

/// A convolution's sizes: (N, height, width), channels, outputs, kernel, stride, padding before and after, groups.
type Sizes = ([usize; 3], [usize; 2], usize, usize, (usize, usize), usize);

const SIZES: [Sizes; 7] = [
    ([1, 1, 1], [1, 1], 1, 1, (0, 0), 1),
    ([2, 9, 7], [3, 8], 3, 1, (1, 1), 1),
    ([2, 8, 8], [8, 16], 1, 2, (0, 0), 1),
    ([3, 11, 11], [3, 8], 7, 2, (3, 3), 1),
    // TensorFlow's SAME: one more behind.
    ([2, 8, 8], [8, 8], 3, 2, (0, 1), 8),
    ([1, 6, 6], [8, 8], 5, 1, (2, 2), 8),
    ([2, 5, 5], [8, 4], 3, 1, (1, 1), 2),
];

fn options(&(_, _, _, stride, padding, groups): &Sizes) -> ConvOptions<2> {
    ConvOptions::new_with_padding([stride; 2], [padding; 2], [1, 1], groups)
}

/// Shapes of pictures, weight and output.
fn shapes(sizes: &Sizes) -> [[usize; 4]; 3] {
    let ([n, height, width], [channels, outputs], kernel, stride, (before, after), groups) = *sizes;
    let side = |side: usize| (side + before + after - kernel) / stride + 1;
    [
        [n, channels, height, width],
        [outputs, channels / groups, kernel, kernel],
        [n, outputs, side(height), side(width)],
    ]
}

/// Output, gradient of the pictures, gradient of the weight.
fn step(
    convolve: impl Fn(Tensor<4>, Tensor<4>, ConvOptions<2>) -> Tensor<4>,
    device: &Device,
    dtype: FloatDType,
    sizes: &Sizes,
) -> [TensorData; 3] {
    let [x, weight, y] = shapes(sizes);
    let leaf = |shape: [usize; 4], seed: u64| {
        Tensor::<4>::from_data(random(shape, seed), device).cast(dtype).detach().require_grad()
    };
    let (x, weight) = (leaf(x, 1), leaf(weight, 2));
    let to_y = Tensor::<4>::from_data(random(y, 3), (device, weight.dtype()));
    let y = convolve(x.clone(), weight.clone(), options(sizes));
    let grads = (y.clone() * to_y).cast(FloatDType::F32).sum().backward();
    [y.into_data(), x.grad(&grads).unwrap().into_data(), weight.grad(&grads).unwrap().into_data()]
}

fn by_burn(x: Tensor<4>, weight: Tensor<4>, options: ConvOptions<2>) -> Tensor<4> {
    conv2d(x, weight, None, options)
}

#[test]
fn every_device_convolves_as_burn_does_on_the_cpu() {
    for (name, device) in devices() {
        let training = device.clone().autodiff();
        for sizes in &SIZES {
            let expected = step(by_burn, &Device::flex().autodiff(), FloatDType::F32, sizes);
            let found = step(convolve, &training, FloatDType::F32, sizes);
            // Matrix units round the factors of f32 products on CUDA.
            let tolerance = if name == "cuda" { 2e-2 } else { 1e-4 };
            for (found, expected) in found.iter().zip(&expected) {
                same(&format!("{name}, {sizes:?}"), found, expected, tolerance);
            }
            if device.supports_dtype(FloatDType::BF16) {
                let found = step(convolve, &training, FloatDType::BF16, sizes);
                assert_eq!(found.each_ref().map(TensorData::dtype), [DType::BF16; 3]);
                for (found, expected) in found.iter().zip(&expected) {
                    same(&format!("{name}, {sizes:?}, bf16"), found, expected, 4e-2);
                }
            }
        }
    }
}

/// Natively on wgpu: a page has them there alone.
#[cfg(feature = "wgpu")]
#[test]
fn the_kernels_of_a_page_convolve_as_burn_does_on_the_cpu() {
    use crate::models::ops::cubes::with_ours;

    let Some((_, device)) = devices().find(|(name, _)| *name == "wgpu") else { return };
    let more: [Sizes; 3] = [
        // Several tiles of a group, several shares of a weight's gradient.
        ([4, 16, 16], [24, 16], 3, 2, (1, 1), 1),
        ([2, 13, 6], [12, 20], 3, 1, (1, 1), 4),
        ([1, 9, 9], [6, 10], 5, 3, (2, 2), 2),
    ];
    for sizes in SIZES.iter().chain(&more) {
        let expected = step(by_burn, &Device::flex().autodiff(), FloatDType::F32, sizes);
        let found = with_ours(|| step(convolve, &device.clone().autodiff(), FloatDType::F32, sizes));
        for (found, expected) in found.iter().zip(&expected) {
            same(&format!("{sizes:?}"), found, expected, 1e-5);
        }
    }
}

/// Each operation by itself on tensors that lie with channels last: nothing else is computed, so that this holds where
/// a program fakes CUDA's driver and for cuDNN (`examples/cuda/simulate.sh` tells how).
#[test]
fn tensors_with_channels_last_are_taken_as_they_lie() {
    type Last = fn(&Device, [usize; 4], u64) -> Tensor<4>;
    // Uploaded as one row: others are given room behind them on CUDA.
    let last: Last = |device, [n, channels, height, width], seed| {
        let row = Tensor::<1>::from_data(random([n * height * width * channels], seed), device);
        row.reshape([n, height, width, channels]).permute([0, 3, 1, 2])
    };
    let results = |device: &Device, sizes: &Sizes| {
        let [x, weight, y] = shapes(sizes);
        let [x, weight, grad] = [last(device, x, 1), last(device, weight, 2), last(device, y, 3)];
        let [grad, x, weight] = [grad, x, weight].map(Tensor::into_dispatch);
        let y = Dispatch::convolve(x.clone(), weight.clone(), options(sizes));
        let to_x = Dispatch::convolve_to_x(grad.clone(), x.clone(), weight.clone(), options(sizes));
        let to_weight = Dispatch::convolve_to_weight(grad, x, weight, options(sizes));
        [y, to_x, to_weight].map(|found| Tensor::<4>::from_dispatch(found).permute([0, 2, 3, 1]).into_data())
    };
    for (name, device) in devices() {
        for sizes in &SIZES {
            let tolerance = if name == "cuda" { 2e-2 } else { 1e-4 };
            let found = results(&device, sizes);
            for (found, expected) in found.iter().zip(&results(&Device::flex(), sizes)) {
                same(&format!("{name}, {sizes:?}"), found, expected, tolerance);
            }
        }
    }
}

#[test]
fn what_needs_no_gradient_has_none_and_checkpointing_changes_nothing() {
    let flex = Device::flex();
    let training = flex.clone().autodiff();
    let sizes = &SIZES[1];
    let [x, weight, _] = shapes(sizes);
    let [y, to_x, to_weight] = step(convolve, &training, FloatDType::F32, sizes);
    let checkpointed = step(convolve, &training.clone().gradient_checkpointing(), FloatDType::F32, sizes);
    assert_eq!(checkpointed, [y.clone(), to_x, to_weight]);

    let x = Tensor::<4>::from_data(random(x, 1), &training);
    let weight = Tensor::<4>::from_data(random(weight, 2), &training).require_grad();
    let plain = convolve(x.clone(), weight.clone(), options(sizes));
    assert_eq!(plain.clone().into_data(), y);
    let grads = plain.sum().backward();
    assert!(x.grad(&grads).is_none() && weight.grad(&grads).is_some());
}

/// A small student's convolutions and one of a teacher's on wgpu, forward and both gradients, by burn's kernels and by a
/// page's, in turns.
#[cfg(feature = "wgpu")]
#[test]
#[ignore = "a measurement"]
#[allow(clippy::print_stdout, reason = "it is what a measurement is for")]
fn a_pages_kernels_beside_burns() {
    use std::time::Instant;

    use crate::models::ops::cubes::with_ours;

    let Some((_, device)) = devices().find(|(name, _)| *name == "wgpu") else { return };
    let sizes: [Sizes; 7] = [
        ([64, 16, 16], [3, 8], 3, 1, (1, 1), 1),
        ([64, 16, 16], [8, 8], 3, 1, (1, 1), 1),
        ([64, 16, 16], [8, 16], 3, 2, (1, 1), 1),
        ([64, 8, 8], [16, 16], 3, 1, (1, 1), 1),
        ([64, 8, 8], [16, 32], 3, 2, (1, 1), 1),
        ([64, 4, 4], [32, 32], 3, 1, (1, 1), 1),
        ([8, 28, 28], [48, 288], 1, 1, (0, 0), 1),
    ];
    for sizes in &sizes {
        let mut seed = 0;
        let [x, weight, grad] = shapes(sizes).map(|shape| {
            seed += 1;
            Tensor::<4>::from_data(random(shape, seed), &device)
        });
        let pass = |pass: usize| {
            let [grad, x, weight] = [&grad, &x, &weight].map(|tensor| tensor.clone().into_dispatch());
            let found = match pass {
                0 => Dispatch::convolve(x, weight, options(sizes)),
                1 => Dispatch::convolve_to_x(grad, x, weight, options(sizes)),
                _ => Dispatch::convolve_to_weight(grad, x, weight, options(sizes)),
            };
            // A number is looked at: until then the device may not have begun.
            let number = Tensor::<4>::from_dispatch(found).slice([0..1, 0..1, 0..1, 0..1]).into_data();
            number.try_to_vec::<f32>().unwrap()[0]
        };
        for (number, name) in ["forward", "to pictures", "to weight"].into_iter().enumerate() {
            let mut times = [f64::INFINITY; 2];
            for turn in 0..12 {
                let begun = Instant::now();
                let done = match turn % 2 {
                    0 => pass(number),
                    _ => with_ours(|| pass(number)),
                };
                assert!(done.is_finite());
                times[turn % 2] = times[turn % 2].min(begun.elapsed().as_secs_f64());
            }
            let [burns, ours] = times.map(|time| 1e3 * time);
            println!("{sizes:?} {name}: burn's {burns:.1} ms, ours {ours:.1} ms, {:.2}", ours / burns);
        }
    }
}
