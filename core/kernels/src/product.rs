//! The indirect product: each row of the output is a sum over taps of a row of the input times the tap's matrix.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::norm::Bounds;
use crate::pack::Packed;
use crate::pointer::Output;
use crate::scratch::Scratch;
use crate::simd::{WIDEST, by_tiles, clamp, keep_order, load, store, unroll};
use crate::table::{Table, ZEROS};

/// Numbers of a packed panel that stay in the first cache: 16 KiB.
const PANEL: usize = 256 * 16;
/// Rows of a task at most: what they read stays in the second cache.
const ROWS: usize = 192;

/// Where the pictures lie.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pictures {
    pub batch: usize,
    /// Numbers from one picture to the next, of the input and of the output.
    pub read: usize,
    pub written: usize,
}

/// What follows a product, before its rows leave the registers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finish<'a> {
    /// One number a column, and zeros up to a whole panel.
    pub bias: &'a [f32],
    /// Something of the output's shape and layout that is added.
    pub shortcut: Option<&'a [f32]>,
    pub bounds: Bounds,
}

/// Adds up `out` by `table`, on all threads. `x` begins at the first channel that is read, and `out` at the first that
/// is written.
///
/// # Safety
/// What the table reads and writes of `pictures` lies within `x` and `out`, and no one else touches what is written.
pub(crate) unsafe fn product(table: &Table, pictures: Pictures, x: &[f32], weights: &Packed, out: Output) {
    let zeros = Scratch::zeros(weights.depth);
    let blocks = table.blocks() * pictures.batch.div_ceil(table.pictures);
    let threads = rayon::current_num_threads();
    let mut rows = (ROWS / table.rows).max(1);
    let mut columns = 1;
    if threads > 1 {
        // A few tasks for each thread: divided by rows, and by columns where there are few rows.
        let wanted = 4 * threads;
        rows = rows.min(blocks.div_ceil(wanted).max(8));
        columns = wanted.div_ceil(blocks.div_ceil(rows)).min(weights.panels).max(1);
    }
    let wide = weights.panels.div_ceil(columns).max(1);
    let tasks: Vec<[usize; 2]> = (0..weights.panels)
        .step_by(wide)
        .flat_map(|panel| (0..blocks).step_by(rows).map(move |block| [panel, block]))
        .collect();
    let arch = Arch::new();
    tasks.into_par_iter().for_each(|[panel, block]| {
        arch.dispatch(Task {
            table,
            pictures,
            x,
            zeros: &zeros,
            weights,
            blocks: block..(block + rows).min(blocks),
            panels: panel..(panel + wide).min(weights.panels),
            finish: None,
            out,
        });
    });
}

/// The same for one picture on this thread, with what follows.
///
/// # Safety
/// As [`product`]; a shortcut is as long as the output.
pub(crate) unsafe fn product_of_one(
    table: &Table,
    x: &[f32],
    weights: &Packed,
    finish: Finish<'_>,
    out: Output,
) {
    let zeros = Scratch::zeros(weights.depth);
    let pictures = Pictures { batch: 1, read: 0, written: 0 };
    let (arch, blocks, step) = (Arch::new(), table.blocks(), (ROWS / table.rows).max(1));
    for first in (0..blocks).step_by(step) {
        arch.dispatch(Task {
            table,
            pictures,
            x,
            zeros: &zeros,
            weights,
            blocks: first..(first + step).min(blocks),
            panels: 0..weights.panels,
            finish: Some(finish),
            out,
        });
    }
}

/// Some blocks of rows by some panels of columns.
struct Task<'a> {
    table: &'a Table,
    pictures: Pictures,
    x: &'a [f32],
    zeros: &'a [f32],
    weights: &'a Packed,
    blocks: Range<usize>,
    panels: Range<usize>,
    finish: Option<Finish<'a>>,
    out: Output,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if self.weights.tile.vectors == 1 { self.run::<S, 1>(simd) } else { self.run::<S, 2>(simd) }
    }
}

