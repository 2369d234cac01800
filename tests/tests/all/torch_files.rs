//! Small files that PyTorch wrote, of every container and kind of view, against what they hold.
//!
//! `tests/reference/torch_files.py` made them.

use std::collections::BTreeMap;

use ferkd_nn::weights::{HostTensor, StateDict};
use ferkd_tests::{ferkd, repository};

/// Strided, sliced, shared, of 16, 32 and 64 bits: all as PyTorch sees them; integers are left out.
#[test]
fn every_view_is_read_as_pytorch_sees_it() {
    let expected = StateDict::read(&repository("tests/data/torch/expected.safetensors")).unwrap();
    assert_eq!(expected.tensors.len(), 10);
    let bits = |tensors: &BTreeMap<String, HostTensor>| -> Vec<(String, Vec<usize>, Vec<u32>)> {
        let tensor = |(name, t): (&String, &HostTensor)| {
            (name.clone(), t.shape.clone(), t.values.iter().map(|v| v.to_bits()).collect())
        };
        tensors.iter().map(tensor).collect()
    };
    for name in ["zip", "legacy", "zip-protocol4", "checkpoint", "checkpoint-legacy"] {
        let found = StateDict::read(&repository(&format!("tests/data/torch/{name}.pth"))).unwrap();
        assert_eq!(bits(&found.tensors), bits(&expected.tensors), "{name}");
    }
}

#[test]
fn the_ending_is_of_no_concern() {
    let at = tempfile::tempdir().unwrap();
    let path = at.path().join("weights.safetensors");
    std::fs::copy(repository("tests/data/torch/legacy.pth"), &path).unwrap();
    assert_eq!(StateDict::read(&path).unwrap().tensors.len(), 10);
    // Read, but not of a known network: the program says so and names the file.
    ferkd(at.path(), "eval weights.safetensors .")
        .fails(1, &["weights.safetensors", "not of a known network"]);
}
