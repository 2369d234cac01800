//! Layers over a transformer's tokens: a picture one pixel high, a pixel a token.

use std::cell::RefCell;

use ferkd_kernels::softmax;

use crate::models::host::kernels::{Matrix, product};
use crate::models::host::map::Map;

thread_local! {
    /// What each token makes of every other, of one head.
    static SCORES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Numbers that are added up side by side.
const LANES: usize = 16;

/// A class token that is put before the others, and positions that are added to all.
#[derive(Debug)]
pub(super) struct Embed {
    /// Shape (width).
    pub class: Vec<f32>,
    /// Shape (1 + tokens, width).
    pub positions: Vec<f32>,
}

impl Embed {
    pub(super) fn apply(&self, from: &Map, to: &mut Map) {
        let width = self.class.len();
        to.reshape(1, self.positions.len() / width.max(1), width);
        let tokens = self.class.iter().chain(from.view());
        for ((y, x), position) in to.view_mut().iter_mut().zip(tokens).zip(&self.positions) {
            *y = x + position;
        }
    }
}

/// A layer norm of each token.
#[derive(Debug)]
pub(super) struct Norm {
    pub gamma: Vec<f32>,
    pub beta: Vec<f32>,
    pub epsilon: f64,
}

impl Norm {
    pub(super) fn apply(&self, from: &Map, to: &mut Map) {
        let width = self.gamma.len().max(1);
        to.reshape(from.height, from.width, from.channels);
        pulp::Arch::new().dispatch(|| {
            for (y, x) in to.view_mut().chunks_exact_mut(width).zip(from.view().chunks_exact(width)) {
                // Distances to the first number: a mean far from zero costs no digits.
                let origin = x.first().copied().unwrap_or_default();
                let middle = sum_of(x, |x| x - origin) / width as f64;
                let squares = sum_of(x, |x| (x - origin) * (x - origin)) / width as f64;
                let variance = (squares - middle * middle).max(0.0);
                let mean = (middle + f64::from(origin)) as f32;
                let scale = (1.0 / libm::sqrt(variance + self.epsilon)) as f32;
                for (((y, x), gamma), beta) in y.iter_mut().zip(x).zip(&self.gamma).zip(&self.beta) {
                    *y = (x - mean) * scale * gamma + beta;
                }
            }
        });
    }
}

/// The sum of something of each number: side by side in f32, then in f64.
#[inline(always)]
fn sum_of(x: &[f32], of: impl Fn(f32) -> f32) -> f64 {
    let mut sums = [0.0f32; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for x in whole {
        sums.iter_mut().zip(x).for_each(|(sum, x)| *sum += of(*x));
    }
    sums.iter_mut().zip(rest).for_each(|(sum, x)| *sum += of(*x));
    sums.iter().map(|&sum| f64::from(sum)).sum()
}

/// Adds a number to each channel.
pub(super) fn add(bias: &[f32], from: &Map, to: &mut Map) {
    to.reshape(from.height, from.width, from.channels);
    for (y, x) in
        to.view_mut().chunks_exact_mut(bias.len().max(1)).zip(from.view().chunks_exact(bias.len().max(1)))
    {
        y.iter_mut().zip(x).zip(bias).for_each(|((y, x), bias)| *y = x + bias);
    }
}

/// Self-attention of `heads` heads, from queries, keys and values side by side.
pub(super) fn attention(heads: usize, from: &Map, to: &mut Map) {
    let (tokens, all) = (from.width, from.channels);
    let width = all / 3;
    let head = width / heads.max(1);
    to.reshape(1, tokens, width);
    let (x, y) = (from.view(), to.view_mut());
    SCORES.with_borrow_mut(|scores| {
        super::map::grow(scores, tokens * tokens);
        let scores = &mut scores[..tokens * tokens];
        for first in (0..width).step_by(head.max(1)) {
            let part = |part: usize| Matrix { numbers: &x[part * width + first..], rows: all, columns: 1 };
            let [queries, keys, values] = [0, 1, 2].map(part);
            product(queries, keys.turned(), scores, tokens, [tokens, head, tokens]);
            softmax(scores, tokens, 1.0 / libm::sqrtf(head as f32));
            let scores = Matrix { numbers: scores, rows: tokens, columns: 1 };
            product(scores, values, &mut y[first..], width, [tokens, tokens, head]);
        }
    });
}
