//! `StoreWriter`: a label store from any model's answers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ferkd_data::batches::batch::InputSpec;
use ferkd_data::classes::ClassSpace;
use ferkd_data::config::resolve;
use ferkd_data::images::{ImageList, Split};
use ferkd_data::pixels::{Decoded, Filter, Normalisation, OrientationRule, decode};
use ferkd_data::store::manifest::{FORMAT, created_by};
use ferkd_data::store::{
    Boxes, ImageEntry, LabelClasses, LabelFormat, LabelSpace, Layout, Manifest, Regions, ShardLabels,
    StoreWriter, Teacher,
};
use ferkd_method::error::{Error, Result};
use ferkd_method::label::{Codec, softmax};
use ferkd_method::region::{Region, RegionSampler, check_scale};
use ferkd_method::rng::path_hash;
use numpy::{AllowTypeChange, IntoPyArray, PyArrayLike2, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use rayon::prelude::*;

use crate::convert::{place, settings};
use crate::errors::{raised, raised_of_settings};
use crate::pool;
use crate::store::boxes;

ferkd_data::options! {
    /// Settings of a store that is written: those of `ferkd label` under the same names, and what the model sees.
    WriterConfig {
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
        /// Temperature of the softmax of logits.
        temperature: f32 = 1.0,
        /// Label space: teacher (all classes of the model) or folder (those of the folder); chosen by the folder if left out.
        space: Option<LabelSpace> = None,
        /// EXIF orientation: apply or ignore.
        orientation: OrientationRule = OrientationRule::Apply,
        /// Images of a shard of the store.
        shard_images: u32 = 256,
        /// Name of the model, for the manifest.
        teacher: String = "python".into(),
        /// SHA-256 of its weights in lower-case hexadecimal, for the manifest.
        sha256: Option<String> = None,
        /// Side of the model's input, in pixels.
        side: u32 = 224,
        /// How regions are resized for the model: bilinear or bicubic.
        interpolation: Filter = Filter::Bicubic,
        /// Mean of red, green and blue that the model was trained with, for bytes in 0..=1.
        mean: [f32; 3] = Normalisation::IMAGENET.mean,
        /// Standard deviation of red, green and blue that the model was trained with.
        std: [f32; 3] = Normalisation::IMAGENET.std,
    }
}

/// Writes a label store from any model's answers, as `ferkd label` writes it: resumable, each file checksummed.
///
/// Args:
///     path: The store's folder; a store that is not finished is gone on with.
///     images: The images, as `ferkd label` takes them: class folders, one flat folder, or tar archives of either.
///     classes: The classes of the model in the order of its outputs: a list of identifiers, a file with one a line, or
///         "imagenet".
///     **settings: As in `ferkd label`, with the same defaults: regions of each image (M); seed; scale, smallest and
///         largest share of an image that a region covers, in 0 to 1; codec "marginal-smoothing", "marginal-renorm",
///         "smoothing", "hard" or "full"; top_k classes kept of a label (K); temperature of logits' softmax; orientation
///         "apply" or "ignore" (EXIF); shard_images, images of a shard; images_per_class, the first so many; space
///         "teacher" or "folder", whose classes labels name. For the manifest and `pixels`: teacher (its name), sha256
///         (of its weights, hexadecimal), side of its input in pixels, interpolation "bilinear" or "bicubic", mean and
///         std of red, green and blue, for bytes in 0 to 1.
///
/// One writer at a time holds the folder's lock, until it is finished, closed, or left as a context manager.
///
/// Raises:
///     ValueError: An unknown setting, classes that are not the folders', a store with another manifest.
///     OSError: Another writer, or the system refused.
#[pyclass(frozen, module = "ferkd", name = "StoreWriter")]
pub struct PyStoreWriter {
    images: ImageList,
    labels: LabelClasses,
    /// Outputs of the model, of which labels may name a part.
    outputs: usize,
    sampler: RegionSampler,
    view: InputSpec,
    manifest: Manifest,
    layout: Layout,
    progress: Mutex<Progress>,
}

struct Progress {
    /// None once it is finished or closed.
    writer: Option<StoreWriter>,
    /// Images of shards that are not whole yet, with their labels.
    waiting: BTreeMap<u64, (ImageEntry, ShardLabels)>,
    /// Images that were looked at and have no labels yet.
    seen: BTreeMap<u64, ImageEntry>,
}

#[pymethods]
impl PyStoreWriter {
    #[new]
    #[pyo3(signature = (path, images, classes, **settings))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        images: PathBuf,
        classes: &Bound<'_, PyAny>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let classes = classes_of(classes)?;
        let layer = self::settings(settings)?;
        pool::result(py, || Self::open(path, images, classes, layer)).map_err(raised_of_settings)
    }

    fn __repr__(&self) -> String {
        let (images, regions) = (self.images.len(), self.manifest.regions.per_image);
        format!("<ferkd.StoreWriter: {images} images, {regions} regions each>")
    }

    /// Number of images.
    fn __len__(&self) -> usize {
        self.images.len()
    }

    /// Places of the images that are still to be labelled, in ascending order: those of shards that are not written, of
    /// which those added so far are left out.
    #[getter]
    fn missing(&self) -> PyResult<Vec<u64>> {
        let progress = self.progress();
        let shards = open_writer(&progress).map_err(raised)?.missing_shards();
        let images = shards.into_iter().flat_map(|shard| {
            let first = self.layout.image(shard, 0);
            first..first + u64::from(self.layout.images_in(shard))
        });
        Ok(images.filter(|image| !progress.waiting.contains_key(image)).collect())
    }

    /// Regions of each image (M).
    #[getter]
    fn regions_per_image(&self) -> u32 {
        self.manifest.regions.per_image
    }

    /// Images of a shard: what is written at once.
    #[getter]
    fn shard_images(&self) -> u32 {
        self.manifest.shard_images
    }

    /// Number of the model's outputs: the width of logits and probabilities.
    #[getter]
    fn outputs(&self) -> usize {
        self.outputs
    }

    /// Identifier of each class that labels refer to, in index order.
    #[getter]
    fn classes(&self) -> Vec<String> {
        self.labels.classes.ids.clone()
    }

    /// What is worth a word of how the images were found.
    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.images.notices().to_vec()
    }

    /// Name of an image: its relative path.
    fn name(&self, image: i64) -> PyResult<&str> {
        Ok(self.images.name(self.place(image)?))
    }

    /// The bytes of an image's file.
    fn image_bytes<'py>(&self, py: Python<'py>, image: i64) -> PyResult<Bound<'py, PyBytes>> {
        let image = self.place(image)?;
        let bytes = py.detach(|| self.images.read(image)).map_err(raised)?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The boxes to cut out of an image, for who cuts them: as `Store.regions` will give them.
    ///
    /// Returns:
    ///     Boxes int32 (M, 4) as top, left, height, width in pixels of the decoded image, turned upright by its EXIF
    ///     orientation where the setting says so; and flips bool (M): mirror left to right after the crop.
    fn boxes<'py>(&self, py: Python<'py>, image: i64) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let image = self.place(image)?;
        let found = pool::run(py, || Ok(self.regions(image, &self.decode(image)?)))?;
        boxes(py, found.iter())
    }

    /// The regions of an image as the model sees them, cut by the core: crop, resize with antialiasing, mirror,
    /// normalise.
    ///
    /// Returns:
    ///     float32 (M, 3, side, side).
    fn pixels<'py>(&self, py: Python<'py>, image: i64) -> PyResult<Bound<'py, PyAny>> {
        let image = self.place(image)?;
        let (size, side) = (self.view.size(), self.view.side as usize);
        let count = self.manifest.regions.per_image as usize;
        let cut = || -> Result<Vec<f32>> {
            let decoded = self.decode(image)?;
            let regions = self.regions(image, &decoded);
            let mut pixels = vec![0.0; size * count];
            pixels
                .par_chunks_mut(size)
                .zip(&regions)
                .try_for_each(|(out, region)| self.view.cut(&decoded.image, region, out))?;
            Ok(pixels)
        };
        Ok(pool::run(py, cut)?.into_pyarray(py).reshape([count, 3, side, side])?.into_any())
    }

    /// Adds the model's answer to all M regions of an image, in the order of the boxes. A shard is written once all
    /// of its images are there.
    ///
    /// Args:
    ///     image: Its place, one of `missing`.
    ///     logits: float32 (M, outputs): the softmax is taken here, at the setting's temperature and over the classes
    ///         that labels refer to.
    ///     probabilities: float32 (M, outputs) instead: kept as they are, save for outputs that labels leave out.
    #[pyo3(signature = (image, logits=None, *, probabilities=None))]
    fn add(
        &self,
        py: Python<'_>,
        image: i64,
        logits: Option<PyArrayLike2<'_, f32, AllowTypeChange>>,
        probabilities: Option<PyArrayLike2<'_, f32, AllowTypeChange>>,
    ) -> PyResult<()> {
        let place = self.place(image)?;
        let are_logits = logits.is_some();
        let rows = match (logits, probabilities) {
            (Some(rows), None) | (None, Some(rows)) => rows,
            _ => return Err(raised(Error::usage("add", "expected either logits or probabilities"))),
        };
        let (count, outputs) = (self.manifest.regions.per_image as usize, self.outputs);
        let shape = rows.as_array().dim();
        if shape != (count, outputs) {
            let problem =
                format!("shape {shape:?}; expected ({count}, {outputs}): regions, outputs of the model");
            return Err(raised(Error::usage("add", problem)));
        }
        let values: Vec<f32> = rows.as_array().iter().copied().collect();
        pool::run(py, || self.add_rows(place, &values, are_logits))
    }

    /// Checks that the store is complete, and lets go of it.
    ///
    /// Raises:
    ///     ValueError: Images are still missing. What is there is kept; a writer with the same settings goes on.
    fn finish(&self, py: Python<'_>) -> PyResult<()> {
        let writer = {
            let mut progress = self.progress();
            open_writer(&progress).map_err(raised)?;
            progress.writer.take()
        };
        match writer {
            Some(writer) => py.detach(|| writer.finish()).map_err(raised),
            None => Ok(()),
        }
    }

    /// Lets go of the store, complete or not. Images of shards that are not whole are labelled again next time.
    fn close(&self) {
        self.progress().writer = None;
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// Finishes where all went well, closes otherwise.
    #[pyo3(signature = (kind, _value, _traceback))]
    fn __exit__(
        &self,
        py: Python<'_>,
        kind: &Bound<'_, PyAny>,
        _value: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        if kind.is_none() && self.progress().writer.is_some() {
            self.finish(py)?;
        }
        self.close();
        Ok(false)
    }
}

