//! A network as a list of layers, and how a picture goes through them.

use std::cell::RefCell;

use rayon::prelude::*;

use crate::models::host::conv::{Conv, Pool};
use crate::models::host::kernels::{self, Matrix};
use crate::models::host::map::Map;
use crate::models::host::tokens::{self, Embed, Norm};
use crate::models::ops::activation::Activation;

thread_local! {
    static WORKSPACE: RefCell<Workspace> = const { RefCell::new(Vec::new()) };
}

/// What a thread needs for the pictures that it takes together: of each a picture a place.
type Workspace = Vec<Vec<Map>>;

/// A layer, and the places of the pictures that it reads and writes: never the same one.
#[derive(Debug)]
pub(super) struct Layer {
    pub what: What,
    pub from: usize,
    /// What is added before a convolution's activation.
    pub shortcut: Option<usize>,
    pub to: usize,
}

/// What a layer computes. Tokens are a picture one pixel high.
#[derive(Debug)]
pub(super) enum What {
    /// A convolution, or a linear layer on each token.
    Conv(Conv),
    MaxPool(Pool),
    /// The mean of every channel over all pixels but the first few.
    Mean {
        skipped: usize,
    },
    /// The first token.
    Token,
    Embed(Embed),
    Norm(Norm),
    /// Adds a number to each channel.
    Add(Vec<f32>),
    /// Of so many heads.
    Attention(usize),
    Gelu,
}

/// A network for inference.
#[derive(Debug)]
pub(crate) struct HostNet {
    pub(super) layers: Vec<Layer>,
    /// Places for pictures; where the images lie, and the features.
    pub(super) places: usize,
    pub(super) first: usize,
    pub(super) last: usize,
    /// The last layer's weights: shape (features, C).
    pub(super) weight: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// Pictures whose features go through the last layer together.
const ROWS: usize = 8;
/// Pictures that go side by side through the layers with more weights than pixels: the weights, which no cache holds
/// together, are read once for all of them.
const TOGETHER: usize = 4;
/// A layer is one of those if so many times its weights are no fewer than the numbers that it writes for a picture.
const WEIGHT: usize = 2;

impl Layer {
    /// Whether it reads what lies at a place.
    fn reads(&self, place: usize) -> bool {
        self.from == place || self.shortcut == Some(place)
    }

    /// Height and width of what it writes, of what it reads.
    fn output(&self, [height, width]: [usize; 2]) -> [usize; 2] {
        match &self.what {
            What::Conv(conv) => conv.output([height, width]),
            What::MaxPool(pool) => pool.output([height, width]),
            What::Mean { .. } | What::Token => [1, 1],
            What::Embed(_) => [1, 1 + height * width],
            What::Norm(_) | What::Add(_) | What::Attention(_) | What::Gelu => [height, width],
        }
    }

    /// Whether its weights outnumber what it writes, of so many pixels. What has next to none, as a filter a channel, has
    /// no say and goes with the others.
    fn is_heavy(&self, pixels: usize) -> bool {
        match &self.what {
            What::Conv(conv) => {
                conv.weights().is_none_or(|[weights, outputs]| WEIGHT * weights >= pixels * outputs)
            }
            What::MaxPool(_) => false,
            _ => true,
        }
    }

