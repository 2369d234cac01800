//! Batches: decode each image once, cut its regions, mix, and line the pixels and labels up for a device.

use std::ops::Range;

use image::RgbImage;
use rayon::prelude::*;

use crate::batches::pictures::{Pictures, PixelType};
use crate::batches::plan::BatchPlan;
use crate::batches::select::{Asked, Boxes, Labels, Selection};
use crate::batches::share::Share;
use crate::images::list::ImageList;
use crate::pixels::{Filter, Normalisation, OrientationRule, crop_resize_with};
use ferkd_method::error::{Error, ErrorKind, Result};
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::KindCounts;
use ferkd_method::region::Region;
use ferkd_method::rng::path_hash;
use ferkd_method::selfmix::{Mix, MixStrength, Mixing, partners};

/// What a network wants to see: side in pixels, resize filter and normalisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InputSpec {
    /// Height and width of the input, in pixels.
    pub side: u32,
    /// How regions are resized.
    pub filter: Filter,
    /// How bytes become numbers.
    pub normalisation: Normalisation,
}

impl InputSpec {
    /// Numbers of one picture: 3 x side x side.
    pub fn size(&self) -> usize {
        3 * self.side as usize * self.side as usize
    }

    /// Cuts a region out of a picture, resizes, mirrors and normalises it into `out`: planes of shape
    /// (3, side, side).
    ///
    /// # Errors
    /// A box outside of the picture, or a side of 0.
    pub fn cut(&self, picture: &RgbImage, region: &Region, out: &mut [f32]) -> Result<()> {
        crop_resize_with(picture, region, self.side, self.filter, |bytes| {
            self.normalisation.write_chw_flipped(bytes, self.side, region.flip, out);
        })
    }
}

/// Everything that decides a batch; a batch is a pure function of it and the step.
#[derive(Clone)]
pub struct Batcher {
    /// The images.
    pub images: ImageList,
    /// Class of each class folder in the student's label space.
    pub folder_classes: Vec<u32>,
    /// The order of training.
    pub plan: BatchPlan,
    /// Where boxes come from.
    pub boxes: Boxes,
    /// Where labels come from.
    pub labels: Labels,
    /// What the student sees.
    pub student: InputSpec,
    /// The type that the student's pixels are handed over in.
    pub pixel_type: PixelType,
    /// What an online teacher sees, if there is one.
    pub teacher: Option<InputSpec>,
    /// Which regions are mixed.
    pub mix: Mix,
    /// How strongly.
    pub strength: MixStrength,
    /// Seed of the mixing.
    pub seed: u64,
    /// Whether EXIF orientation is applied.
    pub orientation: OrientationRule,
}

/// A batch of N regions on the host: all of a step's, or a share of them.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The step that it belongs to.
    pub step: u64,
    /// Number of regions N.
    pub len: usize,
    /// Place of the first of them among the step's.
    pub first: usize,
    /// Number of the step's regions; more than N where this is a share.
    pub total: usize,
    /// The student's pixels, in the type that it computes with: shape (N, 3, side, side); empty where they were sent to
    /// a device ahead of time.
    pub pixels: Pictures,
    /// An online teacher's pixels, in f32: shape (N, 3, its side, its side); empty without one.
    pub teacher_pixels: Pictures,
    /// The labels.
    pub targets: Targets,
    /// The step's regions of each kind, where labels come from a store.
    pub kinds: KindCounts,
    /// Images of the step of which no region survived mining.
    pub fallbacks: u64,
}

/// Sparse labels of N regions: `rest` on every class, plus a weight on each listed one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Targets {
    /// Listed classes, padded with 0: shape (N, slots).
    pub classes: Vec<i32>,
    /// Probability of a listed class beyond `rest`, padded with 0: shape (N, slots).
    pub weights: Vec<f32>,
    /// Probability that every class has at least: shape (N).
    pub rest: Vec<f32>,
    /// Listed classes per region.
    pub slots: usize,
}

