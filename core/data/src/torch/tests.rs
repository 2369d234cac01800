//! Files of PyTorch, whole and damaged.

use super::*;

const NONE: Allowed = Allowed { globals: &[], remedy: "make it again" };

fn golden(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
    std::fs::read(folder.join(name)).unwrap()
}

/// The same with the bytes at `at` replaced.
fn patched(bytes: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

fn find(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).position(|window| window == what).unwrap()
}

#[test]
fn both_containers_are_told_by_their_content() {
    for name in ["torch/zip.pth", "torch/legacy.pth", "torch/zip-protocol4.pth"] {
        assert!(is_torch(&golden(name)), "{name}");
    }
    assert!(!is_torch(&golden("torch/expected.safetensors")));
    assert!(!is_torch(b""));
    assert!(!is_torch(b"\x80\x02\0\0\0\0\0\0{\"a\":"));
}

#[test]
fn every_cut_is_an_error() {
    for name in ["torch/zip.pth", "torch/legacy.pth"] {
        let bytes = golden(name);
        for end in 0..bytes.len() {
            let error = weights(&bytes[..end], "weights.pth").expect_err(&format!("{name} cut at {end}"));
            assert!(error.to_string().starts_with("weights.pth: "), "{error}");
        }
    }
}

#[test]
fn no_flipped_bit_panics_or_takes_memory() {
    for name in ["torch/zip.pth", "torch/legacy.pth"] {
        let bytes = golden(name);
        let whole = weights(&bytes, "weights.pth").unwrap();
        let mut wrong = 0;
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let bytes = patched(&bytes, at, &[bytes[at] ^ 1 << bit]);
                if let Ok(found) = weights(&bytes, "weights.pth") {
                    let numbers: usize = found.tensors.values().map(|t| t.values.len()).sum();
                    assert!(numbers <= bytes.len());
                    wrong += usize::from(found != whole);
                }
            }
        }
        // The ZIP container has checksums; the older format has none.
        assert!(name == "torch/legacy.pth" || wrong == 0, "{wrong} flipped bits of {name} went unnoticed");
    }
}

#[test]
fn foreign_names_in_weights_are_refused_by_name() {
    let bytes = golden("torch/legacy.pth");
    let at = find(&bytes, b"ccollections\nOrderedDict\n");
    let error = weights(&patched(&bytes, at, b"cposix\nsystem___________"), "w.pth").unwrap_err();
    assert!(error.to_string().contains("`posix.system__"), "{error}");
    let mut evil = golden("torch/legacy.pth")[..15].to_vec();
    evil.extend(b"cposix\nsystem\nX\x02\0\0\0id\x85R.");
    let error = weights(&evil, "w.pth").unwrap_err().to_string();
    assert!(error.contains("w.pth") && error.contains("`posix.system`"), "{error}");
    assert!(error.contains("torch.save(model.state_dict()"), "{error}");
}

#[test]
fn a_compressed_entry_is_refused() {
    let bytes = golden("torch/zip.pth");
    let central = find(&bytes, b"PK\x01\x02");
    let error = TorchFile::read(&patched(&bytes, central + 10, &[8, 0]), "w", NONE).unwrap_err();
    assert!(error.to_string().contains("compressed"), "{error}");
}

