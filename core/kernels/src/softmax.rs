//! The exponential function in plain arithmetic, of which the compiler makes vectors, and the softmax of rows.

use pulp::Arch;

/// Numbers that are compared and added up side by side.
const LANES: usize = 16;

/// `e` to a power of at most 0, within 3e-7 of itself; below -80 it stays what it is there, 2e-35. What is not a number
/// stays so.
#[inline(always)]
pub(crate) fn exp(power: f32) -> f32 {
    /// `1 / k!`: with `|r|` at most `ln 2 / 2` the first term that is left out is below 1.2e-7.
    const TERMS: [f32; 7] = [1.0, 1.0, 0.5, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0];
    /// Added to a number below 2^22, and taken off again, it leaves a whole number, which its lowest bits are.
    const ROUND: f32 = 12_582_912.0;
    let power = power.clamp(-80.0, 0.0);
    let shifted = power * std::f32::consts::LOG2_E + ROUND;
    let rest = power - (shifted - ROUND) * std::f32::consts::LN_2;
    let series = TERMS.iter().rev().fold(0.0, |sum, term| sum * rest + term);
    series * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()))
}

/// The softmax of `scale` times each row of `width` numbers, in their place, on this thread. `scale` is positive.
///
/// # Panics
/// Numbers that are no whole rows.
pub fn softmax(numbers: &mut [f32], width: usize, scale: f32) {
    assert!(numbers.len().is_multiple_of(width.max(1)), "whole rows of {width}");
    Arch::new().dispatch(|| {
        for row in numbers.chunks_exact_mut(width.max(1)) {
            let most = largest(row);
            row.iter_mut().for_each(|x| *x = exp((*x - most) * scale));
            let share = 1.0 / sum(row);
            row.iter_mut().for_each(|x| *x *= share);
        }
    });
}

#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let mut most = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for row in whole {
        most.iter_mut().zip(row).for_each(|(most, x)| *most = most.max(*x));
    }
    most.iter_mut().zip(rest).for_each(|(most, x)| *most = most.max(*x));
    most.into_iter().fold(f32::NEG_INFINITY, f32::max)
}

#[inline(always)]
fn sum(row: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (whole, rest) = row.as_chunks::<LANES>();
    for row in whole {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    sums.iter_mut().zip(rest).for_each(|(sum, x)| *sum += x);
    sums.iter().sum()
}