    fn apply(&self, maps: &mut [Map]) {
        let mut out = std::mem::take(&mut maps[self.to]);
        let (from, to) = (&maps[self.from], &mut out);
        match &self.what {
            What::Conv(conv) => conv.apply(from, self.shortcut.map(|place| &maps[place]), to),
            What::MaxPool(pool) => pool.apply(from, to),
            What::Mean { skipped } => {
                to.reshape(1, 1, from.channels);
                kernels::mean(&from.view()[skipped * from.channels..], to.view_mut());
            }
            What::Token => {
                to.reshape(1, 1, from.channels);
                to.view_mut().copy_from_slice(&from.view()[..from.channels]);
            }
            What::Embed(embed) => embed.apply(from, to),
            What::Norm(norm) => norm.apply(from, to),
            What::Add(bias) => tokens::add(bias, from, to),
            What::Attention(heads) => tokens::attention(*heads, from, to),
            What::Gelu => {
                to.reshape(from.height, from.width, from.channels);
                ferkd_kernels::gelu_into(from.view(), to.view_mut());
            }
        }
        maps[self.to] = out;
    }
}

impl HostNet {
    /// What the last layer sees, row by row, of planar pictures of shape (N, 3, side, side).
    pub(crate) fn features(&self, pixels: &[f32], side: usize) -> Vec<f32> {
        let features = self.weight.len() / self.bias.len().max(1);
        let size = 3 * side * side;
        let count = pixels.len() / size.max(1);
        let mut pooled = vec![0.0; count * features];
        // None waits while there are threads for more.
        let together = count.div_ceil(rayon::current_num_threads()).clamp(1, TOGETHER);
        let split = self.split(side);
        let pictures = pixels[..count * size].par_chunks(together * size.max(1));
        pictures.zip(pooled.par_chunks_mut(together * features)).for_each(|(pictures, pooled)| {
            WORKSPACE.with_borrow_mut(|work| self.pool(pictures, side, split, work, pooled));
        });
        pooled
    }

    /// The first layer from which on pictures go side by side, and the place of the one picture that is read from there
    /// on.
    pub(super) fn split(&self, side: usize) -> [usize; 2] {
        let mut sizes = vec![[side; 2]; self.places];
        let mut is_heavy = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            let [height, width] = layer.output(sizes[layer.from]);
            sizes[layer.to] = [height, width];
            is_heavy.push(layer.is_heavy(height * width));
        }
        let heavy = is_heavy.iter().rev().take_while(|is_heavy| **is_heavy).count();
        let split = (self.layers.len() - heavy..self.layers.len()).find_map(|at| {
            let mut kept = (0..self.places).filter(|&place| self.is_kept(place, at));
            let place = kept.next()?;
            kept.next().is_none().then_some([at, place])
        });
        split.unwrap_or([self.layers.len(), self.last])
    }

    /// Whether what lies at a place is read in layer `at` or behind it.
    fn is_kept(&self, place: usize, at: usize) -> bool {
        for layer in &self.layers[at..] {
            if layer.reads(place) {
                return true;
            }
            if layer.to == place {
                return false;
            }
        }
        place == self.last
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
                let classes = self.bias.len();
                let shape = [pooled.len() / features, features, classes];
                let pooled = Matrix { numbers: pooled, rows: features, columns: 1 };
                let weight = Matrix { numbers: &self.weight, rows: classes, columns: 1 };
                kernels::product(pooled, weight, logits, classes, shape);
                kernels::finish(logits, &self.bias, Activation::None);
            },
        );
        logits
    }

    /// What the last layer sees of a few pictures.
    fn pool(
        &self,
        pictures: &[f32],
        side: usize,
        [split, kept]: [usize; 2],
        work: &mut Workspace,
        pooled: &mut [f32],
    ) {
        let size = 3 * side * side;
        let count = pictures.len() / size.max(1);
        if work.len() < count {
            work.resize_with(count, Vec::new);
        }
        for maps in work.iter_mut().filter(|maps| maps.len() < self.places) {
            maps.resize_with(self.places, Map::default);
        }
        // In one workspace, whose large pictures stay in the cache; the first picture last, as it stays there.
        for (i, picture) in pictures.chunks_exact(size.max(1)).enumerate().rev() {
            let (maps, others) = work.split_at_mut(1);
            let images = &mut maps[0][self.first];
            images.reshape(side, side, 3);
            for (channel, plane) in picture.chunks_exact(side * side).enumerate() {
                let pixels = images.view_mut().chunks_exact_mut(3);
                pixels.zip(plane).for_each(|(pixel, value)| pixel[channel] = *value);
            }
            self.layers[..split].iter().for_each(|layer| layer.apply(&mut maps[0]));
            if let Some(own) = i.checked_sub(1) {
                std::mem::swap(&mut maps[0][kept], &mut others[own][kept]);
            }
        }
        for layer in &self.layers[split..] {
            work[..count].iter_mut().for_each(|maps| layer.apply(maps));
        }
        let features = self.weight.len() / self.bias.len().max(1);
        for (maps, pooled) in work.iter().zip(pooled.chunks_exact_mut(features.max(1))) {
            pooled.copy_from_slice(maps[self.last].view());
        }
    }
}
