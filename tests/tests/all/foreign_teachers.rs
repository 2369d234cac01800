//! Other people's weights as teachers, as a user meets them: what they see, and who says so.

use std::path::Path;

use burn::tensor::Device;
use ferkd_data::pixels::{Filter, whole_resize};
use ferkd_nn::models::{Arch, ModelSpec};
use ferkd_nn::weights::{Precision, StateDict};
use ferkd_tests::ferkd;
use image::{Rgb, RgbImage};
use serde_json::Value;

/// A small network of ImageNet's classes in `at/w.safetensors`, which says nothing of itself, and two images in
/// `at/images`.
fn prepared(at: &Path) {
    let spec = ModelSpec { width: Some(2), ..ModelSpec::new(Arch::Resnet8, 1000) };
    let dict = StateDict::of(&spec.init(3, &Device::flex()).unwrap()).unwrap();
    dict.write(&at.join("w.safetensors"), Precision::F32).unwrap();
    for class in ["n01440764", "n01443537"] {
        let folder = at.join("images").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        let picture =
            RgbImage::from_fn(40, 36, |x, y| Rgb([(x * 6) as u8, (y * 7) as u8, class.as_bytes()[8]]));
        picture.save(folder.join("picture.png")).unwrap();
    }
}

fn teacher(store: &Path) -> Value {
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(store.join("manifest.json")).unwrap()).unwrap();
    manifest["teacher"].clone()
}

