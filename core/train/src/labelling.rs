//! The teacher pass: every region of every image through the teacher, into a label store.

mod compare;
mod search;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::tensor::Device;
use rayon::prelude::*;

use crate::labelling::compare::compare;
use crate::labelling::search::{search, stopped};
use crate::teacher_pass::TeacherPass;
use ferkd_data::classes::ClassSpace;
use ferkd_data::events::{Event, Listener};
use ferkd_data::images::{ImageList, Split};
use ferkd_data::pixels::{Filter, OrientationRule};
use ferkd_data::store::manifest::{FORMAT, created_by};
use ferkd_data::store::{
    Boxes, ImageEntry, LabelClasses, LabelFormat, LabelSpace, MANIFEST, Manifest, Part, Regions, SKIPPED,
    ShardLabels, Skipped, SkippedImage, StoreWriter, check_list,
};
use ferkd_data::threads::spawn_in;
use ferkd_method::error::{Error, Result};
use ferkd_method::label::Codec;
use ferkd_method::region::RegionSampler;
use ferkd_method::rng::path_hash;
use ferkd_nn::classifier::Classifier;
use ferkd_nn::models::Arch;
use ferkd_nn::preprocessing::{InputOverrides, Preprocessing};

ferkd_data::options! {
    /// Settings of a teacher pass.
    LabelConfig {
        /// Images of each class to label: the first so many by name, all of them if left out.
        images_per_class: Option<usize> = None,
        /// Regions of each image (M); FKD uses 500.
        regions: u32 = 16,
        /// Seed of boxes and flips.
        seed: u64 = 0,
        /// Smallest and largest share of an image that a region may cover.
        scale: [f64; 2] = [0.08, 1.0],
        /// How labels are kept: marginal-smoothing, marginal-renorm, smoothing, hard or full.
        codec: Codec = Codec::MarginalSmoothing,
        /// Classes kept of each label (K); all of them, exactly, where there are no more than K.
        top_k: usize = 5,
        /// Temperature of the teacher's softmax.
        temperature: f32 = 1.0,
        /// Label space: teacher (all of its classes) or folder (those of the folder); chosen by the folder if left out.
        classes: Option<LabelSpace> = None,
        /// Classes of the teacher in the order of its outputs, one a line, where its file does not name them.
        classes_file: Option<PathBuf> = None,
        /// Architecture of the teacher, where its file does not tell: a transformer of another size has heads as wide as those of the one that is named.
        arch: Option<Arch> = None,
        /// Side of the teacher's input, in pixels; what its weights, a config.json beside them or its architecture say if left out.
        side: Option<u32> = None,
        /// How regions are resized for the teacher: bilinear or bicubic; what a config.json beside its weights says if left out, else bicubic.
        interpolation: Option<Filter> = None,
        /// Mean of red, green and blue that the teacher was trained with, for bytes in 0..=1; what its weights, a config.json beside them or its architecture say if left out.
        mean: Option<[f32; 3]> = None,
        /// Standard deviation of red, green and blue that the teacher was trained with; as the mean if left out.
        std: Option<[f32; 3]> = None,
        /// EXIF orientation: apply or ignore.
        orientation: OrientationRule = OrientationRule::Apply,
        /// Regions that go through the teacher at once.
        batch: usize = 64,
        /// Images of a shard of the store.
        shard_images: u32 = 256,
        /// Pass over images that cannot be decoded, and list them in skipped.json; all are decoded once before.
        skip_bad: bool = false,
        /// Label one of several parts, such as 2/4, into a folder within the store's; `ferkd verify` merges them.
        part: Option<Part> = None,
        /// Device: auto, flex, wgpu or cuda:N; for a teacher in an ONNX file auto, cpu, cuda:N or tensorrt:N.
        device: String = "auto".into(),
    }
}

