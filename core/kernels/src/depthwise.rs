//! Convolutions in which each channel has one filter of its own.

use pulp::{Arch, Scalar, Simd, WithSimd};
use rayon::prelude::*;

use crate::norm::Bounds;
use crate::pixels::Way;
use crate::pointer::Output;
use crate::scratch::Scratch;
use crate::shape::ConvShape;
use crate::simd::{WIDEST, clamp, load, most_rows, store, unroll};

/// Pixels of a row whose sums stay in registers, at most.
const MOST: usize = 7;
/// Pixels where that many would leave more of them computed twice.
const FEW: usize = 4;
/// Numbers of a task, about.
const TASK: usize = 1 << 15;
/// In place of a pixel that is padding, and what it reads.
const PADDING: u32 = u32::MAX;
static ZEROS: [f32; WIDEST] = [0.0; WIDEST];

/// Pixels of a row that are computed together.
#[derive(Debug)]
struct Group {
    /// The first pixel, from one to the next, and how many: `MOST`, `FEW` or one.
    first: usize,
    step: usize,
    count: usize,
    taps: Vec<Tap>,
}

/// What the pixels of a group read through a column of taps.
#[derive(Debug)]
struct Tap {
    across: usize,
    from: [u32; MOST],
    /// Whether each reads `advance` pixels behind the one before it, and none padding.
    in_line: bool,
}

impl Group {
    /// Columns of taps that all of its pixels see padding through are left out; of others padding is a zero times the
    /// weight.
    fn new(shape: &ConvShape, way: Way, first: usize, step: usize, count: usize, advance: usize) -> Self {
        let taps = (0..shape.kernel[1]).filter_map(|across| {
            let mut from = [PADDING; MOST];
            for (p, from) in from.iter_mut().enumerate().take(count) {
                *from = way.axis(shape, 1, first + p * step, across).map_or(PADDING, |x| x as u32);
            }
            let used = &from[..count];
            let follows =
                |(p, &x): (usize, &u32)| x != PADDING && x as usize == used[0] as usize + p * advance;
            let in_line = used.iter().enumerate().all(follows);
            used.iter().any(|&x| x != PADDING).then_some(Tap { across, from, in_line })
        });
        Self { first, step, count, taps: taps.collect() }
    }
}

/// How many of `count` pixels are computed together.
fn together(count: usize) -> usize {
    let computed = |size: usize| count.div_ceil(size) * size;
    match count {
        0..FEW => 1,
        FEW..MOST => FEW,
        _ if computed(MOST) <= computed(FEW) => MOST,
        _ => FEW,
    }
}

/// The rows and columns of what is written.
#[derive(Debug)]
pub(crate) struct Grid {
    /// Of each row: taps, and the rows that are read through them.
    rows: Vec<Vec<[usize; 2]>>,
    columns: Vec<Group>,
    /// From one pixel's input to the next's.
    advance: usize,
    /// Width of what is read and of what is written.
    read_width: usize,
    width: usize,
}

impl Grid {
    pub(crate) fn new(shape: &ConvShape, way: Way) -> Self {
        let [height, width] = way.written(shape);
        let (step, advance) = match way {
            Way::Forward => (1, shape.stride[1]),
            Way::Backward => (shape.stride[1], 1),
        };
        let mut columns = Vec::new();
        for phase in 0..step.min(width) {
            let count = (width - phase).div_ceil(step);
            let size = together(count);
            for at in (0..count).step_by(size) {
                // The last group begins early enough to be whole: some pixels are written twice, with the same numbers.
                let first = phase + at.min(count - size) * step;
                columns.push(Group::new(shape, way, first, step, size, advance));
            }
        }
        let row = |y: usize| -> Vec<[usize; 2]> {
            let taps = 0..shape.kernel[0];
            taps.filter_map(|tap| Some([tap, way.axis(shape, 0, y, tap)?])).collect()
        };
        Self { rows: (0..height).map(row).collect(), columns, advance, read_width: way.read(shape)[1], width }
    }
}

