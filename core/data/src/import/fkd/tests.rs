//! Label files: wrong shapes, numbers that make no sense, damage.

use super::label_file::{Form, LabelFile, LabelType};
use super::pairing::{check_unique, label_name, without_image};
use crate::images::ImageList;
use crate::torch::tests::zip;

const CLASSES: usize = 12;

/// An array as NumPy pickles it.
fn array(dtype: &str, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
    let mut pickle =
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R(K\x01(".to_vec();
    for &length in shape {
        pickle.push(b'J');
        pickle.extend((length as i32).to_le_bytes());
    }
    pickle.extend(b"tcnumpy\ndtype\n");
    pickle.extend([b'U', dtype.len() as u8]);
    pickle.extend(dtype.as_bytes());
    pickle.extend(b"\x89\x88\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89B");
    pickle.extend((bytes.len() as u32).to_le_bytes());
    pickle.extend(bytes);
    pickle.extend(b"tb");
    pickle
}

fn f32s(shape: &[usize], values: &[f32]) -> Vec<u8> {
    array("f4", shape, &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}

fn f16s(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let bytes: Vec<u8> = values.iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect();
    array("f2", shape, &bytes)
}

fn i64s(values: &[i64]) -> Vec<u8> {
    array("i8", &[values.len()], &values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())
}

const BOXES: [f32; 8] = [0.0, 0.0, 0.5, 0.5, 0.25, 0.5, 0.75, 0.5];

fn file_of(coords: &[u8], flips: &[u8], labels: &[u8]) -> Vec<u8> {
    let object = [b"\x80\x02](", coords, flips, labels, b"e."].concat();
    zip(&[("x/data.pkl", &object), ("x/version", b"3\n")])
}

/// A file of two regions with the given labels.
fn file(labels: &[u8]) -> Vec<u8> {
    file_of(&f32s(&[2, 4], &BOXES), &array("b1", &[2], &[0, 1]), labels)
}

fn read(bytes: &[u8]) -> ferkd_method::Result<LabelFile> {
    LabelFile::read(bytes, "train/n1/a.tar", CLASSES)
}

#[track_caller]
fn refused(bytes: &[u8], words: &[&str]) {
    let error = read(bytes).unwrap_err().to_string();
    assert!(error.starts_with("train/n1/a.tar: "), "{error}");
    for word in words {
        assert!(error.contains(word), "no `{word}` in: {error}");
    }
}

#[test]
fn every_shape_is_a_type_of_label() {
    let form = |labels: &[u8]| read(&file(labels)).unwrap().form;
    let both = |labels| Form { regions: 2, labels };
    let marginal = f32s(&[2, 2, 3], &[1.0, 0.0, 5.0, 0.2, 0.5, 0.1, 3.0, 2.0, 1.0, 0.9, 0.05, 0.01]);
    assert_eq!(form(&marginal), both(LabelType::Marginal(3)));
    assert_eq!(form(&f32s(&[2, 2], &[1.0, 0.5, 2.0, 0.5])), both(LabelType::Smoothing));
    assert_eq!(form(&i64s(&[1, 11])), both(LabelType::Hard));
    // The generator casts all labels to 16 bits, hard ones too.
    assert_eq!(read(&file(&f16s(&[2], &[1.0, 11.0]))).unwrap(), read(&file(&i64s(&[1, 11]))).unwrap());
    let flat = [1.0 / 12.0; 24];
    assert_eq!(form(&f16s(&[2, 12], &flat)), both(LabelType::Full(12)));
    let found = read(&file(&marginal)).unwrap();
    assert_eq!(found.labels[0].classes, [0, 1, 5], "not in descending order");
    assert_eq!(found.labels[0].probabilities, [0.5, 0.2, 0.1]);
    assert!(!found.boxes[0].flip && found.boxes[1].flip);
    assert_eq!(found.boxes[1].fractions.left, 0.5);
}

#[test]
fn fortran_order_is_read_in_its_order() {
    // (2, 4), the first index running fastest.
    let transposed: Vec<f32> = (0..8).map(|at| BOXES[at % 2 * 4 + at / 2]).collect();
    let mut coords = f32s(&[2, 4], &transposed);
    let order = coords.windows(4).rposition(|w| w == b"tb\x89B").unwrap();
    coords[order + 2] = 0x88;
    let found = read(&file_of(&coords, &array("b1", &[2], &[0, 1]), &i64s(&[1, 2]))).unwrap();
    assert_eq!(found.boxes, read(&file(&i64s(&[1, 2]))).unwrap().boxes);
}

#[test]
fn wrong_shapes_are_named() {
    refused(&file(&f32s(&[3, 2], &[0.1; 6])), &["labels", "(3, 2)", "2 regions"]);
    refused(&file(&f32s(&[3], &[1.0; 3])), &["labels", "(3)", "floats"]);
    refused(&file(&f32s(&[2, 3, 1], &[0.1; 6])), &["(2, 3, 1)"]);
    refused(&file(&f32s(&[2, 2, 0], &[])), &["(2, 2, 0)"]);
    refused(&file(&f32s(&[2, 2, 13], &[0.0; 52])), &["top 13 of 12"]);
    let (coords, flips) = (f32s(&[2, 4], &BOXES), array("b1", &[2], &[0, 1]));
    refused(&file_of(&f32s(&[4, 2], &BOXES), &flips, &i64s(&[1, 2])), &["coords", "(4, 2)"]);
    refused(&file_of(&coords, &array("b1", &[3], &[0, 1, 1]), &i64s(&[1, 2])), &["flips", "(3)"]);
    refused(&file_of(&f32s(&[0, 4], &[]), &array("b1", &[0], &[]), &i64s(&[])), &["no region"]);
    refused(&file_of(&coords, &flips, b"N"), &["labels", "expected a NumPy array"]);
    refused(&file_of(&coords, &flips, b""), &["expected a list of coords, flips and labels"]);
    refused(&file(&f32s(&[2, 2], &[0.1; 5])), &["labels", "20 bytes"]);
    // A shape whose product is beyond all bounds.
    refused(&file(&f32s(&[i32::MAX as usize; 3], &[0.1])), &["labels", "4 bytes"]);
    refused(&file(&array("O8", &[2], &[0; 16])), &["labels", "`O8`"]);
    refused(&file(&array(">i8", &[2], &[0; 16])), &["labels", "`>i8`"]);
}

#[test]
fn numbers_that_make_no_sense_name_their_region() {
    let smoothing = |class: f32, p: f32| file(&f32s(&[2, 2], &[1.0, 0.5, class, p]));
    refused(&smoothing(2.0, f32::NAN), &["region 1", "NaN"]);
    refused(&smoothing(2.0, -0.1), &["region 1", "-0.1", "class 2"]);
    refused(&smoothing(2.0, 1.2), &["region 1", "1.2"]);
    refused(&smoothing(2.0, 0.0), &["region 1", "above 0"]);
    refused(&smoothing(12.0, 0.5), &["region 1", "12"]);
    refused(&smoothing(2.5, 0.5), &["region 1", "2.5"]);
    refused(&smoothing(-1.0, 0.5), &["region 1", "-1"]);
    refused(&smoothing(f32::INFINITY, 0.5), &["region 1", "inf"]);
    refused(&smoothing(f32::NAN, 0.5), &["region 1", "NaN"]);
    refused(&file(&i64s(&[0, 12])), &["region 1", "12"]);
    refused(&file(&i64s(&[0, -1])), &["region 1", "-1"]);
    refused(&file(&f16s(&[2], &[0.0, 0.5])), &["region 1", "0.5"]);
    let twice = f32s(&[2, 2, 2], &[1.0, 1.0, 0.5, 0.2, 1.0, 2.0, 0.5, 0.2]);
    refused(&file(&twice), &["region 0", "class 1 is listed twice"]);
    let mut full = [1.0 / 12.0; 24];
    full[20] = f32::NAN;
    refused(&file(&f32s(&[2, 12], &full)), &["region 1", "NaN"]);
    full[20] = 0.9;
    refused(&file(&f32s(&[2, 12], &full)), &["region 1", "sum"]);
    let labels = i64s(&[1, 2]);
    let (coords, flips) = (f32s(&[2, 4], &BOXES), array("b1", &[2], &[0, 1]));
    refused(&file_of(&coords, &array("u1", &[2], &[0, 2]), &labels), &["region 1", "flip is 2"]);
    for bad in [f32::NAN, 1.5, -0.5] {
        let mut boxes = BOXES;
        boxes[4] = bad;
        refused(&file_of(&f32s(&[2, 4], &boxes), &flips, &labels), &["region 1", "not inside the image"]);
    }
    refused(&file_of(&i64s(&[1, 2]), &flips, &labels), &["coords"]);
    refused(&file_of(&coords, &f32s(&[2], &[0.0, 1.0]), &labels), &["flips"]);
}

#[test]
fn sums_above_one_are_left_to_the_store_which_scales_them() {
    let found = read(&file(&f16s(&[2, 2, 2], &[1.0, 2.0, 0.7, 0.302, 1.0, 2.0, 1.0009, 0.0]))).unwrap();
    let sum: f32 = found.labels[0].probabilities.iter().sum();
    assert!(sum > 1.0 && found.labels[1].probabilities[0] == 1.0);
    let label = found.labels[0].decode(ferkd_method::label::Codec::MarginalSmoothing, CLASSES).unwrap();
    let sum: f64 = label.dense().iter().map(|&p| f64::from(p)).sum();
    assert!((sum - 1.0).abs() < 1e-6 && label.rest() == 0.0);
    // All classes listed: the store keeps them as a full label, whose sum must be 1.
    let all: Vec<f32> = (0..12).map(|c| c as f32).chain([0.084; 12]).collect();
    let found = read(&file(&f16s(&[2, 2, 12], &all.repeat(2)))).unwrap();
    let sum: f64 = found.labels[0].probabilities.iter().map(|&p| f64::from(p)).sum();
    assert!((sum - 1.0).abs() < 1e-6);
}

#[test]
fn sixteen_bits_cannot_tell_classes_above_2048_apart() {
    let labels = |index: f32| f16s(&[2, 2], &[1.0, 0.5, index, 0.5]);
    let read = |labels: &[u8], classes| LabelFile::read(&file(labels), "a.tar", classes);
    assert!(read(&labels(2047.0), 4000).is_ok());
    for index in [2048.0, 3000.0] {
        let error = read(&labels(index), 4000).unwrap_err().to_string();
        assert!(error.contains("region 1") && error.contains("16 bits"), "{error}");
    }
    assert!(read(&f16s(&[2], &[1.0, 3000.0]), 4000).is_err());
    // The last of 2049 classes has no neighbour above.
    assert!(read(&labels(2048.0), 2049).is_ok());
    assert!(read(&f32s(&[2, 2], &[1.0, 0.5, 3001.0, 0.5]), 4000).is_ok());
}

#[test]
fn foreign_names_are_refused_by_name() {
    let evil = zip(&[("x/data.pkl", b"\x80\x02cposix\nsystem\nX\x02\0\0\0id\x85R.")]);
    refused(&evil, &["`posix.system`", "nothing of it was executed"]);
    let torch = zip(&[("x/data.pkl", b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n.")]);
    refused(&torch, &["`torch._utils._rebuild_tensor_v2`"]);
    refused(b"", &["empty"]);
    refused(b"ustar, not a pickle", &["torch.save"]);
}

#[test]
fn the_older_container_is_read_too() {
    let mut bytes =
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec();
    bytes.extend(
        [b"\x80\x02](", &f32s(&[2, 4], &BOXES)[..], &array("b1", &[2], &[0, 1]), &i64s(&[1, 2]), b"e."]
            .concat(),
    );
    bytes.extend(b"\x80\x02].");
    assert_eq!(read(&bytes).unwrap(), read(&file(&i64s(&[1, 2]))).unwrap());
}

fn golden(label_type: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/fkd");
    std::fs::read(folder.join(label_type).join("train/n07920052/coffee.tar")).unwrap()
}

#[test]
fn damage_anywhere_is_an_error_or_changes_nothing() {
    let bytes = golden("marginal_smoothing_k5_fp16");
    let whole = LabelFile::read(&bytes, "a.tar", 1000).unwrap();
    for at in 0..bytes.len() {
        assert!(LabelFile::read(&bytes[..at], "a.tar", 1000).is_err(), "cut at {at}");
        for bit in 0..8 {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            if let Ok(found) = LabelFile::read(&bytes, "a.tar", 1000) {
                assert_eq!(found, whole, "bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn names_go_up_to_their_first_dot() {
    for (image, label) in [
        ("n01440764/n01440764_10026.JPEG", "n01440764/n01440764_10026.tar"),
        ("n01440764/n01440764_10026.JPEG.png", "n01440764/n01440764_10026.tar"),
        ("a.b/c/x.y.z.jpg", "a.b/c/x.tar"),
        ("x.jpg", "x.tar"),
        ("n1/plain", "n1/plain.tar"),
    ] {
        assert_eq!(label_name(image), label);
    }
}

/// Images in memory: path and class, which need not be the folder.
fn list(images: &[(&str, &str)]) -> ImageList {
    let images = images.iter().map(|&(name, class)| (name.to_owned(), class.to_owned(), Vec::new()));
    ImageList::in_memory(images.collect()).unwrap()
}

/// Classes may come from a list beside a flat folder (ImageNet's validation images), or from a text beside each image
/// (WebDataset), so that the images of a class stand apart.
#[test]
fn two_images_of_a_label_file_are_found_whatever_their_classes() {
    for (images, both) in [
        (&[("a.jpg", "x"), ("a.png", "y")][..], ["`a.jpg`", "`a.png`"]),
        (&[("a.jpg", "x"), ("b.jpg", "y"), ("a.png", "x")], ["`a.jpg`", "`a.png`"]),
        (&[("0/a.jpg", "x"), ("0/a.webp", "y")], ["`0/a.jpg`", "`0/a.webp`"]),
        // A folder stands between two images that lie in none, and a deeper one between two of a folder.
        (&[("a.jpg", "x"), ("a/b.jpg", "y"), ("a.png", "x")], ["`a.jpg`", "`a.png`"]),
        (&[("n/a.jpg", "n"), ("n/a/b.jpg", "n"), ("n/a.png", "n")], ["`n/a.jpg`", "`n/a.png`"]),
        (&[("n/a.b.jpg", "n"), ("n/a.c.jpg", "n")], ["`n/a.b.jpg`", "`n/a.c.jpg`"]),
    ] {
        let error = check_unique(&list(images)).unwrap_err().to_string();
        assert!(both.iter().all(|name| error.contains(name)), "{images:?}: {error}");
    }
    for images in [
        &[("a.jpg", "x"), ("b.jpg", "x")][..],
        &[("0/a.jpg", "0"), ("1/a.jpg", "1")],
        &[("a.jpg", "x"), ("a/a.jpg", "x")],
        &[("n/a.jpg", "n"), ("n/b/a.jpg", "n")],
    ] {
        check_unique(&list(images)).unwrap();
    }
}

#[test]
fn a_label_file_belongs_to_its_image_wherever_the_class_comes_from() {
    let at = tempfile::tempdir().unwrap();
    for name in ["a.tar", "b.tar", "n/c.tar", "n/d/e.tar", "n/left.tar", "gone/f.tar", "left.tar"] {
        let path = at.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"").unwrap();
    }
    let images = list(&[("a.jpg", "x"), ("b.jpg", "y"), ("n/c.jpg", "x"), ("n/d/e.jpg", "y")]);
    let mut found = Vec::new();
    without_image(at.path(), &images, &mut |name| found.push(name)).unwrap();
    assert_eq!(found, ["gone/f.tar", "n/left.tar", "left.tar"]);
}