/// What a teacher pass did.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct LabelSummary {
    /// Images of the store, or of its part.
    pub images: u64,
    /// Regions of the store, or of its part.
    pub regions: u64,
    /// Regions that were labelled now; the others were there already.
    pub labelled_regions: u64,
    /// Speed of the pass.
    pub regions_per_s: f64,
    /// Bytes of a label.
    pub bytes_per_region: usize,
    /// Classes of the store.
    pub classes: usize,
    /// Images that were passed over because they cannot be decoded.
    pub skipped_images: u64,
    /// Which ones, and why.
    pub skipped: Vec<SkippedImage>,
    /// The part that was labelled, where it was not the whole.
    pub part: Option<Part>,
    /// What the teacher saw, and who says so.
    pub preprocessing: Preprocessing,
    /// Seconds that it took.
    pub time_s: f64,
}

/// Which classes the labels refer to.
fn space(images: &ImageList, teacher: &Classifier, asked: Option<LabelSpace>) -> Result<LabelClasses> {
    LabelClasses::of(images, &teacher.classes, &format!("the teacher {}", teacher.name), asked)
}

const BAD_IMAGE: &str = "replace the file, take it out, or label with --skip-bad into another folder: the list of a store's \
                         images is fixed from its beginning";
fn sampler(config: &LabelConfig) -> RegionSampler {
    RegionSampler { scale: (config.scale[0], config.scale[1]), ..RegionSampler::new(config.seed) }
}

/// The manifest of the store that a pass would write.
///
/// # Errors
/// Images whose classes the teacher does not know.
pub fn manifest(images: &ImageList, teacher: &Classifier, config: &LabelConfig) -> Result<Manifest> {
    Ok(describe(images, teacher, config, &space(images, teacher, config.classes)?))
}

fn describe(
    images: &ImageList,
    teacher: &Classifier,
    config: &LabelConfig,
    space: &LabelClasses,
) -> Manifest {
    let (codec, k) = config.codec.resolve(config.top_k, space.classes.len());
    Manifest {
        format: FORMAT,
        created_by: created_by(),
        images: images.len() as u64,
        shard_images: config.shard_images,
        image_list_sha256: images.digest(),
        regions: Regions { per_image: config.regions, boxes: Boxes::Generated(sampler(config)) },
        label: LabelFormat {
            codec,
            k: k as u32,
            temperature: config.temperature,
            space: space.space,
            classes: space.classes.len() as u32,
            class_list: space.classes.ids.clone(),
            class_names: space.classes.names.clone(),
        },
        teacher: teacher.info(),
        orientation: config.orientation,
    }
}

/// A group of images on its way to the teacher.
struct Group {
    images: Vec<ImageEntry>,
    pixels: Vec<f32>,
}

/// Labels the images under `images` into the store `out`; goes on where an earlier pass stopped.
///
/// # Errors
/// Images, teacher or store that cannot be used; [`ErrorKind::Interrupted`](ferkd_method::ErrorKind::Interrupted) when `stop` was set.
pub fn label(
    images: &Path,
    teacher: &str,
    out: &Path,
    config: &LabelConfig,
    stop: &AtomicBool,
    listen: Listener,
) -> Result<LabelSummary> {
    let classes = config.classes_file.as_deref().map(ClassSpace::read).transpose()?;
    let asked = InputOverrides {
        arch: config.arch,
        side: config.side,
        filter: config.interpolation,
        mean: config.mean,
        std: config.std,
        crop: None,
    };
    let (teacher, device) = Classifier::open(teacher, &asked, classes.as_ref(), &config.device)?;
    let sentences = teacher.notes.iter().cloned().chain([teacher.preprocessing.sentence(&teacher.name)]);
    sentences.for_each(|text| listen(&Event::Notice { text }));
    let mut images = ImageList::open(images, Split::Train)?.first_per_class(config.images_per_class)?;
    let folder = folder(out, config)?;
    images.notices().iter().for_each(|text| listen(&Event::Notice { text: text.clone() }));
    // What is wrong is said before all images are looked at, not after.
    check(config)?;
    space(&images, &teacher, config.classes)?;
    let skipped = match config.skip_bad {
        true => Some(search(&images, &folder, config.orientation, stop, listen)?),
        false => None,
    };
    if let Some(skipped) = &skipped {
        images = images.without(skipped.names())?;
        if images.is_empty() {
            return Err(Error::damaged(Path::new(&*images.root()), "none of its images can be decoded")
                .remedy(format!("{} says what is wrong with each", folder.join(SKIPPED).display())));
        }
    }
    LabellingPass::open(images, teacher, folder, config, device, skipped)?.run(stop, listen)
}

