//! The program on the software CUDA device of `tests/soft-cuda`, beside the CPU: what is compared, how far it may be off,
//! and what that shows stands in `docs/cuda.md`.
//!
//! Skipped, aloud, where there is no clang++, and all but the device's own checks where there is no program with CUDA:
//! the tests were built without `--features ferkd/cuda`, and none lies in `target/soft-cuda`, where
//! `cargo xtask soft-cuda -- ferkd --version` puts it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use ferkd_data::store::Store;
use ferkd_method::mining::Confidence;
use ferkd_skip::{not_installed, skipped};
use ferkd_tests::{Answer, answer, ferkd, few_scenes, repository};
use serde_json::Value;
use xtask::soft_cuda::{Absent, Device, Options};

/// Where cargo puts what it compiles.
fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}

/// The device; `None`, said aloud, where it cannot be built.
fn device() -> Option<&'static Device> {
    static DEVICE: OnceLock<Result<Device, Absent>> = OnceLock::new();
    match DEVICE.get_or_init(|| Device::build(&repository("."), &target())) {
        Ok(device) => Some(device),
        Err(Absent::NotInstalled(what)) => {
            not_installed(what);
            None
        }
        Err(Absent::Broken(what)) => panic!("{what}"),
    }
}

/// Whether these tests, and so the program beside them, were built with CUDA: `--features ferkd/cuda`.
fn built_with_cuda() -> bool {
    match ferkd_nn::device::open("cuda:0") {
        Ok(_) => true,
        Err(error) => !error.to_string().contains("built without cuda"),
    }
}

/// A program that was built with CUDA: the tests' own, or one that lies beside the device.
fn with_cuda(name: &str) -> Option<PathBuf> {
    if name == "ferkd" && built_with_cuda() {
        return Some(ferkd_tests::program());
    }
    let path = target().join("soft-cuda").join(name);
    if !path.exists() {
        skipped(format_args!(
            "there is no {}: run CARGO_TARGET_DIR={} cargo xtask soft-cuda -- ferkd --version",
            path.display(),
            target().display()
        ));
        return None;
    }
    Some(path)
}

/// In which order threads get their turn, and how many devices there are.
fn options(order: &str, devices: u32) -> Options {
    Options { order: order.into(), devices, ..Options::default() }
}

/// The device, and a program that can use it.
struct Cuda {
    device: &'static Device,
    program: PathBuf,
}

impl Cuda {
    /// `None`, said aloud, where one of them is not there.
    fn with(program: &str) -> Option<Self> {
        Some(Self { device: device()?, program: with_cuda(program)? })
    }

    /// What the program answers, if the device found nothing wrong and refused no launch.
    #[track_caller]
    fn run(&self, at: &Path, line: &str, options: &Options) -> Answer {
        let summary = at.join("summary.json");
        let mut command = Command::new(&self.program);
        command.args(line.split_whitespace()).env("SOFT_CUDA_SUMMARY", &summary);
        let done = self.answer(command, at, options);
        assert_eq!(done.code, 0, "{line}\n{}\n{}", done.stdout, done.stderr);
        eprintln!("{line}");
        nothing_was_wrong(&summary, &done);
        done
    }

    /// The same of `ranks` processes together; `None`, said aloud, where MPI is not here or not in the program.
    #[track_caller]
    fn mpirun(&self, at: &Path, ranks: u32, line: &str) -> Option<Answer> {
        let works = Command::new("mpirun").arg("--version").stdout(Stdio::null()).status();
        if !works.is_ok_and(|status| status.success()) {
            not_installed("mpirun is not here");
            return None;
        }
        let mut command = Command::new("mpirun");
        command.args(["--oversubscribe", "--allow-run-as-root", "--bind-to", "none"]);
        for rank in 0..ranks {
            command.args(if rank == 0 { &["-n", "1"][..] } else { &[":", "-n", "1"] });
            command.args(["env", &format!("SOFT_CUDA_SUMMARY=rank-{rank}.json")]);
            command.arg(&self.program).args(line.split_whitespace());
        }
        let done = self.answer(command, at, &options("forward", ranks));
        if done.stderr.contains("built without MPI") {
            skipped("the program with CUDA was built without MPI (docs/ci.md)");
            return None;
        }
        assert_eq!(done.code, 0, "{line}\n{}\n{}", done.stdout, done.stderr);
        for rank in 0..ranks {
            nothing_was_wrong(&at.join(format!("rank-{rank}.json")), &done);
        }
        Some(done)
    }

