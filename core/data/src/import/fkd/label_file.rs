//! One of FKD's label files: the boxes, flips and labels of one image's regions.
//!
//! Source: FKD's generator, `torch.save([coords, flips, labels])` with NumPy arrays: coords (M, 4) as top, left,
//! height and width in fractions of the image, flips (M), and labels of one of four shapes.

use crate::pickle::numpy::{self, Array, ElementKind, shown};
use crate::pickle::{Allowed, Pickle};
use crate::store::ExplicitBox;
use crate::torch::TorchFile;
use ferkd_method::error::{Error, Result};
use ferkd_method::label::{TopK, first_repeated, is_probability};
use ferkd_method::region::FractionBox;

const ALLOWED: Allowed = Allowed {
    globals: numpy::GLOBALS,
    remedy: "make the label file again with FKD's generator, or leave it out",
};

/// How far 16-bit floats may push a probability, or the sum of a full label, off.
const SLACK: f64 = 0.02;

/// What a label file holds; all files of a store hold the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Form {
    /// Regions of the image (M).
    pub regions: usize,
    /// What is kept of each label.
    pub labels: LabelType,
}

/// What FKD keeps of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelType {
    /// The top K classes and their probabilities: shape (M, 2, K).
    Marginal(usize),
    /// The top class and its probability: shape (M, 2).
    Smoothing,
    /// The top class: shape (M), integers, or 16-bit floats where the generator ran with `--use_fp16`.
    Hard,
    /// The probabilities of all C classes: shape (M, C).
    Full(usize),
}

impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let regions = self.regions;
        match self.labels {
            LabelType::Marginal(k) => write!(f, "{regions} regions with the top {k} of each label"),
            LabelType::Smoothing => write!(f, "{regions} regions with smoothing labels"),
            LabelType::Hard => write!(f, "{regions} regions with hard labels"),
            LabelType::Full(classes) => write!(f, "{regions} regions with full labels of {classes} classes"),
        }
    }
}

/// A label file, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelFile {
    /// What it holds.
    pub form: Form,
    /// The box and flip of each region.
    pub boxes: Vec<ExplicitBox>,
    /// The label of each region: the listed classes, most probable first. Of a full label all classes, with
    /// probabilities that sum to 1.
    pub labels: Vec<TopK>,
}

impl LabelFile {
    /// Reads a label file over `classes` classes; `origin` is what errors call it.
    ///
    /// # Errors
    /// No label file, a damaged one, one that asks for foreign names; a box, flip or label that makes no sense,
    /// named by its region.
    pub fn read(bytes: &[u8], origin: &str, classes: usize) -> Result<Self> {
        let file = TorchFile::read(bytes, origin, ALLOWED)?;
        let bad = |problem: String| Error::damaged(origin, problem).remedy(ALLOWED.remedy);
        let [coords, flips, labels] = arrays(&file.pickle).map_err(bad)?;
        let form = form(&coords, &flips, &labels, classes).map_err(bad)?;
        let boxes = boxes(&coords, &flips).map_err(bad)?;
        let labels = decode(&labels, form, classes).map_err(bad)?;
        Ok(Self { form, boxes, labels })
    }
}

fn arrays<'a>(pickle: &'a Pickle) -> Result<[Array<'a>; 3], String> {
    let parts = pickle.sequence(pickle.root()).and_then(|parts| <[_; 3]>::try_from(parts.to_vec()).ok());
    let parts = parts.ok_or("invalid label file: expected a list of coords, flips and labels")?;
    let [coords, flips, labels] = [("coords", 0), ("flips", 1), ("labels", 2)]
        .map(|(name, at)| numpy::array(pickle, parts[at]).map_err(|problem| format!("{name}: {problem}")));
    Ok([coords?, flips?, labels?])
}

/// Compares the shapes.
fn form(coords: &Array, flips: &Array, labels: &Array, classes: usize) -> Result<Form, String> {
    let [regions, 4] = coords.shape[..] else {
        return Err(format!("coords of shape {}, not (M, 4)", shown(&coords.shape)));
    };
    if regions == 0 {
        return Err("it holds no region".into());
    }
    if flips.shape != [regions] {
        return Err(format!("flips of shape {} for {regions} regions", shown(&flips.shape)));
    }
    let float = matches!(labels.kind, ElementKind::Float(_));
    let found = match labels.shape[..] {
        [m, 2, k] if m == regions && float && k > 0 => LabelType::Marginal(k),
        [m, 2] if m == regions && float => LabelType::Smoothing,
        [m, c] if m == regions && float && c == classes => LabelType::Full(c),
        [m] if m == regions && (float || matches!(labels.kind, ElementKind::Int(_))) => LabelType::Hard,
        _ => {
            let kind = if float { "floats" } else { "integers" };
            let shape = shown(&labels.shape);
            return Err(format!(
                "labels of shape {shape}, {kind}; for {regions} regions and {classes} classes it must be \
                 ({regions}, 2, K), ({regions}, 2), ({regions}), or ({regions}, {classes})"
            ));
        }
    };
    match found {
        LabelType::Marginal(k) if k > classes => Err(format!("the top {k} of {classes} classes")),
        labels => Ok(Form { regions, labels }),
    }
}

