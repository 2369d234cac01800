//! `Store`: a label store, read in place.

use std::path::PathBuf;
use std::sync::Arc;

use ferkd_data::store::{Store, verify};
use ferkd_method::calibration::{Adaptation, Calibrated, Epsilon, Softening};
use ferkd_method::error::{Error, Result, check_share};
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::{Confidence, KindCounts, Rule, Thresholds};
use ferkd_method::region::Region;
use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use rayon::prelude::*;

use crate::convert::{instance, named, number_or_named, place, regions, table};
use crate::errors::raised;
use crate::labels::{dense, sparse, targets};
use crate::pool;
use ferkd_data::batches::targets::Targets;

/// A complete label store, open for reading.
///
/// Opening reads the manifest and the checksums only; shards are mapped into memory when they are first asked for, and
/// what they hold is not compared with the checksums unless `verify` is called.
/// It is shared freely between threads, and pickled by its path.
///
/// Args:
///     path: The store's folder.
///     regions: How many regions of each image are looked at, the first so many; all of them (M) if left out.
///
/// Raises:
///     ValueError: No store, an incomplete or a damaged one.
///     OSError: The system refused.
#[pyclass(frozen, module = "ferkd", name = "Store")]
pub struct PyStore {
    pub store: Arc<Store>,
    path: PathBuf,
    regions: Option<u32>,
}

#[pymethods]
impl PyStore {
    #[new]
    #[pyo3(signature = (path, regions=None))]
    fn new(py: Python<'_>, path: PathBuf, regions: Option<u32>) -> PyResult<Self> {
        let open = || {
            let store = Store::open(&path)?;
            match regions {
                Some(count) => store.first_regions(count),
                None => Ok(store),
            }
        };
        let store = Arc::new(py.detach(open).map_err(raised)?);
        Ok(Self { store, path, regions })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let this = slf.get();
        let given = (this.path.clone().into_pyobject(slf.py())?, this.regions.into_pyobject(slf.py())?);
        Ok((slf.get_type().into_any(), given.into_pyobject(slf.py())?))
    }

    fn __len__(&self) -> usize {
        self.store.len() as usize
    }

    fn __repr__(&self) -> String {
        let (images, regions) = (self.store.len(), self.store.per_image());
        format!("<ferkd.Store {}: {images} images, {regions} regions each>", self.path.display())
    }

    /// The store's folder.
    #[getter]
    fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Regions of each image that are looked at: M, or fewer where fewer were asked for.
    #[getter]
    fn regions_per_image(&self) -> u32 {
        self.store.per_image()
    }

    /// Number of classes C.
    #[getter]
    fn num_classes(&self) -> u32 {
        self.store.manifest().label.classes
    }

    /// Identifier of each class, in index order: a WordNet id, or a folder's name.
    #[getter]
    fn classes(&self) -> Vec<String> {
        self.store.manifest().label.class_list.clone()
    }

    /// A name of each class for people, in index order.
    #[getter]
    fn class_names(&self) -> Vec<String> {
        self.store.manifest().label.class_names.clone()
    }

    /// Temperature of the teacher's softmax: the student's in the loss.
    #[getter]
    fn temperature(&self) -> f32 {
        self.store.manifest().label.temperature
    }

    /// SHA-256 of the list of checksums: equal where all files are.
    #[getter]
    fn digest(&self) -> &str {
        self.store.digest()
    }

