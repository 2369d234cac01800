//! The gradient of a weight: for each tap a sum over pixels of outer products, of a pixel's gradients with the channels
//! that it saw through the tap.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::pixels::Way;
use crate::pointer::Output;
use crate::scratch::Scratch;
use crate::shape::ConvShape;
use crate::simd::{Tile, WIDEST, by_tiles, keep_order, load, store, unroll};

/// Pixels of a chunk, about: what it packs stays in the second cache.
const CHUNK: usize = 256;
/// Weights up to which a sum is divided by pixels, into a fixed number of parts: there are too few outputs to divide.
const FEW: usize = 1 << 16;
/// Parts of such a sum: fixed, so that a result does not depend on the number of threads.
const PARTS: usize = 8;

/// What is multiplied with the gradients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    /// Taps that have a matrix each: all of a filter, or its rows where a row is one run.
    pub taps: usize,
    /// Columns of a tap's matrix.
    pub count: usize,
    /// Height and width of the input as it lies: with its padding where rows are runs.
    pub input: [usize; 2],
    /// Numbers from one input pixel to the next.
    pub pitch: usize,
    /// Whether rows are runs.
    pub runs: bool,
}

/// Chunks of pixels, and which pixels meet in them.
#[derive(Debug)]
pub(crate) struct Chunks {
    tile: Tile,
    /// Pictures of a chunk.
    pictures: usize,
    /// The chunks of a picture; or one chunk of several.
    bands: Vec<Band>,
    /// The chunk of what is left of the batch.
    rest: Option<Band>,
}

/// Rows of the output, of one picture or of several.
#[derive(Debug)]
struct Band {
    pictures: usize,
    output: Range<usize>,
    /// The rows that these read.
    input: Range<usize>,
    /// Of each tap: where the gradients and the columns of each pair of pixels lie in what is packed.
    pairs: Vec<Vec<[u32; 2]>>,
}

/// A chunk of the batch.
struct Item<'a> {
    picture: usize,
    band: &'a Band,
}

impl Chunks {
    /// The chunks of a convolution.
    pub(crate) fn new(shape: &ConvShape, columns: &Columns) -> Self {
        let [height, width] = shape.output();
        let tile = Tile::of(columns.count);
        let area = (height * width).max(1);
        let pictures = (CHUNK / area).clamp(1, shape.batch.max(1));
        let band = |pictures, rows| Band::new(shape, columns, tile, pictures, rows);
        let rows = if pictures > 1 { height } else { (CHUNK / width.max(1)).clamp(1, height.max(1)) };
        let starts = (0..height).step_by(rows.max(1));
        let rest = shape.batch % pictures;
        Self {
            tile,
            pictures,
            bands: starts.map(|start| band(pictures, start..(start + rows).min(height))).collect(),
            rest: (rest > 0).then(|| band(rest, 0..height)),
        }
    }

    /// Bytes of the lists.
    pub(crate) fn bytes(&self) -> usize {
        let bands = self.bands.iter().chain(&self.rest);
        bands.flat_map(|band| &band.pairs).map(|pairs| 8 * pairs.len()).sum()
    }

    fn items(&self, batch: usize) -> Vec<Item<'_>> {
        let whole = batch - batch % self.pictures;
        let pictures = (0..whole).step_by(self.pictures);
        let items = pictures.flat_map(|picture| self.bands.iter().map(move |band| Item { picture, band }));
        items.chain(self.rest.iter().map(|band| Item { picture: whole, band })).collect()
    }
}

impl Band {
    fn new(shape: &ConvShape, columns: &Columns, tile: Tile, pictures: usize, output: Range<usize>) -> Self {
        let row = |y: usize, tap: usize| match columns.runs {
            true => Some(y * shape.stride[0] + tap * shape.dilation[0]),
            false => Way::Forward.axis(shape, 0, y, tap),
        };
        let column = |x: usize, tap: usize| match columns.runs {
            true => Some(x * shape.stride[1]),
            false => Way::Forward.axis(shape, 1, x, tap),
        };
        let tap = |tap: usize| if columns.runs { [tap, 0] } else { shape.tap(tap) };
        let read = output.clone().flat_map(|y| (0..shape.kernel[0]).filter_map(move |tap| row(y, tap)));
        let input = match (read.clone().min(), read.max()) {
            (Some(first), Some(last)) => first..last + 1,
            _ => 0..0,
        };
        let width = shape.output()[1];
        let pitch = if columns.runs { columns.pitch } else { tile.columns() };
        let pairs = (0..columns.taps).map(|at| {
            let [down, across] = tap(at);
            let mut pairs = Vec::new();
            for picture in 0..pictures {
                // Of runs, whole pictures lie there.
                let rows = if columns.runs { columns.input[0] } else { input.len() };
                for y in output.clone() {
                    let Some(from) = row(y, down) else { continue };
                    for x in 0..width {
                        let Some(across) = column(x, across) else { continue };
                        let o = (picture * output.len() + y - output.start) * width + x;
                        let i = (picture * rows + from - input.start) * columns.input[1] + across;
                        pairs.push([(o * tile.rows) as u32, (i * pitch) as u32]);
                    }
                }
            }
            pairs
        });
        Self { pictures, pairs: pairs.collect(), output, input }
    }
}

