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
            let error = state_dict(&bytes[..end], "weights.pth").expect_err(&format!("{name} cut at {end}"));
            assert!(error.to_string().starts_with("weights.pth: "), "{error}");
        }
    }
}

#[test]
fn no_flipped_bit_panics_or_takes_memory() {
    for name in ["torch/zip.pth", "torch/legacy.pth"] {
        let bytes = golden(name);
        let whole = state_dict(&bytes, "weights.pth").unwrap();
        let mut wrong = 0;
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let bytes = patched(&bytes, at, &[bytes[at] ^ 1 << bit]);
                if let Ok(found) = state_dict(&bytes, "weights.pth") {
                    let numbers: usize = found.values().map(|t| t.values.len()).sum();
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
    let error = state_dict(&patched(&bytes, at, b"cposix\nsystem___________"), "w.pth").unwrap_err();
    assert!(error.to_string().contains("`posix.system__"), "{error}");
    let mut evil = golden("torch/legacy.pth")[..15].to_vec();
    evil.extend(b"cposix\nsystem\nX\x02\0\0\0id\x85R.");
    let error = state_dict(&evil, "w.pth").unwrap_err().to_string();
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
    assert_eq!(state_dict(&good, "w").unwrap()["w"].values, [0.0, 0.0]);
    let billion = b"J\x00\xca\x9a\x3b";
    let refused = |shape: &[u8], strides: &[u8], announced: &[u8]| {
        let error = state_dict(&one_tensor(shape, strides, announced, &[0; 8]), "w.pth").unwrap_err();
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
    assert!(state_dict(&empty, "w").unwrap()["w"].values.is_empty());
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
        let error = state_dict(&zip(&[("w/data.pkl", object)]), "w.pth").unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let two = zip(&[("a/data.pkl", b"N."), ("b/data.pkl", b"N.")]);
    assert!(state_dict(&two, "w").unwrap_err().to_string().contains("data.pkl"));
    let big = zip(&[("a/data.pkl", b"N."), ("a/byteorder", b"big")]);
    assert!(state_dict(&big, "w").unwrap_err().to_string().contains("highest byte first"));
    assert!(state_dict(b"PK\x05\x06 no", "w").is_err());
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

proptest::proptest! {
    #[test]
    fn any_bytes_give_an_error(bytes: Vec<u8>) {
        let zip = [b"PK\x03\x04", &bytes[..]].concat();
        proptest::prop_assert!(state_dict(&zip, "w").is_err());
        let legacy = [b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", &bytes[..]].concat();
        proptest::prop_assert!(state_dict(&legacy, "w").is_err());
    }
}
