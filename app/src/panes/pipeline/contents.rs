//! What every stage of the pipeline holds of the region that is looked at.

use ferkd_data::pixels::{Filter, Normalisation};
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::RegionKind;
use ferkd_method::region::Region;
use ferkd_method::selfmix::{Mixing, Operator};

use crate::dataset::Shown;
use crate::explain::Numbers;
use crate::state::State;
use crate::state::student::StudentState;

/// Side of the mixed picture, in pixels.
pub(super) const SIDE: u32 = 56;

/// Classes of a label that are named.
const TOP: usize = 3;

/// What every stage holds of the region that is looked at.
#[derive(Default)]
pub(super) struct Contents {
    /// The numbers, for the explanation.
    pub numbers: Numbers,
    /// The image's class.
    pub truth: Option<u32>,
    /// The teacher's label.
    pub label: Option<SoftLabel>,
    /// The label that the region is trained with; none where it is left out.
    pub adapted: Option<SoftLabel>,
    /// The region's partner and how both are mixed.
    pub mixing: Option<(Region, Region, Mixing)>,
}

impl Contents {
    /// The region under the pointer, else the reader's own, else the chosen one, else the first.
    pub fn of(state: &State) -> Self {
        let mut contents = Self::default();
        let Some(shown) = state.shown() else { return contents };
        let settings = &state.experiment.settings;
        let own = state.teachers.probe.as_ref().filter(|_| state.hovered_region().is_none());
        let number = state.region_in_sight().unwrap_or(0);
        let region = own.map(|probe| probe.region).or(shown.regions.get(number as usize).copied());
        contents.label = match own {
            Some(probe) => probe.label.as_ref().map(|(_, label)| label.clone()),
            None => shown.labels.get(number as usize).cloned().flatten(),
        };
        let name = |class: u32| state.class_name(class);
        contents.truth = shown.truth;
        let (width, height) = shown.size;
        let numbers = &mut contents.numbers;
        numbers.image = Some((shown.name.clone(), width, height));
        numbers.truth = shown.truth.map(name);
        numbers.regions = shown.regions.len();
        numbers.region = region.map(|region| (number, region));
        (numbers.which, numbers.softening) = (settings.confidence, state.softening(settings));
        numbers.adaptation = Some(settings.adaptation);
        numbers.thresholds = state.thresholds(settings).ok();
        numbers.kinds = state.kinds(settings);
        numbers.step = state.training.step();
        let last =
            |student: &StudentState| student.smooth_loss.last().map(|last| (student.supervision, last[1]));
        numbers.students = state.training.students.iter().filter_map(last).collect();
        let Some(label) = &contents.label else { return contents };
        numbers.classes = label.classes();
        numbers.top = label.top().iter().take(TOP).map(|&(class, p)| (name(class), p)).collect();
        numbers.judged = state.judge(settings, label, shown.truth);
        contents.adapted = numbers.judged.and_then(|(_, kind)| adapted(state, shown, label, kind));
        contents.mix(state, shown, number, region);
        contents
    }

    /// Mixes the region with its partner, as the SelfMix settings say.
    fn mix(&mut self, state: &State, shown: &Shown, number: u32, region: Option<Region>) {
        let (Some(own), Some(region)) = (&self.adapted, region) else { return };
        let mixing = state.experiment.mixing;
        let count = shown.regions.len() as u32;
        let others = (1..count).map(|on| (number + on) % count);
        let candidates = mixing.partner.into_iter().filter(|&other| other != number).chain(others);
        let mut trained = candidates.filter_map(|other| {
            let label = shown.labels.get(other as usize)?.as_ref()?;
            let (_, kind) = state.judge(&state.experiment.settings, label, shown.truth)?;
            Some((other, adapted(state, shown, label, kind)?))
        });
        let Some((partner, label)) = trained.next() else { return };
        let mixing = match mixing.by_box {
            true => {
                let cut = (SIDE as f32 * (1.0 - mixing.l).sqrt()) as u32;
                Mixing::paste(SIDE / 2, SIDE / 2, cut, SIDE)
            }
            false => Mixing { operator: Operator::Pixels, l: mixing.l },
        };
        // A pasted box keeps whole pixels: its share is the mixing's own.
        self.numbers.mix = Some((partner, mixing.l, own.total_variation(&label)));
        self.mixing = shown.regions.get(partner as usize).map(|&other| (region, other, mixing));
    }

    /// The mixed picture.
    pub fn mixed_picture(&self, picture: &image::RgbImage) -> Option<egui::ColorImage> {
        let (a, b, mixing) = self.mixing?;
        let plain = Normalisation { mean: [0.0; 3], std: [1.0; 3] };
        let view = ferkd_data::batches::batch::InputSpec {
            side: SIDE,
            filter: Filter::Bilinear,
            normalisation: plain,
        };
        let (mut own, mut other) = (vec![0.0; view.size()], vec![0.0; view.size()]);
        view.cut(picture, &a, &mut own).ok()?;
        view.cut(picture, &b, &mut other).ok()?;
        mixing.apply(&mut own, &other, SIDE);
        let pixels = (SIDE * SIDE) as usize;
        let byte = |i: usize, channel: usize| (own[channel * pixels + i] * 255.0).round() as u8;
        let rgb: Vec<u8> = (0..pixels).flat_map(|i| [byte(i, 0), byte(i, 1), byte(i, 2)]).collect();
        Some(egui::ColorImage::from_rgb([SIDE as usize; 2], &rgb))
    }
}

fn adapted(state: &State, shown: &Shown, label: &SoftLabel, kind: RegionKind) -> Option<SoftLabel> {
    let settings = &state.experiment.settings;
    if settings.adaptation.removes(kind) {
        return None;
    }
    match shown.truth {
        Some(_) => {
            settings.adaptation.adapt(label.clone(), kind, shown.truth, state.softening(settings)).ok()
        }
        None => Some(label.clone()),
    }
}
