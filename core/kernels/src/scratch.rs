//! Buffers that are used again: pages that the system has to clear for every call cost a fifth of a small step.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Buffers that a thread keeps.
const KEPT: usize = 8;
/// Numbers of a buffer that is still kept: 256 MiB.
const LARGEST: usize = 1 << 26;

thread_local! {
    static KEEP: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of one's own, given back when it is dropped.
pub(crate) struct Scratch {
    buffer: Vec<f32>,
    len: usize,
}

impl Scratch {
    /// `len` numbers, whatever they are.
    pub(crate) fn of(len: usize) -> Self {
        let found = KEEP.with_borrow_mut(|kept| {
            // The smallest that is large enough, else the largest.
            let best = (0..kept.len()).min_by_key(|&i| {
                let room = kept[i].capacity();
                if room >= len { (0, room) } else { (1, usize::MAX - room) }
            });
            best.map(|i| kept.swap_remove(i))
        });
        let mut buffer = found.unwrap_or_default();
        if buffer.len() < len {
            buffer.resize(len, 0.0);
        }
        Self { buffer, len }
    }

    /// `len` zeros.
    pub(crate) fn zeros(len: usize) -> Self {
        let mut scratch = Self::of(len);
        scratch.fill(0.0);
        scratch
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        if buffer.capacity() <= LARGEST {
            KEEP.with_borrow_mut(|kept| {
                if kept.len() == KEPT {
                    // The smallest is the cheapest to make again.
                    let smallest = (0..kept.len()).min_by_key(|&i| kept[i].capacity()).unwrap_or_default();
                    kept.swap_remove(smallest);
                }
                kept.push(buffer);
            });
        }
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer[..self.len]
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer[..self.len]
    }
}