impl PyStoreWriter {
    fn open(path: PathBuf, images: PathBuf, classes: Classes, layer: toml::Table) -> Result<Self> {
        let config: WriterConfig = resolve(&[("ferkd.StoreWriter".into(), layer)])?;
        check_scale(config.scale)?;
        if config.top_k == 0 || config.regions == 0 || config.shard_images == 0 {
            return Err(Error::usage("top-k, regions, shard-images", "invalid value 0: expected at least 1"));
        }
        let all = classes.read()?;
        let images = ImageList::open(&images, Split::Train)?.first_per_class(config.images_per_class)?;
        let labels =
            LabelClasses::of(&images, &all, &format!("the teacher {}", config.teacher), config.space)?;
        let (codec, k) = config.codec.resolve(config.top_k, labels.classes.len());
        let sampler =
            RegionSampler { scale: (config.scale[0], config.scale[1]), ..RegionSampler::new(config.seed) };
        let normalisation = Normalisation { mean: config.mean, std: config.std };
        let manifest = Manifest {
            format: FORMAT,
            created_by: created_by(),
            images: images.len() as u64,
            shard_images: config.shard_images,
            image_list_sha256: images.digest(),
            regions: Regions { per_image: config.regions, boxes: Boxes::Generated(sampler) },
            label: LabelFormat {
                codec,
                k: k as u32,
                temperature: config.temperature,
                space: labels.space,
                classes: labels.classes.len() as u32,
                class_list: labels.classes.ids.clone(),
                class_names: labels.classes.names.clone(),
            },
            teacher: Teacher {
                name: config.teacher,
                sha256: config.sha256,
                side: config.side,
                filter: config.interpolation,
                normalisation,
                // The caller says it all; the manifest is for what was found in files.
                sources: None,
            },
            orientation: config.orientation,
        };
        let writer = StoreWriter::open(path, manifest)?;
        let (manifest, layout) = (writer.manifest().clone(), writer.layout().clone());
        let progress = Progress { writer: Some(writer), waiting: BTreeMap::new(), seen: BTreeMap::new() };
        Ok(Self {
            view: InputSpec { side: config.side, filter: config.interpolation, normalisation },
            outputs: all.len(),
            progress: Mutex::new(progress),
            images,
            labels,
            sampler,
            manifest,
            layout,
        })
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, image: i64) -> PyResult<usize> {
        let found: usize = place("image", image).map_err(raised)?;
        if found < self.images.len() {
            return Ok(found);
        }
        let problem = format!("{image}; there are {}", self.images.len());
        Err(raised(Error::usage("image", problem).remedy("count from 0")))
    }

