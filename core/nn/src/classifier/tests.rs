//! What a network of other people's sees, and who says so.

use std::path::PathBuf;

use super::*;
use crate::models::{Arch, ModelSpec, VitSize};
use crate::preprocessing::Source;
use crate::weights::Precision;
use ferkd_data::pixels::{Filter, Normalisation};

const HALF: Normalisation = Normalisation { mean: [0.5; 3], std: [0.5; 3] };

/// Writes weights of ImageNet's classes that say nothing of themselves.
fn weights(folder: &Path, spec: ModelSpec) -> String {
    let dict = StateDict::of(&spec.init(1, &Device::flex()).unwrap()).unwrap();
    let path = folder.join("model.safetensors");
    dict.write(&path, Precision::F32).unwrap();
    path.to_string_lossy().into_owned()
}

fn resnet(folder: &Path) -> String {
    weights(folder, ModelSpec { width: Some(2), ..ModelSpec::new(Arch::Resnet8, 1000) })
}

fn config(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("config.json");
    std::fs::write(&path, text).unwrap();
    path
}

const TIMM: &str = r#"{"architecture": "x", "pretrained_cfg": {"input_size": [3, 32, 32], "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5], "interpolation": "bilinear", "crop_pct": 1.0}}"#;

#[test]
fn a_config_beside_the_weights_says_what_they_see() {
    let at = tempfile::tempdir().unwrap();
    let file = resnet(at.path());
    let plain = Classifier::load(&file, &Device::flex()).unwrap();
    assert!(plain.preprocessing.is_assumed());
    assert_eq!(plain.input_spec().normalisation, Normalisation::IMAGENET);
    let path = config(at.path(), TIMM).display().to_string();
    // The file or its folder, as the Hugging Face hub has them.
    for what in [&file, &at.path().display().to_string()] {
        let teacher = Classifier::load(what, &Device::flex()).unwrap();
        let expected = InputSpec { side: 32, filter: Filter::Bilinear, normalisation: HALF };
        assert_eq!(teacher.input_spec(), expected);
        assert_eq!(teacher.preprocessing.normalisation_from, Source::File(path.clone()));
        assert_eq!(teacher.preprocessing.crop, Some(1.0));
        // The manifest of a store keeps what was used.
        let info = teacher.info();
        assert_eq!((info.side, info.filter, info.normalisation), (32, Filter::Bilinear, HALF));
        assert_eq!(teacher.preprocessing.normalisation, HALF);
    }
}

#[test]
fn a_flag_comes_before_the_config() {
    let at = tempfile::tempdir().unwrap();
    let file = resnet(at.path());
    config(at.path(), TIMM);
    let mean = [0.25; 3];
    let asked = InputOverrides { mean: Some(mean), side: Some(48), ..InputOverrides::default() };
    let teacher = Classifier::load_with(&file, &asked, None, &Device::flex(), "flex").unwrap();
    let seen = teacher.input_spec();
    assert_eq!((seen.side, seen.normalisation), (48, Normalisation { mean, std: HALF.std }));
    assert_eq!(teacher.preprocessing.side_from, Source::Flag);
}

#[test]
fn what_says_itself_what_it_sees_needs_no_config() {
    let at = tempfile::tempdir().unwrap();
    let spec = ModelSpec { width: Some(2), ..ModelSpec::new(Arch::Resnet8, 2) };
    let mut dict = StateDict::of(&spec.init(1, &Device::flex()).unwrap()).unwrap();
    let classes = ClassSpace::of_folders(&["a", "b"].map(String::from));
    ModelCard { spec, side: 16, normalisation: Normalisation::CLIP, classes }.put(&mut dict);
    let path = at.path().join("w.safetensors");
    dict.write(&path, Precision::F32).unwrap();
    config(at.path(), TIMM);
    let teacher = Classifier::load(&path.to_string_lossy(), &Device::flex()).unwrap();
    assert_eq!((teacher.preprocessing.side, teacher.input_spec().normalisation), (16, Normalisation::CLIP));
    assert_eq!(teacher.preprocessing.normalisation_from, Source::Weights);
}

#[test]
fn a_config_of_another_network_is_an_error_that_names_it() {
    let at = tempfile::tempdir().unwrap();
    let size = VitSize { side: 32, patch: 16, width: 192, depth: 12, heads: 3 };
    let file = weights(at.path(), ModelSpec { vit: Some(size), ..ModelSpec::new(Arch::VitTi16, 1000) });
    config(at.path(), &TIMM.replace("[3, 32, 32]", "[3, 384, 384]"));
    let error = Classifier::load(&file, &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("config.json") && error.contains("384") && error.contains("--side"), "{error}");
    // Another side that is asked for resizes the positions.
    let asked = InputOverrides { side: Some(64), ..InputOverrides::default() };
    let teacher = Classifier::load_with(&file, &asked, None, &Device::flex(), "flex").unwrap();
    assert_eq!((teacher.preprocessing.side, teacher.card().unwrap().spec.vit.unwrap().side), (64, 64));
    config(at.path(), "{");
    let error = Classifier::load(&file, &Device::flex()).unwrap_err().to_string();
    assert!(error.contains("config.json") && error.contains("invalid JSON"), "{error}");
}
