//! From channels first to channels last.

use rayon::prelude::*;

use crate::pointer::Output;

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
    let mut out = Vec::with_capacity(x.len());
    let to = Output::room(&mut out);
    let bands = area.div_ceil(BLOCK);
    (0..x.len() / picture * bands).into_par_iter().with_min_len((1 << 14) / (BLOCK * channels) + 1).for_each(
        |at| {
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
        },
    );
    // SAFETY: every pixel's channels were written.
    unsafe { out.set_len(x.len()) };
    out
}
