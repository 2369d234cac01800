//! Batches: decode each image once, cut its regions, mix, and line the pixels and labels up for a device.

use image::RgbImage;
use rayon::prelude::*;

use crate::data::images::ImageList;
use crate::data::plan::Plan;
use crate::data::select::{Boxes, Labels};
use crate::error::{Error, ErrorKind, Result};
use crate::label::SoftLabel;
use crate::mining::{Kind, KindCounts};
use crate::pixels::{Filter, Normalisation, OrientationRule, crop_resize_with};
use crate::region::Region;
use crate::rng::path_hash;
use crate::selfmix::{Mix, MixStrength, Mixing, partners};

/// What a network wants to see: side in pixels, resize filter and normalisation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Height and width of the input, in pixels.
    pub side: u32,
    /// How regions are resized.
    pub filter: Filter,
    /// How bytes become numbers.
    pub normalisation: Normalisation,
}

impl View {
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
    pub plan: Plan,
    /// Where boxes come from.
    pub boxes: Boxes,
    /// Where labels come from.
    pub labels: Labels,
    /// What the student sees.
    pub student: View,
    /// What an online teacher sees, if there is one.
    pub teacher: Option<View>,
    /// Which regions are mixed.
    pub mix: Mix,
    /// How strongly.
    pub strength: MixStrength,
    /// Seed of the mixing.
    pub seed: u64,
    /// Whether EXIF orientation is applied.
    pub orientation: OrientationRule,
}

/// A batch of N regions on the host.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The step that it belongs to.
    pub step: u64,
    /// Number of regions N.
    pub len: usize,
    /// The student's pixels: shape (N, 3, side, side).
    pub pixels: Vec<f32>,
    /// An online teacher's pixels: shape (N, 3, its side, its side); empty without one.
    pub teacher_pixels: Vec<f32>,
    /// The labels.
    pub targets: Targets,
    /// Regions of each kind, where labels come from a store.
    pub kinds: KindCounts,
    /// Images of which no region survived mining.
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
}

const BAD_IMAGE: &str =
    "replace the file, or take it out; a --store that was labelled with --skip-bad leaves such images out";

/// What one image gives to a batch, its pixels apart.
struct Part {
    labels: Vec<SoftLabel>,
    kinds: Vec<Option<Kind>>,
    fallback: bool,
}

impl Batcher {
    /// The batch of step `step`; `None` past the end. `order` keeps the image order of the last pass seen.
    pub fn batch(&self, step: u64, order: &mut Option<(u64, Vec<u32>)>) -> Result<Option<Batch>> {
        let Some(at) = self.plan.position(step) else { return Ok(None) };
        if order.as_ref().is_none_or(|(pass, _)| *pass != at.pass) {
            *order = Some((at.pass, self.plan.image_order(at.pass)));
        }
        let images = match order {
            Some((_, order)) => &order[at.images.clone()],
            None => &[],
        };
        // Every image writes into its own place, in order: threads decide nothing but the time it takes.
        let row = at.regions * self.student.size();
        let teacher_row = self.teacher.map_or(0, |view| at.regions * view.size());
        let mut pixels = vec![0.0; images.len() * row];
        let mut teacher_pixels = vec![0.0; images.len() * teacher_row];
        // An image has at least one region of at least one pixel for the student; a teacher may be missing.
        let teacher_rows: Vec<&mut [f32]> = match teacher_row {
            0 => images.iter().map(|_| &mut [][..]).collect(),
            _ => teacher_pixels.chunks_mut(teacher_row).collect(),
        };
        let rows = pixels.par_chunks_mut(row.max(1)).zip(teacher_rows);
        let parts: Vec<Part> = images
            .par_iter()
            .zip(rows)
            .map(|(&image, (own, teachers))| self.part(image as usize, at.pass, at.regions, own, teachers))
            .collect::<Result<_>>()?;
        self.assemble(step, parts, pixels, teacher_pixels).map(Some)
    }

