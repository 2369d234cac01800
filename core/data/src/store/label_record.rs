//! One region's label as bytes: classes in 16 bits each, and probabilities as `quantise.rs` keeps them.
//!
//! | codec | record |
//! |---|---|
//! | marginal smoothing, marginal renorm | `class` u16 x K, `q1` u16, `tail` u8 x (K - 1) |
//! | smoothing | `class` u16, `q1` u16 |
//! | hard | `class` u16 |
//! | full | `p` f32 x C, in class order |
//!
//! In a store of format 1 the field `q1` is called `p1` and read otherwise (`quantise.rs`).
//!
//! Under marginal renorm the probabilities are those after the division by their sum, and the decoded tail is
//! scaled to fill up to 1: the first probability is as exact as under the other codecs. Ours.

use super::manifest_types::Manifest;
use super::npy::Field;
use super::quantise::{self, FirstCode};
use ferkd_method::error::{Error, Result};
use ferkd_method::label::{Codec, Reading, SoftLabel, TopK, first_repeated, is_probability};
use ferkd_method::mining::Confidence;

/// How far the sum of a full label may lie from 1: 16-bit floats do that.
const TOLERANCE: f64 = 1e-3;

/// Writes labels as records of one length, and reads them back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelCodec {
    codec: Codec,
    k: usize,
    classes: usize,
    first: FirstCode,
}

impl LabelCodec {
    /// The codec that a manifest describes, which has been checked.
    pub fn of(manifest: &Manifest) -> Self {
        let label = &manifest.label;
        let first = if manifest.format == 1 { FirstCode::Linear } else { FirstCode::Complement };
        Self { codec: label.codec, k: label.k as usize, classes: label.classes as usize, first }
    }

    /// Bytes of one record.
    pub fn record_len(&self) -> usize {
        match self.codec {
            Codec::MarginalSmoothing | Codec::MarginalRenorm => 3 * self.k + 1,
            Codec::Smoothing => 4,
            Codec::Hard => 2,
            Codec::Full => 4 * self.classes,
        }
    }

    pub(super) fn fields(&self) -> Vec<Field> {
        let class = ("class", "<u2", Some(self.k));
        // Another name for another meaning: who reads one as the other shall notice.
        let first = match self.first {
            FirstCode::Linear => ("p1", "<u2", None),
            FirstCode::Complement => ("q1", "<u2", None),
        };
        match self.codec {
            Codec::Full => vec![("p", "<f4", Some(self.classes))],
            Codec::Hard => vec![class],
            _ if self.k == 1 => vec![class, first],
            _ => vec![class, first, ("tail", "|u1", Some(self.k - 1))],
        }
    }

    /// Appends the record of `top`, of which the first K pairs are kept.
    ///
    /// # Errors
    /// Fewer than K pairs, a class out of range or listed twice, probabilities that are not numbers in 0..=1
    /// in descending order, or none above 0. Nothing is appended then.
    pub fn encode(&self, top: &TopK, out: &mut Vec<u8>) -> Result<()> {
        self.check(&top.classes, &top.probabilities)?;
        if self.codec == Codec::Full {
            let mut all = vec![0.0; self.classes];
            for (&class, &p) in top.classes.iter().zip(&top.probabilities) {
                all[class as usize] = p;
            }
            return self.encode_full(&all, out);
        }
        for &class in &top.classes[..self.k] {
            // At most 65,536 classes, so that each fits.
            out.extend((class as u16).to_le_bytes());
        }
        if self.codec == Codec::Hard {
            return Ok(());
        }
        let mut kept: Vec<f64> = top.probabilities[..self.k].iter().map(|&p| f64::from(p)).collect();
        let sum: f64 = kept.iter().sum();
        if self.codec == Codec::MarginalRenorm || sum > 1.0 {
            kept.iter_mut().for_each(|p| *p /= sum);
        }
        let mut tail = Vec::with_capacity(self.k);
        let first = quantise::encode(self.first, &kept, &mut tail);
        out.extend(first.to_le_bytes());
        out.extend(tail);
        Ok(())
    }

    /// Appends the record of a distribution over all classes.
    ///
    /// # Errors
    /// Another number of classes, a probability that is not a number in 0..=1, or a sum other than 1.
    pub fn encode_full(&self, probabilities: &[f32], out: &mut Vec<u8>) -> Result<()> {
        if probabilities.len() != self.classes {
            return Err(bad(format!("{} probabilities for {} classes", probabilities.len(), self.classes)));
        }
        check_full(probabilities)?;
        if self.codec != Codec::Full {
            return self.encode(&TopK::of(probabilities, self.k), out);
        }
        probabilities.iter().for_each(|p| out.extend(p.to_le_bytes()));
        Ok(())
    }

