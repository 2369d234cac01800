//! The kernel of AdamW.

#![allow(clippy::too_many_arguments, reason = "what a kernel takes are its bindings")]

use cubecl::prelude::*;

/// Weight and moments after a step, number by number; products and sums in the order of burn's separate operations.
#[cube(launch, address_type = "dynamic")]
pub(super) fn adamw<N: Size>(
    weight: &Tensor<Vector<f32, N>>,
    grad: &Tensor<Vector<f32, N>>,
    first: &Tensor<Vector<f32, N>>,
    second: &Tensor<Vector<f32, N>>,
    new_weight: &mut Tensor<Vector<f32, N>>,
    new_first: &mut Tensor<Vector<f32, N>>,
    new_second: &mut Tensor<Vector<f32, N>>,
    vectors: usize,
    beta_1: f32,
    beta_2: f32,
    correction_1: f32,
    correction_2: f32,
    keep: f32,
    lr: f32,
    epsilon: f32,
    #[comptime] has_moments: bool,
) {
    if ABSOLUTE_POS >= vectors {
        terminate!();
    }
    let g = grad[ABSOLUTE_POS];
    let mut m = g * Vector::new(1.0 - beta_1);
    let mut v = g * g * Vector::new(1.0 - beta_2);
    if comptime![has_moments] {
        m += first[ABSOLUTE_POS] * Vector::new(beta_1);
        v += second[ABSOLUTE_POS] * Vector::new(beta_2);
    }
    let root = (v / Vector::new(correction_2)).sqrt() + Vector::new(epsilon);
    let delta = m / Vector::new(correction_1) / root;
    new_weight[ABSOLUTE_POS] = weight[ABSOLUTE_POS] * Vector::new(keep) - delta * Vector::new(lr);
    new_first[ABSOLUTE_POS] = m;
    new_second[ABSOLUTE_POS] = v;
}
