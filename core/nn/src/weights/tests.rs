//! Round trips, damage, and files of other people.

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::*;
use crate::models::{Arch, Model, ModelSpec};
use burn::tensor::Device;

fn model(seed: u64, classes: usize) -> Model {
    let spec = ModelSpec { width: Some(4), ..ModelSpec::new(Arch::Resnet8, classes) };
    spec.init(seed, &Device::flex()).unwrap()
}

#[test]
fn a_round_trip_is_exact() {
    let dict = StateDict::of(&model(1, 3)).unwrap();
    let bytes = dict.to_bytes(Precision::F32).unwrap();
    let read = StateDict::from_bytes(&bytes, "memory").unwrap();
    assert_eq!(read, dict);
    assert_eq!(StateDict::of(&read.load_into(model(2, 3), "memory").unwrap()).unwrap(), dict);
    assert_eq!(
        read.infer_spec("memory").unwrap(),
        ModelSpec { width: Some(4), ..ModelSpec::new(Arch::Resnet8, 3) }
    );
}

#[test]
fn what_does_not_fit_is_named() {
    let mut dict = StateDict::of(&model(1, 3)).unwrap();
    let error = dict.load_into(model(1, 4), "a.safetensors").unwrap_err().to_string();
    assert!(
        error.contains("a.safetensors") && error.contains("fc.weight") && error.contains("[3, 16]"),
        "{error}"
    );
    dict.tensors.remove("bn1.bias");
    dict.tensors.insert("stray".into(), HostTensor { shape: vec![1], values: vec![0.0] });
    let error = dict.load_into(model(1, 3), "a").unwrap_err().to_string();
    assert!(error.contains("bn1.bias") && error.contains("stray"), "{error}");
}

#[test]
fn nan_weights_are_refused() {
    let mut dict = StateDict::of(&model(1, 3)).unwrap();
    dict.tensors.get_mut("fc.bias").unwrap().values[0] = f32::NAN;
    assert!(dict.load_into(model(1, 3), "a").unwrap_err().to_string().contains("NaN"));
}

#[test]
fn a_number_beyond_16_bits_keeps_its_tensor_in_32() {
    let mut dict = StateDict::of(&model(1, 3)).unwrap();
    dict.tensors.get_mut("bn1.running_var").unwrap().values[1] = 1e6;
    assert_eq!(dict.beyond_f16().collect::<Vec<_>>(), ["bn1.running_var"]);
    let bytes = dict.to_bytes(Precision::F16).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    for (name, view) in file.iter() {
        let expected = if name == "bn1.running_var" { Dtype::F32 } else { Dtype::F16 };
        assert_eq!(view.dtype(), expected, "{name}");
    }
    let read = StateDict::from_bytes(&bytes, "a").unwrap();
    assert_eq!(read.tensors["bn1.running_var"], dict.tensors["bn1.running_var"]);
    assert!(read.load_into(model(2, 3), "a").is_ok());
    // The largest number of 16 bits, and what rounds to it, still go into them.
    dict.tensors.get_mut("bn1.running_var").unwrap().values[1] = 65519.0;
    assert_eq!(dict.beyond_f16().count(), 0);
}

/// A safetensors file of others: no checksum, no card.
fn foreign(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn prefixes_are_taken_off_other_peoples_files_alone() {
    let dict = StateDict::of(&model(1, 3)).unwrap();
    for prefix in ["module.", "model.", "_orig_mod.", "encoder.", "module.backbone."] {
        let mut wrapped = StateDict::default();
        wrapped.absorb(prefix, dict.clone());
        let tensors: Vec<_> = wrapped
            .tensors
            .iter()
            .map(|(name, t)| {
                let bytes = t.values.iter().flat_map(|v| v.to_le_bytes()).collect();
                (&name[..], Dtype::F32, t.shape.clone(), bytes)
            })
            .collect();
        let read = StateDict::from_bytes(&foreign(&tensors), "w").unwrap();
        assert_eq!(read.tensors, dict.tensors, "{prefix}");
        assert!(read.notes[0].contains(prefix), "{:?}", read.notes);
        // A file of this program is what it says.
        let own = StateDict::from_bytes(&wrapped.to_bytes(Precision::F32).unwrap(), "w").unwrap();
        assert_eq!(own.tensors, wrapped.tensors);
    }
}

#[test]
fn doubles_are_converted_and_integers_are_named_where_floats_are_needed() {
    let double = 0.5f64.to_le_bytes().to_vec();
    let file = foreign(&[
        ("bn1.num_batches_tracked", Dtype::I64, vec![], vec![0; 8]),
        ("conv1.weight", Dtype::I8, vec![1], vec![1]),
        ("fc.bias", Dtype::F64, vec![1], double),
        ("index", Dtype::BOOL, vec![1], vec![1]),
    ]);
    let dict = StateDict::from_bytes(&file, "w").unwrap();
    assert_eq!(dict.tensors["fc.bias"].values, [0.5]);
    assert_eq!((dict.tensors.len(), dict.left_out.len()), (1, 3));
    let error = dict.load_into(model(1, 1), "w").unwrap_err().to_string();
    assert!(error.contains("`conv1.weight` is I8, where floats are needed"), "{error}");
}

#[test]
fn an_unknown_network_is_refused_with_three_of_its_names() {
    let tensors = ["a.w", "b.w", "c.w", "d.w"].map(|name| (name, Dtype::F32, vec![1], vec![0; 4]));
    let dict = StateDict::from_bytes(&foreign(&tensors), "w.safetensors").unwrap();
    let error = dict.infer_spec("w.safetensors").unwrap_err().to_string();
    assert!(error.contains("4 tensors: `a.w`, `b.w`, `c.w`, ..."), "{error}");
}

#[test]
fn files_of_another_kind_are_named() {
    for (bytes, says) in [
        (&b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n"[..], "git lfs pull"),
        (b"\x08\x08\x12\x07pytorch", "ONNX"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b"\x89HDF\r\n\x1a\n\0\0", "HDF5"),
        (b"", "empty"),
        (b"{\"weight_map\": {}}", "several"),
    ] {
        let error = StateDict::from_bytes(bytes, "w.bin").unwrap_err().to_string();
        assert!(error.starts_with("w.bin: it is ") && error.contains(says), "{error}");
    }
}

#[test]
fn damaged_files_are_errors() {
    let bytes = StateDict::of(&model(1, 3)).unwrap().to_bytes(Precision::F16).unwrap();
    for end in (0..bytes.len()).step_by(97) {
        assert!(StateDict::from_bytes(&bytes[..end], "a").is_err());
    }
    assert!(StateDict::from_bytes(&[0xFF; 64], "a").is_err());
}

#[test]
fn a_flipped_bit_anywhere_is_found() {
    let mut dict = StateDict::of(&model(1, 3)).unwrap();
    dict.metadata.insert("ferkd".into(), "{\"xxh3\":\"no checksum\"}".into());
    let whole = dict.to_bytes(Precision::F32).unwrap();
    assert_eq!(StateDict::from_bytes(&whole, "a").unwrap(), dict);
    for at in (0..whole.len()).step_by(61).chain(0..200) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        match StateDict::from_bytes(&bytes, "a") {
            // Without the key's own name the checksum is another entry, and everything else is as it was.
            Ok(read) => assert_eq!((read.tensors, at < 200), (dict.tensors.clone(), true)),
            Err(error) => assert!(error.to_string().starts_with("a: "), "{error}"),
        }
    }
}
