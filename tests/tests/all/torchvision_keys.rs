//! ResNets save and load under torchvision's parameter names.
//!
//! The names follow torchvision's `resnet.py`; the numbers of parameters are those of its model table.

use std::collections::BTreeMap;

use ferkd_nn::models::{Arch, ModelSpec};
use ferkd_nn::weights::{Precision, StateDict};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

/// A state dictionary's names and shapes, as torchvision builds it.
fn torchvision(blocks: [usize; 4], bottleneck: bool) -> BTreeMap<String, Vec<usize>> {
    let mut keys = BTreeMap::new();
    let mut conv = |name: String, shape: [usize; 4]| {
        keys.insert(format!("{name}.weight"), shape.to_vec());
    };
    let mut norms = Vec::new();
    conv("conv1".into(), [64, 3, 7, 7]);
    norms.push(("bn1".to_owned(), 64));
    let expansion = if bottleneck { 4 } else { 1 };
    let mut inputs = 64;
    for (stage, &count) in blocks.iter().enumerate() {
        let width = 64 << stage;
        for block in 0..count {
            let at = format!("layer{}.{block}", stage + 1);
            let sizes = if bottleneck {
                vec![(inputs, width, 1), (width, width, 3), (width, 4 * width, 1)]
            } else {
                vec![(inputs, width, 3), (width, width, 3)]
            };
            for (i, (from, to, kernel)) in sizes.into_iter().enumerate() {
                conv(format!("{at}.conv{}", i + 1), [to, from, kernel, kernel]);
                norms.push((format!("{at}.bn{}", i + 1), to));
            }
            if block == 0 && (stage > 0 || bottleneck) {
                conv(format!("{at}.downsample.0"), [expansion * width, inputs, 1, 1]);
                norms.push((format!("{at}.downsample.1"), expansion * width));
            }
            inputs = expansion * width;
        }
    }
    for (name, width) in norms {
        for part in ["weight", "bias", "running_mean", "running_var"] {
            keys.insert(format!("{name}.{part}"), vec![width]);
        }
    }
    keys.insert("fc.weight".into(), vec![1000, inputs]);
    keys.insert("fc.bias".into(), vec![1000]);
    keys
}

/// The file with one of PyTorch's counters added.
fn with_counter(bytes: &[u8]) -> Vec<u8> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let counter = TensorView::new(Dtype::I64, vec![], &[7, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let all = file.tensors().into_iter().chain([("bn1.num_batches_tracked".to_owned(), counter)]);
    safetensors::serialize(all, None).unwrap()
}

fn is_torchvisions(arch: Arch, blocks: [usize; 4], bottleneck: bool, parameters: usize) {
    let device = ferkd_nn::device::open("flex").unwrap();
    let spec = ModelSpec::new(arch, 1000);
    let dict = StateDict::of(&spec.init(0, &device).unwrap()).unwrap();
    let found: BTreeMap<String, Vec<usize>> =
        dict.tensors.iter().map(|(name, t)| (name.clone(), t.shape.clone())).collect();
    assert_eq!(found, torchvision(blocks, bottleneck));
    let trained = found.iter().filter(|(name, _)| !name.contains("running_"));
    assert_eq!(trained.map(|(_, shape)| shape.iter().product::<usize>()).sum::<usize>(), parameters);

    // Through a file without our metadata, as PyTorch writes one, and with its counters of batches.
    let mut foreign = dict.clone();
    foreign.metadata.clear();
    let bytes = foreign.to_bytes(Precision::F32).unwrap();
    let back = StateDict::from_bytes(&with_counter(&bytes), "file").unwrap();
    assert_eq!(back.infer_spec("file").unwrap(), spec);
    let other = spec.init(1, &device).unwrap();
    let loaded = back.load_into(other, "file").unwrap();
    assert!(StateDict::of(&loaded).unwrap().tensors == dict.tensors, "not the values that were saved");
}

#[test]
fn resnet18() {
    is_torchvisions(Arch::Resnet18, [2, 2, 2, 2], false, 11_689_512);
}

#[test]
fn resnet34() {
    is_torchvisions(Arch::Resnet34, [3, 4, 6, 3], false, 21_797_672);
}

#[test]
fn resnet50() {
    is_torchvisions(Arch::Resnet50, [3, 4, 6, 3], true, 25_557_032);
}

#[test]
fn resnet101() {
    is_torchvisions(Arch::Resnet101, [3, 4, 23, 3], true, 44_549_160);
}
