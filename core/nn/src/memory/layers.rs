//! What layers and losses hold, composed of operations as burn composes them.

use burn::nn::conv::Conv2d;
use burn::nn::pool::MaxPool2d;
use burn::nn::{BatchNorm, Linear};

use crate::memory::tape::{Back, Operation, Tape, Value};
use crate::models::blank::LayerNorm;

/// An operation on every number by itself.
fn elementwise(x: &Value, needs: &[usize]) -> Operation {
    let mut what = Operation::new(x.count, x.width, Back::Over);
    (what.cheap, what.needs, what.row) = (true, needs.to_vec(), x.row);
    what
}

impl Tape {
    /// A linear layer on vectors, as many as there are in `x`.
    pub(super) fn linear(&mut self, layer: &Linear, x: Value) -> Value {
        let sizes = layer.weight.lazy_shape().dims::<2>().map(|n| n as u64);
        self.product_with_weights(sizes, layer.bias.is_some(), x)
    }

    /// A convolution of kernels that do not overlap, as a product with their pixels in rows.
    pub(super) fn patches(&mut self, layer: &Conv2d, images: Value) -> Value {
        let [outputs, channels, side, _] = layer.weight.lazy_shape().dims::<4>().map(|n| n as u64);
        let count = images.count;
        let rows = self.part(images, count);
        self.product_with_weights([channels * side * side, outputs], layer.bias.is_some(), rows)
    }

    /// A product of vectors with weights that are trained.
    fn product_with_weights(&mut self, [inputs, outputs]: [u64; 2], has_bias: bool, x: Value) -> Value {
        let weights = inputs * outputs;
        let mut what = Operation::new(x.count / inputs * outputs, x.width, Back::Fresh);
        (what.needs, what.row) = (vec![0], outputs);
        what.gradients = 4 * (weights + if has_bias { outputs } else { 0 });
        if x.width == 2 {
            what.state = 2 * weights;
            what.scratch.weights = 2 * weights;
            self.widen(&mut what, x.count + weights);
        }
        self.run(vec![x], what)
    }

    /// burn-flex computes products of bf16 in f32.
    fn widen(&self, what: &mut Operation, inputs: u64) {
        if self.conditions.threads.is_some() {
            let bytes = 4 * (inputs + what.result.0);
            what.scratch.forward += bytes;
            what.scratch.input += bytes;
            what.scratch.weights += bytes;
        }
    }

    /// Numbers of `width` bytes.
    pub(super) fn cast(&mut self, x: Value, width: u64) -> Value {
        if x.width == width {
            return x;
        }
        let what = Operation { row: x.row, ..Operation::new(x.count, width, Back::Fresh) };
        self.run(vec![x], what)
    }

    /// A batch norm and its activation: one operation that keeps its input, and that can be made again.
    pub(super) fn batch_norm(&mut self, layer: &BatchNorm, x: Value) -> Value {
        let what = Operation { cheap: true, ..self.norm(layer, &x) };
        self.run(vec![x], what)
    }

    /// A batch norm, a sum and an activation: one operation that keeps what was normalised, and its output.
    pub(super) fn batch_norm_add(&mut self, layer: &BatchNorm, x: Value, other: Value) -> Value {
        let what = self.norm(layer, &x);
        let y = self.run(vec![x, other], what);
        self.keep_result(&y);
        y
    }

    /// What both have in common: a gradient is written over the gradient of the output.
    fn norm(&self, layer: &BatchNorm, x: &Value) -> Operation {
        let mut what = Operation::new(x.count, x.width, if self.tracks { Back::Over } else { Back::Fresh });
        what.needs = vec![0];
        what.gradients = 8 * layer.gamma.lazy_shape().num_elements() as u64;
        what
    }

    pub(super) fn relu(&mut self, x: Value) -> Value {
        let what = elementwise(&x, &[0]);
        self.run(vec![x], what)
    }

    pub(super) fn gelu(&mut self, x: Value) -> Value {
        let what = elementwise(&x, &[0]);
        self.run(vec![x], what)
    }

    /// A sum; the gradient goes to both as it is.
    pub(super) fn add(&mut self, a: Value, b: Value) -> Value {
        let what = Operation { back: Back::Pass, ..elementwise(&a, &[]) };
        self.run(vec![a, b], what)
    }

    /// Something added to, or a factor of, every number that is small beside it.
    pub(super) fn by_something_small(&mut self, x: Value) -> Value {
        let what = elementwise(&x, &[]);
        self.run(vec![x], what)
    }

    /// Rows of pictures by a factor that is not trained.
    pub(super) fn scale_rows(&mut self, x: Value) -> Value {
        let what = Operation { cheap: false, ..elementwise(&x, &[]) };
        self.run(vec![x], what)
    }

    /// A sum with `trained` numbers that are the same for every picture.
    pub(super) fn add_trained(&mut self, x: Value, trained: u64) -> Value {
        let what = Operation { back: Back::Pass, gradients: 4 * trained, ..elementwise(&x, &[]) };
        self.run(vec![x], what)
    }

    /// Tokens put behind others: a copy of `count` numbers in all.
    pub(super) fn join(&mut self, x: Value, count: u64) -> Value {
        let what = Operation::new(count, x.width, Back::Fresh);
        self.run(vec![x], what)
    }

