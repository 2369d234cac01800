#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may panic, and says what it skips")]
use burn::optim::{AdamWConfig, Optimizer};
use burn::tensor::{Device, TensorData};

use super::*;
use crate::models::ops::testing::{random, same};

const BETAS: [f32; 2] = [0.9, 0.999];

/// Weights and moments after five steps of a parameter of `shape`.
fn by_burn(shape: [usize; 2], decay: f32) -> [TensorData; 3] {
    let device = Device::flex();
    let adamw = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(decay).build();
    let (mut weight, mut state) = (Tensor::<2>::from_data(random(shape, 1), &device), None);
    for step in 0..5 {
        let grad = Tensor::from_data(random(shape, 2 + step), &device);
        (weight, state) = adamw.step(0.1, weight, grad, state);
    }
    let moments = state.unwrap().momentum;
    [weight, moments.moment_1, moments.moment_2].map(Tensor::into_data)
}

fn by_one_launch(shape: [usize; 2], decay: f32, device: &Device) -> [TensorData; 3] {
    let (mut weight, mut moments) = (Tensor::<2>::from_data(random(shape, 1), device), None);
    for step in 0..5i32 {
        // A gradient that does not lie in memory row by row.
        let grad = Tensor::<2>::from_data(random(shape, 2 + step as u64), device);
        let grad = grad.transpose().clone().add_scalar(0.0).transpose();
        let rule = AdamWStep {
            betas: BETAS,
            corrections: BETAS.map(|beta| 1.0 - beta.powi(step + 1)),
            keep: 1.0 - 0.1 * decay,
            lr: 0.1,
            epsilon: 1e-8,
        };
        let (new, both) = adamw_step(weight, grad, moments, rule);
        (weight, moments) = (new, Some(both));
    }
    let [first, second] = moments.unwrap();
    [weight, first, second].map(Tensor::into_data)
}

#[test]
fn a_step_in_one_launch_is_burns() {
    let device = match crate::device::open("wgpu") {
        Ok(device) => device,
        Err(error) => return eprintln!("skipped: no wgpu device: {error}"),
    };
    // In vectors of four, of one, and of a single number.
    for shape in [[64, 36], [7, 3], [1, 1]] {
        for decay in [0.0, 0.05] {
            let (found, expected) = (by_one_launch(shape, decay, &device), by_burn(shape, decay));
            for (found, expected) in found.iter().zip(&expected) {
                same(&format!("{shape:?}, decay {decay}"), found, expected, 1e-5);
            }
        }
    }
}
