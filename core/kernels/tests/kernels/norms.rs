//! Batch norms and layouts beside plain loops.
use ferkd_kernels::channels_last;
use ferkd_kernels::norm::{
    Bounds, Line, Norm, gradient_sums, input_gradient, input_gradient_in_place, moments, normalise,
    normalise_add, pass,
};

const NONE: Bounds = Bounds { low: f32::NEG_INFINITY, high: f32::INFINITY };
const RELU6: Bounds = Bounds { low: 0.0, high: 6.0 };

#[test]
fn sums_are_those_of_f64_whatever_the_threads() {
    let (channels, pixels) = (5, 9001);
    let x: Vec<f32> = (0..channels * pixels).map(|i| ((i * 7919) % 1000) as f32 / 100.0 + 3.0).collect();
    let origin: Vec<f32> = x[..channels].to_vec();
    let found = moments(&x, &origin);
    for (c, found) in found.iter().enumerate() {
        let distances = x.iter().skip(c).step_by(channels).map(|x| f64::from(*x) - f64::from(origin[c]));
        let expected = distances.fold([0.0, 0.0], |sum, d| [sum[0] + d, sum[1] + d * d]);
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5 * expected.abs().max(1.0), "{found} {expected}");
        }
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(pool.install(|| moments(&x, &origin)), found);
}

#[test]
fn bounds_clamp_and_stop_gradients_at_their_ends() {
    let norm = Norm { mean: &[1.0, 0.0], factor: &[2.0, 1.0], beta: &[0.0, 1.0] };
    let x = [0.0, 2.0, 5.0, f32::NAN, 1.0, -1.0];
    let y = normalise(&x, norm, RELU6);
    assert_eq!(y[..3], [0.0, 3.0, 6.0]);
    assert!(y[3].is_nan());
    assert_eq!(y[4..], [0.0, 0.0]);
    let other = normalise_add(&x[4..], norm, &[1.5, -2.0], NONE);
    assert_eq!(other, [1.5, -2.0]);
    assert_eq!(pass(&[1.0; 4], &[0.0, 3.0, 6.0, f32::NAN], RELU6), [0.0, 1.0, 0.0, 1.0]);

    let line = Line { slope: &[0.5, 0.25], offset: &[0.125, 0.0] };
    let grad = [1.0, 2.0, 4.0, 8.0];
    let x = [1.5, 2.0, 9.0, -7.0];
    let found = input_gradient(&grad, &x, norm, line, RELU6);
    // Of the last pixel both numbers were clamped.
    assert_eq!(found, [2.0 + 0.25 + 0.125, 2.0 + 0.5, 4.0 + 0.125, -1.75]);
    let mut over = grad;
    input_gradient_in_place(&mut over, &x, norm, line, RELU6);
    assert_eq!(over[..], found[..]);
    assert_eq!(gradient_sums(&grad, &x, norm, RELU6), [[1.0, 0.5], [2.0, 4.0]]);
}

#[test]
fn channels_are_laid_last() {
    let (n, channels, area) = (3, 37, 70);
    let x: Vec<f32> = (0..n * channels * area).map(|i| i as f32).collect();
    let y = channels_last(&x, channels, area);
    for (i, y) in y.iter().enumerate() {
        let (n, pixel, channel) = (i / (channels * area), i / channels % area, i % channels);
        assert_eq!(*y, x[(n * channels + channel) * area + pixel]);
    }
    assert!(channels_last(&[], 0, 4).is_empty());
}