/// The two sides of the products, of one group.
#[derive(Clone, Copy)]
pub(crate) struct Operands<'a> {
    /// The output's gradient, from the group's first output on.
    pub grad: &'a [f32],
    /// The input, from the group's first channel on; behind it lie a tile's columns more where rows are runs.
    pub x: &'a [f32],
}

/// Writes the gradient of one group's weights, shape (outputs, taps, columns), into `out`.
pub(crate) fn gradient(
    shape: &ConvShape,
    columns: &Columns,
    chunks: &Chunks,
    operands: Operands<'_>,
    out: &mut [f32],
) {
    let outputs = shape.group_outputs();
    let len = outputs * columns.taps * columns.count;
    let items = chunks.items(shape.batch);
    if items.is_empty() {
        return out.fill(0.0);
    }
    let arch = Arch::new();
    let add_up = |items: &[Item<'_>], range: Range<usize>, out: Output| {
        for (i, item) in items.iter().enumerate() {
            let [a, b] = &pack(shape, columns, chunks.tile, operands, item, range.clone());
            let b = if columns.runs {
                let rows = item.picture * columns.input[0] + item.band.input.start;
                &operands.x[rows * columns.input[1] * columns.pitch..]
            } else {
                &b[..]
            };
            let panel =
                if columns.runs { chunks.tile.columns() } else { panel_len(columns, chunks.tile, item) };
            arch.dispatch(Task { a, b, panel, item, columns, range: range.clone(), add: i > 0, out });
        }
    };
    if len > FEW {
        let each =
            outputs.div_ceil(chunks.tile.rows).div_ceil(rayon::current_num_threads()) * chunks.tile.rows;
        let out = Output::of(out);
        (0..outputs).into_par_iter().step_by(each).for_each(|first| {
            add_up(&items, first..(first + each).min(outputs), out);
        });
        return;
    }
    let each = items.len().div_ceil(PARTS);
    let parts = items.len().div_ceil(each);
    let mut sums = Scratch::of(parts * len);
    sums.par_chunks_mut(len.max(1)).zip(items.par_chunks(each)).for_each(|(sums, items)| {
        add_up(items, 0..outputs, Output::of(sums));
    });
    let (first, others) = sums.split_at(len);
    out.copy_from_slice(first);
    for part in others.chunks_exact(len.max(1)) {
        out.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
}

/// Numbers of a packed panel of columns.
fn panel_len(columns: &Columns, tile: Tile, item: &Item<'_>) -> usize {
    item.band.pictures * item.band.input.len() * columns.input[1] * tile.columns()
}

/// Packs a chunk: gradients as (block of outputs, pixel, row of a tile), inputs as (panel, pixel, column of a tile).
/// What lies behind the last output or column is whatever the buffer held, and no sum that is written has it.
fn pack(
    shape: &ConvShape,
    columns: &Columns,
    tile: Tile,
    operands: Operands<'_>,
    item: &Item<'_>,
    range: Range<usize>,
) -> [Scratch; 2] {
    let Band { pictures, output, input, .. } = item.band;
    let [height, width] = shape.output();
    let pixels = pictures * output.len() * width;
    let blocks = range.len().div_ceil(tile.rows);
    let mut a = Scratch::of(blocks * pixels * tile.rows);
    let rows = (0..*pictures).flat_map(|n| output.clone().map(move |y| (item.picture + n) * height + y));
    copy_blocks(
        rows,
        [width, shape.outputs],
        &operands.grad[range.start..],
        range.len(),
        tile.rows,
        pixels,
        &mut a,
    );
    if columns.runs {
        return [a, Scratch::of(0)];
    }
    let [height, width] = columns.input;
    let pixels = pictures * input.len() * width;
    let mut b = Scratch::of(columns.count.div_ceil(tile.columns()) * pixels * tile.columns());
    let rows = (0..*pictures).flat_map(|n| input.clone().map(move |y| (item.picture + n) * height + y));
    copy_blocks(rows, [width, columns.pitch], operands.x, columns.count, tile.columns(), pixels, &mut b);
    [a, b]
}

/// Lays `used` channels of the pixels of `rows` out as (block, pixel, `block` channels).
fn copy_blocks(
    rows: impl Iterator<Item = usize>,
    [width, pitch]: [usize; 2],
    from: &[f32],
    used: usize,
    block: usize,
    pixels: usize,
    to: &mut [f32],
) {
    let mut pixel = 0;
    for row in rows {
        for x in 0..width {
            let channels = &from[(row * width + x) * pitch..][..used];
            for (i, channels) in channels.chunks(block).enumerate() {
                to[(i * pixels + pixel) * block..][..channels.len()].copy_from_slice(channels);
            }
            pixel += 1;
        }
    }
}

/// A chunk's products for a range of outputs.
struct Task<'a> {
    a: &'a [f32],
    b: &'a [f32],
    /// Numbers of `b` from one panel to the next.
    panel: usize,
    item: &'a Item<'a>,
    columns: &'a Columns,
    range: Range<usize>,
    /// Whether the output already holds a part of the sums.
    add: bool,
    /// (output, tap, column)
    out: Output,
}

