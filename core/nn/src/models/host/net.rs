//! A network as a list of layers, and how a picture goes through them.

use std::cell::RefCell;

use rayon::prelude::*;

use crate::models::host::conv::{Conv, Pool};
use crate::models::host::kernels;
use crate::models::host::map::Map;
use crate::models::ops::activation::Activation;

thread_local! {
    static WORKSPACE: RefCell<Workspace> = const { RefCell::new(Vec::new()) };
}

/// What a thread needs for one picture: a picture a place.
type Workspace = Vec<Map>;

/// A layer, and the places of the pictures that it reads and writes: never the same one.
#[derive(Debug)]
pub(super) enum Layer {
    Conv {
        conv: Conv,
        from: usize,
        /// What is added before the activation.
        shortcut: Option<usize>,
        to: usize,
    },
    MaxPool {
        pool: Pool,
        from: usize,
        to: usize,
    },
}

/// A network for inference.
#[derive(Debug)]
pub(crate) struct HostNet {
    pub(super) layers: Vec<Layer>,
    /// Places for pictures; where the images lie, and those whose means are the features.
    pub(super) places: usize,
    pub(super) first: usize,
    pub(super) last: usize,
    /// The last layer's weights: shape (features, C).
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// Pictures whose features go through the last layer together.
const ROWS: usize = 8;

impl HostNet {
    /// What the last layer sees, row by row, of planar pictures of shape (N, 3, side, side).
    pub(crate) fn features(&self, pixels: &[f32], side: usize) -> Vec<f32> {
        let features = self.weight.len() / self.bias.len().max(1);
        let size = 3 * side * side;
        let count = pixels.len() / size.max(1);
        let mut pooled = vec![0.0; count * features];
        let pictures = pixels.par_chunks_exact(size.max(1)).zip(pooled.par_chunks_mut(features));
        pictures.for_each(|(picture, pooled)| {
            WORKSPACE.with_borrow_mut(|maps| self.pool(picture, side, maps, pooled));
        });
        pooled
    }

    /// Logits, row by row, of planar pictures of shape (N, 3, side, side).
    pub(crate) fn logits(&self, pixels: &[f32], side: usize) -> Vec<f32> {
        self.classify(&self.features(pixels, side))
    }

    /// The same of features, row by row.
    pub(crate) fn classify(&self, pooled: &[f32]) -> Vec<f32> {
        let features = self.weight.len() / self.bias.len().max(1);
        let count = pooled.len() / features.max(1);
        let mut logits = vec![0.0; count * self.bias.len()];
        logits.par_chunks_mut(ROWS * self.bias.len()).zip(pooled.par_chunks(ROWS * features)).for_each(
            |(logits, pooled)| {
                let shape = [pooled.len() / features, features, self.bias.len()];
                kernels::product(pooled, &self.weight, logits, shape);
                kernels::finish(logits, &self.bias, Activation::None);
            },
        );
        logits
    }

    /// What the last layer sees of one picture: the mean of every channel.
    fn pool(&self, picture: &[f32], side: usize, maps: &mut Workspace, pooled: &mut [f32]) {
        if maps.len() < self.places {
            maps.resize_with(self.places, Map::default);
        }
        let images = &mut maps[self.first];
        images.reshape(side, side, 3);
        for (channel, plane) in picture.chunks_exact(side * side).enumerate() {
            let pixels = images.view_mut().chunks_exact_mut(3);
            pixels.zip(plane).for_each(|(pixel, value)| pixel[channel] = *value);
        }
        for layer in &self.layers {
            let (Layer::Conv { to, .. } | Layer::MaxPool { to, .. }) = *layer;
            let mut out = std::mem::take(&mut maps[to]);
            match layer {
                Layer::Conv { conv, from, shortcut, .. } => {
                    conv.apply(&maps[*from], shortcut.map(|place| &maps[place]), &mut out);
                }
                Layer::MaxPool { pool, from, .. } => pool.apply(&maps[*from], &mut out),
            }
            maps[to] = out;
        }
        kernels::mean(maps[self.last].view(), pooled);
    }
}
