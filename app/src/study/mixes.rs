//! What mixing does to labels over many draws: within one image, with a random and with a similar partner, and across
//! images.

use std::path::Path;
use std::sync::Arc;

use ferkd_method::Result;
use ferkd_method::calibration::Softening;
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::{RegionKind, Thresholds};
use ferkd_method::region::Region;
use ferkd_method::rng::{Purpose, Stream};
use ferkd_method::selfmix::{Mix, Mixing, box_similarity, partners, similar_partners};
use ferkd_train::demo::settings::student_config;
use image::RgbImage;
use web_time::Instant;

use super::question::Question;
use super::spread::{Spread, Way};
use crate::dataset::DataSet;
use crate::experiment::{Experiment, Settings};
use crate::labels::walk::{LabelsKey, SLICE};

/// Draws of the distribution.
pub(crate) const DRAWS: u64 = 500;

/// Seed of all draws that are shown: a link shows the same ones.
pub(crate) const SEED: u64 = 0;

/// Side of mixed pictures where no student says it, in pixels.
pub(crate) const SIDE: u32 = 224;

/// Images that are tried until one has regions that survive mining.
const TRIES: u32 = 8;

/// What is found out of mixing.
#[derive(Default)]
pub(crate) struct MixStudy {
    of: Option<Key>,
    /// Draws done.
    pub done: u64,
    /// Those of them that mix: the others leave their regions as they are.
    pub mixed: u64,
    /// Total variation from each parent, by [`Way`].
    spreads: [Spread; Way::ALL.len()],
    /// Why it cannot be found out.
    pub error: Option<String>,
    other: Option<((Key, u64, u64), Option<Other>)>,
}

/// Labels and settings, the side of pictures, and the probability of mixing.
type Key = (LabelsKey, Settings, Thresholds, u32, f32);

/// A region of another image.
#[derive(Debug, Clone)]
pub(crate) struct Other {
    /// Its image.
    pub image: u64,
    /// Its number there.
    pub region: u32,
    /// Where it is.
    pub place: Region,
    /// The image's picture, where there is one.
    pub picture: Option<Arc<RgbImage>>,
    /// What it is trained with.
    pub adapted: Adapted,
}

/// A region's label as a student meets it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Adapted {
    /// The teacher's confidence.
    pub c: f32,
    /// The region's kind.
    pub kind: RegionKind,
    /// The adapted label.
    pub label: SoftLabel,
    /// Whether a student meets it at all.
    pub is_met: bool,
}

/// What becomes of a label of that temperature under some settings; none where its image lacks the class that they ask for.
pub(crate) fn adapt(
    settings: &Settings,
    thresholds: &Thresholds,
    label: &SoftLabel,
    truth: Option<u32>,
    temperature: f32,
) -> Option<Adapted> {
    let c = settings.confidence.of(label, truth).ok()?;
    let kind = thresholds.kind(c).ok()?;
    let softening = Softening::new(settings.epsilon, temperature);
    let label = match truth {
        Some(_) => settings.adaptation.adapt(label.clone(), kind, truth, softening).ok()?,
        None => label.clone(),
    };
    Some(Adapted { c, kind, label, is_met: !settings.adaptation.removes(kind) })
}

/// The regions of an image that a student meets, with what they are trained with.
fn met(
    set: &DataSet,
    settings: &Settings,
    thresholds: &Thresholds,
    image: u64,
) -> Result<Vec<(u32, Adapted)>> {
    let mut found = Vec::new();
    set.walk(image..image + 1, &mut |_, truth, region, label| {
        let adapted = adapt(settings, thresholds, label, truth, set.temperature());
        found.extend(adapted.filter(|adapted| adapted.is_met).map(|adapted| (region, adapted)));
    })?;
    Ok(found)
}

/// An image, and the regions that a student meets, with their labels.
type SomeImage = (u64, Vec<(u32, Adapted)>);

/// An image other than `not` with at least `least` regions that a student meets, by chance.
fn some_image(
    set: &DataSet,
    (settings, thresholds): (&Settings, &Thresholds),
    draw: &mut Stream,
    not: Option<u64>,
    least: usize,
) -> Result<Option<SomeImage>> {
    let count = u32::try_from(set.len()).unwrap_or(u32::MAX);
    for _ in 0..TRIES {
        let image = u64::from(draw.below(count));
        if Some(image) == not {
            continue;
        }
        let found = met(set, settings, thresholds, image)?;
        if found.len() >= least {
            return Ok(Some((image, found)));
        }
    }
    Ok(None)
}

/// Side of the pictures that are mixed, in pixels: that of the students, where there are some.
pub(crate) fn side(set: &DataSet) -> u32 {
    if set.knows_truth() { student_config(Path::new(""), 0).side } else { SIDE }
}

