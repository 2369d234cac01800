//! The tape that burn's autodiff writes in a forward pass, as far as memory goes: which results are kept for the
//! backward pass, and which operations can be computed again.
//!
//! Operations are those of `burn-autodiff` 0.22 (`ops/tensor.rs`, `ops/module.rs`, `ops/activation.rs`): what each
//! of them checkpoints is what it keeps here. An operation that burn marks as bound by memory is `cheap`.

use std::rc::Rc;

use crate::memory::heap::{Block, Heap, Use, is_unique};

/// A tensor of the forward pass. It owns a share of its memory, as burn's tensors do: it is moved into an operation,
/// or cloned first.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) node: usize,
    pub(super) block: Rc<Block>,
    /// Numbers in it.
    pub(super) count: u64,
    /// Bytes of a number.
    pub(super) width: u64,
    /// Numbers of a row that may have room behind it, or 0.
    pub(super) row: u64,
    /// Bytes in all.
    pub(super) bytes: u64,
}

impl Value {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// What an operation does with a gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// Hands it on as it is, to every input.
    Pass,
    /// Writes the input's gradient over it where no one else holds it.
    Over,
    /// Makes a new gradient for every input, with scratch besides.
    Fresh,
}

/// An operation and its result.
#[derive(Debug)]
pub(super) struct Node {
    /// Inputs that a gradient goes to: node and bytes.
    pub inputs: Vec<(usize, u64)>,
    /// Bytes of the result.
    pub bytes: u64,
    /// Whether burn would rather compute it again, if it is asked to.
    pub cheap: bool,
    /// Whether the result shares the input's memory.
    pub view: bool,
    pub back: Back,
    /// Nodes whose results the backward pass needs.
    pub needs: Vec<usize>,
    /// Memory that the operation itself owns until its backward pass: masks, indices.
    pub state: Option<Rc<Block>>,
    /// Bytes of the gradients of its weights.
    pub gradients: u64,
    pub scratch: Scratch,
}

/// Bytes that are needed for a moment.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scratch {
    /// In the forward pass.
    pub forward: u64,
    /// For the input's gradient.
    pub input: u64,
    /// For the gradient of the weights.
    pub weights: u64,
}

/// How an operation is written down.
pub(super) struct Operation {
    /// Numbers of the result, and bytes of each.
    pub result: (u64, u64),
    /// Numbers of a row of the result that may have room behind it, or 0.
    pub row: u64,
    pub cheap: bool,
    pub back: Back,
    /// Which of the inputs the backward pass needs.
    pub needs: Vec<usize>,
    /// Bytes of masks or indices that it owns.
    pub state: u64,
    pub gradients: u64,
    /// Bytes that are needed for a moment besides inputs and results.
    pub scratch: Scratch,
}

impl Operation {
    /// An operation with a result of `count` numbers of `width` bytes that keeps nothing.
    pub fn new(count: u64, width: u64, back: Back) -> Self {
        Self {
            result: (count, width),
            row: 0,
            cheap: false,
            back,
            needs: Vec::new(),
            state: 0,
            gradients: 0,
            scratch: Scratch::default(),
        }
    }
}

/// What is done to a network to count its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conditions {
    /// Bytes of a number of convolutions and products: 4 or 2.
    pub width: u64,
    /// Whether cheap operations are computed again in the backward pass.
    pub recompute: bool,
    /// Threads of the CPU, where it computes: burn-flex lays pictures out again for its matrix products. None for
    /// a GPU, whose kernels need no such copies.
    pub threads: Option<u64>,
    /// Bytes that a row of a result is lengthened to a multiple of, at the most: CubeCL leaves such room on CUDA. 1 for
    /// none.
    pub row_align: u64,
}

impl Conditions {
    /// Bytes of `count` numbers of `width` bytes in rows of `row`.
    pub(super) fn bytes(&self, count: u64, width: u64, row: u64) -> u64 {
        if row <= 1 || self.row_align <= 1 {
            return count * width;
        }
        let align = (row * width).next_power_of_two().clamp(16, self.row_align.max(16));
        count.div_ceil(row) * (row * width).next_multiple_of(align)
    }
}

/// The tape of one forward pass.
#[derive(Debug)]
pub(super) struct Tape {
    pub(super) heap: Heap,
    pub(super) nodes: Vec<Node>,
    /// What is kept: the shares that the tape owns, by node.
    pub(super) kept: Vec<(usize, Rc<Block>)>,
    /// Gradients of weights, once they are there.
    pub(super) gradients: Vec<Rc<Block>>,
    pub(super) conditions: Conditions,
    /// Pictures that are computed at once.
    pub(super) rows: u64,
    /// Whether operations are written down: a network that is not trained only computes.
    pub(super) tracks: bool,
}

