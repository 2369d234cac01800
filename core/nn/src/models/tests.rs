//! What is true of all networks.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};

use crate::models::{Arch, ModelSpec};

#[test]
fn sizes_are_the_published_ones() {
    let device = Device::flex();
    let expected = [
        (Arch::Resnet18, 11_689_512, 1.814),
        (Arch::Resnet34, 21_797_672, 3.664),
        (Arch::Resnet50, 25_557_032, 4.089),
        (Arch::EfficientnetLite0, 4_652_008, 0.385),
        (Arch::EfficientnetLite1, 5_416_680, 0.5025),
        (Arch::EfficientnetLite2, 6_092_072, 0.5765),
    ];
    for (arch, parameters, gmacs) in expected {
        let model = ModelSpec::new(arch, 1000).build(&device).unwrap();
        assert_eq!(model.parameters(), parameters, "{arch}");
        let macs = model.macs(224) as f64 / 1e9;
        assert!((macs - gmacs).abs() < 0.01 * gmacs, "{arch}: {macs} G");
    }
}

#[test]
fn every_network_maps_images_to_logits() {
    let device = Device::flex();
    for arch in [Arch::Resnet8, Arch::Resnet18, Arch::EfficientnetLite0] {
        let model = ModelSpec::new(arch, 7).init(1, &device).unwrap();
        let images =
            Tensor::<4>::from_data(TensorData::new(vec![0.5f32; 2 * 3 * 33 * 33], [2, 3, 33, 33]), &device);
        assert_eq!(model.forward(images).dims(), [2, 7], "{arch}");
    }
}

#[test]
fn the_seed_decides_the_weights() {
    let device = Device::flex();
    let draw = |seed| {
        let spec = ModelSpec { width: Some(4), ..ModelSpec::new(Arch::Resnet8, 3) };
        crate::weights::StateDict::of(&spec.init(seed, &device).unwrap()).unwrap()
    };
    assert_eq!(draw(5), draw(5));
    assert_ne!(draw(5), draw(6));
}

#[test]
fn an_unknown_name_gets_the_nearest() {
    let error = "resnet-50".parse::<Arch>().unwrap_err().to_string();
    assert!(error.contains("resnet50"), "{error}");
}

#[test]
fn rows_are_in_the_order_of_their_names_and_go_by_one_name() {
    for (i, arch) in Arch::ALL.into_iter().enumerate() {
        assert_eq!(arch as usize, i, "{arch}");
        assert_eq!(serde_json::to_value(arch).unwrap(), arch.name());
        assert_eq!(arch.name().parse::<Arch>().unwrap(), arch);
    }
}

#[test]
fn every_network_is_recognised_by_its_tensors() {
    let device = Device::flex();
    for arch in Arch::ALL {
        let mut spec = ModelSpec { width: arch.has_width().then_some(24), ..ModelSpec::new(arch, 7) };
        // At another side than the architecture's own.
        spec.vit.iter_mut().for_each(|size| size.side = 3 * size.patch);
        let shapes: BTreeMap<String, Vec<usize>> = spec.build(&device).unwrap().torch_shapes().collect();
        assert_eq!(
            ModelSpec::recognise(None, &|name| shapes.get(name).cloned(), "none", "file").unwrap(),
            spec
        );
    }
}