    fn answer(&self, mut command: Command, at: &Path, options: &Options) -> Answer {
        command.current_dir(at).stdin(Stdio::null()).envs(self.device.variables(options));
        answer(&mut command)
    }
}

/// A process has computed on the device, which found no error and refused no launch.
#[track_caller]
fn nothing_was_wrong(summary: &Path, done: &Answer) {
    let said: Value = serde_json::from_slice(&std::fs::read(summary).unwrap()).unwrap();
    eprintln!("{said}");
    assert!(said["launches"].as_u64() > Some(0), "nothing was computed on the device: {said}");
    let wrong = (said["refused"].as_u64(), said["errors"].as_u64());
    assert_eq!(wrong, (Some(0), Some(0)), "{}", done.stderr);
}

/// The loss of each step of a run.
fn losses(run: &Path) -> BTreeMap<u64, f64> {
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let events = metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let metric = events.filter(|event| event["event"] == "metric");
    metric.map(|event| (event["step"].as_u64().unwrap(), event["loss"].as_f64().unwrap())).collect()
}

/// The largest difference of two runs' losses, of so many steps each.
fn furthest(a: &Path, b: &Path, steps: usize) -> f64 {
    let (a, b) = (losses(a), losses(b));
    assert_eq!((a.len(), a.keys().collect::<Vec<_>>()), (steps, b.keys().collect()));
    a.iter().map(|(step, loss)| (loss - b[step]).abs()).fold(0.0, f64::max)
}

const TRAIN: &str = "train --images scenes --supervision hard --side 16 --batch 16 --regions-per-step 2 --regions 6 \
                     --warmup-epochs 0 --log-every 1 --eval-every 8";
/// A seed by which rounding alone parts two runs. By two of three seeds losses part by 1e-6 to 1e-3, of two runs on the CPU
/// too (docs/cuda.md): numbers that lie within rounding of a ReLU's corner pass their gradient in one and not in the other.
const RESNET: &str = "--arch resnet8 --seed 9";
const VIT: &str = "--arch vit-ti16 --width 32 --depth 2 --heads 2 --patch 8";

/// Trains 20 steps on the CPU and on the device: no loss may be further off than `within`.
fn trains_as_the_cpu_does(network: &str, precision: &str, order: &str, within: f64) {
    let Some(cuda) = Cuda::with("ferkd") else { return };
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let line = format!("{TRAIN} --epochs 8 {network} --precision {precision}");
    cuda.run(at.path(), &format!("{line} --device cuda:0 --run cuda"), &options(order, 1));
    ferkd(at.path(), &format!("{line} --device flex --run flex")).ok();
    let off = furthest(&at.path().join("flex"), &at.path().join("cuda"), 20);
    eprintln!("{network} {precision}: off by {off:.1e}");
    assert!(off <= within, "{network} in {precision}: a loss is off by {off:.1e}, more than {within:.1e}");
}

#[test]
fn resnet8_trains_as_on_the_cpu_in_f32() {
    trains_as_the_cpu_does(RESNET, "f32", "forward", 2e-6);
}

#[test]
fn resnet8_trains_as_on_the_cpu_in_bf16() {
    trains_as_the_cpu_does(RESNET, "bf16", "1", 1e-2);
}

#[test]
fn a_vit_trains_as_on_the_cpu_in_f32() {
    trains_as_the_cpu_does(VIT, "f32", "reverse", 1e-4);
}

#[test]
fn a_vit_trains_as_on_the_cpu_in_bf16() {
    trains_as_the_cpu_does(VIT, "bf16", "2", 2e-3);
}

/// Replicas on two devices add their gradients up: as the CPU twice does.
#[test]
fn two_devices_train_as_the_cpu_twice() {
    let Some(cuda) = Cuda::with("ferkd") else { return };
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let line = format!("{TRAIN} --epochs 8 {VIT}");
    let on = format!("{line} --device cuda:0,cuda:1 --run cuda");
    let done = cuda.run(at.path(), &on, &options("forward", 2));
    assert!(done.stderr.contains("on 2 devices, summed by NCCL"), "{}", done.stderr);
    ferkd(at.path(), &format!("{line} --device flex,flex --run flex")).ok();
    let off = furthest(&at.path().join("flex"), &at.path().join("cuda"), 20);
    eprintln!("two devices: off by {off:.1e}");
    assert!(off <= 1e-4, "a loss is off by {off:.1e}");
}

