//! The bytes of one record. A label of five pairs takes 16.

use crate::error::{Error, Result};
use crate::label::{Codec, TopK};
use crate::region::FractionBox;
use crate::store::reader::ImageEntry;

/// How the labels of a store are written: the codec, K, and the number of classes C.
///
/// Pairs are K classes (u16), the first probability as `p1 = (code / 65535)^2` (u16), and each further one by its
/// ratio to the one before, `p_k = p_(k-1) (code / 255)^2` (u8): fine where probabilities are small, never
/// rising, never summing above 1. Full labels are C floats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelCodec {
    /// How labels are decoded.
    pub codec: Codec,
    /// Pairs.
    pub k: usize,
    /// Classes.
    pub classes: usize,
}

impl LabelCodec {
    /// Bytes of a record.
    pub fn bytes(&self) -> usize {
        match self.codec {
            Codec::Full => 4 * self.classes,
            Codec::Hard => 2,
            _ => 2 * self.k + 2 + (self.k - 1),
        }
    }

    /// NumPy's description of a record.
    pub fn numpy(&self) -> String {
        let k = self.k;
        match self.codec {
            Codec::Full => format!("[('p', '<f4', ({},))]", self.classes),
            Codec::Hard => "[('class', '<u2', (1,))]".into(),
            _ if k == 1 => "[('class', '<u2', (1,)), ('p1', '<u2')]".into(),
            _ => format!("[('class', '<u2', ({k},)), ('p1', '<u2'), ('ratio', '|u1', ({},))]", k - 1),
        }
    }

    /// Appends the record of a distribution over all classes.
    ///
    /// # Errors
    /// A distribution over another number of classes, or a number that is no probability.
    pub fn encode(&self, probabilities: &[f32], out: &mut Vec<u8>) -> Result<()> {
        let sum: f64 = probabilities.iter().map(|&p| f64::from(p)).sum();
        let sound = probabilities.iter().all(|p| (0.0..=1.0).contains(p)) && (sum - 1.0).abs() < 1e-3;
        if probabilities.len() != self.classes || !sound {
            let problem =
                format!("{} numbers that sum to {sum}, for {} classes", probabilities.len(), self.classes);
            return Err(Error::mismatch("soft label", problem).remedy("check the teacher's weights"));
        }
        if self.codec == Codec::Full {
            out.extend(probabilities.iter().flat_map(|p| p.to_le_bytes()));
            return Ok(());
        }
        self.encode_pairs(&TopK::of(probabilities, self.k), out)
    }

    /// Appends the record of K pairs (an import's), in descending order.
    ///
    /// # Errors
    /// Another number of pairs, a class out of range, or numbers that are no descending probabilities.
    pub fn encode_pairs(&self, top: &TopK, out: &mut Vec<u8>) -> Result<()> {
        let fail = |problem: &str| {
            Err(Error::mismatch("soft label", problem).remedy("check where the labels come from"))
        };
        if self.codec == Codec::Full || top.classes.len() != self.k || top.probabilities.len() != self.k {
            return fail("it has another number of pairs than the store");
        }
        if top.classes.iter().any(|&c| c as usize >= self.classes || c > u32::from(u16::MAX)) {
            return fail("it names a class that the store has not");
        }
        let p: Vec<f64> = top.probabilities.iter().map(|&p| f64::from(p)).collect();
        if p.iter().any(|p| !(0.0..=1.001).contains(p)) || p.windows(2).any(|w| w[0] < w[1]) {
            return fail("its probabilities do not descend within 0..=1");
        }
        out.extend(top.classes.iter().flat_map(|&c| (c as u16).to_le_bytes()));
        if self.codec == Codec::Hard {
            return Ok(());
        }
        let sum: f64 = p.iter().sum();
        let scale = if sum > 1.0 { 1.0 / sum } else { 1.0 };
        let first = (65_535.0 * libm::sqrt(p[0] * scale)).round() as u16;
        out.extend(first.to_le_bytes());
        let tail: Vec<f64> = p[1..].iter().map(|p| p * scale).collect();
        // Rounding to the nearest may push the sum above 1; rounding down, and if need be further, does not.
        let mut codes = ratios(first, &tail, f64::round);
        if decoded_sum(first, &codes) > 1.0 {
            codes = ratios(first, &tail, f64::floor);
        }
        while decoded_sum(first, &codes) > 1.0 {
            match codes.iter_mut().rev().find(|c| **c > 0) {
                Some(code) => *code -= 1,
                None => break,
            }
        }
        out.extend(codes);
        Ok(())
    }