/// Writes the output, shape (N, height, width, channels).
pub(crate) fn forward(shape: &ConvShape, x: &[f32], weight: &[f32], out: Output) {
    rows(shape, Way::Forward, x, weight, out);
}

/// Writes the gradient of the input, shape (N, height, width, channels).
pub(crate) fn data_gradient(shape: &ConvShape, grad: &[f32], weight: &[f32], out: Output) {
    rows(shape, Way::Backward, grad, weight, out);
}

fn rows(shape: &ConvShape, way: Way, from: &[f32], weight: &[f32], out: Output) {
    let grid = Grid::new(shape, way);
    let channels = shape.channels;
    // (tap, channel)
    let mut filters = Scratch::of(weight.len());
    by_tap(weight, channels, &mut filters);
    let height = grid.rows.len();
    let read = way.read(shape);
    let picture = read[0] * read[1] * channels;
    let line = grid.width * channels;
    let least = (TASK / line.max(1)).max(1);
    let arch = Arch::new();
    (0..shape.batch * height).into_par_iter().with_min_len(least).for_each(|at| {
        let (n, y) = (at / height, at % height);
        let from = &from[n * picture..][..picture];
        let filters = Filters { numbers: &filters, width: shape.kernel[1], channels, finish: None };
        Row { grid: &grid, y, from, filters, out: at * line, to: out }.write(arch);
    });
}

/// Filters, shape (channels, 1, height, width), as (tap, channel).
pub(crate) fn by_tap(weight: &[f32], channels: usize, to: &mut [f32]) {
    let taps = weight.len() / channels.max(1);
    for (tap, to) in to.chunks_exact_mut(channels.max(1)).enumerate() {
        to.iter_mut().enumerate().for_each(|(c, to)| *to = weight[c * taps + tap]);
    }
}

/// Writes the output of one picture on this thread.
pub(crate) fn of_one(grid: &Grid, x: &[f32], filters: Filters<'_>, out: Output) {
    let arch = Arch::new();
    let line = grid.width * filters.channels;
    for y in 0..grid.rows.len() {
        Row { grid, y, from: x, filters, out: y * line, to: out }.write(arch);
    }
}

/// Numbers of a vector.
fn lanes() -> usize {
    crate::simd::Tile::of(1).lanes
}

/// The filters of all channels.
#[derive(Clone, Copy)]
pub(crate) struct Filters<'a> {
    /// (tap, channel)
    pub numbers: &'a [f32],
    /// Width of a filter.
    pub width: usize,
    pub channels: usize,
    /// A bias for each channel, and the bounds of what comes out.
    pub finish: Option<(&'a [f32], Bounds)>,
}

/// One row of what is written.
struct Row<'a> {
    grid: &'a Grid,
    y: usize,
    /// The picture.
    from: &'a [f32],
    filters: Filters<'a>,
    /// Where the row begins.
    out: usize,
    to: Output,
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (lanes, channels) = (S::F32_LANES, self.filters.channels);
        let mut channel = 0;
        while channel + 2 * lanes <= channels {
            self.channels::<S, 2>(simd, channel);
            channel += 2 * lanes;
        }
        while channel + lanes <= channels {
            self.channels::<S, 1>(simd, channel);
            channel += lanes;
        }
        if channel < channels {
            // The last vector again, from the end: some channels are written twice, with the same numbers.
            self.channels::<S, 1>(simd, channels - lanes);
        }
    }
}

