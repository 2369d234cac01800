//! GELU and softmax beside sums in f64.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ferkd_kernels::{gelu, gelu_gradient, softmax};

/// `erf(z)` for `z` of at least 0: its series, and behind 3 its continued fraction.
fn erf(z: f64) -> f64 {
    if z > 3.0 {
        let fraction = (1..60).rev().fold(0.0, |rest, k| f64::from(k) / 2.0 / (z + rest));
        return 1.0 - (-z * z).exp() / (z + fraction) / std::f64::consts::PI.sqrt();
    }
    let (mut sum, mut term) = (0.0, z);
    for k in 0..80 {
        sum += term / f64::from(2 * k + 1);
        term *= -z * z / f64::from(k + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

/// GELU and its derivative.
fn exact(x: f64) -> [f64; 2] {
    let share = 0.5 * (1.0 + x.signum() * erf(x.abs() / std::f64::consts::SQRT_2));
    let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    [x * share, share + x * density]
}

#[test]
fn it_is_the_sum_in_f64_within_its_rounding() {
    // More than one task, and far out.
    let x: Vec<f32> =
        (-60_000..=60_000).map(|i| i as f32 / 4000.0).chain([-100.0, 100.0, 1e-30, 0.0]).collect();
    let (y, to_x) = (gelu(&x), gelu_gradient(&x, &vec![2.0; x.len()]));
    for ((x, y), to_x) in x.iter().zip(&y).zip(&to_x) {
        let x = f64::from(*x);
        let [value, slope] = exact(x);
        assert!((f64::from(*y) - value).abs() < 3e-7 * (1.0 + x.abs()), "{x}: {y}, exactly {value}");
        assert!((f64::from(*to_x) - 2.0 * slope).abs() < 1e-6, "{x}: {to_x}, exactly {}", 2.0 * slope);
    }
}

#[test]
fn what_is_no_number_stays_none() {
    assert!(gelu(&[f32::NAN])[0].is_nan() && gelu_gradient(&[f32::NAN], &[1.0])[0].is_nan());
    assert_eq!(gelu(&[f32::INFINITY, f32::MIN]), [f32::INFINITY, 0.0]);
    assert!(gelu(&[f32::NEG_INFINITY])[0].is_nan());
    let far = [-f32::MAX, -1e30, 1e30, f32::MAX, f32::INFINITY];
    let slopes = gelu_gradient(&far, &[1.0; 5]);
    assert!(slopes.iter().zip([0.0, 0.0, 1.0, 1.0, 1.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{slopes:?}");
    assert_eq!((gelu(&[]), gelu_gradient(&[], &[])), (vec![], vec![]));
}

#[test]
fn a_softmax_is_the_sum_in_f64_within_its_rounding() {
    for (width, scale) in [(1, 1.0), (7, 0.5), (16, 0.125), (197, 2.0)] {
        let x: Vec<f32> = (0..5 * width).map(|i| ((i * 7919) % 1009) as f32 / 50.0 - 10.0).collect();
        let mut found = x.clone();
        softmax(&mut found, width, scale);
        for (x, found) in x.chunks(width).zip(found.chunks(width)) {
            let most = x.iter().fold(f32::MIN, |most, x| most.max(*x));
            let of = |x: f32| (f64::from(scale) * f64::from(x - most)).exp();
            let all: f64 = x.iter().map(|&x| of(x)).sum();
            for (x, found) in x.iter().zip(found) {
                assert!((f64::from(*found) - of(*x) / all).abs() < 1e-6, "{x}: {found}, {}", of(*x) / all);
            }
        }
    }
    let mut row = [1.0, f32::NAN];
    softmax(&mut row, 2, 1.0);
    assert!(row.iter().all(|x| x.is_nan()));
    softmax(&mut [], 0, 1.0);
}