#[test]
fn a_teachers_normalisation_is_printed_and_kept() {
    let at = tempfile::tempdir().unwrap();
    prepared(at.path());
    let label = "label images --teacher w.safetensors --regions 2 --device flex --side 32 --out";
    let answer = ferkd(at.path(), &format!("{label} assumed --json")).ok();
    assert!(answer.stderr.contains("(assumed)") && answer.stderr.contains("give both"), "{}", answer.stderr);
    assert_eq!(answer.json()["preprocessing"]["normalisation_from"], "assumed");
    assert_eq!(
        teacher(&at.path().join("assumed"))["sources"],
        serde_json::json!({"side": "flag", "filter": "protocol", "normalisation": "assumed"})
    );

    let config = r#"{"pretrained_cfg": {"input_size": [3, 64, 64], "interpolation": "bilinear",
        "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "crop_pct": 0.9}}"#;
    std::fs::write(at.path().join("config.json"), config).unwrap();
    let answer = ferkd(at.path(), &format!("{label} filed")).ok();
    assert!(answer.stderr.contains("mean 0.5000 and std 0.2500 (config.json)"), "{}", answer.stderr);
    let kept = teacher(&at.path().join("filed"));
    assert_eq!(
        kept["normalisation"],
        serde_json::json!({"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]})
    );
    assert_eq!(kept["side"], 32);
    assert_eq!(kept["filter"], "bilinear");
    let file = serde_json::json!({"file": "config.json"});
    assert_eq!(kept["sources"], serde_json::json!({"side": "flag", "filter": file, "normalisation": file}));

    // A flag comes before the file; going on with another one is refused.
    let flags = "--mean 0.1,0.2,0.3 --interpolation bicubic";
    let answer = ferkd(at.path(), &format!("{label} flagged {flags}")).ok();
    assert!(
        answer.stderr.contains("mean 0.1000,0.2000,0.3000 and std 0.2500 (as asked)"),
        "{}",
        answer.stderr
    );
    assert_eq!(teacher(&at.path().join("flagged"))["filter"], "bicubic");
    ferkd(at.path(), &format!("{label} flagged")).fails(1, &["teacher"]);
    assert_eq!(teacher(&at.path().join("flagged"))["sources"]["normalisation"], "flag");

    // Where the same is said by someone else, the labels are the same.
    let same = "--mean 0.5,0.5,0.5 --std 0.25,0.25,0.25 --interpolation bilinear";
    ferkd(at.path(), &format!("{label} filed {same}")).ok();
    assert_eq!(teacher(&at.path().join("filed"))["sources"]["normalisation"], file);
    // A store of a version that did not keep it is read, and gone on with as it is.
    let path = at.path().join("filed/manifest.json");
    let mut older: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    older["teacher"].as_object_mut().unwrap().remove("sources");
    std::fs::write(&path, serde_json::to_vec_pretty(&older).unwrap()).unwrap();
    ferkd(at.path(), &format!("{label} filed")).ok();
    assert!(teacher(&at.path().join("filed"))["sources"].is_null());
    ferkd(at.path(), "verify filed --images images").ok();
}

#[test]
fn what_is_taken_from_a_configuration_beside_weights_is_said_wherever_they_are_used() {
    let at = tempfile::tempdir().unwrap();
    prepared(at.path());
    let settings = "--arch resnet8 --width 2 --side 32 --epochs 1 --batch 2 --regions-per-step 1 --regions 2 \
                    --device flex --run run --dry-run --json";
    let train =
        format!("train --images images --supervision hard --weights w.safetensors --reset-head {settings}");
    let transfer = format!("transfer --from w.safetensors images {settings}");
    let kd = format!(
        "train --images images --supervision kd --teacher w.safetensors --teacher-side 32 {settings}"
    );
    let eval = "eval w.safetensors images --device flex --side 32 --json".to_owned();
    let notices = |line: &str| -> String {
        let answer = ferkd(at.path(), line).ok().json();
        let all = answer["notices"].as_array().unwrap();
        all.iter().map(|text| text.as_str().unwrap()).collect::<Vec<_>>().join("\n")
    };
    for line in [&train, &transfer, &kd, &eval] {
        let said = notices(line);
        assert!(said.contains("(assumed)"), "{line}: {said}");
    }
    let config = r#"{"pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}}"#;
    std::fs::write(at.path().join("config.json"), config).unwrap();
    for line in [&train, &transfer] {
        let said = notices(line);
        let sentence =
            "the student begins with w.safetensors and sees mean 0.5000 and std 0.2500 (config.json)";
        assert!(said.contains(sentence), "{line}: {said}");
    }
    for line in [&kd, &eval] {
        let said = notices(line);
        assert!(said.contains("mean 0.5000 and std 0.2500 (config.json)"), "{line}: {said}");
    }
    // A run says it as well, once.
    let run = ferkd(at.path(), &train.replace("--dry-run", "")).ok();
    assert_eq!(run.stderr.matches("the student begins with w.safetensors").count(), 1, "{}", run.stderr);
}

#[test]
fn an_evaluation_squares_pictures_as_a_configuration_says() {
    let at = tempfile::tempdir().unwrap();
    prepared(at.path());
    let eval = |mode: &str, images: &str| -> Value {
        let config = r#"{"pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
            "interpolation": "bilinear", "crop_pct": 1.0, "crop_mode": "MODE"}}"#;
        std::fs::write(at.path().join("config.json"), config.replace("MODE", mode)).unwrap();
        ferkd(at.path(), &format!("eval w.safetensors {images} --device flex --side 32 --json")).ok().json()
    };
    // Squashed before, a picture is its own centre.
    for class in ["n01440764", "n01443537"] {
        let picture = image::open(at.path().join("images").join(class).join("picture.png")).unwrap();
        let squashed = whole_resize(&picture.into_rgb8(), 32, Filter::Bilinear).unwrap();
        let folder = at.path().join("squashed").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        RgbImage::from_raw(32, 32, squashed).unwrap().save(folder.join("picture.png")).unwrap();
    }
    let squash = eval("squash", "images");
    assert_eq!(squash["loss"], eval("center", "squashed")["loss"]);
    assert_ne!(squash["loss"], eval("center", "images")["loss"]);
    assert_ne!(squash["loss"], eval("border", "images")["loss"]);
    assert_eq!(squash["preprocessing"]["crop_mode"], "squash");
    let said = squash["notices"].to_string();
    assert!(said.contains("squashes whole pictures"), "{said}");
    std::fs::write(at.path().join("config.json"), r#"{"pretrained_cfg": {"crop_mode": "corner"}}"#).unwrap();
    ferkd(at.path(), "eval w.safetensors images --device flex --side 32")
        .fails(1, &["config.json", "`crop_mode`", "center, squash or border"]);
}

#[test]
fn an_evaluation_says_what_the_model_sees() {
    let at = tempfile::tempdir().unwrap();
    prepared(at.path());
    let eval = "eval w.safetensors images --device flex --side 32";
    let answer = ferkd(at.path(), &format!("{eval} --mean 0.5 --std 0.5,0.5,0.5 --crop 1 --json")).ok();
    let seen = answer.json()["preprocessing"].clone();
    let expected = serde_json::json!({
        "side": 32, "filter": "bilinear", "normalisation": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
        "crop": 1.0, "crop_mode": "center", "side_from": "flag", "filter_from": "protocol", "normalisation_from": "flag",
    });
    assert_eq!(seen, expected);
    ferkd(at.path(), &format!("{eval} --crop 1.5")).fails(2, &["crop", "0.1 to 1"]);
    ferkd(at.path(), &format!("{eval} --mean 0.5,0.5")).fails(2, &["three numbers"]);
    ferkd(at.path(), &format!("{eval} --mean 0.5")).fails(2, &["give both"]);
}

#[test]
fn files_that_are_no_weights_are_named() {
    let at = tempfile::tempdir().unwrap();
    prepared(at.path());
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n";
    std::fs::write(at.path().join("model.safetensors"), pointer).unwrap();
    ferkd(at.path(), "eval model.safetensors images --device flex")
        .fails(1, &["model.safetensors", "Git LFS pointer", "git lfs pull"]);
    std::fs::write(at.path().join("model.onnx"), b"\x08\x08\x12\x07pytorch\x1a\x032.5").unwrap();
    ferkd(at.path(), "label images --teacher model.onnx --out s --device flex")
        .fails(1, &["model.onnx", "ONNX"]);
}

#[test]
fn an_export_of_16_bits_holds_no_infinity() {
    let at = tempfile::tempdir().unwrap();
    prepared(at.path());
    let path = at.path().join("w.safetensors");
    let mut dict = StateDict::read(&path).unwrap();
    dict.tensors.get_mut("bn1.running_var").unwrap().values[0] = 1e6;
    dict.write(&path, Precision::F32).unwrap();
    let answer = ferkd(at.path(), "export w.safetensors --f16 --out out.safetensors --json").ok();
    assert_eq!(answer.json()["f32_tensors"], serde_json::json!(["bn1.running_var"]));
    let read = StateDict::read(&at.path().join("out.safetensors")).unwrap();
    assert_eq!(read.tensors["bn1.running_var"].values[0], 1e6);
    assert!(read.tensors.values().all(|tensor| tensor.values.iter().all(|v| v.is_finite())));
}