    /// `manifest.json` as a dict.
    #[getter]
    fn manifest<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let bytes = self.store.manifest().to_json().map_err(raised)?;
        py.import("json")?.call_method1("loads", (bytes,))
    }

    /// Reads every file of the store and compares it with its checksum, as `ferkd verify` does.
    ///
    /// Raises:
    ///     ValueError: Files that are damaged, missing or not the store's; all of them are named.
    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        let report = pool::run(py, || verify(&self.path, rayon::current_num_threads()))?;
        if report.damages.is_empty() {
            return Ok(());
        }
        let damages: Vec<String> =
            report.damages.iter().map(|d| format!("{}: {}", d.file, d.problem)).collect();
        let error = Error::damaged(&self.path, damages.join("; "));
        Err(raised(error.remedy(
            "copy the store again, or label these shards again: `ferkd verify --forget` removes them",
        )))
    }

    /// What the store knows of an image: its name (relative path), width and height in pixels, class or None, XXH3 of
    /// its file, EXIF orientation (1 to 8).
    fn image<'py>(&self, py: Python<'py>, image: i64) -> PyResult<Bound<'py, PyDict>> {
        let found = self.store.image(index(image)?).map_err(raised)?;
        let fields = PyDict::new(py);
        fields.set_item("name", found.name)?;
        fields.set_item("width", found.width)?;
        fields.set_item("height", found.height)?;
        fields.set_item("class", found.class)?;
        fields.set_item("checksum", found.checksum)?;
        fields.set_item("orientation", found.orientation)?;
        Ok(fields)
    }

    /// The ground truth: int64 (images), -1 where it is not known.
    fn targets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let store = &self.store;
        let one = |image| Ok(store.class(image)?.map_or(-1, i64::from));
        let found: Vec<i64> =
            pool::run(py, || (0..store.len()).into_par_iter().map(one).collect::<Result<_>>())?;
        Ok(found.into_pyarray(py).into_any())
    }

    /// Regions of an image.
    ///
    /// Args:
    ///     image: Its place in the store, from 0.
    ///     which: One region, or some in any order; all M if left out.
    ///
    /// Returns:
    ///     Boxes int32 (n, 4) as top, left, height, width in pixels of the decoded image, and flips bool (n): mirrored
    ///     left to right after the crop.
    #[pyo3(signature = (image, which=None))]
    fn regions<'py>(
        &self,
        py: Python<'py>,
        image: i64,
        which: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let image = index(image)?;
        let found = match which {
            None => self.store.regions(image),
            Some(_) => self.which(which)?.iter().map(|&region| self.store.region(image, region)).collect(),
        };
        boxes(py, found.map_err(raised)?.iter())
    }

    /// The teacher's labels of an image's regions.
    ///
    /// Args:
    ///     image: Its place in the store, from 0.
    ///     which: One region, or some in any order; all M if left out.
    ///     dense: All classes instead of the listed ones.
    ///
    /// Returns:
    ///     `Labels(classes, probabilities, rest)`: int32 (n, K), most probable first, float32 (n, K), and float32 (n),
    ///     the probability of each class that is not listed. Dense: float32 (n, C).
    #[pyo3(signature = (image, which=None, dense=false))]
    fn labels<'py>(
        &self,
        py: Python<'py>,
        image: i64,
        which: Option<&Bound<'py, PyAny>>,
        dense: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (image, which) = (index(image)?, self.which(which)?);
        let found = self.labels_of(py, image, &which)?;
        if dense { self.dense(py, &found) } else { sparse(py, &found) }
    }

    /// The teacher's confidence in regions: what mining sorts them by.
    ///
    /// Args:
    ///     image: An image's place in the store; all images if left out.
    ///     confidence: "max", the highest probability, or "target", that of the image's class.
    ///
    /// Returns:
    ///     float32 (M) of one image, float32 (images, M) of all.
    #[pyo3(signature = (image=None, confidence="max"))]
    fn confidence<'py>(
        &self,
        py: Python<'py>,
        image: Option<i64>,
        confidence: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (which, regions) = (named("confidence", confidence)?, self.store.per_image());
        let store = &self.store;
        let Some(image) = image else {
            let found = self.each_confidence(py, which, |c| Ok(c))?;
            return table(py, found, regions as usize);
        };
        let image = index(image)?;
        let found: Vec<f32> = py
            .detach(|| {
                (0..regions).map(|region| store.confidence(image, region, which)).collect::<Result<_>>()
            })
            .map_err(raised)?;
        Ok(found.into_pyarray(py).into_any())
    }

    /// Sorts all regions by the teacher's confidence into four kinds.
    ///
    /// Args:
    ///     quantiles: Thresholds low, mid, high as quantiles of the confidence over the store.
    ///     thresholds: The same as confidences, which take the quantiles' place; "auto" for mid (or
    ///         `thresholds="auto"` alone) finds it from the images' classes, None for one of them leaves its quantile.
    ///     confidence: "max", the highest probability, or "target", that of the image's class.
    ///
    /// Returns:
    ///     `Mining(kinds, thresholds, counts, confidence, warnings)`: kinds uint8 (images, M), 0 discarded, 1 context, 2
    ///     important, 3 trivial; the thresholds as confidences; how many regions are of each kind.
    #[pyo3(
        signature = (*, quantiles=[0.02, 0.15, 0.98], thresholds=None, confidence="max"),
        text_signature = "($self, *, quantiles=(0.02, 0.15, 0.98), thresholds=None, confidence=\"max\")"
    )]
    fn mine<'py>(
        &self,
        py: Python<'py>,
        quantiles: [f32; 3],
        thresholds: Option<&Bound<'py, PyAny>>,
        confidence: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let rule = rule(quantiles, thresholds)?;
        let which = named("confidence", confidence)?;
        let store = &self.store;
        let (found, counts) = pool::run(py, || store.kinds(&rule, which))?;
        let kinds = self.each_confidence(py, which, |c| Ok(found.kind(c)? as u8))?;
        let warnings = rule.warnings(&found, &counts);
        let kinds = table(py, kinds, self.store.per_image() as usize)?;
        let Thresholds { low, mid, high } = found;
        instance(py, "Mining", (kinds, (low, mid, high), tuple(counts), confidence, warnings))
    }

    /// Labels as FerKD trains with them: calibrated where the teacher saw background.
    ///
    /// Args:
    ///     image: Its place in the store, from 0.
    ///     mining: What `mine` returned; or the three thresholds as confidences, of the highest probability.
    ///     which: One region, or some in any order; all M if left out.
    ///     adaptation: "full" (FerKD), "drop-only", "calibrate-only", or "none" (FKD).
    ///     epsilon: Probability that a calibrated label spreads over the other classes, at temperature 1; or
    ///         "confidence": one minus the teacher's highest probability.
    ///     calibrated: "all" context regions, or those whose top-1 prediction is "wrong".
    ///     truth_weight: Weight of the ground truth in a calibrated label; the rest is the teacher's label.
    ///     dense: All classes instead of the listed ones.
    ///
    /// Returns:
    ///     The labels, as `Targets(classes, weights, rest)`: every class has the probability `rest` float32 (n), and
    ///     those listed in int32 (n, slots) have float32 (n, slots) more; or, dense, float32 (n, C). And bool (n):
    ///     whether FerKD trains on the region at all.
    #[pyo3(signature = (
        image, mining, which=None, *, adaptation="full", epsilon=None, calibrated="all", truth_weight=1.0, dense=false
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword arguments in Python")]
    fn adapt<'py>(
        &self,
        py: Python<'py>,
        image: i64,
        mining: &Bound<'py, PyAny>,
        which: Option<&Bound<'py, PyAny>>,
        adaptation: &str,
        epsilon: Option<&Bound<'py, PyAny>>,
        calibrated: &str,
        truth_weight: f32,
        dense: bool,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let (image, which) = (index(image)?, self.which(which)?);
        let (thresholds, confidence) = mined(mining)?;
        let adaptation: Adaptation = named("adaptation", adaptation)?;
        let epsilon: Option<Epsilon> =
            epsilon.map(|epsilon| number_or_named("epsilon", epsilon)).transpose()?;
        let softening = Softening {
            epsilon: epsilon.unwrap_or_default(),
            temperature: self.temperature(),
            truth_weight,
            calibrated: named::<Calibrated>("calibrated", calibrated)?,
        };
        check_share("epsilon", softening.epsilon.value().unwrap_or(0.0)).map_err(raised)?;
        check_share("truth_weight", truth_weight).map_err(raised)?;
        let store = &self.store;
        let adapted = || -> Result<Vec<(SoftLabel, bool)>> {
            let name = store.image(image)?.name;
            let truth = store.class(image)?;
            let one = |&region: &u32| {
                let kind = thresholds.kind(store.confidence(image, region, confidence)?)?;
                let label = adaptation.adapt(store.label(image, region)?, kind, truth, softening);
                Ok((label.map_err(|error| error.about(&*name))?, !adaptation.removes(kind)))
            };
            which.iter().map(one).collect()
        };
        let (found, kept): (Vec<_>, Vec<_>) = py.detach(adapted).map_err(raised)?.into_iter().unzip();
        let labels = if dense {
            self.dense(py, &found)?
        } else {
            targets(py, Targets::of(found.iter().map(|label| (label, 1.0, label))))?
        };
        Ok((labels, kept.into_pyarray(py).into_any()))
    }
}

