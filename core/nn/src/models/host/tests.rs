//! Inference on the CPU beside burn's.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

use crate::device::read::read;
use crate::models::{Arch, Model, ModelSpec, VitSize};
use crate::weights::StateDict;
use ferkd_method::rng::{Purpose, Stream};

/// A network whose batch norms do something.
fn model(arch: Arch, classes: usize, seed: u64) -> Model {
    let fresh = ModelSpec::new(arch, classes).init(seed, &Device::flex()).unwrap();
    let mut dict = StateDict::of(&fresh).unwrap();
    let mut draw = Stream::new(seed, Purpose::Weights, 1, 0);
    for (name, tensor) in &mut dict.tensors {
        let norm = tensor.shape.len() == 1 && !name.contains("fc");
        for value in tensor.values.iter_mut().filter(|_| norm) {
            *value = match name {
                name if name.ends_with("running_var") => draw.uniform(0.5, 2.0) as f32,
                name if name.ends_with("weight") => draw.uniform(0.5, 1.5) as f32,
                _ => draw.uniform(-0.3, 0.3) as f32,
            };
        }
    }
    dict.load_into(fresh, "test").unwrap().valid()
}

#[test]
fn every_network_gives_burns_logits() {
    for (arch, side) in [
        (Arch::EfficientnetLite0, 64),
        (Arch::EfficientnetLite0, 33),
        (Arch::Resnet18, 33),
        (Arch::Resnet50, 40),
        (Arch::Resnet8, 15),
    ] {
        let (classes, count) = (11, 3);
        let model = model(arch, classes, 5);
        let mut draw = Stream::new(2, Purpose::Scene, 0, side as u32);
        let pixels: Vec<f32> = (0..count * 3 * side * side).map(|_| draw.uniform(-2.0, 2.0) as f32).collect();
        let data = TensorData::new(pixels.clone(), [count, 3, side, side]);
        let expected = read(model.forward(Tensor::<4>::from_data(data, &Device::flex()))).unwrap();
        let found = model.host().unwrap().unwrap().logits(&pixels, side);
        assert_eq!(found.len(), expected.len());
        let largest = expected.iter().fold(1.0f32, |most, z| most.max(z.abs()));
        for (a, b) in found.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-4 * largest, "{arch} at {side}: {a}, burn {b}");
        }
    }
}

#[test]
fn a_picture_alone_gives_what_it_gives_among_others() {
    let (side, size) = (32, 3 * 32 * 32);
    let net = model(Arch::EfficientnetLite0, 7, 3).host().unwrap().unwrap();
    let mut draw = Stream::new(2, Purpose::Scene, 0, 0);
    let pixels: Vec<f32> = (0..5 * size).map(|_| draw.uniform(-2.0, 2.0) as f32).collect();
    // On one thread some of them go side by side, from a layer within the network on.
    let [split, _] = net.split(side);
    assert!(0 < split && split < net.layers.len(), "{split} of {}", net.layers.len());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let together = pool.install(|| net.logits(&pixels, side));
    for (picture, expected) in pixels.chunks(size).zip(together.chunks(7)) {
        for (a, b) in net.logits(picture, side).iter().zip(expected) {
            assert!((a - b).abs() < 1e-5, "{a}, {b}");
        }
    }
    assert!(net.logits(&[], side).is_empty());
}

#[test]
fn what_is_no_number_stays_none() {
    let net = model(Arch::EfficientnetLite0, 7, 3).host().unwrap().unwrap();
    let mut pixels = vec![0.1; 3 * 32 * 32];
    pixels[40] = f32::NAN;
    assert!(net.logits(&pixels, 32).iter().all(|z| z.is_nan()));
}

#[test]
fn transformers_give_burns_logits() {
    for (arch, side, patch) in [(Arch::VitTi16, 32, 8), (Arch::VitTi16, 48, 16), (Arch::EvaG14, 28, 14)] {
        let size = VitSize { side, patch, width: 24, depth: 2, heads: 3 };
        let spec = ModelSpec { vit: Some(size), ..ModelSpec::new(arch, 5) };
        let fresh = spec.init(4, &Device::flex()).unwrap();
        let mut dict = StateDict::of(&fresh).unwrap();
        let mut draw = Stream::new(4, Purpose::Weights, 1, 0);
        // Biases and positions are zeros at first.
        for tensor in dict.tensors.values_mut() {
            tensor.values.iter_mut().for_each(|value| *value += draw.uniform(-0.2, 0.2) as f32);
        }
        let model = dict.load_into(fresh, "test").unwrap().valid();
        let pixels: Vec<f32> = (0..5 * 3 * side * side).map(|_| draw.uniform(-2.0, 2.0) as f32).collect();
        let data = TensorData::new(pixels.clone(), [5, 3, side, side]);
        let expected = read(model.forward(Tensor::<4>::from_data(data, &Device::flex()))).unwrap();
        let found = model.host().unwrap().unwrap().logits(&pixels, side);
        let largest = expected.iter().fold(1.0f32, |most, z| most.max(z.abs()));
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(&expected) {
            assert!((a - b).abs() < 1e-5 * largest, "{arch} at {side}: {a}, burn {b}");
        }
    }
}
