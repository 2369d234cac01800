//! Images that are not, or no longer, those that were labelled.

use std::sync::Arc;

use image::{ImageFormat, RgbImage};
use unicode_normalization::UnicodeNormalization;
use xxhash_rust::xxh3::xxh3_64;

use super::*;
use crate::batches::select::Boxes as Where;
use crate::images::ImageList;
use ferkd_method::ErrorKind;

/// An image file: its size and how bright it is.
fn file(width: u32, height: u32, grey: u8) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_pixel(width, height, image::Rgb([grey; 3]))
        .write_to(&mut bytes, ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

type Files = BTreeMap<String, Vec<u8>>;

/// Seven images of different bytes, one of them with a name that has two normal forms.
fn files() -> Files {
    (0..7u8).map(|n| (format!("n0{}/é {n}.png", n / 4), file(20 + u32::from(n), 10, n))).collect()
}

fn list(files: &Files) -> ImageList {
    let image = |(name, bytes): (&String, &Vec<u8>)| {
        (name.clone(), name.split('/').next().unwrap().to_owned(), Arc::<[u8]>::from(bytes.clone()))
    };
    ImageList::in_memory(files.iter().map(image).collect()).unwrap()
}

/// A store of these images.
fn labelled(files: &Files) -> (tempfile::TempDir, Store) {
    let mut manifest = manifest(files.len() as u64, Codec::MarginalSmoothing, 5);
    manifest.image_list_sha256 = image_list_sha256(files.keys().map(String::as_str));
    let folder = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::open(folder.path(), manifest).unwrap();
    let entries: Vec<ImageEntry> = files
        .iter()
        .zip(0u32..)
        .map(|((name, bytes), n)| ImageEntry {
            name: name.clone(),
            width: 20 + n,
            height: 10,
            class: Some(0),
            checksum: xxh3_64(bytes),
            orientation: 1,
        })
        .collect();
    for shard in writer.missing_shards() {
        let first = writer.layout().image(shard, 0) as usize;
        let entries = &entries[first..first + writer.layout().images_in(shard) as usize];
        let mut labels = ShardLabels::new(writer.manifest()).unwrap();
        (0..entries.len() as u32 * REGIONS).for_each(|r| labels.push_full(&teacher(0, r)).unwrap());
        writer.write_shard(shard, entries, &labels, None).unwrap();
    }
    writer.finish().unwrap();
    let store = Store::open(folder.path()).unwrap();
    (folder, store)
}

fn compared(store: &Store, files: &Files) -> ImagesReport {
    store.compare_images(&list(files), &mut |_, _| ()).unwrap()
}

#[test]
fn the_images_that_were_labelled_are_the_same() {
    let files = files();
    let (_folder, store) = labelled(&files);
    assert!(store.compare_names(&list(&files)).unwrap().is_empty());
    assert!(store.sample_images(&list(&files)).unwrap().is_empty());
    let report = compared(&store, &files);
    assert!(report.is_same() && report.compared == 7, "{report:?}");
}

#[test]
fn smaller_copies_are_seen_before_the_first_step_and_when_they_are_decoded() {
    let mut files = files();
    let (_folder, store) = labelled(&files);
    let name = files.keys().nth(3).unwrap().clone();
    files.insert(name.clone(), file(11, 5, 3));
    let error = store.sample_images(&list(&files)).unwrap_err();
    let expected = format!("{name}: 11 x 5 pixels, but the image that was labelled had 23 x 10");
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(error.to_string().starts_with(&expected), "{error}");
    let boxes = Where::Store(Arc::new(store));
    let error = boxes.check_size(3, &name, (11, 5)).unwrap_err();
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(boxes.check_size(3, &name, (23, 10)).is_ok());
    // Width and height changed places: as many pixels, and another picture.
    assert!(boxes.check_size(3, &name, (10, 23)).is_err());
}

#[test]
fn an_image_that_lies_on_its_side_is_measured_upright() {
    // A JPEG with EXIF orientation 6: 20 x 10 in its file, 10 x 20 when it is decoded.
    let mut jpeg = std::io::Cursor::new(Vec::new());
    RgbImage::new(20, 10).write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
    let exif = b"\xFF\xE1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let jpeg = [&jpeg.get_ref()[..2], exif, &jpeg.get_ref()[2..]].concat();
    let files = Files::from([("n00/a.jpg".to_owned(), jpeg)]);
    let (_folder, store) = labelled(&files);
    let error = store.sample_images(&list(&files)).unwrap_err().to_string();
    assert!(error.contains("10 x 20 pixels, but the image that was labelled had 20 x 10"), "{error}");
}

#[test]
fn a_replaced_image_is_told_by_its_bytes() {
    let mut files = files();
    let (_folder, store) = labelled(&files);
    let name = files.keys().nth(5).unwrap().clone();
    files.insert(name.clone(), file(25, 10, 200));
    let warnings = store.sample_images(&list(&files)).unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("1 of 7 images") && warnings[0].contains(&name), "{warnings:?}");
    let report = compared(&store, &files);
    assert_eq!(report.changed.count, 1);
    let ChangedImage { name: found, problem } = &report.changed.first[0];
    assert!(*found == name && problem.contains("other bytes"), "{report:?}");
    files.insert(name.clone(), b"no image".to_vec());
    assert!(compared(&store, &files).changed.first[0].problem.contains("not an image"));
    files.insert(name, file(5, 5, 0));
    assert!(compared(&store, &files).changed.first[0].problem.contains("5 x 5 pixels"));
}

