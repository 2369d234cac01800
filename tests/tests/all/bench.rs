//! `ferkd bench` on tiny inputs: one JSON object with its keys. Nothing here asserts a time.

use std::fs;
use std::path::Path;

use ferkd_tests::{ferkd, repository};
use serde_json::Value;

const TINY: &str = "--repetitions 2 --seconds 0.001 --json";

/// Runs a bench and checks what all have in common; `rates` are the keys of its figures.
fn bench(at: &Path, line: &str, rates: &[&str]) -> Value {
    let json = ferkd(at, &format!("bench {line} {TINY}")).ok().json();
    for key in rates {
        let median = json[*key].as_f64().unwrap_or_else(|| panic!("no {key} in {json}"));
        let spread: Vec<f64> =
            json[format!("{key}_spread")].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert!(median > 0.0 && spread[0] <= median && median <= spread[1], "{key}: {median}, {spread:?}");
    }
    assert_eq!(json["repetitions"], 2);
    assert!(json["threads"].as_u64().unwrap() >= 1);
    for key in ["cpu", "cores", "system", "commit", "optimised"] {
        assert!(!json["machine"][key].is_null(), "no {key} in {json}");
    }
    json
}

fn photos(at: &Path) {
    for name in ["chelsea", "coffee"] {
        let folder = at.join("photos").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(repository(&format!("assets/photos/{name}.png")), folder.join("1.png")).unwrap();
    }
}

#[test]
fn input() {
    let at = tempfile::tempdir().unwrap();
    photos(at.path());
    let json = bench(at.path(), "input photos", &["images_per_s_per_thread", "crops_per_s_per_thread"]);
    assert_eq!((&json["images"], &json["threads"]), (&2.into(), &1.into()));
    let shares = ["read_share", "decode_share", "cut_share"].map(|key| json[key].as_f64().unwrap());
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
}

#[test]
fn labels() {
    let at = tempfile::tempdir().unwrap();
    let json = bench(at.path(), "labels --regions 2000", &["labels_per_s_per_thread"]);
    assert_eq!(json["regions"], 2000);
    ferkd(at.path(), &format!("bench labels nowhere {TINY}")).fails(1, &["nowhere"]);
}

#[test]
fn mine() {
    let at = tempfile::tempdir().unwrap();
    for confidence in ["max", "target"] {
        let line = format!("mine --regions 2000 --threads 2 --confidence {confidence}");
        let json = bench(at.path(), &line, &["regions_per_s", "regions_per_s_absolute"]);
        assert_eq!((&json["regions"], &json["threads"]), (&2000.into(), &2.into()));
    }
}

#[test]
fn teacher() {
    let at = tempfile::tempdir().unwrap();
    let json = bench(
        at.path(),
        "teacher --teacher digits --batch 2 --device flex",
        &["crops_per_s", "burn_crops_per_s", "ms_per_crop"],
    );
    assert_eq!(json["batch"], 2);
}

#[test]
fn step() {
    let at = tempfile::tempdir().unwrap();
    let line = "step --arch resnet8 --side 8 --batch 4 --regions-per-step 2 --device flex";
    bench(at.path(), line, &["step_s", "bare_step_s", "step_over_bare"]);
}

#[cfg(unix)]
#[test]
fn a_yardstick_gives_a_ratio() {
    let at = tempfile::tempdir().unwrap();
    photos(at.path());
    let run = |yardstick: &str| {
        let line = format!("bench input photos {TINY} --yardstick");
        let arguments: Vec<&str> = line.split(' ').chain([yardstick]).collect();
        ferkd_tests::answer(&mut ferkd_tests::command(at.path(), &arguments))
    };
    let json = run("echo 2.0 images/s").ok().json();
    assert_eq!(json["yardstick_images_per_s"], 2.0);
    assert_eq!(json["yardstick"], "echo 2.0 images/s");
    assert!(json["ratio"].as_f64().unwrap() > 0.0);
    run("echo fast").fails(1, &["echo fast", "images/s"]);
}
