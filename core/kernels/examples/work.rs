//! The work of the hot kernels, for `cargo xtask bench-gate`: one kernel a run, so that what counts instructions counts
//! those of nothing else.
//!
//! ```text
//! work names         what is known, a name a line
//! work KERNEL N      computes it N times; prints the instruction set
//! work clock KERNEL  its CPU time over that of a calibrating loop, the lowest of several turns
//! ```

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use ferkd_kernels::norm::{Bounds, Line, Norm, gradient_sums, input_gradient, moments, normalise};
use ferkd_kernels::{
    ConvShape, PoolShape, Prepared, data_gradient, forward, max_pool, max_pool_gradient, weight_gradient,
};

/// A convolution's side, channels, outputs, kernel, stride and groups; of as many pictures as make a millisecond or so.
type Layer = (usize, [usize; 2], usize, usize, usize);

/// A stem, a dense filter with and without a stride, a product, filters of one channel each.
const LAYERS: [(&str, usize, Layer); 5] = [
    ("7x7 stem", 2, (64, [3, 64], 7, 2, 1)),
    ("3x3", 2, (16, [64, 64], 3, 1, 1)),
    ("3x3 stride 2", 4, (16, [64, 128], 3, 2, 1)),
    ("1x1", 2, (14, [80, 480], 1, 1, 1)),
    ("5x5 depthwise", 2, (28, [240, 240], 5, 1, 240)),
];
const PASSES: [&str; 4] = ["forward", "data gradient", "weight gradient", "inference"];
const NORMS: [&str; 4] = ["norm sums", "norm", "norm gradient sums", "norm gradient"];
const POOLS: [&str; 2] = ["max pool", "max pool gradient"];
const RELU: Bounds = Bounds { low: 0.0, high: f32::INFINITY };

/// Turns of the clock, of which the lowest counts, and loops of a turn.
const TURNS: usize = 15;
const LOOPS: usize = 8;

fn names() -> Vec<String> {
    let convolutions = LAYERS.iter().flat_map(|(layer, ..)| PASSES.map(|pass| format!("{pass} {layer}")));
    // A stem's pictures take no gradient.
    let convolutions = convolutions.filter(|name| name != "data gradient 7x7 stem");
    convolutions.chain(NORMS.into_iter().chain(POOLS).map(String::from)).collect()
}

/// Numbers that are neither regular nor denormal.
fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919) % 1009) as f32 / 504.0 - 1.0).collect()
}

/// What computes a kernel once; none of another name.
fn kernel(name: &str) -> Option<Box<dyn FnMut()>> {
    if NORMS.contains(&name) {
        let (channels, pixels) = (64, 2048);
        let (x, grad) = (numbers(channels * pixels), numbers(channels * pixels));
        let [mean, factor, beta] = [0.1, 1.5, 0.2].map(|value| vec![value; channels]);
        let name = name.to_owned();
        return Some(Box::new(move || {
            let norm = Norm { mean: &mean, factor: &factor, beta: &beta };
            match name.as_str() {
                "norm sums" => drop(black_box(moments(&x, &mean))),
                "norm" => drop(black_box(normalise(&x, norm, RELU))),
                "norm gradient sums" => drop(black_box(gradient_sums(&grad, &x, norm, RELU))),
                _ => {
                    let line = Line { slope: &mean, offset: &beta };
                    drop(black_box(input_gradient(&grad, &x, norm, line, RELU)));
                }
            }
        }));
    }
    if POOLS.contains(&name) {
        let shape = PoolShape {
            batch: 4,
            input: [32; 2],
            channels: 64,
            kernel: [3; 2],
            stride: [2; 2],
            padding: [(1, 1); 2],
        };
        let (x, grad) = (numbers(4 * 32 * 32 * 64), numbers(4 * 16 * 16 * 64));
        let backward = name == POOLS[1];
        return Some(Box::new(move || match backward {
            true => drop(black_box(max_pool_gradient(&shape, &x, &grad))),
            false => drop(black_box(max_pool(&shape, &x))),
        }));
    }
    let pass = PASSES.into_iter().find(|pass| name.starts_with(pass))?;
    let (_, batch, layer) =
        LAYERS.into_iter().find(|(layer, ..)| name.strip_prefix(pass).is_some_and(|n| n.trim() == *layer))?;
    let (side, [channels, outputs], taps, stride, groups) = layer;
    let shape = ConvShape {
        batch,
        input: [side; 2],
        channels,
        outputs,
        kernel: [taps; 2],
        stride: [stride; 2],
        padding: [(taps / 2, taps / 2); 2],
        dilation: [1; 2],
        groups,
    };
    let (x, w, y) = (numbers(shape.input_len()), numbers(shape.weight_len()), numbers(shape.output_len()));
    Some(match pass {
        "forward" => Box::new(move || drop(black_box(forward(&shape, &x, &w)))),
        "data gradient" => Box::new(move || drop(black_box(data_gradient(&shape, &y, &w)))),
        "weight gradient" => Box::new(move || drop(black_box(weight_gradient(&shape, &y, &x)))),
        _ => {
            let one = ConvShape { batch: 1, ..shape };
            let packed = Prepared::new(&one, &w, &vec![0.5; outputs], RELU);
            let mut out = vec![0.0; one.output_len()];
            let len = one.input_len();
            Box::new(move || packed.apply(&one, black_box(&x[..len]), None, &mut out))
        }
    })
}

/// The vectors that this machine, or what stands for it, has.
fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        return "x86_64-avx512";
    } else if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        return "x86_64-avx2";
    }
    std::env::consts::ARCH
}

/// Nanoseconds that this thread has computed for; those of the wall clock where the system does not say.
fn thread_ns(begun: Instant) -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ran = text.and_then(|text| text.split_whitespace().next()?.parse().ok());
    ran.unwrap_or_else(|| begun.elapsed().as_nanos() as f64)
}

/// A loop of dependent multiply-adds, which a processor's clock alone decides.
fn calibrate() -> f32 {
    let mut value = black_box(0.5f32);
    for _ in 0..400_000 {
        value = value * 0.999 + 0.001;
    }
    black_box(value)
}

/// A kernel's time over that of the calibrating loop: they take turns, and the lowest ratio is the least disturbed.
fn ratio(work: &mut dyn FnMut()) -> f64 {
    let begun = Instant::now();
    let timed = |work: &mut dyn FnMut()| {
        let before = thread_ns(begun);
        (0..LOOPS).for_each(|_| work());
        thread_ns(begun) - before
    };
    timed(work);
    let turns = (0..TURNS).map(|_| (timed(&mut || _ = calibrate()), timed(work)));
    let (loops, works): (Vec<f64>, Vec<f64>) = turns.unzip();
    let least = |times: Vec<f64>| times.into_iter().fold(f64::INFINITY, f64::min);
    least(works) / least(loops)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The calling thread computes, so that its time is the kernel's.
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build_global();
    if let Err(problem) = one_thread {
        eprintln!("{problem}");
        return ExitCode::FAILURE;
    }
    match arguments[..] {
        ["names"] => names().iter().for_each(|name| println!("{name}")),
        ["clock", name] if let Some(mut work) = kernel(name) => {
            println!("{} {}", instruction_set(), ratio(&mut work));
        }
        [name, turns] if let (Some(mut work), Ok(turns)) = (kernel(name), turns.parse::<usize>()) => {
            (0..turns).for_each(|_| work());
            println!("{}", instruction_set());
        }
        _ => {
            eprintln!(
                "usage: work names | work KERNEL N | work clock KERNEL; `work names` lists the kernels"
            );
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
