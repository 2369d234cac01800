//! Layers over a transformer's tokens: a picture one pixel high, a pixel a token.

use std::cell::RefCell;

use ferkd_kernels::softmax;

use crate::models::host::kernels::{Matrix, product};
use crate::models::host::map::{Map, grow};
use crate::models::ops::normalise_row;

thread_local! {
    /// What each token makes of every other, of one head.
    static SCORES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

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
                normalise_row(x, &self.gamma, &self.beta, self.epsilon, y);
            }
        });
    }
}

/// Adds a number to each channel.
pub(super) fn add(bias: &[f32], from: &Map, to: &mut Map) {
    to.reshape(from.height, from.width, from.channels);
    let width = bias.len().max(1);
    for (y, x) in to.view_mut().chunks_exact_mut(width).zip(from.view().chunks_exact(width)) {
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
        grow(scores, tokens * tokens);
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
