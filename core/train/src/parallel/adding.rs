//! One row of numbers added to another, by all threads.

use rayon::prelude::*;

/// Numbers that a thread adds at once.
const CHUNK: usize = 1 << 14;

/// Adds `other` to `sum`, number by number.
pub(super) fn add(sum: &mut [f32], other: &[f32]) {
    sum.par_chunks_mut(CHUNK).zip(other.par_chunks(CHUNK)).for_each(|(sum, other)| {
        for (s, o) in sum.iter_mut().zip(other) {
            *s += o;
        }
    });
}