impl Row<'_> {
    fn write(self, arch: Arch) {
        if self.filters.channels < lanes() { self.with_simd(Scalar) } else { arch.dispatch(self) }
    }

    #[inline(always)]
    fn channels<S: Simd, const V: usize>(&self, simd: S, channel: usize) {
        for group in &self.grid.columns {
            match group.count {
                MOST if V == 1 || most_rows::<S>(V) >= MOST => {
                    self.pixels::<S, MOST, V>(simd, channel, group);
                }
                MOST => {
                    self.pixels::<S, MOST, 1>(simd, channel, group);
                    self.pixels::<S, MOST, 1>(simd, channel + S::F32_LANES, group);
                }
                FEW => self.pixels::<S, FEW, V>(simd, channel, group),
                _ => self.pixels::<S, 1, V>(simd, channel, group),
            }
        }
    }

    /// The `P` pixels of a group by `V` vectors of channels.
    #[inline(always)]
    fn pixels<S: Simd, const P: usize, const V: usize>(&self, simd: S, channel: usize, group: &Group) {
        let (lanes, channels) = (S::F32_LANES, self.filters.channels);
        let advance = self.grid.advance * channels;
        let mut total = [[simd.splat_f32s(0.0); V]; P];
        // SAFETY: taps lead to pixels of the picture, as `Way::axis` promises, or to zeros, and a block's channels are
        // there; the row of the output is this task's alone.
        unsafe {
            for &[down, y] in &self.grid.rows[self.y] {
                let line = self.from.as_ptr().add(y * self.grid.read_width * channels + channel);
                for tap in &group.taps {
                    let at = (down * self.filters.width + tap.across) * channels + channel;
                    let from = self.filters.numbers.as_ptr().add(at);
                    let mut filter = [simd.splat_f32s(0.0); V];
                    unroll!(pair V, v, {
                        filter[v] = load::<S>(from.add(v * lanes));
                    });
                    if tap.in_line {
                        let pixel = line.add(tap.from[0] as usize * channels);
                        unroll!(seven P, p, {
                            unroll!(pair V, v, {
                                let pixel = load::<S>(pixel.add(p * advance + v * lanes));
                                total[p][v] = simd.mul_add_e_f32s(pixel, filter[v], total[p][v]);
                            });
                        });
                    } else {
                        unroll!(seven P, p, {
                            let pixel = match tap.from[p] {
                                PADDING => ZEROS.as_ptr(),
                                x => line.add(x as usize * channels),
                            };
                            unroll!(pair V, v, {
                                let pixel = load::<S>(pixel.add(v * lanes));
                                total[p][v] = simd.mul_add_e_f32s(pixel, filter[v], total[p][v]);
                            });
                        });
                    }
                }
            }
            if let Some((bias, bounds)) = self.filters.finish {
                let bounds = [simd.splat_f32s(bounds.low), simd.splat_f32s(bounds.high)];
                unroll!(pair V, v, {
                    let bias = load::<S>(bias.as_ptr().add(channel + v * lanes));
                    unroll!(seven P, p, {
                        total[p][v] = clamp(simd, simd.add_f32s(total[p][v], bias), bounds);
                    });
                });
            }
            unroll!(seven P, p, {
                let pixel = group.first + p * group.step;
                let out = self.to.at(self.out + pixel * channels + channel);
                unroll!(pair V, v, {
                    store::<S>(out.add(v * lanes), total[p][v]);
                });
            });
        }
    }
}

/// Pixels of a row that a weight's gradient adds up side by side.
const PIXELS: usize = 4;

/// The gradient of the weight, of its shape (channels, 1, height, width): a sum for each picture, and their sum in the
/// pictures' order.
pub(crate) fn weight_gradient(shape: &ConvShape, grad: &[f32], x: &[f32]) -> Vec<f32> {
    let (taps, channels) = (shape.taps(), shape.channels);
    let mut out = vec![0.0; channels * taps];
    if shape.output_len() == 0 {
        return out;
    }
    let mut sums = Scratch::zeros(shape.batch * taps * channels);
    let [to, from] = [shape.output_area() * channels, shape.input_area() * channels];
    let arch = Arch::new();
    let pictures = grad.par_chunks_exact(to).zip(x.par_chunks_exact(from));
    sums.par_chunks_exact_mut(taps * channels).zip(pictures).for_each(|(sums, (grad, x))| {
        let picture = Picture { shape, grad, x, sums };
        if channels < lanes() { picture.with_simd(Scalar) } else { arch.dispatch(picture) }
    });
    let (first, others) = sums.split_at_mut(taps * channels);
    for picture in others.chunks_exact(taps * channels) {
        first.iter_mut().zip(picture).for_each(|(sum, picture)| *sum += picture);
    }
    for (channel, out) in out.chunks_exact_mut(taps).enumerate() {
        out.iter_mut().enumerate().for_each(|(tap, out)| *out = first[tap * channels + channel]);
    }
    out
}