impl Targets {
    /// Lines labels up, each the mixture `l a + (1 - l) b`.
    pub fn of<'a>(labels: impl Iterator<Item = (&'a SoftLabel, f32, &'a SoftLabel)>) -> Self {
        let mut rows: Vec<(Vec<(u32, f32)>, f32)> = Vec::new();
        for (a, l, b) in labels {
            let mut row = Vec::with_capacity(a.top().len() + b.top().len());
            let mut rest = 0.0;
            for (label, share) in [(a, l), (b, 1.0 - l)] {
                if share > 0.0 {
                    row.extend(label.top().iter().map(|&(class, p)| (class, share * (p - label.rest()))));
                    rest += share * label.rest();
                }
            }
            rows.push((row, rest));
        }
        let slots = rows.iter().map(|(row, _)| row.len()).max().unwrap_or(0);
        let mut targets = Self { slots, ..Self::default() };
        for (row, rest) in rows {
            let padding = std::iter::repeat_n((0, 0.0), slots - row.len());
            for (class, weight) in row.into_iter().chain(padding) {
                targets.classes.push(class as i32);
                targets.weights.push(weight);
            }
            targets.rest.push(rest);
        }
        targets
    }

    /// Some of the rows, as wide as they are among all.
    pub fn rows(&self, rows: Range<usize>) -> Self {
        let span = rows.start * self.slots..rows.end * self.slots;
        Self {
            classes: self.classes[span.clone()].to_vec(),
            weights: self.weights[span].to_vec(),
            rest: self.rest[rows].to_vec(),
            slots: self.slots,
        }
    }
}

const BAD_IMAGE: &str =
    "replace the file, or take it out; a --store that was labelled with --skip-bad leaves such images out";

/// An image whose pixels are needed.
struct Cut<'a> {
    /// Its place among the step's images.
    place: usize,
    /// Which of the regions chosen of it.
    slots: Vec<usize>,
    /// Where they go: shape (slots, 3, side, side), for the student and an online teacher.
    pixels: &'a mut [f32],
    teacher_pixels: &'a mut [f32],
}

/// The order of images of the pass that was asked for last, and its number.
pub type Order = Option<(u64, Vec<u32>)>;

impl Batcher {
    /// The batch of step `step`; `None` past the end. `order` keeps the image order of the last pass seen.
    pub fn batch(&self, step: u64, order: &mut Order) -> Result<Option<Batch>> {
        self.share(step, order, Share::WHOLE)
    }

    /// The rows of a share of the step's images, as they are in the whole batch. Only their images are decoded, and
    /// those of regions that they are mixed with.
    ///
    /// # Errors
    /// Those of [`Self::batch`].
    pub fn share(&self, step: u64, order: &mut Order, share: Share) -> Result<Option<Batch>> {
        let Some(at) = self.plan.position(step) else { return Ok(None) };
        if order.as_ref().is_none_or(|(pass, _)| *pass != at.pass) {
            *order = Some((at.pass, self.plan.image_order(at.pass)));
        }
        let images = match order {
            Some((_, order)) => &order[at.images.clone()],
            None => &[],
        };
        // Labels of all images: they decide how wide a row is, and cost little.
        let chosen: Vec<Selection> = images
            .par_iter()
            .map(|&image| self.select(image as usize, at.pass, at.regions))
            .collect::<Result<_>>()?;
        let per_image: Vec<usize> = chosen.iter().map(|selection| selection.chosen.len()).collect();
        let ends: Vec<usize> = per_image
            .iter()
            .scan(0, |end, n| {
                *end += n;
                Some(*end)
            })
            .collect();
        let start_of = |place: usize| place.checked_sub(1).map_or(0, |before| ends[before]);
        let own = share.range(images.len());
        let rows = start_of(own.start)..start_of(own.end);

        let mixing = Mixing::draw(self.mix, &self.strength, self.seed, step, self.student.side)?;
        let partners = partners(self.mix, self.seed, step, &per_image);
        let targets = {
            let labels: Vec<&SoftLabel> =
                chosen.iter().flat_map(|selection| &selection.chosen).map(|one| &one.label).collect();
            // A region that is its own partner is not mixed: its label counts once.
            let rows = labels.iter().zip(&partners).enumerate().map(|(i, (&label, &partner))| {
                let l = if partner as usize == i { 1.0 } else { mixing.map_or(1.0, |m| m.l) };
                (label, l, labels[partner as usize])
            });
            Targets::of(rows)
        };
        // Own rows first, then what they are mixed with and other shares hold, in order.
        let mut wanted: Vec<(usize, Vec<usize>)> =
            own.clone().map(|place| (place, (0..per_image[place]).collect())).collect();
        let mut source: Vec<usize> = partners[rows.clone()].iter().map(|&partner| partner as usize).collect();
        let mut foreign: Vec<usize> = source.iter().copied().filter(|row| !rows.contains(row)).collect();
        foreign.sort_unstable();
        if mixing.is_none() {
            foreign.clear();
        }
        for &row in &foreign {
            let place = ends.partition_point(|&end| end <= row);
            let slot = row - start_of(place);
            match wanted.last_mut() {
                Some((last, slots)) if *last == place => slots.push(slot),
                _ => wanted.push((place, vec![slot])),
            }
        }
        for row in &mut source {
            *row = match foreign.binary_search(row) {
                Ok(behind) => rows.len() + behind,
                Err(_) => *row - rows.start,
            };
        }
        let count = rows.len() + foreign.len();
        let mut pixels = vec![0.0; count * self.student.size()];
        let mut teacher_pixels = vec![0.0; count * self.teacher.map_or(0, |view| view.size())];
        self.cut_all(&wanted, images, &chosen, &mut pixels, &mut teacher_pixels)?;
        if let Some(mixing) = mixing {
            let side = self.student.side;
            mix_rows(&mut pixels, side, &source, &mixing);
            if let Some(view) = &self.teacher {
                mix_rows(&mut teacher_pixels, view.side, &source, &mixing.at_side(side, view.side));
            }
        }
        pixels.truncate(rows.len() * self.student.size());
        teacher_pixels.truncate(rows.len() * self.teacher.map_or(0, |view| view.size()));

        let mut kinds = KindCounts::default();
        let all = chosen.iter().flat_map(|selection| &selection.chosen);
        all.filter_map(|one| one.kind).for_each(|kind| kinds.add(kind));
        let fallbacks = chosen.iter().filter(|selection| selection.fallback).count() as u64;
        Ok(Some(Batch {
            step,
            len: rows.len(),
            first: rows.start,
            total: partners.len(),
            pixels: Pictures::of(pixels, self.pixel_type),
            teacher_pixels: Pictures::F32(teacher_pixels),
            targets: if share == Share::WHOLE { targets } else { targets.rows(rows) },
            kinds,
            fallbacks,
        }))
    }

