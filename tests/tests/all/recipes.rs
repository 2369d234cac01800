//! The recipes in `configs/`: every combination of layers is a run that could begin.

use std::path::PathBuf;

use ferkd_data::batches::plan::{BatchPlan, Length};
use ferkd_data::config::{read_layer, resolve};
use ferkd_tests::{answer, command, repository};
use ferkd_train::TrainConfig;

/// The settings in the folders `configs/<name>/`.
fn layers(name: &str) -> Vec<PathBuf> {
    let folder = repository("configs").join(name);
    let mut found: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Images of the data set that a student's settings are for.
fn images(folder: &str) -> usize {
    match folder {
        "imagenet" => 1_281_167,
        "imagenet-100" => 126_689,
        "tiny-imagenet" => 100_000,
        "cifar" => 50_000,
        "digits" => 1_437,
        other => panic!("configs/{other} is not a known data set"),
    }
}

#[track_caller]
fn could_begin(paths: &[&PathBuf], images: usize) {
    let layers: Vec<_> = paths.iter().map(|path| read_layer(path).unwrap()).collect();
    let config: TrainConfig = resolve(&layers).unwrap_or_else(|e| panic!("{paths:?}: {e}"));
    config.check().unwrap_or_else(|e| panic!("{paths:?}: {e}"));
    let config = config.resolved();
    let length = Length {
        epochs: config.epochs,
        regions: config.regions_per_step,
        opening: config.opening_epochs,
        closing: config.closing_epochs,
    };
    let plan = BatchPlan::new(images, config.batch, length, 0).unwrap_or_else(|e| panic!("{paths:?}: {e}"));
    assert!((plan.epoch(plan.steps()) - config.epochs as f64).abs() < 1e-9);
    config.spec(10).build(&ferkd_nn::device::open("flex").unwrap()).unwrap();
}

#[test]
fn every_combination_of_layers_could_begin() {
    let supervisions = layers("supervision");
    assert_eq!(supervisions.len(), 4);
    let mut students = 0;
    for folder in ["imagenet", "imagenet-100", "tiny-imagenet", "cifar", "digits"] {
        for student in layers(folder) {
            for supervision in &supervisions {
                could_begin(&[&student, supervision], images(folder));
                for shorter in layers("epochs") {
                    let transformers =
                        |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("vit-");
                    if folder == "imagenet" && transformers(&shorter) == transformers(&student) {
                        could_begin(&[&student, supervision, &shorter], images(folder));
                    }
                }
            }
            students += 1;
        }
    }
    assert!(students >= 8, "{students} students");
    could_begin(&[&repository("configs/demo-teacher.toml")], images("digits"));
    let rooms = std::fs::read_dir(repository("configs")).unwrap();
    let names = rooms.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    // A grid of settings is no run's, and has a test of its own.
    let tested = names.filter(|name| !name.starts_with("sweep-")).count();
    assert_eq!(tested, 9, "a file or folder of configs/ is not tested here");
}

#[test]
fn the_program_takes_layers() {
    let at = tempfile::tempdir().unwrap();
    let student = repository("configs/imagenet/vit-s16.toml");
    let supervision = repository("configs/supervision/hard.toml");
    let mut words = vec!["train", "--dry-run", "--json", "--run", "r"];
    for path in [&student, &supervision] {
        words.extend(["--config", path.to_str().unwrap()]);
    }
    // The images are the user's; everything else is in order.
    answer(&mut command(at.path(), &words)).fails(1, &["No such file", "imagenet"]);
}
