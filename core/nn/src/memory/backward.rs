//! The backward pass over a tape: what is kept goes, and gradients come.

use std::collections::HashMap;
use std::rc::Rc;

use crate::memory::heap::{Block, Use, is_unique};
use crate::memory::tape::{Back, Tape};

/// A result that the backward pass needs: how often, and where it is.
#[derive(Debug, Default)]
struct Needed {
    times: u32,
    block: Option<Rc<Block>>,
}

/// The backward pass.
struct Backward<'a> {
    tape: &'a mut Tape,
    needed: HashMap<usize, Needed>,
    gradients: HashMap<usize, Rc<Block>>,
}

impl Tape {
    /// Walks back from the last node, the loss. Its gradients of weights stay held.
    pub(super) fn backward(&mut self) {
        let needed = self.needed();
        let Some(last) = self.nodes.len().checked_sub(1) else { return };
        let one = self.heap.take(self.nodes[last].bytes, Use::Work);
        let mut backward = Backward { tape: self, needed, gradients: HashMap::from([(last, one)]) };
        for node in (0..=last).rev() {
            backward.step(node);
        }
    }

    /// What the backward pass asks for, and how often. What was held in case of need and is not needed goes.
    fn needed(&mut self) -> HashMap<usize, Needed> {
        let mut needed: HashMap<usize, Needed> = HashMap::new();
        let mut asked: Vec<usize> = self.nodes.iter().flat_map(|n| n.needs.iter().copied()).collect();
        while let Some(node) = asked.pop() {
            let entry = needed.entry(node).or_default();
            entry.times += 1;
            // A result that is computed again asks for its inputs, once.
            if entry.times == 1 && self.conditions.recompute && self.nodes[node].cheap {
                asked.extend(self.nodes[node].inputs.iter().map(|(input, _)| *input));
            }
        }
        for (node, block) in std::mem::take(&mut self.kept) {
            match needed.get_mut(&node) {
                Some(entry) if entry.block.is_none() => entry.block = Some(block),
                _ => drop(block),
            }
        }
        needed
    }
}

impl Backward<'_> {
    /// Takes a result that was kept, or computes it again.
    fn retrieve(&mut self, node: usize) -> Option<Rc<Block>> {
        if self.needed.get(&node)?.block.is_none() {
            let inputs: Vec<usize> = self.tape.nodes[node].inputs.iter().map(|(i, _)| *i).collect();
            let sources: Vec<Rc<Block>> = inputs.into_iter().filter_map(|i| self.retrieve(i)).collect();
            let new = match sources.first() {
                Some(source) if self.tape.nodes[node].view => source.clone(),
                _ => self.tape.heap.take(self.tape.nodes[node].bytes, Use::Kept),
            };
            drop(sources);
            self.needed.get_mut(&node)?.block = Some(new);
        }
        let entry = self.needed.get_mut(&node)?;
        entry.times -= 1;
        if entry.times == 0 { self.needed.remove(&node)?.block } else { entry.block.clone() }
    }

    /// Adds a gradient to what a node has already.
    fn register(&mut self, node: usize, block: Rc<Block>) {
        let sum = match self.gradients.remove(&node) {
            None => block,
            Some(old) => {
                let (to, from) = if is_unique(&block) { (block, old) } else { (old, block) };
                let sum = if is_unique(&to) { to } else { self.tape.heap.take(to.bytes, Use::Work) };
                drop(from);
                sum
            }
        };
        self.gradients.insert(node, sum);
    }

    fn step(&mut self, node: usize) {
        let Some(gradient) = self.gradients.remove(&node) else { return };
        let needs = self.tape.nodes[node].needs.clone();
        let retrieved: Vec<Rc<Block>> = needs.into_iter().filter_map(|n| self.retrieve(n)).collect();
        let what = &mut self.tape.nodes[node];
        let (back, inputs, state) = (what.back, what.inputs.clone(), what.state.take());
        let (gradients, scratch) = (what.gradients, what.scratch);
        for (input, bytes) in inputs {
            let new = match back {
                Back::Pass => gradient.clone(),
                Back::Over if is_unique(&gradient) && gradient.bytes >= bytes => gradient.clone(),
                _ => self.tape.heap.take(bytes, Use::Work),
            };
            self.tape.heap.scratch(scratch.input);
            self.register(input, new);
        }
        if gradients > 0 {
            let new = self.tape.heap.take(gradients, Use::Gradient);
            self.tape.gradients.push(new);
            self.tape.heap.scratch(scratch.weights);
        }
        // All of these were there until now.
        drop((retrieved, state, gradient));
    }
}
