//! The main job on real photographs: those that ship, and sets that may not (`FERKD_TEST_DATA`).

use std::fs;
use std::io::Cursor;
use std::path::Path;

use ferkd_data::pixels::{OrientationRule, decode};
use ferkd_tests::{ferkd, repository, test_data};
use image::{ImageFormat, RgbImage};

/// A corner of the cat, so that every format is tried on the same real pixels.
fn cat() -> RgbImage {
    let photo = image::open(repository("assets/photos/chelsea.png")).unwrap().into_rgb8();
    image::imageops::crop_imm(&photo, 100, 60, 96, 64).to_image()
}

fn encoded(picture: &image::DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A JPEG with an EXIF block that says `orientation`.
fn rotated(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
}

fn mean_difference(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let sum: u64 = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.as_raw().len() as f64
}

#[test]
fn lossless_formats_give_the_same_pixels() {
    let cat = cat();
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let bytes = encoded(&cat.clone().into(), format);
        // The ending of the name is no concern.
        assert_eq!(decode(&bytes, "cat.jpg", OrientationRule::Apply).unwrap().image, cat, "{format:?}");
    }
}

#[test]
fn jpeg_in_colour_and_gray() {
    let cat = cat();
    let colour =
        decode(&encoded(&cat.clone().into(), ImageFormat::Jpeg), "c", OrientationRule::Apply).unwrap();
    assert!(mean_difference(&colour.image, &cat) < 6.0);
    let gray = image::DynamicImage::from(cat).into_luma8();
    let decoded =
        decode(&encoded(&gray.clone().into(), ImageFormat::Jpeg), "g", OrientationRule::Apply).unwrap().image;
    assert!(decoded.pixels().all(|p| p[0] == p[1] && p[1] == p[2]));
    assert!(mean_difference(&decoded, &image::DynamicImage::from(gray).into_rgb8()) < 6.0);
}

/// Adobe's CMYK JPEGs keep their inks inverted; Pillow's reading of the same file is the golden.
#[test]
fn jpeg_in_cmyk() {
    let bytes = fs::read(repository("tests/data/cmyk.jpg")).unwrap();
    let golden = image::open(repository("tests/data/cmyk-by-pillow.png")).unwrap().into_rgb8();
    let decoded = decode(&bytes, "cmyk.jpg", OrientationRule::Apply).unwrap().image;
    let off = mean_difference(&decoded, &golden);
    assert!(off < 3.0, "mean difference {off}");
}

#[test]
fn exif_orientation_is_applied_or_not_as_asked() {
    let jpeg = encoded(&cat().into(), ImageFormat::Jpeg);
    let plain = decode(&jpeg, "c", OrientationRule::Apply).unwrap().image;
    let turned = decode(&rotated(&jpeg, 6), "c", OrientationRule::Apply).unwrap().image;
    assert_eq!(turned, image::imageops::rotate90(&plain));
    let mirrored = decode(&rotated(&jpeg, 2), "c", OrientationRule::Apply).unwrap().image;
    assert_eq!(mirrored, image::imageops::flip_horizontal(&plain));
    let ignored = decode(&rotated(&jpeg, 6), "c", OrientationRule::Ignore).unwrap().image;
    assert_eq!(ignored, plain);
}

/// The shipped teacher on a shipped photograph: regions of the cat are a cat.
#[test]
fn lite0_labels_a_shipped_photo() {
    let at = tempfile::tempdir().unwrap();
    let to = at.path().join("photos/tabby cat");
    fs::create_dir_all(&to).unwrap();
    fs::copy(repository("assets/photos/chelsea.png"), to.join("chelsea.png")).unwrap();
    ferkd(
        at.path(),
        "label photos --teacher efficientnet-lite0 --regions 8 --classes teacher --out store --device flex",
    )
    .ok();
    let mined = ferkd(at.path(), "mine store --quantiles 0.1,0.3,0.9 --json").ok().json();
    assert_eq!(mined["regions"], 8);
    let store = ferkd_data::store::Store::open(at.path().join("store")).unwrap();
    // 281 to 287 are cats, small and large.
    let cats = (0..8).filter(|&r| (281..=287).contains(&store.label(0, r).unwrap().top()[0].0)).count();
    assert!(cats >= 5, "{cats} of 8 regions of a cat are a cat");
}

/// Copies `per_class` photos of the first `classes` classes.
fn part(from: &Path, to: &Path, classes: usize, per_class: usize) -> u64 {
    let sorted = |path: &Path| {
        let mut all: Vec<_> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).collect();
        all.sort();
        all
    };
    let mut copied = 0;
    for class in sorted(from).into_iter().take(classes) {
        let folder = to.join(class.file_name().unwrap());
        fs::create_dir_all(&folder).unwrap();
        for photo in sorted(&class).into_iter().take(per_class) {
            fs::copy(&photo, folder.join(photo.file_name().unwrap())).unwrap();
            copied += 1;
        }
    }
    copied
}

/// 40 validation photos of full size: Lite0's published accuracy is 75 %, on these it is about 88 %.
#[test]
fn lite0_knows_imagenet_photos() {
    let Some(sample) = test_data("imagenet-sample") else { return };
    let at = tempfile::tempdir().unwrap();
    let line = format!("eval efficientnet-lite0 {} --classes teacher --json --device flex", sample.display());
    let result = ferkd(at.path(), &line).ok().json();
    assert_eq!(result["images"], 40);
    let top1 = result["top1"].as_f64().unwrap();
    assert!((0.75..=1.0).contains(&top1), "top-1 {top1}");
}

/// Both label spaces, mining with believable shares, and a ResNet-18 distilled for two steps.
#[test]
fn a_resnet18_is_distilled_from_lite0_on_imagenet_photos() {
    let Some(sample) = test_data("imagenet-sample") else { return };
    let at = tempfile::tempdir().unwrap();
    let count = part(&sample.join("train"), &at.path().join("photos"), 4, 2);
    assert_eq!(count, 8);
    for (space, classes) in [("teacher", 1000), ("folder", 4)] {
        let line = format!(
            "label photos --teacher efficientnet-lite0 --regions 6 --classes {space} --out {space} --device flex --json"
        );
        let labelled = ferkd(at.path(), &line).ok().json();
        assert_eq!((&labelled["classes"], &labelled["regions"]), (&classes.into(), &48.into()));
        ferkd(at.path(), &format!("verify {space}")).ok();
        let mined = ferkd(at.path(), &format!("mine {space} --by-class --json")).ok().json();
        assert_eq!(mined["regions"], 48);
    }
    let line = "train --images photos --store folder --supervision ferkd --arch resnet18 --side 64 --epochs 4 \
                --batch 16 --regions-per-step 4 --run run --device flex --json";
    let trained = ferkd(at.path(), line).ok().json();
    let loss = trained["train_loss"].as_f64().unwrap();
    assert!((0.0..3.0).contains(&loss), "loss {loss}; guessing among four is 1.39");
}