    /// The pairs that a record holds, most probable first; a full label gives all classes.
    ///
    /// # Errors
    /// Bytes that are no record: another length, a class out of range, probabilities that sum above 1.
    pub fn top_k(&self, record: &[u8]) -> Result<TopK> {
        let mut top = TopK::default();
        self.read(record, &mut top)?;
        Ok(top)
    }

    /// The distribution that a record stands for.
    ///
    /// # Errors
    /// Those of [`Self::top_k`], and those of [`TopK::decode`].
    pub fn decode(&self, record: &[u8]) -> Result<SoftLabel> {
        self.top_k(record)?.decode(self.codec, self.classes)
    }

    /// The confidence that [`Confidence::of`] finds in the decoded label; `truth` is the image's class.
    ///
    /// The highest probability of a label that is neither renormalised nor full is read without decoding the
    /// rest. `scratch` keeps its allocation from call to call.
    ///
    /// # Errors
    /// Those of [`Self::decode`], and [`Confidence::Target`] for an image without a class.
    pub fn confidence(
        &self,
        record: &[u8],
        which: Confidence,
        truth: Option<u32>,
        scratch: &mut TopK,
    ) -> Result<f32> {
        match (which, truth) {
            _ if self.keeps_first(which) && record.len() != self.record_len() => {
                Err(self.wrong_length(record))
            }
            _ if self.keeps_first(which) => Ok(self.first(record)),
            (Confidence::Max, _) => {
                self.read(record, scratch)?;
                self.probability(scratch, scratch.classes[0])
            }
            (Confidence::Target, Some(truth)) => {
                self.read(record, scratch)?;
                self.probability(scratch, truth)
            }
            (Confidence::Target, None) => Err(Error::unknown_class("--confidence target")),
        }
    }

    /// Whether a confidence is a record's first probability as it lies there: neither divided nor looked up.
    pub(super) fn keeps_first(&self, which: Confidence) -> bool {
        let leaves_a_rest = matches!(self.codec, Codec::MarginalSmoothing | Codec::Smoothing);
        which == Confidence::Max && leaves_a_rest && self.classes > self.k
    }

    /// The first probability of a record of the right length, where [`Self::keeps_first`] holds.
    #[inline]
    pub(super) fn first(&self, record: &[u8]) -> f32 {
        let at = 2 * self.k;
        self.first.decode(u16::from_le_bytes([record[at], record[at + 1]]))
    }

    /// The most probable class of a sound record; the first one of those that share the place.
    #[inline]
    pub(crate) fn prediction(&self, record: &[u8]) -> u32 {
        if self.codec != Codec::Full {
            return u32::from(u16::from_le_bytes([record[0], record[1]]));
        }
        let all = record.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).zip(0..);
        let best = |best: (f32, u32), (p, class)| if p > best.0 { (p, class) } else { best };
        all.fold((f32::NEG_INFINITY, 0), best).1
    }

    /// What [`TopK::decode`] gives `class`, without building the label.
    fn probability(&self, top: &TopK, class: u32) -> Result<f32> {
        let listed = top.classes.iter().position(|&c| c == class).map(|at| top.probabilities[at]);
        if class as usize >= self.classes {
            return Err(bad(self.out_of_range(class)));
        }
        if self.codec == Codec::Hard {
            return Ok(if listed.is_some() { 1.0 } else { 0.0 });
        }
        let sum = quantise::sum(&top.probabilities);
        let reading = Reading::of(self.codec, top.classes.len(), sum, self.classes)?;
        Ok(listed.map_or(reading.rest(), |p| reading.listed(p)))
    }

    /// Reads the pairs of a record into `top`.
    fn read(&self, record: &[u8], top: &mut TopK) -> Result<()> {
        if record.len() != self.record_len() {
            return Err(self.wrong_length(record));
        }
        top.classes.clear();
        top.probabilities.clear();
        if self.codec == Codec::Full {
            let all: Vec<f32> = record.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            check_full(&all)?;
            *top = TopK::of(&all, self.classes);
            return Ok(());
        }
        let (classes, rest) = record.split_at(2 * self.k);
        top.classes.extend(classes.as_chunks().0.iter().map(|&bytes| u32::from(u16::from_le_bytes(bytes))));
        match *rest {
            [] => top.probabilities.push(1.0),
            [low, high, ref tail @ ..] => {
                let first = self.first.decode(u16::from_le_bytes([low, high]));
                quantise::decode(first, tail, &mut top.probabilities);
            }
            _ => return Err(self.wrong_length(record)),
        }
        if self.codec == Codec::MarginalRenorm {
            fill_up(&mut top.probabilities);
        }
        self.check(&top.classes, &top.probabilities)?;
        // Division and rounding to f32 leave a renormalised sum within 1e-6 of 1.
        let most = if self.codec == Codec::MarginalRenorm { 1.0 + 1e-6 } else { 1.0 };
        if quantise::sum(&top.probabilities) > most {
            return Err(bad("its probabilities sum to more than 1"));
        }
        Ok(())
    }

    /// Checks the first K pairs.
    fn check(&self, classes: &[u32], probabilities: &[f32]) -> Result<()> {
        let pairs = classes.len().min(probabilities.len());
        if pairs < self.k {
            return Err(bad(format!("{pairs} pairs where {} are kept", self.k)));
        }
        let (classes, probabilities) = (&classes[..self.k], &probabilities[..self.k]);
        if let Some(&class) = classes.iter().find(|&&class| class as usize >= self.classes) {
            return Err(bad(self.out_of_range(class)));
        }
        if let Some(class) = first_repeated(classes) {
            return Err(bad(format!("class {class} is listed twice")));
        }
        if let Some(p) = probabilities.iter().find(|&&p| !is_probability(p)) {
            return Err(bad(format!("invalid probability {p}: expected a number in 0..=1")));
        }
        if !probabilities.is_sorted_by(|a, b| a >= b) {
            return Err(bad("its probabilities do not descend"));
        }
        if probabilities[0] <= 0.0 { Err(bad("no class has a probability above 0")) } else { Ok(()) }
    }

    fn out_of_range(&self, class: u32) -> String {
        format!("class {class} is outside of 0..{}", self.classes)
    }

    fn wrong_length(&self, record: &[u8]) -> Error {
        bad(format!("{} bytes where a record has {}", record.len(), self.record_len()))
    }
}