    /// Decodes an image, and remembers what a store keeps of it.
    fn decode(&self, image: usize) -> Result<Decoded> {
        let bytes = self.images.read(image)?;
        let decoded = decode(&bytes, &self.images.label_of(image), self.manifest.orientation)?;
        let class = self.images.class(image, &self.labels.folders);
        let entry = ImageEntry::of(self.images.name(image), &bytes, &decoded, class);
        self.progress().seen.insert(image as u64, entry);
        Ok(decoded)
    }

    fn regions(&self, image: usize, decoded: &Decoded) -> Vec<Region> {
        let (width, height) = decoded.image.dimensions();
        let hash = path_hash(self.images.name(image));
        self.sampler.regions(hash, self.manifest.regions.per_image, width, height)
    }

    /// The label of one region: the distribution over the classes that labels refer to.
    fn distribution(&self, row: &[f32], are_logits: bool) -> Result<Vec<f32>> {
        let used: Vec<f32> = self.labels.outputs.iter().map(|&output| row[output as usize]).collect();
        if are_logits {
            return softmax(&used, self.manifest.label.temperature);
        }
        if used.len() == row.len() {
            return Ok(used);
        }
        let sum: f64 = used.iter().map(|&p| f64::from(p)).sum();
        if sum > 0.0 {
            return Ok(used.iter().map(|&p| (f64::from(p) / sum) as f32).collect());
        }
        Err(Error::mismatch("probabilities", "those of all classes that the images have are 0")
            .remedy("give logits, or space=\"teacher\""))
    }