impl Task<'_> {
    /// Adds up all of it: groups of taps, or parts of one tap's depth, whose panel stays in the first cache.
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Packed { taps, depth, columns, panels, .. } = *self.weights;
        let width = V * S::F32_LANES;
        let deepest = PANEL / width;
        let group = (deepest / depth.max(1)).max(1);
        let part = depth.div_ceil(depth.div_ceil(deepest).max(1)).max(1);
        for tap in (0..taps).step_by(group) {
            for first in (0..depth).step_by(part) {
                for panel in self.panels.clone() {
                    let is_last = tap + group >= taps && first + part >= depth;
                    let used = width.min(columns - panel * width);
                    let sums = Sums {
                        finish: self.finish.as_ref().filter(|_| is_last),
                        weights: self.weights.data[panel * depth * width..].as_ptr(),
                        width,
                        tap_len: panels * depth * width,
                        first,
                        depth: part.min(depth - first),
                        column: panel * width,
                        used,
                    };
                    // Of the last panel one vector may be all that is used.
                    let is_narrow = V > 1 && used <= S::F32_LANES;
                    for at in self.blocks.clone() {
                        match is_narrow {
                            true => self.block::<S, 1>(simd, at, tap..tap + group, &sums),
                            false => self.block::<S, V>(simd, at, tap..tap + group, &sums),
                        }
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn block<S: Simd, const V: usize>(&self, simd: S, at: usize, group: Range<usize>, sums: &Sums<'_>) {
        let (unit, at) = (at / self.table.blocks(), at % self.table.blocks());
        let picture = unit * self.table.pictures;
        let found = self.table.block(at);
        let low = found.taps.iter().take_while(|&&tap| (tap as usize) < group.start).count();
        let high = low + found.taps[low..].iter().take_while(|&&tap| (tap as usize) < group.end).count();
        let is_first = group.start == 0 && sums.first == 0;
        // A pixel that no window reads is written once, as zero; and all are finished at the end.
        if low == high && sums.finish.is_none() && !(found.taps.is_empty() && is_first) {
            return;
        }
        let rows = self.table.rows_of(at, self.pictures.batch - picture);
        let mut block = Rows {
            taps: &found.taps[low..high],
            from: found.from[low * self.table.rows..].as_ptr(),
            step: self.table.rows,
            to: found.to.as_ptr(),
            x: self.x[picture * self.pictures.read..].as_ptr(),
            zeros: self.zeros.as_ptr(),
            // SAFETY: the unit's first picture lies within the output, as `product`'s caller promises.
            out: unsafe { self.out.at(picture * self.pictures.written) },
            add: low > 0 || sums.first > 0 || low == high && !is_first,
        };
        by_tiles!(rows, V, S, |R, done| {
            // SAFETY: the table's offsets lie within the pictures, as `product`'s caller promises; a block has `rows` of
            // them and the weights were packed for this tile.
            unsafe {
                tile::<S, R, V>(simd, &block, sums);
                block.from = block.from.wrapping_add(R);
                block.to = block.to.wrapping_add(R);
            }
        });
    }
}

/// What the rows of a tile read and write.
struct Rows<'a> {
    taps: &'a [u32],
    /// (tap, row)
    from: *const u32,
    /// From one tap's rows to the next's.
    step: usize,
    to: *const u32,
    x: *const f32,
    zeros: *const f32,
    out: *mut f32,
    /// Whether the output already holds a part of the sums.
    add: bool,
}

/// Which part of the weights is taken.
struct Sums<'a> {
    /// What follows, after the last part.
    finish: Option<&'a Finish<'a>>,
    weights: *const f32,
    /// Columns of a panel, and numbers from one tap to the next.
    width: usize,
    tap_len: usize,
    /// The first of the depth, and how many.
    first: usize,
    depth: usize,
    /// The first column, and how many there are.
    column: usize,
    used: usize,
}

/// `R` rows by `V` vectors.
///
/// # Safety
/// Every offset of `rows` leads to `first + depth` numbers of `x`, or to room for the columns in `out`; `zeros` and a
/// tap's weights are as long.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const V: usize>(simd: S, rows: &Rows<'_>, sums: &Sums<'_>) {
    let lanes = S::F32_LANES;
    let mut total = [[simd.splat_f32s(0.0); V]; R];
    // SAFETY: see above; nothing else is read or written.
    unsafe {
        for (i, tap) in rows.taps.iter().enumerate() {
            let mut from = [rows.zeros; R];
            unroll!(R, r, {
                let at = *rows.from.add(i * rows.step + r);
                from[r] = if at == ZEROS { rows.zeros } else { rows.x.add(at as usize + sums.first) };
            });
            let mut weights = sums.weights.add(*tap as usize * sums.tap_len + sums.first * sums.width);
            for d in 0..sums.depth {
                let mut b = [simd.splat_f32s(0.0); V];
                unroll!(pair V, v, {
                    b[v] = load::<S>(weights.add(v * lanes));
                });
                unroll!(R, r, {
                    let a = simd.splat_f32s(*from[r].add(d));
                    unroll!(pair V, v, {
                        total[r][v] = simd.mul_add_e_f32s(a, b[v], total[r][v]);
                    });
                    keep_order();
                });
                weights = weights.add(sums.width);
            }
        }
        if let Some(finish) = sums.finish {
            return finished::<S, R, V>(simd, rows, sums, finish, total);
        }
        if sums.used == V * lanes {
            unroll!(R, r, {
                let out = rows.out.add(*rows.to.add(r) as usize + sums.column);
                unroll!(pair V, v, {
                    let out = out.add(v * lanes);
                    let sum = total[r][v];
                    store::<S>(out, if rows.add { simd.add_f32s(sum, load::<S>(out)) } else { sum });
                });
            });
        } else {
            let mut row = [0.0f32; WIDEST];
            unroll!(R, r, {
                unroll!(pair V, v, {
                    store::<S>(row.as_mut_ptr().add(v * lanes), total[r][v]);
                });
                let out = rows.out.add(*rows.to.add(r) as usize + sums.column);
                for (j, sum) in row[..sums.used].iter().enumerate() {
                    out.add(j).write(if rows.add { *out.add(j) + sum } else { *sum });
                }
            });
        }
    }
}