impl Tape {
    pub(super) fn new(rows: u64, conditions: Conditions) -> Self {
        let (heap, nodes, kept, gradients) = Default::default();
        Self { heap, nodes, kept, gradients, conditions, rows, tracks: true }
    }

    /// Whether the following operations are written down, and whether those before were.
    pub(super) fn track(&mut self, tracks: bool) -> bool {
        std::mem::replace(&mut self.tracks, tracks)
    }

    /// A tensor that is there already and gets no gradient: the images. Its memory is not counted here.
    pub(super) fn input(&mut self, count: u64, width: u64) -> Value {
        self.nodes.push(Node {
            inputs: Vec::new(),
            bytes: count * width,
            cheap: false,
            view: false,
            back: Back::Pass,
            needs: Vec::new(),
            state: None,
            gradients: 0,
            scratch: Scratch::default(),
        });
        Value {
            node: self.nodes.len() - 1,
            block: self.heap.take(0, Use::Work),
            count,
            width,
            row: 0,
            bytes: count * width,
        }
    }

    /// Whether a gradient goes to a node.
    pub(super) fn is_tracked(&self, node: usize) -> bool {
        let node = &self.nodes[node];
        node.gradients > 0 || !node.inputs.is_empty()
    }

    /// Holds the result of a node until the backward pass has used it.
    fn keep(&mut self, x: &Value) {
        self.heap.keep(&x.block);
        self.kept.push((x.node, x.block.clone()));
    }

    /// Keeps the result of the operation that was written down last for its own backward pass.
    pub(super) fn keep_result(&mut self, y: &Value) {
        if self.tracks {
            self.keep(y);
            self.nodes[y.node].needs.push(y.node);
        }
    }

    /// Writes an operation down and computes its result, over an input of the same size where no one else holds it.
    pub(super) fn run(&mut self, inputs: Vec<Value>, mut what: Operation) -> Value {
        if !self.tracks {
            (what.needs, what.state, what.gradients) = (Vec::new(), 0, 0);
        }
        let (count, width) = what.result;
        let bytes = self.conditions.bytes(count, width, what.row);
        let recompute = self.conditions.recompute && self.tracks;
        for (i, input) in inputs.iter().enumerate() {
            // With checkpointing a cheap result is not held, but the inputs that it can be computed from are.
            let recomputed = recompute && self.nodes[input.node].cheap;
            if (what.needs.contains(&i) || recompute && what.cheap) && !recomputed {
                self.keep(input);
            }
        }
        let free = |x: &&Value| x.bytes() == bytes && is_unique(&x.block);
        let over = matches!(what.back, Back::Over | Back::Pass).then(|| inputs.iter().find(free)).flatten();
        let block = match over {
            Some(input) => input.block.clone(),
            None => self.heap.take(bytes, Use::Work),
        };
        self.heap.scratch(what.scratch.forward);
        let state = (what.state > 0).then(|| self.heap.take(what.state, Use::Kept));
        let tracked = |x: &&Value| self.tracks && self.is_tracked(x.node);
        self.nodes.push(Node {
            inputs: inputs.iter().filter(tracked).map(|x| (x.node, x.bytes())).collect(),
            bytes,
            // What depends on something without a gradient cannot be computed again: burn keeps it.
            cheap: what.cheap && inputs.iter().all(|x| tracked(&x)),
            view: false,
            back: what.back,
            needs: what.needs.iter().map(|&i| inputs[i].node).collect(),
            state,
            gradients: what.gradients,
            scratch: what.scratch,
        });
        drop(inputs);
        Value { node: self.nodes.len() - 1, block, count, width, row: what.row, bytes }
    }

    /// The same numbers in another shape or order, in the same memory.
    pub(super) fn view(&mut self, x: Value) -> Value {
        let (bytes, tracked) = (x.bytes(), self.tracks && self.is_tracked(x.node));
        if self.conditions.recompute && tracked && !self.nodes[x.node].cheap {
            self.keep(&x);
        }
        self.nodes.push(Node {
            inputs: if tracked { vec![(x.node, bytes)] } else { Vec::new() },
            bytes,
            cheap: tracked,
            view: true,
            back: Back::Pass,
            needs: Vec::new(),
            state: None,
            gradients: 0,
            scratch: Scratch::default(),
        });
        Value { node: self.nodes.len() - 1, ..x }
    }
}
