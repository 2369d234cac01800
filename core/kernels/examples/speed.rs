//! How fast the kernels are on this machine: the time of each convolution of a few networks, the best of several turns:
//! forward, gradient of the input, gradient of the weight, and for inference one picture on one thread.
//!
//! ```text
//! cargo run --release --package ferkd-kernels --example speed -- 1
//! ```
//! The number is that of threads.

use std::time::Instant;

use ferkd_kernels::norm::Bounds;
use ferkd_kernels::{ConvShape, Prepared, data_gradient, forward, weight_gradient};

/// How often, input side, channels, outputs, kernel, stride, groups.
type Layer = (usize, usize, usize, usize, usize, usize, usize);

const RESNET18: &[Layer] = &[
    (1, 64, 3, 64, 7, 2, 1),
    (4, 16, 64, 64, 3, 1, 1),
    (1, 16, 64, 128, 3, 2, 1),
    (1, 16, 64, 128, 1, 2, 1),
    (3, 8, 128, 128, 3, 1, 1),
    (1, 8, 128, 256, 3, 2, 1),
    (1, 8, 128, 256, 1, 2, 1),
    (3, 4, 256, 256, 3, 1, 1),
    (1, 4, 256, 512, 3, 2, 1),
    (1, 4, 256, 512, 1, 2, 1),
    (3, 2, 512, 512, 3, 1, 1),
];
const RESNET8: &[Layer] = &[
    (1, 16, 3, 8, 3, 1, 1),
    (2, 16, 8, 8, 3, 1, 1),
    (1, 16, 8, 16, 3, 2, 1),
    (1, 8, 16, 16, 3, 1, 1),
    (1, 8, 16, 32, 3, 2, 1),
    (1, 4, 32, 32, 3, 1, 1),
];
const RESNET20: &[Layer] = &[
    (1, 32, 3, 16, 3, 1, 1),
    (6, 32, 16, 16, 3, 1, 1),
    (1, 32, 16, 32, 3, 2, 1),
    (5, 16, 32, 32, 3, 1, 1),
    (1, 16, 32, 64, 3, 2, 1),
    (5, 8, 64, 64, 3, 1, 1),
];
const LITE0: &[Layer] = &[
    (1, 224, 3, 32, 3, 2, 1),
    (1, 112, 32, 32, 3, 1, 32),
    (1, 112, 32, 16, 1, 1, 1),
    (1, 112, 16, 96, 1, 1, 1),
    (1, 112, 96, 96, 3, 2, 96),
    (1, 56, 96, 24, 1, 1, 1),
    (2, 56, 24, 144, 1, 1, 1),
    (1, 56, 144, 144, 3, 1, 144),
    (1, 56, 144, 24, 1, 1, 1),
    (1, 56, 144, 144, 5, 2, 144),
    (1, 28, 144, 40, 1, 1, 1),
    (2, 28, 40, 240, 1, 1, 1),
    (1, 28, 240, 240, 5, 1, 240),
    (1, 28, 240, 40, 1, 1, 1),
    (1, 28, 240, 240, 3, 2, 240),
    (1, 14, 240, 80, 1, 1, 1),
    (3, 14, 80, 480, 1, 1, 1),
    (2, 14, 480, 480, 3, 1, 480),
    (2, 14, 480, 80, 1, 1, 1),
    (1, 14, 480, 480, 5, 1, 480),
    (1, 14, 480, 112, 1, 1, 1),
    (3, 14, 112, 672, 1, 1, 1),
    (2, 14, 672, 672, 5, 1, 672),
    (2, 14, 672, 112, 1, 1, 1),
    (1, 14, 672, 672, 5, 2, 672),
    (1, 7, 672, 192, 1, 1, 1),
    (4, 7, 192, 1152, 1, 1, 1),
    (3, 7, 1152, 1152, 5, 1, 1152),
    (3, 7, 1152, 192, 1, 1, 1),
    (1, 7, 1152, 1152, 3, 1, 1152),
    (1, 7, 1152, 320, 1, 1, 1),
    (1, 7, 320, 1280, 1, 1, 1),
];

/// The best of several turns, in milliseconds.
fn best<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut best = f64::INFINITY;
    let start = Instant::now();
    let mut turns = 0;
    while turns < 5 || start.elapsed().as_millis() < 60 {
        let start = Instant::now();
        std::hint::black_box(work());
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
        turns += 1;
    }
    best
}

fn main() {
    let threads = std::env::args().nth(1).and_then(|threads| threads.parse().ok()).unwrap_or(1);
    if let Err(problem) = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() {
        eprintln!("{problem}");
    }
    for (name, batch, layers) in [
        ("resnet18", 32, RESNET18),
        ("resnet8", 32, RESNET8),
        ("resnet20", 128, RESNET20),
        ("lite0", 16, LITE0),
    ] {
        let mut total = [0.0; 4];
        for &(count, side, channels, outputs, kernel, stride, groups) in layers {
            let shape = ConvShape {
                batch,
                input: [side; 2],
                channels,
                outputs,
                kernel: [kernel; 2],
                stride: [stride; 2],
                padding: [(kernel / 2, kernel / 2); 2],
                dilation: [1, 1],
                groups,
            };
            let (x, w, y) = (
                vec![0.5; shape.input_len()],
                vec![0.25; shape.weight_len()],
                vec![0.125; shape.output_len()],
            );
            let times = [
                best(|| forward(&shape, &x, &w)),
                if channels == 3 { 0.0 } else { best(|| data_gradient(&shape, &y, &w)) },
                best(|| weight_gradient(&shape, &y, &x)),
                {
                    let one = ConvShape { batch: 1, ..shape };
                    let bias = vec![0.0; outputs];
                    let prepared = Prepared::new(&one, &w, &bias, Bounds { low: 0.0, high: 6.0 });
                    let mut out = vec![0.0; one.output_len()];
                    best(|| prepared.apply(&one, &x[..one.input_len()], None, &mut out))
                },
            ];
            let gflop = 2.0 * (shape.output_len() * shape.weight_len() / outputs) as f64 / 1e6;
            println!(
                "{name} {count} x {side:3} {channels:4} -> {outputs:4} {kernel}x{kernel}/{stride} groups {groups:4}: ms {:7.3} {:7.3} {:7.3} {:7.3}, GFLOP/s {:5.1} {:5.1} {:5.1} {:5.1}",
                times[0],
                times[1],
                times[2],
                times[3],
                gflop / times[0],
                gflop / times[1],
                gflop / times[2],
                gflop / batch as f64 / times[3]
            );
            (0..4).for_each(|i| total[i] += count as f64 * times[i]);
        }
        println!(
            "{name} batch {batch}: ms {:.1} {:.1} {:.1}, all {:.1}; one picture {:.3}",
            total[0],
            total[1],
            total[2],
            total[..3].iter().sum::<f64>(),
            total[3],
        );
    }
}
