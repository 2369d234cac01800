//! Simulated data sets of any size: names, and made-up labels.

use std::path::Path;

use ferkd_data::pixels::{Filter, Normalisation, OrientationRule};
use ferkd_data::store::manifest::FORMAT;
use ferkd_data::store::{
    Boxes, ImageEntry, LabelFormat, LabelSpace, Manifest, Regions, ShardLabels, StoreWriter, Teacher,
    image_list_sha256,
};
use ferkd_method::label::{Codec, softmax};
use ferkd_method::region::RegionSampler;
use ferkd_method::rng::{Purpose, Stream};

/// Classes of the images.
pub const CLASSES: u64 = 10;

/// Regions of an image.
pub const REGIONS: u32 = 4;

/// Width and height of an image, in pixels.
pub const SIDE: u32 = 16;

/// Name of an image among so many, as long as ImageNet's names.
pub fn name(image: u64, of: u64) -> String {
    format!("{}/n01440764_{image:010}.JPEG", image / of.div_ceil(CLASSES))
}

/// A store of these images, with made-up labels.
pub fn write_store(folder: &Path, images: u64) {
    let names: Vec<String> = (0..images).map(|i| name(i, images)).collect();
    let class_list: Vec<String> = (0..CLASSES).map(|c| c.to_string()).collect();
    let manifest = Manifest {
        format: FORMAT,
        images,
        shard_images: 256,
        image_list_sha256: image_list_sha256(names.iter().map(String::as_str)),
        regions: Regions { per_image: REGIONS, boxes: Boxes::Generated(RegionSampler::new(0)) },
        label: LabelFormat {
            codec: Codec::MarginalSmoothing,
            k: 5,
            classes: CLASSES as u32,
            temperature: 1.0,
            space: LabelSpace::Folder,
            class_names: class_list.clone(),
            class_list,
        },
        teacher: Teacher {
            name: "nobody".into(),
            sha256: None,
            side: SIDE,
            filter: Filter::Bicubic,
            normalisation: Normalisation::IMAGENET,
            sources: None,
        },
        orientation: OrientationRule::Apply,
        created_by: "a simulation".into(),
    };
    let mut writer = StoreWriter::open(folder, manifest).unwrap();
    let layout = writer.layout().clone();
    for shard in writer.missing_shards() {
        let mut labels = ShardLabels::new(writer.manifest()).unwrap();
        let mut entries = Vec::new();
        for row in 0..layout.images_in(shard) {
            let image = layout.image(shard, row);
            let mut draw = Stream::new(1, Purpose::Scene, image, 0);
            for _ in 0..REGIONS {
                let logits: Vec<f32> = (0..CLASSES).map(|_| 3.0 * draw.normal() as f32).collect();
                labels.push_full(&softmax(&logits, 1.0).unwrap()).unwrap();
            }
            entries.push(ImageEntry {
                name: names[image as usize].clone(),
                width: SIDE,
                height: SIDE,
                class: Some((image / images.div_ceil(CLASSES)) as u32),
                checksum: 0,
                orientation: 1,
            });
        }
        writer.write_shard(shard, &entries, &labels, None).unwrap();
    }
    writer.finish().unwrap();
}
