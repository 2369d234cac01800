//! Networks against PyTorch, torchvision and timm: logits, numbers of parameters, multiply-adds, names and shapes,
//! resized positions, and the groups of layer-wise learning-rate decay. `tests/reference/models.py` wrote the files.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use ferkd_nn::models::{Arch, ModelSpec, VitSize, resize_positions};
use ferkd_nn::weights::{HostTensor, Precision, StateDict};
use ferkd_skip::{not_installed, skipped};
use ferkd_tests::{repository, seeded};
use ferkd_train::config::Recipe;
use ferkd_train::optimizer::Optimizer;
use ferkd_train::{Pretrained, TrainConfig};
use safetensors::SafeTensors;
use serde_json::Value;

/// Logits may differ by this much: kernels add in different orders.
const TOLERANCE: f32 = 1e-3;

fn golden(name: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = std::fs::read(repository("tests/data/models/outputs.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    (tensor.shape().to_vec(), bytemuck::pod_collect_to_vec(tensor.data()))
}

fn facts() -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(repository("tests/data/models/facts.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn vit(arch: Arch, classes: usize, change: impl Fn(&mut VitSize)) -> ModelSpec {
    let mut spec = ModelSpec::new(arch, classes);
    spec.vit.iter_mut().for_each(change);
    spec
}

/// The network with the formula's weights.
fn filled(spec: &ModelSpec) -> StateDict {
    let mut dict = StateDict::of(&spec.build(&Device::flex()).unwrap()).unwrap();
    for (name, tensor) in &mut dict.tensors {
        tensor.values = seeded::tensor(name, &tensor.shape);
    }
    dict
}

#[track_caller]
fn meets(name: &str, spec: &ModelSpec, side: usize, device: &Device) {
    let (shape, expected) = golden(name);
    let model = filled(spec).load_into(spec.build(device).unwrap(), name).unwrap();
    let images = TensorData::new(seeded::images(shape[0], side), [shape[0], 3, side, side]);
    let logits = model.forward(Tensor::<4>::from_data(images, device)).try_into_vec_as::<f32>().unwrap();
    assert_eq!(logits.len(), expected.len(), "{name}");
    let off = logits.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(off < TOLERANCE, "{name}: a logit is off by {off}");
}

#[test]
fn resnets_give_torchvisions_logits() {
    for arch in [Arch::Resnet18, Arch::Resnet34, Arch::Resnet50, Arch::Resnet101] {
        meets(arch.name(), &ModelSpec::new(arch, 1000), 64, &Device::flex());
    }
    for arch in [Arch::Resnet18Cifar, Arch::Resnet34Cifar, Arch::Resnet50Cifar] {
        meets(arch.name(), &ModelSpec::new(arch, 10), 16, &Device::flex());
    }
}

#[test]
fn transformers_give_timms_logits() {
    let flex = Device::flex();
    meets("vit-ti16", &ModelSpec::new(Arch::VitTi16, 1000), 224, &flex);
    meets("vit-s16", &vit(Arch::VitS16, 1000, |size| size.side = 48), 48, &flex);
    for arch in [Arch::VitB16, Arch::VitL16] {
        let spec = vit(arch, 1000, |size| (size.side, size.depth) = (32, 2));
        meets(&format!("{arch}.2"), &spec, 32, &flex);
    }
}

/// Small ones, on every device.
fn small_transformers(device: &str) {
    let device = match ferkd_nn::device::open(device) {
        Ok(found) => found,
        Err(error) if device == "cuda" => return skipped(format_args!("there is no CUDA device: {error}")),
        Err(error) => return not_installed(error),
    };
    let small = VitSize { side: 40, patch: 8, width: 64, depth: 2, heads: 4 };
    meets("deit.small", &vit(Arch::VitTi16, 7, |size| *size = small), 40, &device);
    let small = VitSize { side: 42, patch: 14, width: 88, depth: 2, heads: 4 };
    meets("eva.small", &vit(Arch::EvaG14, 7, |size| *size = small), 42, &device);
}

#[test]
fn flex() {
    small_transformers("flex");
}

#[test]
fn wgpu() {
    small_transformers("wgpu");
}

#[test]
fn cuda() {
    small_transformers("cuda");
}

/// Exactly as PyTorch counts, the giant included: none of its weights are made for it.
#[test]
fn parameters_and_multiply_adds_are_pytorchs() {
    let facts = facts();
    for arch in Arch::ALL {
        let Some(said) = facts.get(arch.name()) else { continue };
        let (classes, side) = if arch.has_small_stem() { (10, 32) } else { (1000, 224) };
        let model = ModelSpec::new(arch, classes).build(&Device::flex()).unwrap();
        assert_eq!(Some(model.parameters() as u64), said["parameters"].as_u64(), "{arch}");
        assert_eq!(Some(model.macs(side)), said["macs"].as_u64(), "{arch}");
    }
    assert_eq!(facts.len(), 13, "twelve networks and the groups");
}

/// Published figures, which round and count a little otherwise: millions of parameters, billions of multiply-adds.
/// DeiT's paper for Ti, S and B; timm's table of results for L and the giant.
#[test]
fn sizes_are_the_published_ones() {
    let published = [
        (Arch::VitTi16, 5.7, 1.26),
        (Arch::VitS16, 22.1, 4.6),
        (Arch::VitB16, 86.6, 17.6),
        (Arch::VitL16, 304.3, 61.6),
        (Arch::EvaG14, 1012.6, 267.2),
    ];
    for (arch, millions, billions) in published {
        let model = ModelSpec::new(arch, 1000).build(&Device::flex()).unwrap();
        let (parameters, macs) = (model.parameters() as f64 / 1e6, model.macs(224) as f64 / 1e9);
        assert!((parameters - millions).abs() < 0.006 * millions, "{arch}: {parameters} M");
        assert!((macs - billions).abs() < 0.006 * billions, "{arch}: {macs} G");
    }
}

/// Names and shapes of a file written here are timm's, and such a file is recognised without a card.
#[test]
fn names_and_shapes_are_timms() {
    let facts = facts();
    for arch in [Arch::VitTi16, Arch::VitS16] {
        let spec = ModelSpec::new(arch, 1000);
        let dict = StateDict::of(&spec.init(1, &Device::flex()).unwrap()).unwrap();
        let said = &facts[arch.name()];
        let shapes: BTreeMap<String, Vec<usize>> = serde_json::from_value(said["shapes"].clone()).unwrap();
        let blocks = said["blocks"].as_u64().unwrap();
        let mut expected = BTreeMap::new();
        for (name, shape) in shapes {
            match name.strip_prefix("blocks.0.") {
                Some(rest) => {
                    expected.extend((0..blocks).map(|i| (format!("blocks.{i}.{rest}"), shape.clone())));
                }
                None => {
                    expected.insert(name, shape);
                }
            }
        }
        let found: BTreeMap<String, Vec<usize>> =
            dict.tensors.iter().map(|(name, t)| (name.clone(), t.shape.clone())).collect();
        assert_eq!(found, expected, "{arch}");

        let mut foreign = dict;
        foreign.metadata.clear();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("timm.safetensors");
        foreign.write(&path, Precision::F32).unwrap();
        assert_eq!(Pretrained::read(&path).unwrap().spec, spec);
    }
    // The giant's: one block of it at full width would be 100 MB, a small one has the same names.
    let small = VitSize { side: 28, patch: 14, width: 88, depth: 2, heads: 4 };
    let spec = vit(Arch::EvaG14, 1000, |size| *size = small);
    let found = StateDict::of(&spec.init(0, &Device::flex()).unwrap()).unwrap();
    let said: BTreeMap<String, Value> = serde_json::from_value(facts["eva-g14"]["shapes"].clone()).unwrap();
    let found: Vec<&String> = found.tensors.keys().filter(|k| !k.starts_with("blocks.1")).collect();
    assert_eq!(found, said.keys().collect::<Vec<_>>());
}

#[test]
fn positions_are_resized_as_timm_does() {
    for (old, new, width) in [(4, 7, 5), (14, 24, 3), (9, 4, 5)] {
        let (shape, expected) = golden(&format!("positions.{old}.{new}"));
        let from = [1, 1 + old * old, width];
        let positions = HostTensor { shape: from.to_vec(), values: seeded::tensor("pos_embed", &from) };
        let resized = resize_positions(&positions, new).unwrap();
        assert_eq!(resized.shape, shape);
        let off = resized.values.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 1e-5, "{old} to {new}: off by {off}");
    }
}

/// Learning rates by layer, and which parameters decay, as timm groups them.
#[test]
fn groups_of_parameters_are_timms() {
    let facts = facts();
    let sizes = [
        ("deit", Arch::VitTi16, VitSize { side: 32, patch: 16, width: 32, depth: 3, heads: 2 }),
        ("eva", Arch::EvaG14, VitSize { side: 28, patch: 14, width: 88, depth: 3, heads: 4 }),
    ];
    for (name, arch, size) in sizes {
        let said: BTreeMap<String, [f64; 2]> = serde_json::from_value(facts["groups"][name].clone()).unwrap();
        let model = vit(arch, 7, |own| *own = size).init(0, &Device::flex()).unwrap();
        let recipe: Recipe = TrainConfig::default().recipe();
        let optimizer = Optimizer::new(&recipe, &Device::flex()).with_layer_decay(Some(0.75), model.layers());
        let dict = StateDict::of(&model).unwrap();
        assert_eq!(dict.tensors.keys().collect::<Vec<_>>(), said.keys().collect::<Vec<_>>());
        for (parameter, [rate, decay]) in said {
            let rank = dict.tensors[&parameter].shape.len();
            assert!((optimizer.rate_scale(&parameter) - rate).abs() < 1e-12, "{parameter}");
            assert_eq!(Optimizer::is_weight(&parameter, rank), decay > 0.0, "{parameter}");
        }
    }
}
