//! Batches: decode each image once, cut its regions, mix, and line the pixels and labels up for a device.

use image::RgbImage;
use rayon::prelude::*;

use crate::batches::pictures::{Pictures, PixelType};
use crate::batches::plan::BatchPlan;
use crate::batches::select::{Asked, Boxes, Labels, Selection};
use crate::batches::share::Share;
use crate::batches::step_mix::{StepMix, mix_rows, similar};
use crate::batches::targets::Targets;
use crate::images::list::ImageList;
use crate::pixels::{Filter, Normalisation, OrientationRule, crop_resize_with};
use ferkd_method::error::{Error, ErrorKind, Result};
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::KindCounts;
use ferkd_method::region::Region;
use ferkd_method::rng::path_hash;
use ferkd_method::selfmix::{
    Mix, MixPartners, MixRule, Mixing, box_similarity, label_similarity, partners, similar_partners,
};

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
    /// Which regions are mixed, and how.
    pub mix: MixRule,
    /// Seed of the mixing.
    pub seed: u64,
    /// Whether EXIF orientation is applied.
    pub orientation: OrientationRule,
    /// Whether regions are cut out at all: a network that has seen all of them before needs no pixels.
    pub cuts: bool,
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
    /// Image of each region, and its number within the image: N of them.
    pub regions: Vec<(u32, u32)>,
    /// The student's pixels, in the type that it computes with: shape (N, 3, side, side); empty where they were sent to
    /// a device ahead of time, and where no region is cut out.
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

const BAD_IMAGE: &str =
    "replace the file, or take it out; a --store that was labelled with --skip-bad leaves such images out";

