//! FKD's official label files, one an image, into a label store.
//!
//! Source: FKD (arXiv 2112.01528) and its released generator. Two passes: the first reads every label file and
//! every image and decides which are good, so that the store's list of images is known; the second writes the
//! shards. Interrupted, the same command goes on.

mod job;
pub mod label_file;
mod pairing;
mod survey;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use rayon::prelude::*;

use crate::classes::ClassSpace;
use crate::events::{Event, Listener};
use crate::images::list::{ImageList, Split};
use crate::pixels::{Filter, Normalisation, OrientationRule, measure};
use crate::store::manifest::{FORMAT, SHARD_IMAGES, created_by};
use crate::store::{
    Boxes, ImageEntry, InputSource, InputSources, LabelFormat, LabelSpace, Manifest, Regions, ShardLabels,
    SkippedImage, StoreWriter, Teacher, check_list,
};
use ferkd_method::error::{Error, Result};
use ferkd_method::label::Codec;
use job::{GROUP, Import, progress};
use label_file::{Form, LabelFile, LabelType};
use survey::Survey;

crate::options! {
    /// Settings of an import of FKD's label files.
    FkdConfig {
        /// How labels of the top K classes are read: marginal-smoothing (the default) or marginal-renorm; the files do not say.
        decode: Option<Codec> = None,
        /// What the store calls the teacher; the files do not say.
        teacher_name: String = "fkd".into(),
        /// Side of the teacher's input, in pixels.
        teacher_side: u32 = 224,
        /// Temperature of the teacher's softmax.
        temperature: f32 = 1.0,
        /// Classes, where they are not ImageNet's 1000: a text file with an identifier a line, in the order of the teacher's outputs (a name may follow behind a tab).
        classes_file: Option<PathBuf> = None,
        /// Images of a shard of the store.
        shard_images: u32 = SHARD_IMAGES,
    }
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct FkdSummary {
    /// Images of the store.
    pub images: u64,
    /// Regions of the store.
    pub regions: u64,
    /// Regions of each image (M).
    pub regions_per_image: u32,
    /// How a label is decoded.
    pub codec: Codec,
    /// Classes kept of each label (K).
    pub top_k: u32,
    /// Classes of the store.
    pub classes: u32,
    /// Bytes of a label and its box.
    pub bytes_per_region: usize,
    /// Images that were written now; the others were there already.
    pub imported_images: u64,
    /// How many label files and images were refused.
    pub refused_count: u64,
    /// These: images in ascending order, then label files without one.
    pub refused: Vec<SkippedImage>,
    /// Seconds that it took.
    pub time_s: f64,
}

/// Imports the label files under `labels` for the images under `images` into the store `out`.
///
/// # Errors
/// Folders that cannot be read, two images that share a label file, classes that are not known, no image that
/// can be imported, a store that holds something else;
/// [`ErrorKind::Interrupted`](ferkd_method::ErrorKind::Interrupted) when `stop` was set. What is
/// wrong with single files stands in the summary.
pub fn import(
    labels: &Path,
    images: &Path,
    out: &Path,
    config: &FkdConfig,
    stop: &AtomicBool,
    listen: Listener,
) -> Result<FkdSummary> {
    let begun = Instant::now();
    if !matches!(config.decode, None | Some(Codec::MarginalSmoothing | Codec::MarginalRenorm)) {
        return Err(Error::usage("decode", "invalid codec: expected marginal-smoothing or marginal-renorm"));
    }
    let labels = pairing::labels_root(labels)?;
    let images = ImageList::open(images, Split::Train)?;
    images.notices().iter().for_each(|text| listen(&Event::Notice { text: text.clone() }));
    pairing::check_unique(&images)?;
    let (classes, folders) = classes(&images, config)?;
    let import = Import { labels, images, classes, folders, out, stop };
    let form = import.form()?;
    // Settings that make no sense are refused before every image is read.
    let mut manifest = import.manifest(form, config)?;
    manifest.checked()?;
    let survey = import.survey(form, listen)?;
    manifest.images = survey.accepted.len() as u64;
    manifest.image_list_sha256 = survey.accepted.digest();
    check_list(out, &survey.accepted)?;
    let mut writer = StoreWriter::open_skipping(out, manifest, Some(&survey.skipped))?;
    writer.check_images(&survey.accepted, &mut |_, _| import.check_stop())?;
    let imported_images = import.write(&mut writer, &survey, listen)?;
    let manifest = writer.manifest().clone();
    let bytes_per_region = writer.layout().label().record_len() + BOX_BYTES;
    writer.finish()?;
    let per_image = manifest.regions.per_image;
    let mut refused = survey.skipped.images;
    refused.extend(survey.orphans);
    Ok(FkdSummary {
        images: manifest.images,
        regions: manifest.images * u64::from(per_image),
        regions_per_image: per_image,
        codec: manifest.label.codec,
        top_k: manifest.label.k,
        classes: manifest.label.classes,
        bytes_per_region,
        imported_images,
        refused_count: refused.len() as u64,
        refused,
        time_s: begun.elapsed().as_secs_f64(),
    })
}

/// Bytes of an explicit box.
const BOX_BYTES: usize = 20;

/// The classes, and which of them each folder is.
fn classes(images: &ImageList, config: &FkdConfig) -> Result<(ClassSpace, Vec<u32>)> {
    match &config.classes_file {
        Some(path) => {
            let classes = ClassSpace::read(path)?;
            let folders = classes.map_folders(images.folders(), &path.display().to_string())?;
            Ok((classes, folders))
        }
        None => {
            let classes = ClassSpace::imagenet();
            let folders = classes.map_folders(images.folders(), "ImageNet").map_err(|error| {
                error
                    .remedy("name the teacher's classes by --classes-file FILE, a line each, in output order")
            })?;
            Ok((classes, folders))
        }
    }
}

impl Import<'_> {
    /// The manifest of a store of all images.
    fn manifest(&self, form: Form, config: &FkdConfig) -> Result<Manifest> {
        let Form { regions, labels } = form;
        let count = self.classes.len();
        if config.decode.is_some() && !matches!(labels, LabelType::Marginal(_)) {
            let problem = format!("the label files hold {form}, which are read in one way only");
            return Err(Error::mismatch("decode", problem).remedy("leave --decode out"));
        }
        let (codec, k) = match labels {
            LabelType::Marginal(k) => config.decode.unwrap_or(Codec::MarginalSmoothing).resolve(k, count),
            LabelType::Smoothing => (Codec::Smoothing, 1),
            LabelType::Hard => (Codec::Hard, 1),
            LabelType::Full(_) => (Codec::Full, count),
        };
        Ok(Manifest {
            format: FORMAT,
            created_by: created_by(),
            images: self.images.len() as u64,
            shard_images: config.shard_images,
            image_list_sha256: self.images.digest(),
            regions: Regions {
                per_image: u32::try_from(regions).unwrap_or(u32::MAX),
                boxes: Boxes::Explicit,
            },
            label: LabelFormat {
                codec,
                k: k as u32,
                temperature: config.temperature,
                space: LabelSpace::Teacher,
                classes: count as u32,
                class_list: self.classes.ids.clone(),
                class_names: self.classes.names.clone(),
            },
            teacher: Teacher {
                name: config.teacher_name.clone(),
                sha256: None,
                side: config.teacher_side,
                filter: Filter::Bicubic,
                normalisation: Normalisation::IMAGENET,
                // Label files say nothing of what their teacher saw; FKD's own teachers saw this.
                sources: Some(InputSources {
                    side: InputSource::Flag,
                    filter: InputSource::Assumed,
                    normalisation: InputSource::Assumed,
                }),
            },
            // FKD's loader takes pictures as they lie in the file.
            orientation: OrientationRule::Ignore,
        })
    }

    /// Writes the shards that are missing; how many images they hold.
    fn write(&self, writer: &mut StoreWriter, survey: &Survey, listen: Listener) -> Result<u64> {
        let begun = Instant::now();
        let (missing, layout) = (writer.missing_shards(), writer.layout().clone());
        let left: u64 = missing.iter().map(|&shard| u64::from(layout.images_in(shard))).sum();
        let total = survey.accepted.len() as u64;
        let job = "importing FKD labels".to_owned();
        listen(&Event::Started { job: job.clone(), total, unit: "images".into(), done: total - left });
        let mut done = 0;
        for shard in missing {
            let first = layout.image(shard, 0) as usize;
            let range = first..first + layout.images_in(shard) as usize;
            let (mut entries, mut boxes) = (Vec::new(), Vec::new());
            let mut labels = ShardLabels::new(writer.manifest())?;
            for start in range.clone().step_by(GROUP) {
                self.check_stop()?;
                let group = start..(start + GROUP).min(range.end);
                let read = |image| self.record(&survey.accepted, image, survey.form);
                for part in group.clone().into_par_iter().map(read).collect::<Vec<_>>() {
                    let (entry, file) = part?;
                    file.labels.iter().try_for_each(|label| labels.push(label))?;
                    boxes.extend(file.boxes);
                    entries.push(entry);
                }
                done += group.len() as u64;
                listen(&progress(total - left + done, total, done, begun));
            }
            writer.write_shard(shard, &entries, &labels, Some(&boxes))?;
        }
        listen(&Event::Done { job, time_s: begun.elapsed().as_secs_f64() });
        Ok(done)
    }

    /// What the store keeps of an image that the survey accepted.
    fn record(&self, images: &ImageList, image: usize, form: Form) -> Result<(ImageEntry, LabelFile)> {
        let name = images.name(image);
        let file = self.label_file(name)?;
        if file.form != form {
            return Err(Error::mismatch(name, "its label file has changed since the import began")
                .remedy("import into another folder"));
        }
        let bytes = images.read(image)?;
        let (width, height, orientation) = measure(&bytes, &images.label_of(image))?;
        let class = images.class(image, &self.folders);
        let checksum = xxhash_rust::xxh3::xxh3_64(&bytes);
        Ok((ImageEntry { name: name.to_owned(), width, height, class, checksum, orientation }, file))
    }
}
