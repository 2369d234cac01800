//! Weights as the product reads them: for each tap a matrix of (depth, columns), in panels of a tile's columns.

use rayon::prelude::*;

use crate::pointer::Output;
use crate::scratch::Scratch;
use crate::simd::Tile;

/// Depths that are packed together: what is read of all columns of a panel then lies in the first cache.
const BLOCK: usize = 16;

/// Packed weights: shape (tap, panel, depth, columns of a tile), with zeros behind the last column.
pub(crate) struct Packed {
    pub taps: usize,
    pub depth: usize,
    pub columns: usize,
    pub panels: usize,
    pub tile: Tile,
    pub data: Scratch,
}

/// Packs numbers of `weight`: that of column `j` lies at `at(depth, tap) + j * step`.
pub(crate) fn pack(
    weight: &[f32],
    tile: Tile,
    [taps, depth, columns]: [usize; 3],
    step: usize,
    at: impl Fn(usize, usize) -> usize + Sync,
) -> Packed {
    let width = tile.columns();
    let panels = columns.div_ceil(width);
    let mut data = Scratch::of(taps * panels * depth * width);
    let out = Output::of(&mut data);
    (0..panels).into_par_iter().for_each(|panel| {
        let used = width.min(columns - panel * width);
        let weight = &weight[panel * width * step..];
        for first in (0..depth).step_by(BLOCK) {
            for tap in 0..taps {
                for d in first..(first + BLOCK).min(depth) {
                    // SAFETY: within the buffer by its length, and each panel is written by one thread.
                    let row = unsafe { out.part(((tap * panels + panel) * depth + d) * width, width) };
                    let from = weight[at(d, tap)..].iter().step_by(step);
                    row.iter_mut().zip(from).take(used).for_each(|(to, from)| *to = *from);
                    row[used..].fill(0.0);
                }
            }
        }
    });
    Packed { taps, depth, columns, panels, tile, data }
}