#[test]
fn added_missing_and_renamed_images_are_named() {
    let before = files();
    let (_folder, store) = labelled(&before);
    let names: Vec<&String> = before.keys().collect();
    let mut files = before.clone();
    files.remove(names[6]);
    let moved = files.remove(names[2]).unwrap();
    files.insert("n00/moved.png".into(), moved);
    files.insert("n09/new.png".into(), file(9, 9, 99));

    let differences = store.compare_names(&list(&files)).unwrap();
    assert_eq!(differences.missing, [names[2].clone(), names[6].clone()]);
    assert_eq!(differences.added, ["n00/moved.png", "n09/new.png"]);
    let text = differences.error("photos").to_string();
    assert!(text.contains(&format!("2 of the store are missing, first {:?}", names[2])), "{text}");
    assert!(text.contains("2 are not in the store, first \"n00/moved.png\""), "{text}");

    // Reading the files shows that one of them was only moved.
    let report = compared(&store, &files);
    assert_eq!(report.compared, 5);
    assert_eq!(report.renamed.first[0].to_string(), format!("{:?} is now \"n00/moved.png\"", names[2]));
    assert_eq!((report.missing.first, report.missing.count), (vec![names[6].clone()], 1));
    assert_eq!((report.added.first, report.added.count), (vec!["n09/new.png".to_owned()], 1));
}

#[test]
fn a_name_in_another_unicode_normal_form_is_said_to_be_that() {
    let before = files();
    let (_folder, store) = labelled(&before);
    let files: Files = before.iter().map(|(name, bytes)| (name.nfd().collect(), bytes.clone())).collect();
    let differences = store.compare_names(&list(&files)).unwrap();
    assert!(differences.missing.is_empty() && differences.added.is_empty());
    assert_eq!(differences.renamed.len(), 7);
    let text = differences.error("photos").to_string();
    assert!(text.contains("7 have another name, first \"n00/é 0.png\""), "{text}");
    assert!(text.contains("composed (NFC) in the store, decomposed (NFD) among the images"), "{text}");
    assert!(text.contains("convmv") && text.contains("photos"), "{text}");
    let report = compared(&store, &files);
    assert_eq!((report.renamed.count, report.missing.count, report.added.count), (7, 0, 0));
}

#[test]
fn images_that_were_passed_over_are_no_difference() {
    let mut files = files();
    let left_out = files.keys().nth(1).unwrap().clone();
    let all = files.clone();
    files.remove(&left_out);
    let mut manifest = manifest(6, Codec::MarginalSmoothing, 5);
    manifest.image_list_sha256 = image_list_sha256(files.keys().map(String::as_str));
    let mut skipped = Skipped::new(list(&all).digest());
    skipped.images.push(SkippedImage { name: left_out, problem: "broken".into() });
    skipped.checked = 7;
    let folder = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::open_skipping(folder.path(), manifest, Some(&skipped)).unwrap();
    for shard in writer.missing_shards() {
        let first = writer.layout().image(shard, 0) as usize;
        let entries: Vec<ImageEntry> = files
            .keys()
            .skip(first)
            .take(writer.layout().images_in(shard) as usize)
            .map(|name| ImageEntry { name: name.clone(), ..entry(0) })
            .collect();
        let mut labels = ShardLabels::new(writer.manifest()).unwrap();
        (0..entries.len() as u32 * REGIONS).for_each(|r| labels.push_full(&teacher(0, r)).unwrap());
        writer.write_shard(shard, &entries, &labels, None).unwrap();
    }
    writer.finish().unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert!(store.compare_names(&list(&all)).unwrap().is_empty());
}