    /// Chooses `want` regions of an image and writes their pixels.
    fn part(
        &self,
        image: usize,
        pass: u64,
        want: usize,
        pixels: &mut [f32],
        teacher_pixels: &mut [f32],
    ) -> Result<Part> {
        let name = self.images.name(image);
        let order = self.plan.region_order(path_hash(name), pass, self.boxes.per_image() as usize);
        let truth =
            self.images.folder(image).and_then(|f| self.folder_classes.get(f as usize)).copied().unwrap_or(0);
        let selection = self.labels.select(image, truth, &order, want)?;
        let remedied = |e: Error| if e.kind() == ErrorKind::Damaged { e.remedy(BAD_IMAGE) } else { e };
        let picture = self.images.decode(image, self.orientation).map_err(remedied)?.image;
        let mut own = pixels.chunks_mut(self.student.size());
        let mut teachers = teacher_pixels.chunks_mut(self.teacher.map_or(1, |view| view.size()));
        let mut part = Part {
            labels: Vec::with_capacity(want),
            kinds: Vec::with_capacity(want),
            fallback: selection.fallback,
        };
        for chosen in selection.chosen {
            let region = self.boxes.region(image, name, chosen.number, picture.dimensions())?;
            if let Some(out) = own.next() {
                self.student.cut(&picture, &region, out)?;
            }
            if let (Some(view), Some(out)) = (&self.teacher, teachers.next()) {
                view.cut(&picture, &region, out)?;
            }
            part.labels.push(chosen.label);
            part.kinds.push(chosen.kind);
        }
        Ok(part)
    }

    fn assemble(
        &self,
        step: u64,
        parts: Vec<Part>,
        mut pixels: Vec<f32>,
        mut teacher_pixels: Vec<f32>,
    ) -> Result<Batch> {
        let per_image: Vec<usize> = parts.iter().map(|p| p.labels.len()).collect();
        let mut kinds = KindCounts::default();
        parts.iter().flat_map(|p| &p.kinds).flatten().for_each(|&kind| kinds.add(kind));
        let fallbacks = parts.iter().filter(|p| p.fallback).count() as u64;
        let labels: Vec<&SoftLabel> = parts.iter().flat_map(|p| &p.labels).collect();

        let side = self.student.side;
        let mixing = Mixing::draw(self.mix, &self.strength, self.seed, step, side)?;
        let partners = partners(self.mix, self.seed, step, &per_image);
        if let Some(mixing) = mixing {
            mix_rows(&mut pixels, side, &partners, &mixing);
            if let Some(view) = &self.teacher {
                mix_rows(&mut teacher_pixels, view.side, &partners, &mixing.at_side(side, view.side));
            }
        }
        // A region that is its own partner is not mixed: its label counts once.
        let rows = labels.iter().zip(&partners).enumerate().map(|(i, (&label, &partner))| {
            let l = if partner as usize == i { 1.0 } else { mixing.map_or(1.0, |m| m.l) };
            (label, l, labels[partner as usize])
        });
        let targets = Targets::of(rows);
        Ok(Batch { step, len: labels.len(), pixels, teacher_pixels, targets, kinds, fallbacks })
    }
}

/// Mixes each picture with its partner's unmixed pixels.
fn mix_rows(pixels: &mut [f32], side: u32, partners: &[u32], mixing: &Mixing) {
    let row = 3 * side as usize * side as usize;
    let before = pixels.to_vec();
    for (picture, &partner) in pixels.chunks_mut(row).zip(partners) {
        let start = partner as usize * row;
        mixing.apply(picture, &before[start..start + row], side);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::crop_resize;
    use crate::region::RegionSampler;
    use crate::rng::{Purpose, Stream};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn cutting_is_cropping_then_normalising(seed: u64, width in 1u32..60, height in 1u32..60, side in 1u32..30) {
            let mut draw = Stream::new(seed, Purpose::Scene, 0, 0);
            let picture = RgbImage::from_fn(width, height, |_, _| {
                image::Rgb(std::array::from_fn(|_| draw.below(256) as u8))
            });
            for (number, filter) in [(0, Filter::Bilinear), (1, Filter::Bicubic), (2, Filter::Bilinear)] {
                let view = View { side, filter, normalisation: Normalisation::IMAGENET };
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
        fn a_batch_is_trained_with_the_mixed_label((a, b) in crate::label::tests::pair(), l in 0.0f32..=1.0) {
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
        let mixing = Mixing { operator: crate::selfmix::Operator::Pixels, l: 0.5 };
        mix_rows(&mut pixels, 2, &[1, 2, 0], &mixing);
        assert_eq!([pixels[0], pixels[12], pixels[24]], [0.5, 1.5, 1.0]);
    }
}
