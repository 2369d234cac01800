//! From channels first to channels last.

use rayon::prelude::*;

use crate::pointer::{Output, filled};

/// Pixels and channels of a block, which lies in the first cache both ways.
const BLOCK: usize = 32;

/// Pictures of shape (N, channels, area) as (N, area, channels).
///
/// # Panics
/// A slice that is not whole pictures.
pub fn channels_last(x: &[f32], channels: usize, area: usize) -> Vec<f32> {
    let picture = channels * area;
    if picture == 0 {
        return Vec::new();
    }
    assert!(x.len().is_multiple_of(picture), "{} numbers of pictures of {picture}", x.len());
    let bands = area.div_ceil(BLOCK);
    let band = |at: usize, to: Output| {
        let (n, first) = (at / bands, at % bands * BLOCK);
        let (pixels, base) = (first..(first + BLOCK).min(area), n * picture);
        for block in (0..channels).step_by(BLOCK) {
            for pixel in pixels.clone() {
                for channel in block..(block + BLOCK).min(channels) {
                    // SAFETY: within the picture; each pixel is written by one task.
                    unsafe {
                        to.at(base + pixel * channels + channel).write(x[base + channel * area + pixel]);
                    }
                }
            }
        }
    };
    let least = (1 << 14) / (BLOCK * channels) + 1;
    filled(x.len(), |to| {
        let bands = (0..x.len() / picture * bands).into_par_iter().with_min_len(least);
        bands.for_each(|at| band(at, to));
    })
}
