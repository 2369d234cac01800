//! Buffers that are used again: pages that the system has to clear for every call cost a fifth of a small step.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Buffers that are kept, and their numbers: 64 buffers, 512 MiB.
const KEPT: usize = 64;
const NUMBERS: usize = 1 << 27;

/// Buffers that no one uses. One list for all threads: which of them computes what is left to chance.
static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// Gives all buffers back that are kept for the next call: for a program that computes no more.
pub fn release_buffers() {
    FREE.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// A buffer of one's own, given back when it is dropped.
pub(crate) struct Scratch {
    buffer: Vec<f32>,
    len: usize,
}

impl Scratch {
    /// `len` numbers, whatever they are.
    pub(crate) fn of(len: usize) -> Self {
        let found = {
            let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
            // The smallest that is large enough, else the largest.
            let best = (0..free.len()).min_by_key(|&i| {
                let room = free[i].capacity();
                if room >= len { (0, room) } else { (1, usize::MAX - room) }
            });
            best.map(|i| free.swap_remove(i))
        };
        let mut buffer = found.unwrap_or_default();
        if buffer.len() < len {
            // What it held is of no use, and need not be moved.
            if buffer.capacity() < len {
                buffer = Vec::with_capacity(len);
            }
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
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let held: usize = free.iter().map(Vec::capacity).sum();
        if free.len() < KEPT && held + buffer.capacity() <= NUMBERS {
            free.push(buffer);
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