/// The rows of a tile with what follows.
///
/// # Safety
/// As [`tile`]; bias and shortcut as [`Finish`] says.
#[inline(always)]
unsafe fn finished<S: Simd, const R: usize, const V: usize>(
    simd: S,
    rows: &Rows<'_>,
    sums: &Sums<'_>,
    finish: &Finish<'_>,
    mut total: [[S::f32s; V]; R],
) {
    let lanes = S::F32_LANES;
    let (low, high) = (simd.splat_f32s(finish.bounds.low), simd.splat_f32s(finish.bounds.high));
    let whole = sums.used == V * lanes;
    let mut row = [0.0f32; WIDEST];
    // SAFETY: see above; a row that is not whole goes through `row`.
    unsafe {
        let mut bias = [low; V];
        unroll!(pair V, v, {
            bias[v] = load::<S>(finish.bias.as_ptr().add(sums.column + v * lanes));
        });
        unroll!(R, r, {
            let at = *rows.to.add(r) as usize + sums.column;
            let out = rows.out.add(at);
            // What lies there already, and what is added, as whole vectors.
            let mut others = [None, finish.shortcut.map(|shortcut| shortcut.as_ptr().add(at))];
            others[0] = rows.add.then_some(out.cast_const());
            unroll!(pair V, v, {
                total[r][v] = simd.add_f32s(total[r][v], bias[v]);
            });
            for other in others.into_iter().flatten() {
                let mut from = other;
                if !whole {
                    std::ptr::copy_nonoverlapping(other, row.as_mut_ptr(), sums.used);
                    from = row.as_ptr();
                }
                unroll!(pair V, v, {
                    total[r][v] = simd.add_f32s(total[r][v], load::<S>(from.add(v * lanes)));
                });
            }
            let to = if whole { out } else { row.as_mut_ptr() };
            unroll!(pair V, v, {
                store::<S>(to.add(v * lanes), clamp(simd, total[r][v], [low, high]));
            });
            if !whole {
                std::ptr::copy_nonoverlapping(row.as_ptr(), out, sums.used);
            }
        });
    }
}