/// Scales the tail so that the sum is 1. A probability that would pass its predecessor stops there, and those
/// behind it share what it leaves; a tail of zeros stays.
fn fill_up(probabilities: &mut [f32]) {
    let Some((&mut first, tail)) = probabilities.split_first_mut() else { return };
    let (mut missing, mut left, mut limit) = (1.0 - f64::from(first), quantise::sum(tail), first);
    for p in tail {
        let before = f64::from(*p);
        if before <= 0.0 || left <= 0.0 {
            return;
        }
        *p = ((before / left * missing) as f32).min(limit);
        limit = *p;
        missing -= f64::from(limit);
        left -= before;
    }
}

fn check_full(probabilities: &[f32]) -> Result<()> {
    if let Some(p) = probabilities.iter().find(|&&p| !is_probability(p)) {
        return Err(bad(format!("invalid probability {p}: expected a number in 0..=1")));
    }
    let sum = quantise::sum(probabilities);
    if (sum - 1.0).abs() > TOLERANCE {
        return Err(bad(format!("its probabilities sum to {sum}")));
    }
    Ok(())
}

fn bad(problem: impl Into<String>) -> Error {
    Error::mismatch("soft label", problem)
}

/// The labels of one shard, as bytes: all regions of the first image, then those of the next.
#[derive(Debug, Clone)]
pub struct ShardLabels {
    codec: LabelCodec,
    bytes: Vec<u8>,
}

impl ShardLabels {
    /// No labels yet, of the store that `manifest` describes.
    ///
    /// # Errors
    /// A manifest with a value out of range.
    pub fn new(manifest: &Manifest) -> Result<Self> {
        manifest.checked()?;
        Ok(Self { codec: LabelCodec::of(manifest), bytes: Vec::new() })
    }

    /// Adds the label of the next region.
    ///
    /// # Errors
    /// Those of [`LabelCodec::encode`].
    pub fn push(&mut self, top: &TopK) -> Result<()> {
        self.codec.encode(top, &mut self.bytes)
    }

    /// Adds the label of the next region, given as a distribution over all classes.
    ///
    /// # Errors
    /// Those of [`LabelCodec::encode_full`].
    pub fn push_full(&mut self, probabilities: &[f32]) -> Result<()> {
        self.codec.encode_full(probabilities, &mut self.bytes)
    }

    /// Adds the labels of the next regions, which were encoded apart.
    ///
    /// # Errors
    /// Labels of another codec.
    pub fn append(&mut self, next: &Self) -> Result<()> {
        if self.codec != next.codec {
            return Err(bad("labels of two codecs in one shard"));
        }
        self.bytes.extend_from_slice(&next.bytes);
        Ok(())
    }

    /// Number of labels.
    pub fn len(&self) -> usize {
        self.bytes.len() / self.codec.record_len()
    }

    /// Whether there is no label yet.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    #[cfg(not(target_family = "wasm"))]
    pub(super) fn codec(&self) -> LabelCodec {
        self.codec
    }

    #[cfg(not(target_family = "wasm"))]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}
