//! Max pools beside a plain loop in f64.
use ferkd_kernels::{PoolShape, max_pool, max_pool_gradient};

/// Numbers of which some are equal, as after an activation.
fn numbers(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| (((i + seed) * 7919 % 1013) as f32 / 300.0 - 1.5).max(0.0)).collect()
}

/// The greatest numbers and the gradient, window by window; the first of equals takes it.
fn reference(shape: &PoolShape, x: &[f32], grad: &[f32]) -> (Vec<f32>, Vec<f64>) {
    let ([height, width], [rows, columns], channels) = (shape.output(), shape.input, shape.channels);
    let (mut out, mut to_x) = (Vec::new(), vec![0.0; x.len()]);
    for (at, upstream) in grad.iter().enumerate().take(shape.batch * height * width * channels) {
        let (n, y, across, channel) = (
            at / (height * width * channels),
            at / (width * channels) % height,
            at / channels % width,
            at % channels,
        );
        let mut most: Option<(f64, usize)> = None;
        for tap in 0..shape.kernel[0] * shape.kernel[1] {
            let row = (y * shape.stride[0] + tap / shape.kernel[1]).checked_sub(shape.padding[0].0);
            let column = (across * shape.stride[1] + tap % shape.kernel[1]).checked_sub(shape.padding[1].0);
            let (Some(row), Some(column)) = (row, column) else { continue };
            if row >= rows || column >= columns {
                continue;
            }
            let place = ((n * rows + row) * columns + column) * channels + channel;
            if most.is_none_or(|(most, _)| f64::from(x[place]) > most) {
                most = Some((f64::from(x[place]), place));
            }
        }
        let (most, place) = most.expect("a window of padding alone");
        out.push(most as f32);
        to_x[place] += f64::from(*upstream);
    }
    (out, to_x)
}

#[test]
fn pools_are_those_of_f64_whatever_the_threads() {
    let shape = |batch, input, channels, kernel, stride, padding| PoolShape {
        batch,
        input,
        channels,
        kernel,
        stride,
        padding,
    };
    for shape in [
        // ResNet's stem.
        shape(3, [32, 32], 64, [3, 3], [2, 2], [(1, 1); 2]),
        shape(2, [7, 9], 5, [3, 2], [2, 1], [(1, 0), (0, 1)]),
        shape(1, [1, 1], 1, [3, 3], [2, 2], [(1, 1); 2]),
        shape(2, [6, 6], 3, [2, 2], [3, 3], [(0, 0); 2]),
        shape(1, [5, 4], 17, [5, 5], [1, 1], [(2, 2); 2]),
        // Smaller than a window: nothing comes out.
        shape(2, [1, 4], 2, [2, 2], [1, 1], [(0, 0); 2]),
    ] {
        let x = numbers(shape.batch * shape.input[0] * shape.input[1] * shape.channels, 1);
        let outputs = shape.batch * shape.output()[0] * shape.output()[1] * shape.channels;
        let grad: Vec<f32> = numbers(outputs, 5).iter().map(|x| x - 0.7).collect();
        let (expected, expected_to_x) = reference(&shape, &x, &grad);
        let pooled = max_pool(&shape, &x);
        assert_eq!(pooled, expected, "{shape:?}");
        let to_x = max_pool_gradient(&shape, &x, &grad);
        for (found, expected) in to_x.iter().zip(&expected_to_x) {
            assert!((f64::from(*found) - expected).abs() <= 1e-6 * 4.0, "{shape:?}: {found} {expected}");
        }
        for threads in [1, 2, 3, 7] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| {
                assert_eq!(max_pool(&shape, &x), pooled, "{shape:?} on {threads} threads");
                assert_eq!(max_pool_gradient(&shape, &x, &grad), to_x, "{shape:?} on {threads} threads");
            });
        }
    }
}

#[test]
fn what_is_no_number_is_the_greatest() {
    let shape = PoolShape {
        batch: 1,
        input: [1, 3],
        channels: 2,
        kernel: [1, 3],
        stride: [1, 1],
        padding: [(0, 0); 2],
    };
    let x = [1.0, f32::NEG_INFINITY, f32::NAN, f32::NEG_INFINITY, 2.0, f32::NEG_INFINITY];
    let y = max_pool(&shape, &x);
    assert!(y[0].is_nan() && y[1] == f32::NEG_INFINITY, "{y:?}");
    assert_eq!(max_pool_gradient(&shape, &x, &[3.0, 4.0]), [0.0, 4.0, 3.0, 0.0, 0.0, 0.0]);
}

#[test]
fn a_window_in_the_padding_alone_is_not_supported() {
    let shape = PoolShape {
        batch: 1,
        input: [4, 4],
        channels: 1,
        kernel: [2, 2],
        stride: [2, 2],
        padding: [(0, 0), (2, 0)],
    };
    assert!(!shape.is_supported() && PoolShape { padding: [(1, 1); 2], ..shape }.is_supported());
}
