//! Blocks that are kept: up to so many bytes, and what was not read for longest goes first.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Bytes of blocks that are kept at the most.
pub const MOST: usize = 64 << 20;

/// Name of a file, and the first byte of a block in it.
pub(super) type BlockKey = (String, u64);

/// Blocks that are kept.
pub(super) struct BlockCache {
    blocks: HashMap<BlockKey, (Arc<[u8]>, u64)>,
    /// Blocks by when they were read last.
    by_use: BTreeMap<u64, BlockKey>,
    clock: u64,
    /// Bytes that are kept.
    pub bytes: usize,
    /// Bytes that are kept at the most.
    pub most: usize,
}

impl Default for BlockCache {
    fn default() -> Self {
        Self { blocks: HashMap::new(), by_use: BTreeMap::new(), clock: 0, bytes: 0, most: MOST }
    }
}

impl BlockCache {
    /// Whether a block is kept.
    pub fn has(&self, key: &BlockKey) -> bool {
        self.blocks.contains_key(key)
    }

    /// A block, which counts as read.
    pub fn get(&mut self, key: &BlockKey) -> Option<Arc<[u8]>> {
        let (bytes, used) = self.blocks.get_mut(key)?;
        self.clock += 1;
        self.by_use.remove(used);
        *used = self.clock;
        self.by_use.insert(self.clock, key.clone());
        Some(bytes.clone())
    }

    /// Keeps a block; others go where there is no room.
    pub fn insert(&mut self, key: BlockKey, bytes: Arc<[u8]>) {
        self.remove(&key);
        while self.bytes + bytes.len() > self.most
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.remove(&oldest);
        }
        self.clock += 1;
        self.bytes += bytes.len();
        self.by_use.insert(self.clock, key.clone());
        self.blocks.insert(key, (bytes, self.clock));
    }

    fn remove(&mut self, key: &BlockKey) {
        if let Some((bytes, used)) = self.blocks.remove(key) {
            self.by_use.remove(&used);
            self.bytes -= bytes.len();
        }
    }
}