/// Checks the settings that nothing else does.
fn check(config: &LabelConfig) -> Result<()> {
    ferkd_method::region::check_scale(config.scale)?;
    if config.batch == 0 || config.top_k == 0 || config.regions == 0 || config.shard_images == 0 {
        return Err(Error::usage(
            "batch, top-k, regions, shard-images",
            "invalid value 0: expected at least 1",
        ));
    }
    Ok(())
}

/// The folder to write into: the store's, or a part's within it.
fn folder(out: &Path, config: &LabelConfig) -> Result<PathBuf> {
    let folder = match config.part {
        None => out.to_owned(),
        Some(_) if out.join(MANIFEST).exists() => {
            return Err(Error::usage(
                out.display().to_string(),
                "a store is there already, which is not in parts",
            )
            .remedy("label without --part, or name another folder"));
        }
        Some(part) => out.join(part.folder()),
    };
    if !config.skip_bad && folder.join(SKIPPED).exists() {
        return Err(Error::usage(folder.display().to_string(), "it was begun with --skip-bad")
            .remedy("repeat --skip-bad, or name another folder"));
    }
    Ok(folder)
}

/// A teacher pass, ready to run.
pub struct LabellingPass<'a> {
    images: ImageList,
    teacher: Classifier,
    folder: PathBuf,
    config: &'a LabelConfig,
    sampler: RegionSampler,
    space: LabelClasses,
    writer: StoreWriter,
    skipped: Option<Skipped>,
    device: Device,
}

impl<'a> LabellingPass<'a> {
    /// Opens or creates the store. No image is looked at before: `skip_bad` is [`label`]'s alone, and so is what the
    /// configuration says of the teacher's input, since the teacher is loaded.
    pub fn new(
        images: ImageList,
        teacher: Classifier,
        out: &Path,
        config: &'a LabelConfig,
        device: Device,
    ) -> Result<Self> {
        Self::open(images, teacher, folder(out, config)?, config, device, None)
    }

    fn open(
        images: ImageList,
        teacher: Classifier,
        folder: PathBuf,
        config: &'a LabelConfig,
        device: Device,
        skipped: Option<Skipped>,
    ) -> Result<Self> {
        check(config)?;
        let space = space(&images, &teacher, config.classes)?;
        let sampler = sampler(config);
        let manifest = describe(&images, &teacher, config, &space);
        check_list(&folder, &images)?;
        let writer = StoreWriter::open_skipping(&folder, manifest, skipped.as_ref())?;
        Ok(Self { images, teacher, folder, config, sampler, space, writer, skipped, device })
    }

    /// Labels all shards that are missing.
    pub fn run(mut self, stop: &AtomicBool, listen: Listener) -> Result<LabelSummary> {
        let begun = Instant::now();
        let manifest = self.writer.manifest().clone();
        let layout = self.writer.layout().clone();
        let part = self.config.part;
        let ours = |shard: &u32| part.is_none_or(|part| part.owns(*shard));
        let count = |shards: &[u32]| shards.iter().map(|&s| u64::from(layout.images_in(s))).sum::<u64>();
        let missing: Vec<u32> = self.writer.missing_shards().into_iter().filter(ours).collect();
        let total = count(&(0..layout.shards()).filter(ours).collect::<Vec<_>>());
        let left = count(&missing);
        let done = total - left;
        compare(&self.writer, &self.images, &mut || self.check_stop(stop), listen)?;
        let job = format!("labelling with {}", self.teacher.name);
        listen(&Event::Started { job: job.clone(), total, unit: "images".into(), done });
        ferkd_nn::device::first_use(&self.config.device, listen);
        let mut labelled = 0;
        for shard in missing {
            let first = layout.image(shard, 0);
            let range = first..first + u64::from(layout.images_in(shard));
            let (entries, labels) = self.shard(range, stop, &mut |images| {
                labelled += images;
                let units_per_s = labelled as f64 / begun.elapsed().as_secs_f64();
                let eta_s = (left - labelled) as f64 / units_per_s;
                listen(&Event::Progress { done: done + labelled, total, units_per_s, eta_s });
            })?;
            self.writer.write_shard(shard, &entries, &labels, None)?;
        }
        if part.is_none() {
            self.writer.finish()?;
        }
        let time_s = begun.elapsed().as_secs_f64();
        listen(&Event::Done { job, time_s });
        let per_image = u64::from(manifest.regions.per_image);
        let skipped = self.skipped.map(|skipped| skipped.images).unwrap_or_default();
        Ok(LabelSummary {
            images: total,
            regions: total * per_image,
            labelled_regions: labelled * per_image,
            regions_per_s: (labelled * per_image) as f64 / time_s,
            bytes_per_region: layout.label().record_len(),
            classes: manifest.label.classes as usize,
            skipped_images: skipped.len() as u64,
            skipped,
            part,
            preprocessing: self.teacher.preprocessing,
            time_s,
        })
    }

