//! The Python package: a wheel by maturin, and its own tests (`python/tests`) on it, with batches and stores of ours.
//!
//! Skipped, aloud, where there is no `python3` with numpy, pytest and maturin; `FERKD_PYTHON` names another
//! interpreter. What pytest skips, such as tests of PyTorch where it is not installed, is said aloud too.

use std::fs;
use std::path::Path;
use std::process::Command;

use ferkd_data::batches::pictures::Pictures;
use ferkd_data::batches::share::Share;
use ferkd_skip::{not_installed, skipped};
use ferkd_tests::{Answer, answer, ferkd, few_scenes, program, repository};
use ferkd_train::config::TrainConfig;
use ferkd_train::trainer::Trainer;
use serde_json::{Value, json};

/// The interpreter, where it has what a wheel is built and tested with.
fn python() -> Option<String> {
    let python = std::env::var("FERKD_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = Command::new(&python).args(["-c", "import maturin, numpy, pytest"]).output();
    if found.is_ok_and(|done| done.status.success()) {
        return Some(python);
    }
    not_installed(format_args!("there is no {python} with maturin, numpy and pytest"));
    None
}

/// Builds the wheel, which `cargo xtask ci` has done before, and unpacks it into `at/site`.
fn install(python: &str, at: &Path) {
    let programs = program().parent().unwrap().to_owned();
    let wheel = xtask::wheel::build(&repository("."), python, &programs, &at.join("wheels"));
    let wheel = wheel.unwrap_or_else(|problem| panic!("{problem}"));
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target"]);
    answer(pip.arg(at.join("site")).arg(&wheel)).ok();
}

/// Settings of runs whose batches are compared, as `ferkd train` reads them.
fn runs() -> Vec<Value> {
    let usual = json!({
        "supervision": "ferkd+selfmix", "side": 24, "epochs": 4, "batch": 14, "regions-per-step": 2, "seed": 5,
        "quantiles": [0.1, 0.4, 0.9],
    });
    let with = |changes: Value| {
        let mut settings = usual.clone();
        settings.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        settings
    };
    vec![
        with(json!({})),
        with(json!({"supervision": "fkd", "opening-epochs": 1, "closing-epochs": 1, "mix": "cutmix"})),
        with(json!({"supervision": "ferkd", "mid": "auto", "epsilon": "confidence", "calibrated": "wrong"})),
        with(
            json!({"supervision": "ferkd-calibrate", "confidence": "target", "truth-weight": 0.7, "epsilon": 0.3}),
        ),
        with(
            json!({"supervision": "ferkd-drop", "mix": "selfmix", "mix-draws": "image", "mix-partners": "overlap"}),
        ),
        with(json!({"low": 0.2, "mid": 0.5, "high": 0.97, "mix-probability": 0.5, "store-regions": 5})),
    ]
}

/// Writes batches of the trainer's, whole and a share of each step, for Python to compare.
fn write_batches(at: &Path) {
    few_scenes(at);
    ferkd(at, "label scenes --teacher digits --out store --regions 8 --device flex").ok();
    let mut all = Vec::new();
    for (run, settings) in runs().into_iter().enumerate() {
        let mut config: TrainConfig = serde_json::from_value(settings.clone()).unwrap();
        config.images = at.join("scenes");
        config.store = Some(at.join("store"));
        config.device = "flex".into();
        config.arch = ferkd_nn::models::Arch::Resnet8;
        config.width = Some(4);
        let trainer = Trainer::new(config).unwrap();
        let mut batches = Vec::new();
        for step in 0..trainer.steps() {
            for (rank, world_size) in [(0, 1), (1, 3)] {
                let share = Share { number: rank, of: world_size };
                let batch = trainer.batcher().share(step, &mut None, share).unwrap().unwrap();
                let file = format!("{run}-{step}-{rank}");
                let Pictures::F32(pixels) = &batch.pixels else { panic!("the student computes in f32") };
                let targets = &batch.targets;
                let fields: [(&str, &[u8]); 4] = [
                    ("pixels", bytemuck::cast_slice(pixels)),
                    ("classes", bytemuck::cast_slice(&targets.classes)),
                    ("weights", bytemuck::cast_slice(&targets.weights)),
                    ("rest", bytemuck::cast_slice(&targets.rest)),
                ];
                for (field, bytes) in fields {
                    fs::write(at.join(format!("{file}-{field}")), bytes).unwrap();
                }
                batches.push(json!({
                    "step": step, "rank": rank, "world_size": world_size, "file": file,
                    "kinds": batch.kinds.0, "total": batch.total,
                }));
            }
        }
        all.push(json!({"settings": settings, "steps": trainer.steps(), "batches": batches}));
    }
    fs::write(at.join("batches.json"), serde_json::to_vec(&all).unwrap()).unwrap();
}

#[test]
fn the_package_passes_its_tests_on_our_batches_and_stores() {
    let Some(python) = python() else { return };
    let at = tempfile::tempdir().unwrap();
    install(&python, at.path());
    write_batches(at.path());
    let mut pytest = Command::new(&python);
    pytest
        .args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider"])
        // Not in `python`, where Python would find the package without its native part.
        .current_dir(repository("python/tests"))
        .env("PYTHONPATH", at.path().join("site"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("FERKD_CORE_BATCHES", at.path())
        .env("FERKD_PROGRAM", program());
    let Answer { code, stdout, stderr } = answer(&mut pytest);
    assert_eq!(code, 0, "{stdout}{stderr}");
    // By `-ra`, which python/pyproject.toml asks for.
    stdout
        .lines()
        .filter(|line| line.starts_with("SKIPPED"))
        .for_each(|line| skipped(format_args!("pytest: {line}")));
}