    /// A pooling, padded by half its window, that remembers where its numbers came from; and the side of what comes out.
    pub(super) fn max_pool(&mut self, pool: &MaxPool2d, x: Value, side: usize) -> (Value, usize) {
        let out = side.div_ceil(pool.stride[0]);
        let count = x.count / (side * side) as u64 * (out * out) as u64;
        let mut what = Operation::new(count, x.width, Back::Fresh);
        (what.needs, what.state) = (vec![0], 4 * count);
        (self.run(vec![x], what), out)
    }

    /// A mean or a sum that leaves `count` numbers.
    pub(super) fn reduce(&mut self, x: Value, count: u64) -> Value {
        let what = Operation::new(count, x.width, Back::Fresh);
        self.run(vec![x], what)
    }

    /// A copy of a part, or of all in another order: `count` numbers.
    pub(super) fn part(&mut self, x: Value, count: u64) -> Value {
        let mut what = Operation::new(count, x.width, Back::Fresh);
        what.cheap = true;
        self.run(vec![x], what)
    }

    /// Means of all pixels of a channel, in f32: (N, channels).
    pub(super) fn global_pool(&mut self, x: Value, side: usize) -> Value {
        let count = x.count / (side * side) as u64;
        let x = self.cast(x, 4);
        let x = self.view(x);
        let mean = self.reduce(x, count);
        self.view(mean)
    }

    /// A layer norm to numbers of `width` bytes: one operation that keeps its input and two numbers a row, and that can
    /// be made again.
    pub(super) fn layer_norm(&mut self, layer: &LayerNorm, x: Value, width: u64) -> Value {
        let features = layer.gamma.lazy_shape().num_elements() as u64;
        let mut what = Operation::new(x.count, width, Back::Fresh);
        (what.cheap, what.needs) = (true, vec![0]);
        (what.gradients, what.state) = (8 * features, 8 * (x.count / features));
        self.run(vec![x], what)
    }

    /// Attention of `heads` heads over `tokens` tokens, from queries, keys and values side by side: one operation that
    /// keeps what it gets, and the softmax.
    pub(super) fn attention(&mut self, qkv: Value, heads: u64, tokens: u64) -> Value {
        let (count, width) = (qkv.count / 3, qkv.width);
        let scores = self.rows * heads * tokens * tokens;
        let all = self.conditions.bytes(scores, width, tokens);
        let mut what = Operation::new(count, width, Back::Fresh);
        (what.needs, what.state) = (vec![0], all);
        // Queries, keys, values and what was seen, by head; then the same and the gradients of the first three.
        let on_cpu = self.conditions.threads.is_some();
        let (once, wide) = (if on_cpu { 0 } else { all }, if on_cpu && width == 2 { 2 } else { 0 });
        what.scratch.forward = 4 * count * width + once + wide * (2 * count + scores) * 2;
        what.scratch.input = 7 * count * width + all + once + wide * (2 * count + scores) * 2;
        self.run(vec![qkv], what)
    }

    /// A softmax over rows of `of` numbers.
    fn softmax(&mut self, x: Value, of: u64) -> Value {
        let rows = x.count / of;
        let shifted = self.by_something_small(x);
        let what = elementwise(&shifted, &[0]);
        let powers = self.run(vec![shifted], what);
        let copy = powers.clone();
        let sum = self.reduce(copy, rows);
        let what = Operation { back: Back::Fresh, ..elementwise(&powers, &[0, 1]) };
        self.run(vec![powers, sum], what)
    }

    /// A logarithm of a softmax over rows of `of` numbers.
    fn log_softmax(&mut self, x: Value, of: u64) -> Value {
        let rows = x.count / of;
        let shifted = self.by_something_small(x);
        let copy = shifted.clone();
        let what = elementwise(&copy, &[0]);
        let powers = self.run(vec![copy], what);
        let sum = self.reduce(powers, rows);
        let sum = self.relu(sum);
        let what = Operation { back: Back::Pass, ..elementwise(&shifted, &[]) };
        self.run(vec![shifted, sum], what)
    }

    /// The cross-entropy of logits (N, classes) against sparse labels.
    pub(super) fn cross_entropy(&mut self, logits: Value, classes: u64) -> Value {
        let logits = self.by_something_small(logits);
        let logs = self.log_softmax(logits, classes);
        let copy = logs.clone();
        let listed = self.reduce(copy, self.rows);
        let all = self.reduce(logs, self.rows);
        let sum = self.add(listed, all);
        self.reduce(sum, 1)
    }

    /// The divergence of a teacher's logits from the student's, (N, classes) each.
    pub(super) fn distillation(&mut self, logits: Value, teacher: Value, classes: u64) -> Value {
        let logits = self.by_something_small(logits);
        let logs = self.log_softmax(logits, classes);
        let tracks = std::mem::replace(&mut self.tracks, false);
        let copy = teacher.clone();
        let shares = self.softmax(copy, classes);
        let theirs = self.log_softmax(teacher, classes);
        self.tracks = tracks;
        let what = Operation { back: Back::Pass, ..elementwise(&logs, &[]) };
        let difference = self.run(vec![theirs, logs], what);
        let what = elementwise(&shares, &[0]);
        let each = self.run(vec![shares, difference], what);
        self.reduce(each, 1)
    }
}