/// One picture's part of a weight's gradient.
struct Picture<'a> {
    shape: &'a ConvShape,
    grad: &'a [f32],
    x: &'a [f32],
    /// (tap, channel), zeros at first
    sums: &'a mut [f32],
}

impl WithSimd for Picture<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (lanes, channels) = (S::F32_LANES, self.shape.channels);
        let [width, kernel] = [self.shape.output()[1], self.shape.kernel[1]];
        // Of each tap across: the pixels that read through it, the first of them, and what that reads.
        let ranges: Vec<[usize; 3]> = (0..kernel)
            .map(|tap| {
                let reads = |x: &usize| Way::Forward.axis(self.shape, 1, *x, tap).is_some();
                let first = (0..width).find(reads).unwrap_or(width);
                let count = (first..width).take_while(reads).count();
                [first, count, Way::Forward.axis(self.shape, 1, first, tap).unwrap_or_default()]
            })
            .collect();
        let mut done = 0;
        while done < channels {
            // The last vector begins early enough to be whole; what it has in common with the one before is not added
            // again.
            let start = done.min(channels - lanes);
            self.block::<S>(simd, start, done, &ranges);
            done = start + lanes;
        }
    }
}

impl Picture<'_> {
    /// A vector of channels from `start` on, of which those from `from` on are written.
    #[inline(always)]
    fn block<S: Simd>(&mut self, simd: S, start: usize, from: usize, ranges: &[[usize; 3]]) {
        let (shape, channels, lanes) = (self.shape, self.shape.channels, S::F32_LANES);
        let [height, width] = shape.output();
        let advance = shape.stride[1] * channels;
        let mut values = [0.0f32; 64];
        for down in 0..shape.kernel[0] {
            for y in 0..height {
                let Some(row) = Way::Forward.axis(shape, 0, y, down) else { continue };
                for (across, &[first, count, column]) in ranges.iter().enumerate() {
                    // A tap that sees nothing but padding.
                    if count == 0 {
                        continue;
                    }
                    let grad = &self.grad[(y * width + first) * channels + start..];
                    let x = &self.x[(row * shape.input[1] + column) * channels + start..];
                    let mut total = [simd.splat_f32s(0.0); PIXELS];
                    // SAFETY: `count` pixels from the first on, and what each of them reads, lie within the picture.
                    unsafe {
                        let (grad, x) = (grad.as_ptr(), x.as_ptr());
                        let whole = count - count % PIXELS;
                        for at in (0..whole).step_by(PIXELS) {
                            unroll!(four PIXELS, p, {
                                let grad = load::<S>(grad.add((at + p) * channels));
                                let x = load::<S>(x.add((at + p) * advance));
                                total[p] = simd.mul_add_e_f32s(grad, x, total[p]);
                            });
                        }
                        for at in whole..count {
                            let grad = load::<S>(grad.add(at * channels));
                            total[0] = simd.mul_add_e_f32s(grad, load::<S>(x.add(at * advance)), total[0]);
                        }
                        let sum = simd
                            .add_f32s(simd.add_f32s(total[0], total[1]), simd.add_f32s(total[2], total[3]));
                        store::<S>(values.as_mut_ptr(), sum);
                    }
                    let tap = (down * shape.kernel[1] + across) * channels;
                    let sums = &mut self.sums[tap + from..tap + start + lanes];
                    let values = &values[from - start..lanes];
                    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                }
            }
        }
    }
}