fn boxes(coords: &Array, flips: &Array) -> Result<Vec<ExplicitBox>, String> {
    let coords = coords.floats().ok_or("invalid coords: expected floats")?;
    let flips = flips.integers().ok_or("flips that are neither booleans nor integers")?;
    let explicit = |(region, (corner, &flip)): (usize, (&[f32; 4], &i64))| {
        let flip = match flip {
            0 | 1 => flip == 1,
            other => return Err(format!("region {region}: its flip is {other}, not 0 or 1")),
        };
        let [top, left, height, width] = corner.map(f64::from);
        let found = ExplicitBox { fractions: FractionBox { top, left, height, width }, flip };
        found.encode().map_err(|error| format!("region {region}: {error}"))?;
        Ok(found)
    };
    coords.as_chunks().0.iter().zip(&flips).enumerate().map(explicit).collect()
}

fn decode(labels: &Array, form: Form, classes: usize) -> Result<Vec<TopK>, String> {
    let in_region = |region: usize| move |problem: String| format!("region {region}: {problem}");
    if form.labels == LabelType::Hard
        && let Some(found) = labels.integers()
    {
        let hard = |(region, &class): (usize, &i64)| match u32::try_from(class) {
            Ok(class) if (class as usize) < classes => {
                Ok(TopK { classes: vec![class], probabilities: vec![1.0] })
            }
            _ => Err(in_region(region)(format!("class {class} is outside of 0..{classes}"))),
        };
        return found.iter().enumerate().map(hard).collect();
    }
    let values = labels.floats().ok_or("invalid labels: expected floats")?;
    // Two values of 16 bits lie 2 apart above 2048, so that a class there may be its neighbour.
    let exact = if labels.kind == ElementKind::Float(2) { 2048 } else { 1 << 24 };
    let per_region = values.len() / form.regions;
    let label = |(region, values): (usize, &[f32])| {
        let found = match form.labels {
            LabelType::Full(_) => full(values),
            LabelType::Hard => pairs(values, &[1.0], classes, exact),
            LabelType::Marginal(k) => pairs(&values[..k], &values[k..], classes, exact),
            LabelType::Smoothing => pairs(&values[..1], &values[1..], classes, exact),
        };
        found.map_err(in_region(region))
    };
    values.chunks_exact(per_region).enumerate().map(label).collect()
}

/// The listed classes in our order: by probability, ties to the lower class.
fn pairs(indices: &[f32], probabilities: &[f32], classes: usize, exact: usize) -> Result<TopK, String> {
    let mut pairs = Vec::with_capacity(indices.len());
    for (&index, &p) in indices.iter().zip(probabilities) {
        let class = index as u32;
        if !(index >= 0.0 && index.fract() == 0.0 && (class as usize) < classes) {
            return Err(format!("class {index} is none of 0..{classes}"));
        }
        if class as usize >= exact && classes > exact + 1 {
            return Err(format!(
                "class {index} is kept in 16 bits, which cannot tell it from its neighbours"
            ));
        }
        pairs.push((class, probability(p).map_err(|problem| format!("{problem} (of class {class})"))?));
    }
    pairs.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let listed: Vec<u32> = pairs.iter().map(|&(class, _)| class).collect();
    if let Some(class) = first_repeated(&listed) {
        return Err(format!("class {class} is listed twice"));
    }
    if pairs.first().is_none_or(|&(_, p)| p <= 0.0) {
        return Err("no class has a probability above 0".into());
    }
    if pairs.len() == classes {
        // All classes are listed: a store keeps that as a full label, whose sum is 1.
        let sum: f64 = pairs.iter().map(|&(_, p)| f64::from(p)).sum();
        pairs.iter_mut().for_each(|(_, p)| *p = (f64::from(*p) / sum) as f32);
    }
    let (classes, probabilities) = pairs.into_iter().unzip();
    Ok(TopK { classes, probabilities })
}

/// All classes, with probabilities that sum to 1.
fn full(values: &[f32]) -> Result<TopK, String> {
    let mut all = values.iter().map(|&p| probability(p)).collect::<Result<Vec<f32>, _>>()?;
    let sum: f64 = all.iter().map(|&p| f64::from(p)).sum();
    if (sum - 1.0).abs() > SLACK {
        return Err(format!("its probabilities sum to {sum}, not to 1"));
    }
    all.iter_mut().for_each(|p| *p = (f64::from(*p) / sum) as f32);
    Ok(TopK::of(&all, all.len()))
}

fn probability(p: f32) -> Result<f32, String> {
    if is_probability(p) {
        Ok(p.min(1.0))
    } else {
        Err(format!("invalid probability {p}: expected a number in 0..=1"))
    }
}
