#![allow(clippy::unwrap_used, reason = "a test may panic")]
use burn::nn::PaddingConfig2d;
use burn::nn::pool::MaxPool2dConfig;
use burn::tensor::{Device, FloatDType, TensorData};

use super::*;
use crate::models::ops::testing::{random, same};

/// Output and gradient of the pictures, which lie with channels last where `last` is set.
fn step(
    pool: impl Fn(Tensor<4>) -> Tensor<4>,
    device: &Device,
    [n, channels, side]: [usize; 3],
    last: bool,
) -> [TensorData; 2] {
    let x = Tensor::<4>::from_data(random([n, channels, side, side], 1), device);
    // Equal numbers, as after an activation.
    let x = x.clamp_min(0.0).detach().require_grad();
    let laid = if last { (x.clone().permute([0, 2, 3, 1]) * 1.0).permute([0, 3, 1, 2]) } else { x.clone() };
    let y = pool(laid);
    let to_y = Tensor::<4>::from_data(random(y.dims(), 3), device);
    let grads = (y.clone() * to_y).sum().backward();
    [y.into_data(), x.grad(&grads).unwrap().into_data()]
}

#[test]
fn the_cpu_pools_as_burn_does() {
    let device = Device::flex().autodiff();
    let stem = MaxPool2dConfig::new([3, 3]).with_strides([2, 2]);
    let stem = stem.with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)).init();
    let plain = MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init();
    for (pool, sizes) in [(&stem, [3, 16, 9]), (&stem, [1, 3, 1]), (&plain, [2, 5, 7])] {
        let expected = step(|x| pool.forward(x), &device, sizes, false);
        for (last, device) in
            [(false, device.clone()), (true, device.clone()), (true, device.clone().gradient_checkpointing())]
        {
            let found = step(|x| max_pool(pool, x), &device, sizes, last);
            for (found, expected) in found.iter().zip(&expected) {
                same(&format!("{sizes:?}, channels last: {last}"), found, expected, 1e-6);
            }
        }
    }
}

#[test]
fn what_the_kernels_do_not_pool_burn_does() {
    let x = Tensor::<4>::from_data(random([1, 2, 6, 6], 1), &Device::flex());
    let dilated = MaxPool2dConfig::new([2, 2]).with_dilation([2, 2]).init();
    assert!(shape(&dilated, &x).is_none());
    same("dilated", &max_pool(&dilated, x.clone()).into_data(), &dilated.forward(x.clone()).into_data(), 0.0);
    let plain = MaxPool2dConfig::new([2, 2]).init();
    assert!(shape(&plain, &x).is_some() && shape(&plain, &x.cast(FloatDType::BF16)).is_none());
}