/// A ZIP file of stored entries.
pub(crate) fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let offset = bytes.len() as u32;
        bytes.extend(b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0");
        directory.extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0");
        let mut sizes = crc.sum().to_le_bytes().to_vec();
        sizes.extend((content.len() as u32).to_le_bytes().repeat(2));
        sizes.extend((name.len() as u16).to_le_bytes());
        sizes.extend([0, 0]);
        bytes.extend(&sizes);
        bytes.extend(name.as_bytes());
        bytes.extend(*content);
        directory.extend(&sizes);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend((entries.len() as u16).to_le_bytes().repeat(2));
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

/// A state dictionary of one tensor: `shape` and `strides` are pickled tuples.
fn one_tensor(shape: &[u8], strides: &[u8], announced: &[u8], numbers: &[u8]) -> Vec<u8> {
    let mut object = b"\x80\x02}X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu".to_vec();
    object.extend(announced);
    object.extend(b"tQK\x00");
    object.extend(shape);
    object.extend(strides);
    object.extend(b"\x89NtRs.");
    zip(&[("w/data.pkl", &object), ("w/byteorder", b"little"), ("w/data/0", numbers)])
}

#[test]
fn views_that_leave_their_numbers_or_multiply_them_are_refused() {
    let good = one_tensor(b"K\x02\x85", b"K\x01\x85", b"K\x02", &[0; 8]);
    assert_eq!(weights(&good, "w").unwrap().tensors["w"].values, [0.0, 0.0]);
    let billion = b"J\x00\xca\x9a\x3b";
    let refused = |shape: &[u8], strides: &[u8], announced: &[u8]| {
        let error = weights(&one_tensor(shape, strides, announced, &[0; 8]), "w.pth").unwrap_err();
        assert!(error.to_string().starts_with("w.pth: `w`: "), "{error}");
    };
    refused(b"K\x03\x85", b"K\x01\x85", b"K\x02");
    refused(b"K\x02\x85", b"K\x02\x85", b"K\x02");
    refused(b"K\x02\x85", b"J\xff\xff\xff\xff\x85", b"K\x02");
    refused(b"K\x02K\x01\x86", b"K\x01\x85", b"K\x02");
    refused(b"K\x02\x85", b"K\x01\x85", billion);
    // Stride 0 repeats one number as often as one likes.
    refused(&[billion, &b"\x85"[..]].concat(), b"K\x00\x85", b"K\x02");
    let long = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f";
    refused(&[long, &long[..], b"\x86"].concat(), b"K\x00K\x00\x86", b"K\x02");
    refused(&[long, &b"\x85"[..]].concat(), &[long, &b"\x85"[..]].concat(), b"K\x02");
    // An empty tensor may have any other lengths.
    let empty =
        one_tensor(&[long, &long[..], b"K\x00\x87"].concat(), b"K\x00K\x00K\x00\x87", b"K\x02", &[0; 8]);
    assert!(weights(&empty, "w").unwrap().tensors["w"].values.is_empty());
    let mut axes = b"(".to_vec();
    axes.extend(b"K\x01".repeat(100));
    axes.push(b't');
    refused(&axes, &axes, b"K\x02");
}

#[test]
fn files_that_are_no_weights_are_named() {
    for (object, says) in [
        (&b"N."[..], "no dictionary"),
        (b"].", "no dictionary"),
        (b"}.", "no float tensor"),
        (b"}q\x00X\x05\0\0\0modelh\x00s.", "no float tensor"),
        (b"ctorch.nn\nLinear\n.", "`torch.nn.Linear`"),
    ] {
        let error = weights(&zip(&[("w/data.pkl", object)]), "w.pth").unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let two = zip(&[("a/data.pkl", b"N."), ("b/data.pkl", b"N.")]);
    assert!(weights(&two, "w").unwrap_err().to_string().contains("data.pkl"));
    let big = zip(&[("a/data.pkl", b"N."), ("a/byteorder", b"big")]);
    assert!(weights(&big, "w").unwrap_err().to_string().contains("highest byte first"));
    assert!(weights(b"PK\x05\x06 no", "w").is_err());
}

#[test]
fn entries_that_overlap_are_refused() {
    let bytes = zip(&[("a/data.pkl", b"N."), ("a/0", &[7; 300])]);
    assert!(TorchFile::read(&bytes, "w", NONE).is_ok());
    // Nine more entries under other names, all of the same bytes.
    let end = find(&bytes, b"PK\x05\x06");
    let entry = &bytes[end - 49..end];
    let mut bomb = bytes[..end].to_vec();
    for name in b'1'..=b'9' {
        bomb.extend(&entry[..48]);
        bomb.push(name);
    }
    bomb.extend(&bytes[end..]);
    let count = bomb.len() - 22 + 10;
    bomb[count] = 11;
    let error = TorchFile::read(&bomb, "w", NONE).unwrap_err().to_string();
    assert!(error.contains("overlap"), "{error}");
}

/// Text, as a pickle has it.
fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A dictionary of pickled values.
fn dictionary(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items = items.iter().flat_map(|(key, value)| [&text(key), &value[..], b"s"].concat());
    [b"}".to_vec(), items.collect()].concat()
}

/// A tensor of two numbers of a type of storage, by another function than the usual one if asked.
fn tensor_by(function: &str, storage: &str, key: &str) -> Vec<u8> {
    let mut bytes = format!("c{}\n((", function.replace(' ', "\n")).into_bytes();
    bytes.extend(text("storage"));
    bytes.extend(format!("c{}\n", storage.replace(' ', "\n")).into_bytes());
    bytes.extend([text(key), text("cpu"), b"K\x02tQK\x00K\x02\x85K\x01\x85\x89NtR".to_vec()].concat());
    bytes
}

fn tensor(storage: &str, key: &str) -> Vec<u8> {
    tensor_by("torch._utils _rebuild_tensor_v2", &format!("torch {storage}"), key)
}

/// A checkpoint of this object, whose storages 0 to 4 hold 1, 2 of f32, f64, i64, 3, 4 of f32, and zeros.
fn checkpoint(object: &[u8]) -> Vec<u8> {
    let object = [b"\x80\x02", object, b"."].concat();
    let numbers = |values: [f32; 2]| values.map(f32::to_le_bytes).concat();
    zip(&[
        ("w/data.pkl", &object),
        ("w/data/0", &numbers([1.0, 2.0])),
        ("w/data/1", &[1.0f64, 2.0].map(f64::to_le_bytes).concat()),
        ("w/data/2", &[1i64, 2].map(i64::to_le_bytes).concat()),
        ("w/data/3", &numbers([3.0, 4.0])),
        ("w/data/4", &[0; 32]),
    ])
}

#[test]
fn weights_are_found_under_every_usual_key() {
    let inner = dictionary(&[("fc.bias", tensor("FloatStorage", "0"))]);
    for key in ["net", "ema", "model_ema", "weights", "state_dict", "model", "params", "whatever"] {
        let whole = dictionary(&[("epoch", b"K\x07".to_vec()), (key, inner.clone())]);
        let found = weights(&checkpoint(&whole), "w.pth").unwrap();
        assert_eq!((found.tensors["fc.bias"].values.clone(), &*found.path), (vec![1.0, 2.0], key));
    }
    let deep = dictionary(&[("ema", dictionary(&[("decay", b"K\x01".to_vec()), ("module", inner.clone())]))]);
    assert_eq!(weights(&checkpoint(&deep), "w").unwrap().path, "ema.module");
    assert_eq!(weights(&checkpoint(&inner), "w").unwrap().path, "");
}

#[test]
fn an_average_comes_before_the_last_step() {
    let last = dictionary(&[("fc.bias", tensor("FloatStorage", "0"))]);
    let averaged = dictionary(&[("fc.bias", tensor("FloatStorage", "3"))]);
    let both = dictionary(&[("state_dict", last.clone()), ("state_dict_ema", averaged)]);
    let found = weights(&checkpoint(&both), "w").unwrap();
    assert_eq!((found.tensors["fc.bias"].values.clone(), &*found.path), (vec![3.0, 4.0], "state_dict_ema"));
    // What is called an average and holds none is passed over.
    let settings = dictionary(&[("decay", b"K\x01".to_vec())]);
    let found = weights(&checkpoint(&dictionary(&[("ema", settings), ("model", last)])), "w").unwrap();
    assert_eq!(found.path, "model");
}

#[test]
fn several_dictionaries_of_tensors_are_refused_by_name() {
    let inner = dictionary(&[("fc.bias", tensor("FloatStorage", "0"))]);
    let both = dictionary(&[("pupil", inner.clone()), ("expert", inner)]);
    let error = weights(&checkpoint(&both), "w.pth").unwrap_err().to_string();
    assert!(error.starts_with("w.pth: ") && error.contains("`pupil`, `expert`"), "{error}");
}

#[test]
fn doubles_are_converted_and_other_tensors_are_left_out() {
    let found = weights(
        &checkpoint(&dictionary(&[
            ("double", tensor("DoubleStorage", "1")),
            ("num_batches_tracked", tensor("LongStorage", "2")),
            ("complex", tensor("ComplexFloatStorage", "4")),
            ("quantised", tensor_by("torch._utils _rebuild_qtensor", "torch QInt8Storage", "4")),
        ])),
        "w",
    )
    .unwrap();
    assert_eq!(found.tensors.keys().collect::<Vec<_>>(), ["double"]);
    assert_eq!(found.tensors["double"].values, [1.0, 2.0]);
    let left_out: Vec<(&str, &str)> = found.left_out.iter().map(|(k, v)| (&**k, &**v)).collect();
    let expected = [
        ("complex", "complex or quantised"),
        ("num_batches_tracked", "integers"),
        ("quantised", "quantised"),
    ];
    assert_eq!(left_out, expected);
}

#[test]
fn tensors_in_wrappers_are_read() {
    let plain = tensor("FloatStorage", "0");
    let parameter = [b"ctorch._utils\n_rebuild_parameter_with_state\n(", &plain[..], b"\x89N}tR"].concat();
    // The call of another function: the function, the class, its arguments, and attributes.
    let arguments = &plain[plain.iter().position(|&b| b == b'(').unwrap()..plain.len() - 1];
    let attributes = [
        b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_tensor_v2\nctorch\nTensor\n",
        arguments,
        b"}tR",
    ]
    .concat();
    for wrapped in [parameter, attributes] {
        let found = weights(&checkpoint(&dictionary(&[("w", wrapped)])), "w").unwrap();
        assert_eq!(found.tensors["w"].values, [1.0, 2.0]);
    }
}

/// What `torch.load(weights_only=True)` takes, and trainers keep beside their weights.
#[test]
fn harmless_objects_beside_the_weights_are_passed_over() {
    let scalar = b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(X\x02\0\0\0f8K\x00K\x01tRC\x08\0\0\0\0\0\0\xf0\x3ftR";
    let array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85C\x01btR(K\x01K\x01\x85cnumpy\ndtype\n(X\x02\0\0\0u1K\x00K\x01tR\x89C\x01\x07tb";
    let whole = dictionary(&[
        ("args", b"cargparse\nNamespace\n)\x81}X\x02\0\0\0lrG\x3f\xb9\x99\x99\x99\x99\x99\x9asb".to_vec()),
        ("best", scalar.to_vec()),
        ("history", array.to_vec()),
        ("device", b"ctorch\ndevice\nX\x04\0\0\0cudaK\x00\x86R".to_vec()),
        ("dtype", b"ctorch\nfloat16\n".to_vec()),
        ("size", b"ctorch\nSize\n(K\x01K\x02t\x85R".to_vec()),
        ("counter", b"ccollections\nCounter\n}X\x01\0\0\0aK\x01s\x85R".to_vec()),
        ("default", b"ccollections\ndefaultdict\nc__builtin__\ndict\n\x85RX\x01\0\0\0a}s".to_vec()),
        ("set", b"c__builtin__\nset\n]K\x01a\x85R".to_vec()),
        ("path", b"cpathlib\nPosixPath\nX\x01\0\0\0a\x85R".to_vec()),
        ("optimizer", dictionary(&[("state", b"}K\x00}s".to_vec()), ("param_groups", b"]".to_vec())])),
        ("state_dict", dictionary(&[("fc.bias", tensor("FloatStorage", "0"))])),
    ]);
    let found = weights(&checkpoint(&whole), "w.pth").unwrap();
    assert_eq!((found.tensors["fc.bias"].values.clone(), &*found.path), (vec![1.0, 2.0], "state_dict"));
}

#[test]
fn three_of_the_names_that_are_refused_are_shown() {
    let call = |name: &str| format!("c{}\n)R", name.replace('.', "\n")).into_bytes();
    let whole = dictionary(&[
        ("a", call("mine.Config")),
        ("b", call("posix.system")),
        ("c", call("mine.Config")),
        ("d", call("torch.compile")),
        ("e", call("builtins.eval")),
        ("state_dict", dictionary(&[("fc.bias", tensor("FloatStorage", "0"))])),
    ]);
    let error = weights(&checkpoint(&whole), "w.pth").unwrap_err().to_string();
    assert!(
        error.contains("`mine.Config`, `posix.system`, `torch.compile` and 1 more, which are refused"),
        "{error}"
    );
    assert!(error.contains("nothing of it was executed") && error.contains("state_dict()"), "{error}");
}

#[test]
fn archives_of_others_are_named() {
    let numpy = zip(&[("arr_0.npy", b"\x93NUMPY")]);
    assert!(weights(&numpy, "w.npz").unwrap_err().to_string().contains("NumPy archive"));
    let script = zip(&[("m/data.pkl", b"N."), ("m/constants.pkl", b"N."), ("m/code/a.py", b"")]);
    assert!(weights(&script, "w.pt").unwrap_err().to_string().contains("TorchScript"));
    assert!(weights(b"<!DOCTYPE html>", "w.pt").unwrap_err().to_string().contains("HTML"));
}

proptest::proptest! {
    #[test]
    fn any_bytes_give_an_error(bytes: Vec<u8>) {
        let zip = [b"PK\x03\x04", &bytes[..]].concat();
        proptest::prop_assert!(weights(&zip, "w").is_err());
        let legacy = [b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", &bytes[..]].concat();
        proptest::prop_assert!(weights(&legacy, "w").is_err());
    }
}