    /// Chooses `want` regions of an image.
    fn select(&self, image: usize, pass: u64, want: usize) -> Result<Selection> {
        let name = self.images.name(image);
        let order = self.plan.region_order(path_hash(name), pass, self.boxes.per_image() as usize);
        let truth = self.images.class(image, &self.folder_classes);
        self.labels.select(&Asked { index: image, name, truth }, &order, want)
    }

    /// Cuts the wanted regions out, one after the other. Every image writes into its own place: threads decide
    /// nothing but the time it takes.
    fn cut_all(
        &self,
        wanted: &[(usize, Vec<usize>)],
        images: &[u32],
        chosen: &[Selection],
        mut pixels: &mut [f32],
        mut teacher_pixels: &mut [f32],
    ) -> Result<()> {
        let mut cuts = Vec::with_capacity(wanted.len());
        for (place, slots) in wanted {
            let own;
            (own, pixels) = pixels.split_at_mut(slots.len() * self.student.size());
            let teachers;
            (teachers, teacher_pixels) =
                teacher_pixels.split_at_mut(slots.len() * self.teacher.map_or(0, |view| view.size()));
            cuts.push(Cut { place: *place, slots: slots.clone(), pixels: own, teacher_pixels: teachers });
        }
        cuts.into_par_iter().try_for_each(|cut| {
            let image = images[cut.place] as usize;
            self.cut(image, &chosen[cut.place], cut)
        })
    }

    /// Cuts regions out of one image.
    fn cut(&self, image: usize, chosen: &Selection, cut: Cut<'_>) -> Result<()> {
        let name = self.images.name(image);
        let remedied = |e: Error| if e.kind() == ErrorKind::Damaged { e.remedy(BAD_IMAGE) } else { e };
        let picture = self.images.decode(image, self.orientation).map_err(remedied)?.image;
        self.boxes.check_size(image, &self.images.label_of(image), picture.dimensions())?;
        let mut own = cut.pixels.chunks_mut(self.student.size());
        let mut teachers = cut.teacher_pixels.chunks_mut(self.teacher.map_or(1, |view| view.size()));
        for slot in cut.slots {
            let number = chosen.chosen[slot].number;
            let region = self.boxes.region(image, name, number, picture.dimensions())?;
            if let Some(out) = own.next() {
                self.student.cut(&picture, &region, out)?;
            }
            if let (Some(view), Some(out)) = (&self.teacher, teachers.next()) {
                view.cut(&picture, &region, out)?;
            }
        }
        Ok(())
    }
}

