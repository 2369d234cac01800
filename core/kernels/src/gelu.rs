//! GELU, `x Phi(x)` (Hendrycks and Gimpel 2016), with the normal distribution's `Phi` and not its approximation by tanh.
//!
//! Plain arithmetic number by number, compiled for each instruction set: the compiler makes vectors of it, which a call
//! of the system's `erf` would not be.

use pulp::Arch;
use rayon::prelude::*;

use crate::pointer::filled;
use crate::softmax::exp;

/// Numbers of a task.
const TASK: usize = 1 << 14;
/// Behind this many standard deviations `2 Phi(x) - 1` is one within a rounding step.
const FAR: f32 = 5.5;
/// Behind this many `x` times the density is zero beside any gradient.
const GONE: f32 = 13.0;
/// `2 Phi(x) - 1 = x P(x^2) / Q(x^2)` within `FAR`: least squares, weighted until the largest error (1.5e-8) was least.
const P: [f32; 6] = [0.797_884_47, 0.067_704_66, 0.009_354_479, 3.376_441e-4, 1.270_410_9e-5, 4.549_887e-8];
const Q: [f32; 6] = [1.0, 0.251_521_13, 0.028_645_686, 1.884_425e-3, 7.364_612e-5, 1.197_501_2e-6];

/// GELU of each number, with an absolute error below 3e-7 (1 + |x|); of negative infinity no number, as in PyTorch.
pub fn gelu(x: &[f32]) -> Vec<f32> {
    by_parts(x.len(), |at, out| gelu_into(&x[at..][..out.len()], out))
}

/// The same into `out`, on this thread.
///
/// # Panics
/// Slices of different lengths.
pub fn gelu_into(x: &[f32], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "room for each number");
    Arch::new().dispatch(|| out.iter_mut().zip(x).for_each(|(y, &x)| *y = 0.5 * x * (1.0 + spread(x))));
}

/// The gradient of what [`gelu`] read, from that of what it gave.
///
/// # Panics
/// Slices of different lengths.
pub fn gelu_gradient(x: &[f32], grad: &[f32]) -> Vec<f32> {
    assert_eq!(x.len(), grad.len(), "one gradient a number");
    let arch = Arch::new();
    by_parts(x.len(), |at, out| {
        let (x, grad) = (&x[at..][..out.len()], &grad[at..][..out.len()]);
        arch.dispatch(|| {
            for ((y, &x), &grad) in out.iter_mut().zip(x).zip(grad) {
                *y = grad * (0.5 * (1.0 + spread(x)) + x.clamp(-GONE, GONE) * density(x));
            }
        });
    })
}

/// A vector of `len` numbers, whose parts `write` fills, each from where it begins.
fn by_parts(len: usize, write: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    filled(len, |out| {
        (0..len).into_par_iter().step_by(TASK).for_each(|at| {
            let count = TASK.min(len - at);
            // SAFETY: parts do not overlap and lie within the output; zeros come before anything reads them.
            let part = unsafe {
                out.at(at).write_bytes(0, count);
                out.part(at, count)
            };
            write(at, part);
        });
    })
}

/// `2 Phi(x) - 1`.
#[inline(always)]
fn spread(x: f32) -> f32 {
    let x = x.clamp(-FAR, FAR);
    let square = x * x;
    let of = |terms: [f32; 6]| terms.iter().rev().fold(0.0, |sum, term| sum * square + term);
    (x * of(P) / of(Q)).clamp(-1.0, 1.0)
}

/// The normal distribution's density.
#[inline(always)]
fn density(x: f32) -> f32 {
    exp(-0.5 * x * x) * 0.398_942_3
}
