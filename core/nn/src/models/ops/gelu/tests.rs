#![allow(clippy::unwrap_used, reason = "a test may panic")]
use burn::tensor::activation::gelu as burns;
use burn::tensor::{Device, TensorData};

use super::*;
use crate::models::ops::testing::{random, same};

/// Output and gradient of numbers of a transposed tensor.
fn step(of: impl Fn(Tensor<3>) -> Tensor<3>, device: &Device, shape: [usize; 3]) -> [TensorData; 2] {
    let x = Tensor::<3>::from_data(random(shape, 1), device) * 3.0;
    let x = x.detach().require_grad();
    let y = of(x.clone().swap_dims(1, 2));
    let to_y = Tensor::<3>::from_data(random(y.dims(), 2), device);
    let grads = (y.clone() * to_y).sum().backward();
    [y.into_data(), x.grad(&grads).unwrap().into_data()]
}

#[test]
fn it_is_burns_with_its_gradient() {
    let device = Device::flex();
    // Kept, and made again.
    for device in [device.clone().autodiff(), device.autodiff().gradient_checkpointing()] {
        for shape in [[1, 1, 1], [2, 5, 7], [3, 100, 70]] {
            let (found, expected) = (step(gelu, &device, shape), step(burns, &device, shape));
            for (found, expected) in found.iter().zip(&expected) {
                same(&format!("{shape:?}"), found, expected, 1e-6);
            }
        }
    }
    assert_eq!(gelu(Tensor::<2>::zeros([0, 3], &Device::flex())).dims(), [0, 3]);
}
