//! Small files that PyTorch wrote, of every container and kind of view, against what they hold.
//!
//! `tests/reference/torch_files.py` and `torch_checkpoint.py` made them.

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

/// Devices, types, counters, sets, bytes, complex numbers, layouts and an optimizer's state lie beside the weights.
#[test]
fn a_checkpoint_with_all_that_weights_only_takes_is_read() {
    let dict = StateDict::read(&repository("tests/data/torch/kinds.pth")).unwrap();
    let tensors: Vec<_> =
        dict.tensors.iter().map(|(name, t)| (&name[..], &t.shape[..], &t.values[..])).collect();
    assert_eq!(tensors, [("double", &[2][..], &[0.5, 2.0][..]), ("weight", &[1, 2], &[1.0, -1.0])]);
    let left_out: Vec<_> = dict.left_out.iter().map(|(name, what)| (&name[..], &what[..])).collect();
    assert_eq!(left_out, [("n_averaged", "integers"), ("norm.num_batches_tracked", "integers")]);
    assert!(
        dict.notes[0].contains("`model_ema`") && dict.notes[1].contains("`module.model.`"),
        "{:?}",
        dict.notes
    );
}

#[test]
fn the_ending_is_of_no_concern() {
    let at = tempfile::tempdir().unwrap();
    let path = at.path().join("weights.safetensors");
    std::fs::copy(repository("tests/data/torch/legacy.pth"), &path).unwrap();
    assert_eq!(StateDict::read(&path).unwrap().tensors.len(), 10);
    // Read, but not of a known network: the program says so and names the file.
    ferkd(at.path(), "eval weights.safetensors .").fails(
        1,
        &["weights.safetensors", "not of a known network", "10 tensors: `brain`, `double`, `empty`"],
    );
}