impl MixStudy {
    /// Forgets what was found under other settings; goes on drawing for a slice of time where it is watched.
    pub fn advance(&mut self, question: &Question<'_>, is_watched: bool) {
        let settings = question.experiment.settings;
        let (Ok(thresholds), Some(set)) = (question.thresholds(), question.set()) else { return };
        let side = side(set);
        let probability = question.experiment.mixing.probability;
        let key = (question.key(), settings, thresholds, side, probability);
        if self.of != Some(key) {
            *self = Self { of: Some(key), other: self.other.take(), ..Self::default() };
        }
        if !is_watched {
            return;
        }
        let (draw, shown) = (question.experiment.mixing.draw, question.experiment.image);
        let other_key = (key, draw, shown);
        if self.other.as_ref().is_none_or(|(of, _)| *of != other_key) {
            self.other = match find_other(set, &settings, &thresholds, draw, shown) {
                Err(error) if error.is_pending() => None,
                found => Some((other_key, found.unwrap_or_default())),
            };
        }
        let begun = Instant::now();
        while self.done < DRAWS && self.error.is_none() && begun.elapsed() < SLICE {
            match self.draw(set, question.experiment, &thresholds, side) {
                Err(error) if error.is_pending() => break,
                drawn => self.error = drawn.err().map(|error| error.to_string()),
            }
            self.done += 1;
        }
    }

    /// One draw: a region with a random partner and with the most similar one of its image, and with a region of another
    /// image.
    fn draw(
        &mut self,
        set: &DataSet,
        experiment: &Experiment,
        thresholds: &Thresholds,
        side: u32,
    ) -> Result<()> {
        let (strength, step) = (experiment.mixing.strength(), self.done);
        let drawn = |mix| Mixing::draw(mix, &strength, SEED, step, side);
        // One draw decides for all whether anything is mixed.
        let (Some(own), Some(mixup), Some(cutmix)) =
            (drawn(Mix::Selfmix)?, drawn(Mix::Mixup)?, drawn(Mix::Cutmix)?)
        else {
            return Ok(());
        };
        // Another stream than that of the partners themselves.
        let mut draw = Stream::new(SEED, Purpose::Partner, step, 2);
        let by = (&experiment.settings, thresholds);
        let Some((image, regions)) = some_image(set, by, &mut draw, None, 2)? else { return Ok(()) };
        let places = set.regions(image)?;
        let boxes: Vec<Region> =
            regions.iter().filter_map(|(region, _)| places.get(*region as usize).copied()).collect();
        let count = regions.len();
        if boxes.len() != count {
            return Ok(());
        }
        // Before anything is measured: where bytes are on their way the whole draw is made again.
        let found = some_image(set, by, &mut draw, Some(image), 1)?;
        let first = draw.below(count as u32) as usize;
        let random = partners(Mix::Selfmix, SEED, step, &[count])[first] as usize;
        let similar = similar_partners(count, |i, j| box_similarity(&boxes[i], &boxes[j]))[first];
        let label = |at: usize| &regions[at].1.label;
        self.mixed += 1;
        self.measure(Way::Random, label(first), label(random), own.l)?;
        self.measure(Way::Overlap, label(first), label(similar), own.l)?;
        if let Some((_, others)) = found {
            let other = &others[draw.below(others.len() as u32) as usize].1.label;
            self.measure(Way::Mixup, label(first), other, mixup.l)?;
            self.measure(Way::Cutmix, label(first), other, cutmix.l)?;
        }
        Ok(())
    }

    fn measure(&mut self, way: Way, a: &SoftLabel, b: &SoftLabel, l: f32) -> Result<()> {
        let mixed = a.mixed(b, l)?;
        let spread = &mut self.spreads[way as usize];
        spread.add(mixed.total_variation(a));
        spread.add(mixed.total_variation(b));
        Ok(())
    }

    /// How far mixed labels lie from their parents.
    pub fn spread(&self, way: Way) -> &Spread {
        &self.spreads[way as usize]
    }

    /// The region of another image that the draw at hand mixes with those of the image that is shown.
    /// The inner one is none where no other image has regions that survive mining, the outer one while it is not
    /// looked for yet.
    pub fn other(&self, experiment: &Experiment) -> Option<Option<&Other>> {
        let ((key, draw, shown), other) = self.other.as_ref()?;
        let is_at_hand =
            self.of == Some(*key) && (*draw, *shown) == (experiment.mixing.draw, experiment.image);
        is_at_hand.then_some(other.as_ref())
    }
}

fn find_other(
    set: &DataSet,
    settings: &Settings,
    thresholds: &Thresholds,
    draw: u64,
    shown: u64,
) -> Result<Option<Other>> {
    let mut stream = Stream::new(SEED, Purpose::Partner, draw, 1);
    let Some((image, mut regions)) = some_image(set, (settings, thresholds), &mut stream, Some(shown), 1)?
    else {
        return Ok(None);
    };
    let (region, adapted) = regions.swap_remove(stream.below(regions.len() as u32) as usize);
    let all = set.show(image)?;
    let place = all.regions.get(region as usize).copied();
    Ok(place.map(|place| Other { image, region, place, picture: all.picture, adapted }))
}
