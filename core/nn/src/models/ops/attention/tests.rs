#![allow(clippy::unwrap_used, reason = "a test may panic")]
use burn::tensor::activation::softmax;
use burn::tensor::{DType, Device, FloatDType, TensorData};

use super::*;
use crate::models::ops::testing::{devices, random, same};

/// Pictures, tokens, heads, numbers of a head.
const SIZES: [[usize; 4]; 5] = [[1, 1, 1, 1], [2, 5, 3, 4], [3, 9, 2, 7], [1, 17, 4, 16], [2, 33, 1, 24]];

/// Attention by burn's operations on whole tensors.
fn composed(qkv: Tensor<3>, heads: usize) -> Tensor<3> {
    let [n, tokens, three] = qkv.dims();
    let (width, head) = (three / 3, three / 3 / heads);
    let part = |i: usize| {
        let part = qkv.clone().slice_dim(2, i * width..(i + 1) * width);
        part.reshape([n, tokens, heads, head]).swap_dims(1, 2)
    };
    let scores = part(0).matmul(part(1).swap_dims(2, 3)) / (head as f32).sqrt();
    softmax(scores, 3).matmul(part(2)).swap_dims(1, 2).reshape([n, tokens, width])
}

/// What was seen, and the gradient of queries, keys and values.
fn step(
    attend: impl Fn(Tensor<3>, usize) -> Tensor<3>,
    device: &Device,
    dtype: FloatDType,
    [n, tokens, heads, head]: [usize; 4],
) -> [TensorData; 2] {
    let (x, weights) = (random([n, tokens, 3 * heads * head], 1), random([n, tokens, heads * head], 2));
    let x = Tensor::<3>::from_data(x, device).cast(dtype).detach().require_grad();
    let y = attend(x.clone(), heads);
    let weights = Tensor::<3>::from_data(weights, (device, y.dtype()));
    let grads = (y.clone() * y.clone() * weights).cast(FloatDType::F32).sum().backward();
    [y.into_data(), x.grad(&grads).unwrap().into_data()]
}

#[test]
fn every_device_sees_what_composed_attention_sees() {
    for (name, device) in devices() {
        let training = device.clone().autodiff();
        for size in SIZES {
            let expected = step(composed, &Device::flex().autodiff(), FloatDType::F32, size);
            let found = step(attend, &training, FloatDType::F32, size);
            for (found, expected) in found.iter().zip(&expected) {
                same(&format!("{name}, {size:?}"), found, expected, 1e-4);
            }
            if device.supports_dtype(FloatDType::BF16) {
                let found = step(attend, &training, FloatDType::BF16, size);
                assert_eq!(found.each_ref().map(TensorData::dtype), [DType::BF16; 2]);
                for (found, expected) in found.iter().zip(&expected) {
                    same(&format!("{name}, {size:?}, bf16"), found, expected, 6e-2);
                }
            }
        }
    }
}

#[test]
fn attention_needs_no_gradient_and_checkpointing_changes_nothing() {
    let flex = Device::flex();
    let size = [2, 5, 3, 4];
    let [seen, gradient] = step(attend, &flex.clone().autodiff(), FloatDType::F32, size);
    let x = Tensor::<3>::from_data(random([2, 5, 36], 1), &flex);
    assert_eq!(attend(x, 3).into_data(), seen);
    let checkpointed = step(attend, &flex.autodiff().gradient_checkpointing(), FloatDType::F32, size);
    assert_eq!(checkpointed[1], gradient);
}