    /// The pairs of a record of [`bytes`](Self::bytes) bytes. Full labels are sorted.
    pub fn decode(&self, record: &[u8]) -> TopK {
        match self.codec {
            Codec::Full => {
                let all: Vec<f32> = record.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
                TopK::of(&all, self.classes)
            }
            codec => {
                let (classes, rest) = record.split_at(2 * self.k);
                let classes =
                    classes.as_chunks().0.iter().map(|&b| u32::from(u16::from_le_bytes(b))).collect();
                if codec == Codec::Hard {
                    return TopK { classes, probabilities: vec![1.0] };
                }
                let probabilities = probabilities(self.first_code(record), &rest[2..]).collect();
                TopK { classes, probabilities }
            }
        }
    }

    /// The first probability of a record of pairs, without decoding the others.
    pub fn first(&self, record: &[u8]) -> f32 {
        first_probability(self.first_code(record)) as f32
    }

    fn first_code(&self, record: &[u8]) -> u16 {
        u16::from_le_bytes([record[2 * self.k], record[2 * self.k + 1]])
    }
}

fn first_probability(code: u16) -> f64 {
    let root = f64::from(code) / 65_535.0;
    root * root
}

fn ratio(code: u8) -> f64 {
    let root = f64::from(code) / 255.0;
    root * root
}

fn probabilities(first: u16, codes: &[u8]) -> impl Iterator<Item = f32> {
    let first = first_probability(first);
    let further = codes.iter().scan(first, |p, &code| {
        *p *= ratio(code);
        Some(*p as f32)
    });
    std::iter::once(first as f32).chain(further)
}

fn decoded_sum(first: u16, codes: &[u8]) -> f64 {
    probabilities(first, codes).map(f64::from).sum()
}

/// Codes of the tail, each against what the one before is decoded to, so that errors do not add up.
fn ratios(first: u16, tail: &[f64], round: fn(f64) -> f64) -> Vec<u8> {
    let mut before = first_probability(first);
    tail.iter()
        .map(|&p| {
            let code = if before > 0.0 { round(255.0 * libm::sqrt(p / before)).min(255.0) as u8 } else { 0 };
            before *= ratio(code);
            code
        })
        .collect()
}

/// Bytes of a record of the image table.
pub(super) const IMAGE_BYTES: usize = 48;
/// NumPy's description of a record of the image table.
pub(super) const IMAGE_NUMPY: &str = "[('name_offset', '<u8'), ('checksum', '<u8'), ('name_len', '<u4'), \
     ('width', '<u4'), ('height', '<u4'), ('class', '<u4'), ('orientation', '|u1'), ('reserved', '|u1', (15,))]";
/// Class of an image that has none.
pub(super) const NO_CLASS: u32 = u32::MAX;

/// The fixed part of an image's record; the name stands in the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImageRecord {
    pub name_offset: u64,
    pub checksum: u64,
    pub name_len: u32,
    pub width: u32,
    pub height: u32,
    pub class: u32,
    pub orientation: u8,
}

impl ImageRecord {
    pub(super) fn of(entry: &ImageEntry, name_offset: u64) -> Self {
        Self {
            name_offset,
            checksum: entry.checksum,
            name_len: entry.name.len() as u32,
            width: entry.width,
            height: entry.height,
            class: entry.class.unwrap_or(NO_CLASS),
            orientation: entry.orientation,
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.name_offset.to_le_bytes());
        out.extend(self.checksum.to_le_bytes());
        for field in [self.name_len, self.width, self.height, self.class] {
            out.extend(field.to_le_bytes());
        }
        out.push(self.orientation);
        out.extend([0; 15]);
    }