impl PyStore {
    fn which(&self, which: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<u32>> {
        regions(which, self.store.per_image())
    }

    fn labels_of(&self, py: Python<'_>, image: u64, which: &[u32]) -> PyResult<Vec<SoftLabel>> {
        let store = &self.store;
        py.detach(|| which.iter().map(|&region| store.label(image, region)).collect::<Result<_>>())
            .map_err(raised)
    }

    fn dense<'py>(&self, py: Python<'py>, labels: &[SoftLabel]) -> PyResult<Bound<'py, PyAny>> {
        dense(py, labels, self.num_classes())
    }

    /// What `of` makes of each region's confidence, image by image, on all threads.
    fn each_confidence<T: Send>(
        &self,
        py: Python<'_>,
        which: Confidence,
        of: impl Fn(f32) -> Result<T> + Sync,
    ) -> PyResult<Vec<T>> {
        let (store, regions, of) = (&self.store, self.store.per_image(), &of);
        let each = move |image| {
            let all = (0..regions).into_par_iter().with_min_len(regions as usize);
            all.map(move |region| of(store.confidence(image, region, which)?))
        };
        pool::run(py, || (0..store.len()).into_par_iter().flat_map(each).collect::<Result<_>>())
    }
}

/// Regions of each kind: discarded, context, important, trivial.
pub fn tuple(counts: KindCounts) -> (u64, u64, u64, u64) {
    counts.0.into()
}