/// Processes whose devices NCCL adds up over train as one device does.
#[test]
fn two_and_three_ranks_under_mpirun_train_as_one_device() {
    let Some(cuda) = Cuda::with("ferkd") else { return };
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let line = format!("{TRAIN} --epochs 4 {VIT}");
    for ranks in [2, 3] {
        let devices = if ranks == 2 { "cuda:0,cuda:1" } else { "cuda:0-2" };
        let line = format!("{line} --device {devices} --run by-{ranks}");
        let Some(done) = cuda.mpirun(at.path(), ranks, &line) else { return };
        let way = format!("by {ranks} processes of 1 device each, summed by NCCL");
        assert!(done.stderr.contains(&way), "{}", done.stderr);
    }
    cuda.run(at.path(), &format!("{line} --device cuda:0 --run one"), &options("forward", 1));
    for ranks in [2, 3] {
        let off = furthest(&at.path().join("one"), &at.path().join(format!("by-{ranks}")), 10);
        eprintln!("{ranks} ranks: off by {off:.1e}");
        assert!(off <= 1e-5, "{ranks} ranks: a loss is off by {off:.1e}");
    }
}

/// EfficientNet-Lite0 labels the photos, and is evaluated on them.
#[test]
fn lite0_labels_and_is_evaluated_as_on_the_cpu() {
    let Some(cuda) = Cuda::with("ferkd") else { return };
    let at = tempfile::tempdir().unwrap();
    let photos = repository("assets/playground/photos");
    let line = format!("eval efficientnet-lite0 {} --json", photos.display());
    let on = cuda.run(at.path(), &format!("{line} --device cuda:0"), &options("forward", 1)).json();
    let cpu = ferkd(at.path(), &format!("{line} --device flex")).ok().json();
    assert_eq!(on["top1"], cpu["top1"], "{on} and {cpu}");
    let loss = |found: &Value| found["loss"].as_f64().unwrap();
    assert!((loss(&on) - loss(&cpu)).abs() <= 1e-3, "{on} and {cpu}");

    let line = format!("label {} --teacher efficientnet-lite0 --regions 3", photos.display());
    cuda.run(at.path(), &format!("{line} --device cuda:0 --out cuda"), &options("forward", 1));
    ferkd(at.path(), &format!("{line} --device flex --out flex")).ok();
    let [on, cpu] = ["cuda", "flex"].map(|name| first_probabilities(&at.path().join(name)));
    assert_eq!(on.len(), 3 * 13);
    let off = on.iter().zip(&cpu).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    eprintln!("label: a first probability is off by {off:.1e}");
    assert!(off <= 1e-3, "{on:?} and {cpu:?}");
}

/// The teacher's largest probability of every region.
fn first_probabilities(store: &Path) -> Vec<f32> {
    let store = Store::open(store).unwrap();
    let regions = |image| (0..store.per_image()).map(move |region| (image, region));
    let all = (0..store.len()).flat_map(regions);
    all.map(|(image, region)| store.confidence(image, region, Confidence::Max).unwrap()).collect()
}

/// Kernels of which it is known what they compute, and kernels that are wrong.
#[test]
fn the_device_itself_holds_its_checks() {
    let Some(device) = device() else { return };
    for (order, architecture) in [("forward", 80), ("reverse", 90), ("3", 90)] {
        let mut check = Command::new(device.checks());
        check.envs(device.variables(&Options { architecture, ..options(order, 1) }));
        let said = answer(&mut check);
        assert_eq!(said.code, 0, "{order}: {}", said.stdout);
        assert!(said.stdout.lines().count() >= 53, "{}", said.stdout);
    }
}

/// The operations' own tests, on every device that is there.
#[test]
fn operations_compute_on_cuda_what_they_compute_elsewhere() {
    let Some(cuda) = Cuda::with("operations") else { return };
    let at = tempfile::tempdir().unwrap();
    let done = cuda.run(at.path(), "models::ops --test-threads 2 --nocapture", &options("4", 1));
    assert!(!done.stderr.contains("no cuda device"), "{}", done.stderr);
}

/// The communicator that devices of several processes join, by two devices of one.
#[test]
fn devices_join_a_sum_of_our_own() {
    let Some(cuda) = Cuda::with("operations") else { return };
    let at = tempfile::tempdir().unwrap();
    let done = cuda.run(at.path(), "device::nccl --nocapture", &options("forward", 2));
    assert!(!done.stderr.contains("skipped") && done.stdout.contains("1 passed"), "{}", done.stderr);
}