    fn add_rows(&self, image: usize, values: &[f32], are_logits: bool) -> Result<()> {
        let mut labels = ShardLabels::new(&self.manifest)?;
        for row in values.chunks(self.outputs) {
            let added = self.distribution(row, are_logits).and_then(|p| labels.push_full(&p));
            added.map_err(|error| error.about(self.images.name(image)))?;
        }
        let number = image as u64;
        let seen = self.progress().seen.remove(&number);
        let entry = match seen {
            Some(entry) => entry,
            None => {
                self.decode(image)?;
                let seen = self.progress().seen.remove(&number);
                seen.ok_or_else(|| {
                    Error::usage(self.images.name(image), "it is added by two threads at once")
                })?
            }
        };
        let mut progress = self.progress();
        let shard = self.layout.image_record(number)?.file.shard;
        if !open_writer(&progress)?.missing_shards().contains(&shard)
            || progress.waiting.contains_key(&number)
        {
            return Err(Error::usage(self.images.name(image), "it is labelled already")
                .remedy("label those of `missing`"));
        }
        progress.waiting.insert(number, (entry, labels));
        let first = self.layout.image(shard, 0);
        let range = first..first + u64::from(self.layout.images_in(shard));
        if progress.waiting.range(range.clone()).count() < self.layout.images_in(shard) as usize {
            return Ok(());
        }
        let (mut entries, mut all) = (Vec::new(), ShardLabels::new(&self.manifest)?);
        for (_, (entry, labels)) in progress.waiting.range(range.clone()) {
            entries.push(entry.clone());
            all.append(labels)?;
        }
        if let Some(writer) = &mut progress.writer {
            writer.write_shard(shard, &entries, &all, None)?;
        }
        progress.waiting.retain(|image, _| !range.contains(image));
        Ok(())
    }
}

fn open_writer(progress: &Progress) -> Result<&StoreWriter> {
    let closed =
        || Error::usage("StoreWriter", "it is finished or closed").remedy("open it again: it goes on");
    progress.writer.as_ref().ok_or_else(closed)
}

/// Where a model's classes stand.
enum Classes {
    ImageNet,
    File(PathBuf),
    List(Vec<String>),
}

impl Classes {
    fn read(self) -> Result<ClassSpace> {
        match self {
            Self::ImageNet => Ok(ClassSpace::imagenet()),
            Self::File(path) => ClassSpace::read(&path),
            Self::List(ids) if ids.is_empty() => Err(Error::usage("classes", "there are none")),
            Self::List(ids) => Ok(ClassSpace::of_folders(&ids)),
        }
    }
}

fn classes_of(classes: &Bound<'_, PyAny>) -> PyResult<Classes> {
    match classes.extract::<PathBuf>() {
        Ok(name) if name.as_os_str() == "imagenet" => Ok(Classes::ImageNet),
        Ok(path) => Ok(Classes::File(path)),
        Err(_) => Ok(Classes::List(classes.try_iter()?.map(|id| id?.extract()).collect::<PyResult<_>>()?)),
    }
}
