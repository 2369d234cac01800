//! The shipped EfficientNet-Lite0 against ONNX Runtime's logits, on every device.

use ferkd_nn::classifier::Classifier;
use ferkd_skip::{not_installed, skipped};
use ferkd_tests::repository;
use safetensors::SafeTensors;

/// Logits may differ by this much: kernels add in different orders.
const TOLERANCE: f32 = 1e-3;

/// `crops`: how many of the eight are looked at. Software adapters take seconds for each.
fn meets_the_goldens(name: &str, crops: usize) {
    let device = match ferkd_nn::device::open(name) {
        Ok(found) => found,
        Err(error) => return if name == "cuda" { skipped(error) } else { not_installed(error) },
    };
    let bytes = std::fs::read(repository("tests/data/lite0-crops.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let pictures = file.tensor("bicubic_u8").unwrap();
    let expected: Vec<f32> = bytemuck::pod_collect_to_vec(file.tensor("logits_f16_weights").unwrap().data());

    let teacher = Classifier::load("efficientnet-lite0", &device).unwrap();
    let view = teacher.input_spec();
    let picture = (3 * view.side * view.side) as usize;
    let mut pixels = vec![0.0; crops * picture];
    for (bytes, pixels) in pictures.data().chunks(picture).zip(pixels.chunks_mut(picture)) {
        view.normalisation.write_chw(bytes, view.side, pixels);
    }
    let logits = teacher.logits(pixels, view.side, &device).unwrap();
    assert_eq!(logits.len(), crops * 1000);
    let off = logits.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < TOLERANCE, "a logit is off by {off}");
}

#[test]
fn flex() {
    ferkd_nn::device::open("flex").unwrap();
    meets_the_goldens("flex", 8);
}

#[test]
fn wgpu() {
    meets_the_goldens("wgpu", 2);
}

#[test]
fn cuda() {
    meets_the_goldens("cuda", 8);
}
