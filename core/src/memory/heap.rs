//! Memory as a training step takes it and gives it back: how much is held, and how much was at most.

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

/// A piece of memory that one or several tensors share.
#[derive(Debug, Clone, Copy)]
struct Block {
    bytes: u64,
    owners: u32,
    usage: Use,
}

/// The memory of a device.
#[derive(Debug, Default)]
pub(super) struct Heap {
    blocks: Vec<Block>,
    held: Held,
    peak: Held,
}

/// A number of a [`Block`].
pub(super) type BlockId = usize;

impl Heap {
    /// New memory with one owner.
    pub fn take(&mut self, bytes: u64, usage: Use) -> BlockId {
        self.blocks.push(Block { bytes, owners: 1, usage });
        *self.held.of(usage) += bytes;
        self.note();
        self.blocks.len() - 1
    }

    /// One more owner.
    pub fn share(&mut self, id: BlockId) -> BlockId {
        self.blocks[id].owners += 1;
        id
    }

    /// One owner less; memory without an owner is given back.
    pub fn release(&mut self, id: BlockId) {
        let block = &mut self.blocks[id];
        block.owners -= 1;
        if block.owners == 0 {
            *self.held.of(block.usage) -= block.bytes;
        }
    }

    /// Whether it has one owner, who may write into it.
    pub fn is_unique(&self, id: BlockId) -> bool {
        self.blocks[id].owners == 1
    }

    pub fn bytes(&self, id: BlockId) -> u64 {
        self.blocks[id].bytes
    }

    /// From now on it counts as held for the backward pass.
    pub fn keep(&mut self, id: BlockId) {
        let block = &mut self.blocks[id];
        if block.usage == Use::Work {
            self.held.work -= block.bytes;
            self.held.kept += block.bytes;
            block.usage = Use::Kept;
        }
    }

    /// Memory that is needed for a moment.
    pub fn scratch(&mut self, bytes: u64) {
        self.held.work += bytes;
        self.note();
        self.held.work -= bytes;
    }

    /// What is held now.
    pub fn held(&self) -> Held {
        self.held
    }

    /// What was held when it was most.
    pub fn peak(&self) -> Held {
        self.peak
    }

    fn note(&mut self) {
        if self.held.total() > self.peak.total() {
            self.peak = self.held;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_memory_counts_once_and_goes_with_its_last_owner() {
        let mut heap = Heap::default();
        let a = heap.take(10, Use::Work);
        let b = heap.share(a);
        heap.keep(a);
        heap.scratch(5);
        assert!(!heap.is_unique(a));
        heap.release(a);
        assert_eq!(heap.held(), Held { kept: 10, gradients: 0, work: 0 });
        heap.release(b);
        assert_eq!(heap.held().total(), 0);
        assert_eq!(heap.peak(), Held { kept: 10, gradients: 0, work: 5 });
    }
}