/// An image's place in a store.
pub fn index(image: i64) -> PyResult<u64> {
    place("image", image).map_err(raised)
}

/// Boxes int32 (n, 4) as top, left, height, width, and flips bool (n).
pub fn boxes<'a, 'py>(
    py: Python<'py>,
    regions: impl Iterator<Item = &'a Region>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let (mut edges, mut flips) = (Vec::new(), Vec::new());
    for region in regions {
        // A picture has at most 2^28 pixels.
        edges.extend([region.top, region.left, region.height, region.width].map(|pixels| pixels as i32));
        flips.push(region.flip);
    }
    Ok((table(py, edges, 4)?, flips.into_pyarray(py).into_any()))
}

/// How thresholds are given: as quantiles, as confidences, or to be found.
fn rule([low, mid, high]: [f32; 3], thresholds: Option<&Bound<'_, PyAny>>) -> PyResult<Rule> {
    let given = match thresholds {
        None => [None; 3],
        Some(all) if all.extract::<String>().is_ok() => {
            [None, Some(number_or_named("thresholds", all)?), None]
        }
        Some(each) => {
            let each: Vec<Bound<'_, PyAny>> = each.try_iter()?.collect::<PyResult<_>>()?;
            let [low, mid, high] = &each[..] else {
                let problem = format!("{} of them; expected low, mid, high", each.len());
                return Err(raised(Error::usage("thresholds", problem)));
            };
            let one = |given: &Bound<'_, PyAny>| {
                (!given.is_none()).then(|| number_or_named("thresholds", given)).transpose()
            };
            [one(low)?, one(mid)?, one(high)?]
        }
    };
    Rule::of(given, Thresholds { low, mid, high }).map_err(raised)
}

/// The thresholds of what `mine` returned, or three numbers.
fn mined(mining: &Bound<'_, PyAny>) -> PyResult<(Thresholds, Confidence)> {
    let (thresholds, confidence) = match mining.getattr_opt("thresholds")? {
        Some(thresholds) => {
            (thresholds, named("confidence", &mining.getattr("confidence")?.extract::<String>()?)?)
        }
        None => (mining.clone(), Confidence::Max),
    };
    let [low, mid, high] = thresholds.extract::<[f32; 3]>()?;
    Ok((Thresholds { low, mid, high }.checked().map_err(raised)?, confidence))
}