/// An image whose pixels are needed.
struct Cut<'a> {
    /// Its place in the list.
    image: usize,
    /// Which of its regions.
    numbers: &'a [u32],
    /// Where they go: shape (numbers, 3, side, side), for the student and an online teacher.
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
        // Labels of all images: they decide how wide a row is, and cost little.
        let Some((images, chosen)) = self.selections(step, order)? else { return Ok(None) };
        let images = &images[..];
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

        let StepMix { partners, mixings } = self.step_mix(step, images, &chosen)?;
        let targets = {
            let labels: Vec<&SoftLabel> =
                chosen.iter().flat_map(|selection| &selection.chosen).map(|one| &one.label).collect();
            // A region that is its own partner is not mixed: its label counts once.
            let rows = labels.iter().zip(&partners).enumerate().map(|(i, (&label, &partner))| {
                let l = if partner as usize == i { 1.0 } else { mixings[i].map_or(1.0, |m| m.l) };
                (label, l, labels[partner as usize])
            });
            Targets::of(rows)
        };
        // Own rows first, then what they are mixed with and other shares hold, in order.
        let number = |place: usize, slot: usize| chosen[place].chosen[slot].number;
        let mut wanted: Vec<(usize, Vec<u32>)> = own
            .map(|place| (place, (0..per_image[place]).map(|slot| number(place, slot)).collect()))
            .collect();
        let regions =
            wanted.iter().flat_map(|(place, numbers)| numbers.iter().map(|&n| (images[*place], n))).collect();
        let mut source: Vec<usize> = partners[rows.clone()].iter().map(|&partner| partner as usize).collect();
        let mut foreign: Vec<usize> = source.iter().copied().filter(|row| !rows.contains(row)).collect();
        foreign.sort_unstable();
        foreign.dedup();
        for &row in &foreign {
            let place = ends.partition_point(|&end| end <= row);
            let number = number(place, row - start_of(place));
            match wanted.last_mut() {
                Some((last, numbers)) if *last == place => numbers.push(number),
                _ => wanted.push((place, vec![number])),
            }
        }
        for row in &mut source {
            *row = match foreign.binary_search(row) {
                Ok(behind) => rows.len() + behind,
                Err(_) => *row - rows.start,
            };
        }
        let teacher = self.teacher.filter(|_| self.cuts);
        let (own_size, teacher_size) =
            (if self.cuts { self.student.size() } else { 0 }, teacher.map_or(0, |view| view.size()));
        let count = rows.len() + foreign.len();
        let (mut pixels, mut teacher_pixels) = (vec![0.0; count * own_size], vec![0.0; count * teacher_size]);
        if self.cuts {
            let wanted: Vec<(u32, Vec<u32>)> =
                wanted.into_iter().map(|(place, numbers)| (images[place], numbers)).collect();
            self.cut_all(&wanted, teacher.as_ref(), &mut pixels, &mut teacher_pixels)?;
            let mixings = &mixings[rows.clone()];
            mix_rows(&mut pixels, self.student.side, &source, mixings);
            if let Some(view) = &teacher {
                let at_side =
                    |mixing: &Option<Mixing>| mixing.map(|m| m.at_side(self.student.side, view.side));
                let mixings: Vec<_> = mixings.iter().map(at_side).collect();
                mix_rows(&mut teacher_pixels, view.side, &source, &mixings);
            }
        }
        pixels.truncate(rows.len() * own_size);
        teacher_pixels.truncate(rows.len() * teacher_size);

        let mut kinds = KindCounts::default();
        let all = chosen.iter().flat_map(|selection| &selection.chosen);
        all.filter_map(|one| one.kind).for_each(|kind| kinds.add(kind));
        let fallbacks = chosen.iter().filter(|selection| selection.fallback).count() as u64;
        Ok(Some(Batch {
            step,
            len: rows.len(),
            first: rows.start,
            total: partners.len(),
            regions,
            pixels: Pictures::of(pixels, self.pixel_type),
            teacher_pixels: Pictures::F32(teacher_pixels),
            targets: if share == Share::WHOLE { targets } else { targets.rows(rows) },
            kinds,
            fallbacks,
        }))
    }

    /// The images of step `step` with the regions chosen of each, in order, and nothing of their pixels; `None` past the
    /// end. Labels are those before mixing.
    ///
    /// # Errors
    /// A damaged store, or an image whose class is needed and not known.
    pub fn selections(&self, step: u64, order: &mut Order) -> Result<Option<(Vec<u32>, Vec<Selection>)>> {
        let Some(at) = self.plan.position(step) else { return Ok(None) };
        if order.as_ref().is_none_or(|(pass, _)| *pass != at.pass) {
            *order = Some((at.pass, self.plan.image_order(at.pass)));
        }
        let images = match order {
            Some((_, order)) => order[at.images.clone()].to_vec(),
            None => Vec::new(),
        };
        let chosen = images
            .par_iter()
            .map(|&image| self.select(image as usize, at.pass, at.regions))
            .collect::<Result<_>>()?;
        Ok(Some((images, chosen)))
    }

    /// Whom each region of a step is mixed with, and how; `images` and `chosen` are [`selections`](Self::selections).
    ///
    /// # Errors
    /// Strengths that are not positive, or similar partners without a store's regions.
    pub fn step_mix(&self, step: u64, images: &[u32], chosen: &[Selection]) -> Result<StepMix> {
        let per_image: Vec<usize> = chosen.iter().map(|selection| selection.chosen.len()).collect();
        let mixings = self.mix.mixings(self.seed, step, self.student.side, images.len())?;
        if mixings.iter().all(Option::is_none) {
            return Ok(StepMix::none(&per_image));
        }
        let partners = match self.mix.partners {
            MixPartners::Overlap if self.mix.mix == Mix::Selfmix => similar(chosen, |place, selection| {
                let image = images[place] as usize;
                let boxes: Vec<Region> = selection
                    .chosen
                    .iter()
                    .map(|one| self.boxes.stored(image, one.number))
                    .collect::<Result<_>>()?;
                Ok(similar_partners(boxes.len(), |i, j| box_similarity(&boxes[i], &boxes[j])))
            })?,
            MixPartners::Label if self.mix.mix == Mix::Selfmix => similar(chosen, |_, selection| {
                let labels: Vec<&SoftLabel> = selection.chosen.iter().map(|one| &one.label).collect();
                Ok(similar_partners(labels.len(), |i, j| label_similarity(labels[i], labels[j])))
            })?,
            _ => partners(self.mix.mix, self.seed, step, &per_image),
        };
        Ok(StepMix::of(partners, &mixings, &per_image))
    }

    /// Chooses `want` regions of an image.
    fn select(&self, image: usize, pass: u64, want: usize) -> Result<Selection> {
        let name = self.images.name(image);
        let order = self.plan.region_order(path_hash(name), pass, self.boxes.per_image() as usize);
        let truth = self.images.class(image, &self.folder_classes);
        self.labels.select(&Asked { index: image, name, truth }, &order, want)
    }

    /// The student's pixels of some regions, each an image and its number within it, unmixed and in their order: shape
    /// (N, 3, side, side).
    ///
    /// # Errors
    /// An image that cannot be decoded, or has changed since it was labelled.
    pub fn pictures(&self, regions: &[(u32, u32)]) -> Result<Pictures> {
        let mut wanted: Vec<(u32, Vec<u32>)> = Vec::new();
        for &(image, number) in regions {
            match wanted.last_mut() {
                Some((last, numbers)) if *last == image => numbers.push(number),
                _ => wanted.push((image, vec![number])),
            }
        }
        let mut pixels = vec![0.0; regions.len() * self.student.size()];
        self.cut_all(&wanted, None, &mut pixels, &mut [])?;
        Ok(Pictures::of(pixels, self.pixel_type))
    }

    /// Cuts the wanted regions of images out, one after the other. Every image writes into its own place: threads
    /// decide nothing but the time it takes.
    fn cut_all(
        &self,
        wanted: &[(u32, Vec<u32>)],
        teacher: Option<&InputSpec>,
        mut pixels: &mut [f32],
        mut teacher_pixels: &mut [f32],
    ) -> Result<()> {
        let mut cuts = Vec::with_capacity(wanted.len());
        for (image, numbers) in wanted {
            let own;
            (own, pixels) = pixels.split_at_mut(numbers.len() * self.student.size());
            let teachers;
            (teachers, teacher_pixels) =
                teacher_pixels.split_at_mut(numbers.len() * teacher.map_or(0, InputSpec::size));
            cuts.push(Cut { image: *image as usize, numbers, pixels: own, teacher_pixels: teachers });
        }
        cuts.into_par_iter().try_for_each(|cut| self.cut(cut, teacher))
    }

    /// Cuts regions out of one image.
    fn cut(&self, cut: Cut<'_>, teacher: Option<&InputSpec>) -> Result<()> {
        let Cut { image, numbers, pixels, teacher_pixels } = cut;
        let name = self.images.name(image);
        let remedied = |e: Error| if e.kind() == ErrorKind::Damaged { e.remedy(BAD_IMAGE) } else { e };
        let picture = self.images.decode(image, self.orientation).map_err(remedied)?.image;
        self.boxes.check_size(image, &self.images.label_of(image), picture.dimensions())?;
        let mut own = pixels.chunks_mut(self.student.size());
        let mut teachers = teacher_pixels.chunks_mut(teacher.map_or(1, InputSpec::size));
        for &number in numbers {
            let region = self.boxes.region(image, name, number, picture.dimensions())?;
            if let Some(out) = own.next() {
                self.student.cut(&picture, &region, out)?;
            }
            if let (Some(view), Some(out)) = (teacher, teachers.next()) {
                view.cut(&picture, &region, out)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::crop_resize;
    use ferkd_method::region::RegionSampler;
    use ferkd_method::rng::{Purpose, Stream};
    use proptest::prelude::*;

    /// The centre that training sees is the one that evaluations see: they round at different places.
    #[test]
    fn the_centre_is_an_evaluations_view() {
        for (width, height) in [(300, 200), (200, 300), (256, 256)] {
            let picture = RgbImage::from_fn(width, height, |x, y| {
                image::Rgb([(255 * x / width) as u8, (255 * y / height) as u8, (128 + x / 4 - y / 4) as u8])
            });
            let own = crop_resize(&picture, &Region::centre(width, height), 56, Filter::Bilinear).unwrap();
            let evaluated = crate::pixels::centre_resize(&picture, 56, Filter::Bilinear).unwrap();
            let off = own.iter().zip(&evaluated).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            // A pixel of the small picture is 4 levels at most.
            assert!(off <= 3, "{width} x {height}: {off} levels");
        }
    }

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
}
