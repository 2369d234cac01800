//! `ferkd plan`: its bytes are those that `ferkd label` writes; its times are rates multiplied.

use std::fs;

use ferkd_tests::{all_scenes, ferkd, files};

const RATES: &str = r#"{
  "subject": {"teacher": "digits", "arch": "resnet8", "width": 8, "side": 16, "classes": 10, "device": "flex"},
  "threads": 2, "shares_cores": true,
  "decode_s": 0.001, "teacher_crop_s": 0.0001, "student_crop_s": 0.0001,
  "teacher_regions_per_s": 1000.0, "step_regions": 16, "step_s": 0.02,
  "memory_base_bytes": 1000000, "memory_per_region_bytes": 1000, "parameters": 20000, "macs_per_image": 1000000
}"#;

#[test]
fn planned_bytes_are_those_that_labelling_writes() {
    let at = tempfile::tempdir().unwrap();
    let path = at.path();
    all_scenes(&path.join("scenes"));
    fs::write(path.join("rates.json"), RATES).unwrap();
    let student = "--arch resnet8 --width 8 --side 16 --epochs 4 --batch 16 --device flex --teacher digits";
    let plan = |settings: &str| {
        let line = format!("plan scenes {student} --rates rates.json --json {settings}");
        ferkd(path, &line).ok().json()
    };
    for (i, settings) in [
        "--images-per-class 12 --regions 3",
        "--images-per-class 12 --regions 5 --top-k 2 --shard-images 32",
        "--images-per-class 7 --regions 2 --codec full",
        "--images-per-class 7 --regions 2 --codec hard",
    ]
    .into_iter()
    .enumerate()
    {
        ferkd(path, &format!("label scenes --teacher digits --device flex --out store{i} {settings}")).ok();
        let written: usize = files(&path.join(format!("store{i}"))).values().map(Vec::len).sum();
        let planned = plan(settings);
        assert_eq!(planned["stores"][0]["store_bytes"], written, "{settings}");
        assert_eq!(planned["classes"], 10);
    }

    let table = plan("--images-per-class 12 --regions 4,8,16");
    let stores = table["stores"].as_array().unwrap();
    assert_eq!(stores.len(), 3);
    // 120 images of (1 ms + 16 x 0.1 ms) / 2 threads + 16 ms.
    let label_s = stores[2]["label_s"].as_f64().unwrap();
    assert!((label_s - 120.0 * 0.0173).abs() < 1e-9, "{label_s}");
    assert_eq!(table["training"]["memory_bytes"], 1_016_000);
    // 120 images, 4 to a step.
    assert_eq!(table["training"]["steps"], 30);
}

/// A laptop plans for the GPUs whose rates someone has measured.
#[test]
fn rates_of_a_device_that_is_not_here_are_planned_with() {
    let at = tempfile::tempdir().unwrap();
    fs::write(at.path().join("rates.json"), RATES.replace("flex", "cuda:7")).unwrap();
    let line = "plan --images 1000 --regions 8 --arch resnet8 --width 8 --side 16 --device cuda:7 --epochs 4 --batch 16 \
                --gpus 8 --teacher digits --rates rates.json --json";
    let plan = ferkd(at.path(), line).ok().json();
    // 1000 images, 4 to a step: a GPU takes 2 of the 16 regions, which is an eighth of 20 ms.
    assert_eq!(plan["training"]["steps"], 250);
    let computing = plan["cluster"]["runs"][0]["compute_s"].as_f64().unwrap();
    assert!((computing - 0.0025).abs() < 1e-4, "{plan}");
    ferkd(at.path(), &line.replace("cuda:7", "flex")).fails(1, &["rates.json", "cuda:7"]);
}

#[test]
fn a_million_images_are_planned_without_being_there() {
    let at = tempfile::tempdir().unwrap();
    fs::write(at.path().join("rates.json"), RATES).unwrap();
    let line = "plan --images 1281167 --regions 500 --arch resnet8 --width 8 --side 16 --device flex \
                --teacher digits --rates rates.json --json";
    let plan = ferkd(at.path(), line).ok().json();
    let bytes = plan["stores"][0]["store_bytes"].as_u64().unwrap();
    let labels = 1_281_167 * 500 * plan["stores"][0]["bytes_per_region"].as_u64().unwrap();
    assert!(bytes > labels && bytes < labels + 1_281_167 * 100, "{bytes} {labels}");
    assert_eq!(plan["names_assumed"], true);
    ferkd(at.path(), &line.replace("--side 16", "--side 32")).fails(1, &["rates.json", "32 pixels"]);
    ferkd(at.path(), "plan").fails(2, &["IMAGES"]);
    fs::write(at.path().join("rates.json"), "{}").unwrap();
    ferkd(at.path(), line).fails(1, &["rates.json", "--save-rates"]);
}

#[test]
fn rates_are_measured_and_can_be_used_again() {
    let at = tempfile::tempdir().unwrap();
    let line = "plan --images 1000 --regions 4 --arch resnet8 --width 4 --side 16 --epochs 4 --batch 16 \
                --device flex --teacher digits --json";
    let first = ferkd(at.path(), &format!("{line} --save-rates rates.json")).ok().json();
    for rate in ["decode_s", "teacher_crop_s", "student_crop_s", "teacher_regions_per_s", "step_s"] {
        assert!(first["rates"][rate].as_f64().unwrap() > 0.0, "{first}");
    }
    // A ResNet-8 of width 4 with ten outputs.
    assert_eq!(first["training"]["parameters"], 5214);
    let again = ferkd(at.path(), &format!("{line} --rates rates.json")).ok().json();
    assert_eq!(first, again);
}