impl WithSimd for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if self.columns.count <= S::F32_LANES { self.run::<S, 1>(simd) } else { self.run::<S, 2>(simd) }
    }
}

impl Task<'_> {
    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { a, b, panel, item, columns, range, add, out } = self;
        let width = V * S::F32_LANES;
        let tile = Tile::of(columns.count).rows;
        // Pixels of a block of outputs.
        let pixels = a.len() / range.len().div_ceil(tile).max(1);
        for (at, first) in (0..columns.count).step_by(width).enumerate() {
            for (tap, pairs) in item.band.pairs.iter().enumerate() {
                for (block, output) in range.clone().step_by(tile).enumerate() {
                    let mut sums = Sums {
                        a: a[block * pixels..].as_ptr(),
                        b: b[at * panel..].as_ptr(),
                        pairs,
                        // SAFETY: within the output by its shape.
                        out: unsafe { out.at((output * columns.taps + tap) * columns.count + first) },
                        step: columns.taps * columns.count,
                        used: width.min(columns.count - first),
                        add,
                    };
                    by_tiles!(tile.min(range.end - output), V, S, |R, done| {
                        // SAFETY: pairs lie within what was packed, and this range of outputs is ours.
                        unsafe {
                            tile_of::<S, R, V>(simd, &sums);
                            sums.a = sums.a.wrapping_add(R);
                            sums.out = sums.out.wrapping_add(R * sums.step);
                        }
                    });
                }
            }
        }
    }
}

/// The sums of a tile.
struct Sums<'a> {
    a: *const f32,
    b: *const f32,
    pairs: &'a [[u32; 2]],
    out: *mut f32,
    /// Numbers from one output to the next.
    step: usize,
    used: usize,
    add: bool,
}

/// `R` outputs by `V` vectors of columns.
///
/// # Safety
/// Every pair leads to `R` numbers of `a` and `V` vectors of `b`, and `out` has room for the columns of `R` outputs.
#[inline(always)]
unsafe fn tile_of<S: Simd, const R: usize, const V: usize>(simd: S, sums: &Sums<'_>) {
    let lanes = S::F32_LANES;
    let mut total = [[simd.splat_f32s(0.0); V]; R];
    // SAFETY: see above.
    unsafe {
        for &[a, b] in sums.pairs {
            let (a, from) = (sums.a.add(a as usize), sums.b.add(b as usize));
            let mut b = [simd.splat_f32s(0.0); V];
            unroll!(pair V, v, {
                b[v] = load::<S>(from.add(v * lanes));
            });
            unroll!(R, r, {
                let a = simd.splat_f32s(*a.add(r));
                unroll!(pair V, v, {
                    total[r][v] = simd.mul_add_e_f32s(a, b[v], total[r][v]);
                });
                keep_order();
            });
        }
        let mut row = [0.0f32; WIDEST];
        unroll!(R, r, {
            let out = sums.out.add(r * sums.step);
            if sums.used == V * lanes {
                unroll!(pair V, v, {
                    let out = out.add(v * lanes);
                    let sum = total[r][v];
                    store::<S>(out, if sums.add { simd.add_f32s(sum, load::<S>(out)) } else { sum });
                });
            } else {
                unroll!(pair V, v, {
                    store::<S>(row.as_mut_ptr().add(v * lanes), total[r][v]);
                });
                for (j, sum) in row[..sums.used].iter().enumerate() {
                    out.add(j).write(if sums.add { *out.add(j) + sum } else { *sum });
                }
            }
        });
    }
}
