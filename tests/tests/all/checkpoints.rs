//! Checkpoints that lack something, found by fuzzing a run's folder: the error names the file and what to do.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use ferkd_nn::classifier::Classifier;
use ferkd_nn::weights::{Precision, StateDict};
use ferkd_tests::smallest_run;
use ferkd_train::{TrainConfig, train};
use image::{Rgb, RgbImage};

/// A run of one step on two pictures.
fn trained(at: &Path) -> TrainConfig {
    for class in ["cat", "dog"] {
        let folder = at.join("images").join(class);
        std::fs::create_dir_all(&folder).unwrap();
        let picture =
            RgbImage::from_fn(16, 16, |x, y| Rgb([(x * 9) as u8, (y * 13) as u8, class.as_bytes()[0]]));
        picture.save(folder.join("picture.png")).unwrap();
    }
    let config = smallest_run(&at.join("images"));
    train(&config, &at.join("run"), false, &AtomicBool::new(false), &mut |_| ()).unwrap();
    config
}

#[test]
fn a_checkpoint_without_an_optimizers_state_is_named() {
    let at = tempfile::tempdir().unwrap();
    let config = trained(at.path());
    let path = at.path().join("run/checkpoints/last.safetensors");
    let mut dict = StateDict::read(&path).unwrap();
    let before = dict.tensors.len();
    dict.tensors
        .retain(|name, _| !(name.starts_with("optimizer.") && name.contains("layer2.0.conv2.weight")));
    assert!(dict.tensors.len() < before);
    dict.write(&path, Precision::F32).unwrap();
    let resumed = train(&config, &at.path().join("run"), true, &AtomicBool::new(false), &mut |_| ());
    let error = resumed.unwrap_err().to_string();
    for part in ["last.safetensors", "`layer2.0.conv2.weight`", "resume with the optimizer"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn weights_whose_metadata_make_no_sense_are_named() {
    let at = tempfile::tempdir().unwrap();
    trained(at.path());
    let path = at.path().join("run/checkpoints/last.safetensors");
    let mut dict = StateDict::read(&path).unwrap();
    for card in dict.metadata.values_mut() {
        *card = card.replace("\"arch\"", "\"asch\"");
    }
    dict.write(&path, Precision::F32).unwrap();
    let loaded = Classifier::load(&path.to_string_lossy(), &Device::flex());
    let error = loaded.err().unwrap().to_string();
    for part in ["last.safetensors", "make no sense", "again"] {
        assert!(error.contains(part), "{error}");
    }
}
