//! Made-up pictures and stores for benches: the same ones everywhere, from a seed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ferkd_data::classes::ClassSpace;
use ferkd_data::images::synthetic::photo;
use ferkd_data::pixels::{Filter, Normalisation, OrientationRule};
use ferkd_data::store::manifest::{FORMAT, SHARD_IMAGES, created_by};
use ferkd_data::store::{
    Boxes, ImageEntry, LabelFormat, LabelSpace, Manifest, Regions, ShardLabels, Store, StoreWriter, Teacher,
    image_list_sha256,
};
use ferkd_method::error::{Error, IoContext, Result};
use ferkd_method::label::{Codec, TopK};
use ferkd_method::region::RegionSampler;
use ferkd_method::rng::{Purpose, Stream};

/// Width and height of made-up pictures where none are asked for: about ImageNet's median.
pub(super) const SIZE: (u32, u32) = (500, 375);
/// Pairs kept of a label.
const K: usize = 5;

/// A folder of temporary files, which goes when it is dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A new folder among the system's temporary ones.
    pub(super) fn new() -> Result<Self> {
        let parent = std::env::temp_dir();
        for number in 0u32.. {
            let path = parent.join(format!("ferkd-bench-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io(path, error)),
            }
        }
        Err(Error::io(parent, std::io::ErrorKind::AlreadyExists.into()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is in the system's folder for such files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The class of made-up image `number` of `count`: they are spread over the classes of `space` in order.
pub(super) fn class_of(number: u64, count: u64, space: &ClassSpace) -> usize {
    (u128::from(number) * space.len() as u128 / u128::from(count.max(1))) as usize
}

/// The entry of made-up image `number` of `count`, of `size` (width, height).
pub(super) fn entry(number: u64, count: u64, space: &ClassSpace, (width, height): (u32, u32)) -> ImageEntry {
    let class = class_of(number, count, space);
    ImageEntry {
        // Names ascend with the number, whatever the order of the classes' identifiers.
        name: format!("{class:05}/{number:08}.jpg"),
        width,
        height,
        class: Some(class as u32),
        checksum: 0,
        orientation: 1,
    }
}

/// Writes a store of made-up labels into `folder` and opens it: one top-5 label of each of `per_image` regions of
/// the images. All full shards hold the same labels.
pub(super) fn store(
    folder: &Path,
    images: &[ImageEntry],
    per_image: u32,
    space: &ClassSpace,
) -> Result<Store> {
    let manifest = Manifest {
        format: FORMAT,
        images: images.len() as u64,
        shard_images: SHARD_IMAGES,
        image_list_sha256: image_list_sha256(images.iter().map(|image| image.name.as_str())),
        regions: Regions { per_image, boxes: Boxes::Generated(RegionSampler::new(0)) },
        label: LabelFormat {
            codec: Codec::MarginalSmoothing,
            k: K as u32,
            classes: space.len() as u32,
            temperature: 1.0,
            space: LabelSpace::Teacher,
            class_list: space.ids.clone(),
            class_names: space.names.clone(),
        },
        teacher: Teacher {
            name: "made up".into(),
            sha256: None,
            side: 224,
            filter: Filter::Bicubic,
            normalisation: Normalisation::IMAGENET,
            sources: None,
        },
        orientation: OrientationRule::Apply,
        created_by: created_by(),
    };
    let mut writer = StoreWriter::open(folder, manifest)?;
    let mut labels: Option<ShardLabels> = None;
    for (shard, images) in images.chunks(SHARD_IMAGES as usize).enumerate() {
        let regions = images.len() as u64 * u64::from(per_image);
        let fitting = labels.take().filter(|labels| labels.len() as u64 == regions);
        let of_shard = match fitting {
            Some(labels) => labels,
            None => {
                let mut fresh = ShardLabels::new(writer.manifest())?;
                (0..regions).try_for_each(|region| fresh.push(&label(region, space.len() as u32)))?;
                fresh
            }
        };
        writer.write_shard(shard as u32, images, &of_shard, None)?;
        labels = Some(of_shard);
    }
    writer.finish()?;
    Store::open(folder)
}

/// A made-up label over `classes` classes (more than 5), of any sharpness.
fn label(number: u64, classes: u32) -> TopK {
    let mut draw = Stream::new(0, Purpose::Bench, number, 0);
    let (start, stride) = (draw.below(classes), 1 + draw.below((classes / K as u32).max(1)));
    let mut top = TopK::default();
    let (mut left, mut limit) = (1.0, 1.0f64);
    for rank in 0..K as u32 {
        let share = if rank == 0 { draw.uniform(0.01, 1.0) } else { draw.uniform(0.0, 0.7) };
        limit = limit.min(left * share);
        left -= limit;
        top.classes.push((start + rank * stride) % classes);
        top.probabilities.push(limit as f32);
    }
    top
}

/// The JPEG file of made-up picture `number`, of `size` (width, height).
pub(super) fn picture(number: u64, size: (u32, u32)) -> Result<Arc<[u8]>> {
    photo(number as u32, size)
}

/// Bytes that a store's folder takes.
pub(super) fn size_of(folder: &Path) -> Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(folder).at(folder)? {
        total += entry.at(folder)?.metadata().at(folder)?.len();
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_up_store_is_sound_and_spread_over_its_classes() {
        let scratch = Scratch::new().unwrap();
        let folder = scratch.path().to_owned();
        let space = ClassSpace::imagenet();
        let images: Vec<ImageEntry> = (0..2000).map(|number| entry(number, 2000, &space, SIZE)).collect();
        let store = store(&folder, &images, 2, &space).unwrap();
        assert!(ferkd_data::store::verify(&folder, 1).unwrap().is_sound());
        assert_eq!(store.truth(1999).unwrap(), 999);
        let mut confidences = Vec::new();
        let take = &mut |_: u64, _: u32, _: Option<u32>, c: f32| confidences.push(c);
        store.scan_confidences(ferkd_method::mining::Confidence::Max, take).unwrap();
        let above = confidences.iter().filter(|&&c| c > 0.5).count();
        assert!((1600..2400).contains(&above), "{above} of 4000 above 0.5");
        drop(scratch);
        assert!(!folder.exists());
    }

    #[test]
    fn made_up_pictures_are_jpegs() {
        let decoded =
            ferkd_data::pixels::decode(&picture(3, SIZE).unwrap(), "x", OrientationRule::Apply).unwrap();
        assert_eq!(decoded.image.dimensions(), SIZE);
        assert_ne!(picture(3, SIZE).unwrap(), picture(4, SIZE).unwrap());
    }
}
