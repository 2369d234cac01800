//! Convolutions beside the textbook in f64.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use ferkd_kernels::norm::Bounds;
use ferkd_kernels::{ConvShape, Prepared, data_gradient, forward, weight_gradient};

/// Batch, height and width, channels, outputs, kernel, stride, padding before and after, dilation, groups.
type Sizes = (usize, [usize; 2], [usize; 2], [usize; 2], [usize; 2], (usize, usize), usize, usize);

const SIZES: [Sizes; 29] = [
    (1, [1, 1], [1, 1], [1, 1], [1, 1], (0, 0), 1, 1),
    (2, [9, 7], [3, 8], [3, 3], [1, 1], (1, 1), 1, 1),
    (3, [16, 16], [64, 70], [3, 3], [1, 1], (1, 1), 1, 1),
    // Small pictures: blocks of several, and a batch that they do not divide.
    (7, [4, 4], [40, 48], [3, 3], [1, 1], (1, 1), 1, 1),
    (32, [2, 2], [64, 33], [3, 3], [1, 1], (1, 1), 1, 1),
    // Deeper than a panel that fits the cache.
    (2, [3, 3], [600, 17], [3, 3], [1, 1], (1, 1), 1, 1),
    (2, [8, 8], [24, 16], [1, 1], [2, 2], (0, 0), 1, 1),
    (3, [9, 9], [32, 32], [3, 3], [2, 2], (1, 1), 1, 1),
    (3, [21, 19], [3, 20], [7, 7], [2, 2], (3, 3), 1, 1),
    (2, [12, 12], [8, 8], [3, 3], [1, 1], (1, 1), 1, 1),
    (2, [12, 12], [16, 4], [5, 5], [1, 1], (2, 2), 1, 1),
    // TensorFlow's SAME: one more behind.
    (2, [8, 8], [8, 8], [3, 3], [2, 2], (0, 1), 1, 8),
    (2, [15, 13], [40, 40], [3, 3], [1, 1], (1, 1), 1, 40),
    (2, [15, 13], [19, 19], [5, 5], [2, 2], (2, 2), 1, 19),
    (1, [14, 14], [3, 3], [5, 5], [1, 1], (2, 2), 1, 3),
    (1, [20, 20], [32, 32], [3, 3], [2, 2], (0, 1), 1, 32),
    // Rows of seven pixels, of eleven, and of two, with fewer channels than two vectors.
    (2, [7, 14], [12, 12], [5, 5], [1, 1], (2, 2), 1, 12),
    (2, [9, 11], [20, 20], [3, 3], [1, 1], (2, 2), 2, 20),
    (2, [5, 2], [36, 36], [3, 3], [1, 1], (1, 1), 1, 36),
    // Taps that see nothing but padding.
    (2, [1, 1], [40, 40], [5, 5], [1, 1], (2, 2), 1, 40),
    (2, [1, 2], [24, 20], [5, 5], [1, 1], (2, 2), 1, 1),
    (2, [5, 5], [8, 4], [3, 3], [1, 1], (1, 1), 1, 2),
    (2, [9, 9], [48, 48], [3, 3], [2, 2], (1, 1), 1, 4),
    // Filters that are not square, strides that differ, and dilation.
    (2, [11, 9], [20, 24], [1, 3], [2, 1], (1, 0), 1, 1),
    (2, [13, 13], [24, 20], [3, 3], [1, 1], (2, 2), 2, 1),
    (2, [13, 13], [6, 6], [3, 3], [2, 2], (2, 2), 2, 6),
    // Padding that whole windows lie in, and pixels that no window reads.
    (2, [3, 3], [20, 20], [1, 1], [1, 1], (2, 2), 1, 1),
    (2, [7, 7], [20, 20], [1, 1], [3, 3], (0, 0), 1, 1),
    // Wide pictures: several bands of one.
    (2, [40, 40], [18, 20], [3, 3], [1, 1], (1, 1), 1, 1),
];

fn shape(
    &(batch, input, [channels, outputs], kernel, stride, padding, dilation, groups): &Sizes,
) -> ConvShape {
    ConvShape {
        batch,
        input,
        channels,
        outputs,
        kernel,
        stride,
        padding: [padding; 2],
        dilation: [dilation; 2],
        groups,
    }
}

