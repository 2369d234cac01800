//! Tests of whole stores, and what they share.

mod crash;
mod damage;
mod labels;
mod parts;
mod reading;
mod same_images;
mod writing;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::*;
use crate::pixels::{Filter, Normalisation, OrientationRule};
use ferkd_method::Result;
use ferkd_method::label::{Codec, softmax};
use ferkd_method::region::{FractionBox, RegionSampler};
use ferkd_method::rng::{Purpose, Stream};

pub(crate) const CLASSES: u32 = 12;
pub(crate) const REGIONS: u32 = 4;

/// A manifest of `images` images in shards of 2, of 4 regions each, over 12 classes.
pub(crate) fn manifest(images: u64, codec: Codec, k: u32) -> Manifest {
    let names: Vec<String> = (0..images).map(name).collect();
    Manifest {
        format: manifest::FORMAT,
        images,
        shard_images: 2,
        image_list_sha256: image_list_sha256(names.iter().map(String::as_str)),
        regions: Regions { per_image: REGIONS, boxes: Boxes::Generated(RegionSampler::new(7)) },
        label: LabelFormat {
            codec,
            k,
            classes: CLASSES,
            temperature: 1.0,
            space: LabelSpace::Folder,
            class_list: (0..CLASSES).map(|c| format!("n{c:02}")).collect(),
            class_names: (0..CLASSES).map(|c| format!("class {c}")).collect(),
        },
        teacher: Teacher {
            name: "lite0".into(),
            sha256: Some(crate::digest::sha256(b"weights")),
            side: 224,
            filter: Filter::Bicubic,
            normalisation: Normalisation { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
            sources: None,
        },
        orientation: OrientationRule::Apply,
        created_by: "0.1.0".into(),
    }
}

/// The same with explicit boxes.
pub(crate) fn explicit(images: u64) -> Manifest {
    let mut manifest = manifest(images, Codec::MarginalSmoothing, 5);
    manifest.regions.boxes = Boxes::Explicit;
    manifest
}

pub(crate) fn name(image: u64) -> String {
    format!("n{:02}/é {image:06}.jpg", image / 100)
}

pub(crate) fn entry(image: u64) -> ImageEntry {
    ImageEntry {
        name: name(image),
        width: 100 + image as u32,
        height: 80,
        class: (image != 1).then_some(image as u32 % CLASSES),
        checksum: image.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        orientation: 1 + (image % 8) as u8,
    }
}

/// What the teacher says of a region.
pub(crate) fn teacher(image: u64, region: u32) -> Vec<f32> {
    let mut draw = Stream::new(5, Purpose::Scene, image, region);
    let sharpness = draw.uniform(0.1, 6.0);
    let logits: Vec<f32> = (0..CLASSES).map(|_| (sharpness * draw.normal()) as f32).collect();
    softmax(&logits, 1.0).unwrap()
}

pub(crate) fn explicit_box(image: u64, region: u32) -> ExplicitBox {
    let mut draw = Stream::new(6, Purpose::Scene, image, region);
    let [top, left] = [0; 2].map(|_| f64::from(draw.uniform(0.0, 0.5) as f32));
    let [height, width] = [0; 2].map(|_| f64::from(draw.uniform(0.1, 0.5) as f32));
    ExplicitBox { fractions: FractionBox { top, left, height, width }, flip: draw.unit() < 0.5 }
}

pub(crate) fn write_shard(writer: &mut StoreWriter, shard: u32) -> Result<()> {
    let layout = writer.layout().clone();
    let images: Vec<u64> = (0..layout.images_in(shard)).map(|row| layout.image(shard, row)).collect();
    let mut labels = ShardLabels::new(writer.manifest())?;
    let mut boxes = Vec::new();
    for &image in &images {
        for region in 0..REGIONS {
            labels.push_full(&teacher(image, region))?;
            boxes.push(explicit_box(image, region));
        }
    }
    let entries: Vec<ImageEntry> = images.iter().map(|&image| entry(image)).collect();
    let boxes = (writer.manifest().regions.boxes == Boxes::Explicit).then_some(&boxes[..]);
    writer.write_shard(shard, &entries, &labels, boxes)
}

/// Writes whatever is missing.
pub(crate) fn write(folder: &Path, manifest: &Manifest) -> Result<()> {
    let mut writer = StoreWriter::open(folder, manifest.clone())?;
    for shard in writer.missing_shards() {
        write_shard(&mut writer, shard)?;
    }
    writer.finish()
}

/// A whole store in a temporary folder.
pub(crate) fn stored(manifest: &Manifest) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), manifest).unwrap();
    folder
}

/// All files of a folder.
pub(crate) fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
}