    fn check_stop(&self, stop: &AtomicBool) -> Result<()> {
        if stop.load(Ordering::Relaxed) { Err(stopped(&self.folder)) } else { Ok(()) }
    }

    /// The data of one shard. Groups are counted from its first image, so that a shard that is done again is
    /// computed in the very same batches.
    fn shard(
        &self,
        range: std::ops::Range<u64>,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(Vec<ImageEntry>, ShardLabels)> {
        let group = (self.config.batch / self.config.regions as usize).max(1) as u64;
        let starts: Vec<u64> = range.clone().step_by(group as usize).collect();
        let mut data = (Vec::new(), ShardLabels::new(self.writer.manifest())?);
        let mut consume = |group: Group| -> Result<()> {
            self.check_stop(stop)?;
            let count = group.images.len() as u64;
            self.infer(group, &mut data)?;
            progress(count);
            Ok(())
        };
        // One thread decodes the next groups while the teacher looks at this one.
        std::thread::scope(|scope| {
            let (send, receive) = std::sync::mpsc::sync_channel(2);
            spawn_in(scope, move || {
                for start in starts {
                    let group = self.cut(start..(start + group).min(range.end));
                    let failed = group.is_err();
                    if send.send(group).is_err() || failed {
                        break;
                    }
                }
            })?;
            receive.iter().try_for_each(|group| consume(group?))
        })?;
        Ok(data)
    }

    /// Decodes the images of a group and cuts their regions.
    fn cut(&self, range: std::ops::Range<u64>) -> Result<Group> {
        let view = self.teacher.input_spec();
        let cut = |image: usize| -> Result<(ImageEntry, Vec<f32>)> {
            let bytes = self.images.read(image)?;
            let decoded =
                ferkd_data::pixels::decode(&bytes, &self.images.label_of(image), self.config.orientation)
                    .map_err(|error| error.remedy(BAD_IMAGE))?;
            let (width, height) = decoded.image.dimensions();
            let name = self.images.name(image);
            let size = view.size();
            let mut pixels = vec![0.0; size * self.config.regions as usize];
            let hash = path_hash(name);
            for (number, out) in pixels.chunks_mut(size).enumerate() {
                let region = self.sampler.region(hash, number as u32, width, height);
                view.cut(&decoded.image, &region, out)?;
            }
            let class = self.images.class(image, &self.space.folders);
            Ok((ImageEntry::of(name, &bytes, &decoded, class), pixels))
        };
        let parts: Vec<_> =
            (range.start as usize..range.end as usize).into_par_iter().map(cut).collect::<Result<_>>()?;
        let mut group = Group { images: Vec::new(), pixels: Vec::new() };
        for (entry, pixels) in parts {
            group.images.push(entry);
            group.pixels.extend(pixels);
        }
        Ok(group)
    }

    /// Runs the teacher and appends the labels.
    fn infer(&self, group: Group, (images, labels): &mut (Vec<ImageEntry>, ShardLabels)) -> Result<()> {
        let pass = TeacherPass::new(&self.teacher, self.space.outputs.clone(), self.config.temperature)?;
        for pixels in group.pixels.chunks(self.config.batch * self.teacher.input_spec().size()) {
            let input = pass.input(pixels.to_vec(), &self.device);
            for p in pollster::block_on(pass.probabilities(input))? {
                labels.push_full(&p)?;
            }
        }
        images.extend(group.images);
        Ok(())
    }
}