fn depthwise(shape: &ConvShape) -> bool {
    shape.groups > 1 && shape.groups == shape.channels && shape.groups == shape.outputs
}

/// Numbers of -1 to 1 that look like chance.
fn numbers(len: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// Input, weight and the output's gradient.
fn operands(shape: &ConvShape) -> [Vec<f32>; 3] {
    [numbers(shape.input_len(), 1), numbers(shape.weight_len(), 2), numbers(shape.output_len(), 3)]
}

/// Output, gradient of the input, gradient of the weight.
fn all(shape: &ConvShape) -> [Vec<f32>; 3] {
    let [x, weight, grad] = operands(shape);
    [forward(shape, &x, &weight), data_gradient(shape, &grad, &weight), weight_gradient(shape, &grad, &x)]
}

#[test]
fn sums_are_those_of_f64_within_a_millionth_of_the_largest() {
    for sizes in &SIZES {
        let shape = shape(sizes);
        let [x, weight, grad] = operands(&shape);
        let expected = [
            crate::reference::forward(&shape, &x, &weight),
            crate::reference::data_gradient(&shape, &grad, &weight),
            crate::reference::weight_gradient(&shape, &grad, &x),
        ];
        for (what, (found, expected)) in
            ["output", "data gradient", "weight gradient"].iter().zip(all(&shape).iter().zip(&expected))
        {
            assert_eq!(found.len(), expected.len());
            let largest = expected.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
            for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
                let error = (f64::from(*found) - expected).abs();
                assert!(
                    error <= 1e-6 * largest,
                    "{what} of {shape:?}, number {i}: {found} instead of {expected}"
                );
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let bits = |values: [Vec<f32>; 3]| values.map(|v| v.into_iter().map(f32::to_bits).collect::<Vec<_>>());
    for sizes in &SIZES {
        let shape = shape(sizes);
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            bits(pool.install(|| all(&shape)))
        };
        let one = with(1);
        for threads in [2, 3, 7] {
            assert!(with(threads) == one, "{shape:?} on {threads} threads");
        }
    }
}

#[test]
fn an_empty_batch_and_a_filter_without_room_give_nothing() {
    let shape = shape(&(0, [4, 4], [3, 8], [3, 3], [1, 1], (1, 1), 1, 1));
    assert_eq!(all(&shape), [vec![], vec![], vec![0.0; 8 * 3 * 9]]);
    let shape = ConvShape { batch: 2, input: [2, 2], padding: [(0, 0); 2], ..shape };
    assert_eq!(shape.output(), [0, 0]);
    assert_eq!(all(&shape), [vec![], vec![0.0; 2 * 4 * 3], vec![0.0; 8 * 3 * 9]]);
}

#[test]
fn numbers_that_are_not_finite_reach_what_they_touch() {
    let shape = shape(&SIZES[1]);
    let [mut x, weight, _] = operands(&shape);
    x[0] = f32::NAN;
    let y = forward(&shape, &x, &weight);
    assert!(y[..shape.outputs].iter().all(|y| y.is_nan()));
    assert!(y[y.len() - shape.outputs..].iter().all(|y| y.is_finite()));
}

#[test]
fn a_prepared_convolution_adds_bias_and_shortcut_and_clamps() {
    for sizes in &SIZES {
        let shape = ConvShape { batch: 1, ..shape(sizes) };
        let [x, weight, _] = operands(&shape);
        let bias = numbers(shape.outputs, 4);
        let shortcut = (!depthwise(&shape)).then(|| numbers(shape.output_len(), 5));
        let bounds = Bounds { low: 0.0, high: 0.75 };
        let mut expected = crate::reference::forward(&shape, &x, &weight);
        let largest = expected.iter().fold(1.0f64, |largest, value| largest.max(value.abs()));
        for (i, value) in expected.iter_mut().enumerate() {
            *value += f64::from(bias[i % shape.outputs]);
            *value += shortcut.as_ref().map_or(0.0, |shortcut| f64::from(shortcut[i]));
            *value = value.clamp(0.0, 0.75);
        }
        let mut found = vec![f32::NAN; shape.output_len()];
        Prepared::new(&shape, &weight, &bias, bounds).apply(&shape, &x, shortcut.as_deref(), &mut found);
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (f64::from(*found) - expected).abs();
            assert!(error <= 1e-6 * largest, "{shape:?}, number {i}: {found} instead of {expected}");
        }
    }
}
