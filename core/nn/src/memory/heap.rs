//! Memory as a training step takes it and gives it back: how much is held, and how much was at most.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// What memory is held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Kept for the backward pass.
    Kept,
    /// A weight's gradient.
    Gradient,
    /// Anything that is needed for a moment: results on their way, gradients of activations, scratch.
    Work,
}

/// Bytes held, by use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    pub kept: u64,
    pub gradients: u64,
    pub work: u64,
}

impl Held {
    pub fn total(self) -> u64 {
        self.kept + self.gradients + self.work
    }

    fn of(&mut self, usage: Use) -> &mut u64 {
        match usage {
            Use::Kept => &mut self.kept,
            Use::Gradient => &mut self.gradients,
            Use::Work => &mut self.work,
        }
    }
}

/// A piece of memory. Tensors that share it each own an [`Rc`] of it; it is given back with the last one.
#[derive(Debug)]
pub(super) struct Block {
    pub bytes: u64,
    usage: Cell<Use>,
    heap: Heap,
}

impl Drop for Block {
    fn drop(&mut self) {
        *self.heap.0.borrow_mut().held.of(self.usage.get()) -= self.bytes;
    }
}

/// Whether a piece of memory has one owner, who may write into it.
pub(super) fn is_unique(block: &Rc<Block>) -> bool {
    Rc::strong_count(block) == 1
}

/// The memory of a device.
#[derive(Debug, Clone, Default)]
pub(super) struct Heap(Rc<RefCell<Ledger>>);

#[derive(Debug, Default)]
struct Ledger {
    held: Held,
    peak: Held,
}

impl Ledger {
    fn note(&mut self) {
        if self.held.total() > self.peak.total() {
            self.peak = self.held;
        }
    }
}

impl Heap {
    /// New memory with one owner.
    pub fn take(&self, bytes: u64, usage: Use) -> Rc<Block> {
        let mut ledger = self.0.borrow_mut();
        *ledger.held.of(usage) += bytes;
        ledger.note();
        Rc::new(Block { bytes, usage: Cell::new(usage), heap: self.clone() })
    }

    /// From now on it counts as held for the backward pass.
    pub fn keep(&self, block: &Block) {
        if block.usage.get() == Use::Work {
            let mut ledger = self.0.borrow_mut();
            ledger.held.work -= block.bytes;
            ledger.held.kept += block.bytes;
            block.usage.set(Use::Kept);
        }
    }

    /// Memory that is needed for a moment.
    pub fn scratch(&self, bytes: u64) {
        let mut ledger = self.0.borrow_mut();
        ledger.held.work += bytes;
        ledger.note();
        ledger.held.work -= bytes;
    }

    /// What is held now.
    pub fn held(&self) -> Held {
        self.0.borrow().held
    }

    /// What was held when it was most.
    pub fn peak(&self) -> Held {
        self.0.borrow().peak
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_counts_once_and_goes_with_its_last_owner() {
        let heap = Heap::default();
        let a = heap.take(10, Use::Work);
        let b = a.clone();
        heap.keep(&a);
        heap.scratch(5);
        assert!(!is_unique(&a));
        drop(a);
        assert!(is_unique(&b));
        assert_eq!(heap.held(), Held { kept: 10, gradients: 0, work: 0 });
        drop(b);
        assert_eq!(heap.held().total(), 0);
        assert_eq!(heap.peak(), Held { kept: 10, gradients: 0, work: 5 });
    }
}