    pub(super) fn decode(record: &[u8; IMAGE_BYTES]) -> Self {
        let u64_at = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| record[at + i]));
        let u32_at = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| record[at + i]));
        Self {
            name_offset: u64_at(0),
            checksum: u64_at(8),
            name_len: u32_at(16),
            width: u32_at(20),
            height: u32_at(24),
            class: u32_at(28),
            orientation: record[32],
        }
    }
}

/// Bytes of a record of a boxes file.
pub(super) const BOX_BYTES: usize = 20;
/// NumPy's description of a record of a boxes file.
pub(super) const BOX_NUMPY: &str = "[('box', '<f4', (4,)), ('flip', '|u1'), ('reserved', '|u1', (3,))]";

/// The record of an explicit box: top, left, height, width as fractions, and the flip.
pub fn encode_box(fractions: FractionBox, flip: bool, out: &mut Vec<u8>) {
    for value in [fractions.top, fractions.left, fractions.height, fractions.width] {
        out.extend((value as f32).to_le_bytes());
    }
    out.extend([u8::from(flip), 0, 0, 0]);
}

/// Reads the record of an explicit box.
pub fn decode_box(record: &[u8; BOX_BYTES]) -> (FractionBox, bool) {
    let at = |i: usize| f64::from(f32::from_le_bytes(std::array::from_fn(|b| record[4 * i + b])));
    (FractionBox { top: at(0), left: at(1), height: at(2), width: at(3) }, record[16] != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::{softmax, total_variation};
    use proptest::prelude::*;

    /// Distances of stored labels from the unquantised ones, over many shapes of distributions.
    fn distances(codec: Codec, k: usize) -> Vec<f64> {
        let mut draw = crate::rng::Stream::new(3, crate::rng::Purpose::Scene, 0, 0);
        (0..3000)
            .map(|i| {
                let classes = [6, 10, 40, 100, 1000][i % 5];
                let sharpness = [0.0, 0.3, 1.0, 3.0, 8.0, 20.0][i / 5 % 6];
                let logits: Vec<f32> = (0..classes).map(|_| (sharpness * draw.normal()) as f32).collect();
                let p = softmax(&logits, 1.0).unwrap();
                let (codec, k) = codec.resolve(k, classes);
                let store = LabelCodec { codec, k, classes };
                let mut bytes = Vec::new();
                store.encode(&p, &mut bytes).unwrap();
                assert_eq!(bytes.len(), store.bytes());
                let stored = store.decode(&bytes);
                let exact = TopK::of(&p, k);
                assert!(
                    (stored.probabilities[0] - exact.probabilities[0]).abs() < 1.0 / 4000.0
                        || codec == Codec::Hard
                );
                assert!(stored.probabilities.windows(2).all(|w| w[0] >= w[1]));
                let dense = |top: TopK| top.decode(codec, classes).unwrap().dense();
                total_variation(&dense(stored), &dense(exact))
            })
            .collect()
    }

    #[test]
    fn stored_labels_stay_close() {
        for codec in
            [Codec::MarginalSmoothing, Codec::MarginalRenorm, Codec::Smoothing, Codec::Hard, Codec::Full]
        {
            for k in [1, 5, 10] {
                let distances = distances(codec, k);
                let worst = distances.iter().copied().fold(0.0, f64::max);
                let mean = distances.iter().sum::<f64>() / distances.len() as f64;
                assert!(worst < 0.01 && mean < 0.003, "{codec:?} {k}: worst {worst}, mean {mean}");
            }
        }
    }

    #[test]
    fn five_pairs_take_sixteen_bytes() {
        assert_eq!(LabelCodec { codec: Codec::MarginalSmoothing, k: 5, classes: 1000 }.bytes(), 16);
    }

    proptest! {
        #[test]
        fn any_bytes_decode_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 16)) {
            let store = LabelCodec { codec: Codec::MarginalSmoothing, k: 5, classes: 1000 };
            let _ = store.decode(&bytes).decode(store.codec, store.classes);
        }

        #[test]
        fn image_records_round_trip(name_offset: u64, checksum: u64, width: u32, class: u32, orientation: u8) {
            let record = ImageRecord { name_offset, checksum, name_len: 3, width, height: 5, class, orientation };
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            prop_assert_eq!(ImageRecord::decode(bytes[..].try_into().unwrap()), record);
        }
    }
}