/// Mixes each picture with the unmixed pixels of another: `source` is its place. Pictures behind them stay.
fn mix_rows(pixels: &mut [f32], side: u32, source: &[usize], mixing: &Mixing) {
    let row = 3 * side as usize * side as usize;
    let before = pixels.to_vec();
    for (picture, partner) in pixels.chunks_mut(row).zip(source) {
        let start = partner * row;
        mixing.apply(picture, &before[start..start + row], side);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::crop_resize;
    use ferkd_method::label::{Codec, TopK, softmax};
    use ferkd_method::region::RegionSampler;
    use ferkd_method::rng::{Purpose, Stream};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cutting_is_cropping_then_normalising(seed: u64, width in 1u32..60, height in 1u32..60, side in 1u32..30) {
            let mut draw = Stream::new(seed, Purpose::Scene, 0, 0);
            let picture = RgbImage::from_fn(width, height, |_, _| {
                image::Rgb(std::array::from_fn(|_| draw.below(256) as u8))
            });
            for (number, filter) in [(0, Filter::Bilinear), (1, Filter::Bicubic), (2, Filter::Bilinear)] {
                let view = InputSpec { side, filter, normalisation: Normalisation::IMAGENET };
                let region = RegionSampler::new(seed).region(1, number, width, height);
                let (mut direct, mut plain) = (vec![7.0; view.size()], vec![0.0; view.size()]);
                view.cut(&picture, &region, &mut direct).unwrap();
                let bytes = crop_resize(&picture, &region, side, filter).unwrap();
                view.normalisation.write_chw(&bytes, side, &mut plain);
                prop_assert_eq!(&direct, &plain);
            }
        }
    }

    proptest! {
        #[test]
        fn a_batch_is_trained_with_the_mixed_label(
            first in proptest::collection::vec(-4.0f32..4.0, 12),
            second in proptest::collection::vec(-4.0f32..4.0, 12),
            (k, other_k) in (1usize..8, 1usize..8),
            l in 0.0f32..=1.0,
        ) {
            let label = |logits: &[f32], k| {
                TopK::of(&softmax(logits, 1.0).unwrap(), k).decode(Codec::MarginalSmoothing, 12).unwrap()
            };
            let (a, b) = (label(&first, k), label(&second, other_k));
            let targets = Targets::of(std::iter::once((&a, l, &b)));
            let mut dense = vec![targets.rest[0]; a.classes() as usize];
            for (&class, weight) in targets.classes.iter().zip(&targets.weights) {
                dense[class as usize] += weight;
            }
            let mixed = a.mixed(&b, l).unwrap().dense();
            prop_assert!(dense.iter().zip(&mixed).all(|(x, y)| (x - y).abs() < 1e-6), "{dense:?} {mixed:?}");
        }
    }

    #[test]
    fn sparse_targets_are_the_mixed_label() {
        let a = SoftLabel::smoothed(1, 4, 0.4);
        let b = SoftLabel::one_hot(2, 4);
        let targets = Targets::of([(&a, 0.25, &b), (&b, 1.0, &a)].into_iter());
        let dense = |row: usize| {
            let mut dense = vec![targets.rest[row]; 4];
            for slot in 0..targets.slots {
                let i = row * targets.slots + slot;
                dense[targets.classes[i] as usize] += targets.weights[i];
            }
            dense
        };
        let expected: Vec<f32> = a.dense().iter().zip(b.dense()).map(|(a, b)| 0.25 * a + 0.75 * b).collect();
        assert!(dense(0).iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-6), "{:?}", dense(0));
        assert_eq!(dense(1), b.dense());
    }

    #[test]
    fn rows_are_mixed_with_unmixed_partners() {
        let mut pixels: Vec<f32> = (0..3).flat_map(|i| vec![i as f32; 12]).collect();
        let mixing = Mixing { operator: ferkd_method::selfmix::Operator::Pixels, l: 0.5 };
        mix_rows(&mut pixels, 2, &[1, 2, 0], &mixing);
        assert_eq!([pixels[0], pixels[12], pixels[24]], [0.5, 1.5, 1.0]);
    }
}
