//! Weights along one axis: which pixels of a region an output pixel sees, and how much of each.
//!
//! Pillow's rule, in whole numbers as the CPU computes it, so that bytes come out the same.

use ferkd_data::pixels::Filter;

/// Output pixels along an axis.
pub(crate) struct Axis {
    /// For each of them: first pixel, number of pixels, and place of the first weight.
    pub(crate) taps: Vec<[u32; 3]>,
    /// Weights, times 2 to the power of `bits`.
    pub(crate) weights: Vec<i32>,
    /// Binary digits behind the point.
    pub(crate) bits: u32,
}

/// More digits would overflow 32 bits with a sum of bytes.
const MOST_BITS: u32 = 21;

impl Axis {
    /// From `from` pixels to `to`.
    pub(crate) fn new(from: u32, to: u32, filter: Filter) -> Self {
        let (shape, support): (fn(f64) -> f64, f64) = match filter {
            Filter::Bilinear => (triangle, 1.0),
            Filter::Bicubic => (cubic, 2.0),
        };
        let scale = f64::from(from) / f64::from(to);
        // Only ever wider, never narrower than between two pixels.
        let widened = scale.max(1.0);
        let radius = support * widened;
        let mut taps = Vec::with_capacity(to as usize);
        let mut exact: Vec<f64> = Vec::new();
        for number in 0..to {
            let centre = (f64::from(number) + 0.5) * scale;
            let first = (centre - radius).floor().max(0.0) as u32;
            let end = (centre + radius).ceil().min(f64::from(from)) as u32;
            let weigh = |pixel: u32| shape((f64::from(pixel) - (centre - 0.5)) * (1.0 / widened));
            let seen: Vec<(u32, f64)> = (first..end).map(|pixel| (pixel, weigh(pixel))).collect();
            let sum: f64 = seen.iter().map(|(_, weight)| weight).sum();
            let start = seen.iter().position(|(_, weight)| *weight != 0.0).unwrap_or(0);
            let stop = seen.iter().rposition(|(_, weight)| *weight != 0.0).map_or(start, |last| last + 1);
            taps.push([first + start as u32, (stop - start) as u32, exact.len() as u32]);
            exact.extend(seen[start..stop].iter().map(|(_, weight)| weight / sum));
        }
        let bits = bits(exact.iter().copied().fold(0.0, f64::max));
        let weights = exact.iter().map(|weight| i32::from((weight * f64::from(1u32 << bits)).round() as i16));
        Self { taps, weights: weights.collect(), bits }
    }
}

/// As many digits as let the largest weight fit into 16 bits.
fn bits(largest: f64) -> u32 {
    let fits = |bits: u32| ((largest * f64::from(1u32 << bits)).round() as i64) < 1 << 15;
    (0..MOST_BITS).find(|bits| !fits(bits + 1)).unwrap_or(MOST_BITS)
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_every_pixel_sum_to_one_and_stay_inside() {
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            for (from, to) in [(1, 1), (1, 224), (7, 5), (224, 224), (451, 224), (3, 224), (20_000, 32)] {
                let Axis { taps, weights, bits } = Axis::new(from, to, filter);
                assert_eq!(taps.len(), to as usize);
                for [first, count, place] in taps {
                    assert!(count > 0 && first + count <= from, "{from} to {to}");
                    let own = &weights[place as usize..(place + count) as usize];
                    let off = f64::from(own.iter().sum::<i32>()) / f64::from(1u32 << bits) - 1.0;
                    assert!(off.abs() < 1e-2, "{from} to {to}: off by {off}");
                }
            }
        }
    }

    #[test]
    fn the_same_size_is_the_same_picture() {
        for filter in [Filter::Bilinear, Filter::Bicubic] {
            let Axis { taps, weights, bits } = Axis::new(9, 9, filter);
            assert!(taps.iter().enumerate().all(|(i, tap)| tap[..2] == [i as u32, 1]));
            assert!(weights.iter().all(|weight| *weight == 1 << bits));
        }
    }
}
