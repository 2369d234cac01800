//! The experiment: everything that decides what is shown, and no more. It is what a link holds, what undo
//! restores, and what the equivalent command line says.

use ferkd_method::calibration::{Adaptation, Calibrated, Epsilon};
use ferkd_method::mining::{Confidence, Rule, Thresholds};
use ferkd_method::selfmix::{Mix, MixPartners, MixStrength};
use ferkd_train::config::{Supervision, TrainConfig};
use ferkd_train::demo::settings::LR;
pub use ferkd_train::demo::settings::WARMUP_EPOCHS;
use serde::{Deserialize, Serialize};

use crate::assets::FIRST_PHOTO;
use crate::pane_kind::PaneKind;

/// Version of the link's format. Keys may be added without a new one; old links keep working.
pub const VERSION: u32 = 1;

/// Regions of an image in a step: an epoch visits every so many images once. The demo's, as all that is not said here.
pub const REGIONS_PER_STEP: usize = 2;

/// Epochs of the shortest run.
pub const FEWEST_EPOCHS: usize = 4;

/// Epochs of a run at first: the shortest budget in docs/results.md, where every student ends above 60 %.
const EPOCHS: usize = 24;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// Photos of the program, labelled by EfficientNet-Lite0.
    #[default]
    Photos,
    /// The demo's scenes: a digit among clutter, where the truth is known.
    Scenes,
    /// The user's own images, store or run.
    Yours,
    /// The store that was open before `Yours`.
    Before,
}

/// Everything that decides what is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Experiment {
    /// Version of this format.
    pub version: u32,
    /// What is looked at.
    pub data: Data,
    /// Number of the image in it.
    pub image: u64,
    /// Number of the region that is looked at.
    pub region: Option<u32>,
    /// How the teacher's confidence is taken from a label, absolute thresholds or quantiles, epsilon.
    #[serde(flatten)]
    pub settings: Settings,
    /// The other settings of the comparison.
    pub other: Option<Settings>,
    /// How regions are mixed.
    pub mixing: MixSettings,
    /// How students are trained.
    pub training: TrainSettings,
    /// Panes that are hidden: a teacher's link shows only what a lecture is about.
    pub hidden: Vec<PaneKind>,
}

/// What decides the label of a region.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Settings {
    /// Which number of a label is its confidence.
    pub confidence: Confidence,
    /// Whether `quantiles` rule, or `thresholds`.
    pub by_quantile: bool,
    /// Thresholds as confidences.
    pub thresholds: Thresholds,
    /// Thresholds as quantiles.
    pub quantiles: Thresholds,
    /// Probability that a calibrated label spreads over the other classes.
    pub epsilon: f32,
    /// Which of FerKD's two effects take place.
    pub adaptation: Adaptation,
}

/// How two regions are mixed in the SelfMix pane.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct MixSettings {
    /// By box rather than by pixels.
    pub by_box: bool,
    /// Weight of the first region, in 0..=1.
    pub l: f32,
    /// The second region, where one was chosen.
    pub partner: Option<u32>,
    /// Which one it is where none was chosen.
    pub partners: MixPartners,
    /// Probability that a draw mixes at all, in 0..=1.
    pub probability: f32,
    /// Number of the draw that is shown.
    pub draw: u64,
}

impl MixSettings {
    /// How strongly, and how often, a run of these settings mixes.
    pub fn strength(&self) -> MixStrength {
        MixStrength { probability: f64::from(self.probability), ..MixStrength::default() }
    }
}

/// How students are trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct TrainSettings {
    /// What the students learn from, one each.
    pub supervisions: Vec<Supervision>,
    /// Peak learning rate.
    pub lr: f64,
    /// Epochs of a run.
    pub epochs: usize,
    /// Seed of weights, order and mixing.
    pub seed: u64,
    /// How regions are mixed under `ferkd+selfmix`.
    pub mix: Mix,
    /// Steps that a student takes per second at most; as many as it can if 0.
    pub steps_per_s: u32,
}

impl Default for Experiment {
    fn default() -> Self {
        Self {
            version: VERSION,
            data: Data::default(),
            image: 0,
            region: None,
            settings: Settings::default(),
            other: None,
            mixing: MixSettings::default(),
            training: TrainSettings::default(),
            hidden: Vec::new(),
        }
    }
}

impl Experiment {
    /// What is looked at where no link says it. Links leave out what is as in the default, which therefore stays.
    pub fn first() -> Self {
        Self { image: FIRST_PHOTO.into(), ..Self::default() }
    }

    /// The same, with numbers that make sense: a link may say anything.
    pub fn sanitised(mut self) -> Self {
        self.version = VERSION;
        self.settings.sanitise();
        self.other.iter_mut().for_each(Settings::sanitise);
        self.mixing.l = finite(self.mixing.l, 0.5).clamp(0.0, 1.0);
        self.mixing.probability = finite(self.mixing.probability, 1.0).clamp(0.0, 1.0);
        let training = &mut self.training;
        training.lr = if training.lr > 0.0 && training.lr < 10.0 { training.lr } else { LR };
        training.epochs = training.epochs.clamp(FEWEST_EPOCHS, 1000) / REGIONS_PER_STEP * REGIONS_PER_STEP;
        training.supervisions.dedup();
        training.supervisions.truncate(Supervision::ALL.len());
        self
    }
}

fn finite(value: f32, usual: f32) -> f32 {
    if value.is_finite() { value } else { usual }
}

impl Default for Settings {
    fn default() -> Self {
        let Rule::Quantiles(quantiles) = Rule::default() else { unreachable!("the default is by quantiles") };
        Self {
            confidence: Confidence::default(),
            by_quantile: true,
            thresholds: Thresholds { low: 0.08, mid: 0.3, high: 0.95 },
            quantiles,
            epsilon: Epsilon::default().value().unwrap_or_default(),
            adaptation: Adaptation::Full,
        }
    }
}

impl Settings {
    /// What a training run did with its labels; none where it did what these settings do not hold: thresholds found from
    /// the store's classes, epsilon by confidence, the teacher's label in a calibrated one.
    ///
    /// # Errors
    /// A run with only some of its thresholds.
    pub fn of_run(config: &TrainConfig) -> ferkd_method::Result<Option<Self>> {
        let (numbers, by_quantile) = match config.rule()? {
            Rule::Absolute(numbers) => (numbers, false),
            Rule::Quantiles(numbers) => (numbers, true),
            Rule::Bounds(_) => return Ok(None),
        };
        let Some(epsilon) = config.epsilon.value() else { return Ok(None) };
        if config.calibrated != Calibrated::All || config.truth_weight != 1.0 {
            return Ok(None);
        }
        let mut settings = Self {
            confidence: config.confidence,
            epsilon,
            by_quantile,
            adaptation: config.supervision.adaptation(),
            ..Self::default()
        };
        *settings.numbers_mut() = numbers;
        Ok(Some(settings))
    }

    fn sanitise(&mut self) {
        let usual = Self::default();
        self.epsilon = finite(self.epsilon, usual.epsilon).clamp(0.0, 0.9);
        let sane = |numbers: Thresholds, usual: Thresholds| {
            let inside = numbers.low >= 0.0 && numbers.high <= 1.0;
            if inside { numbers.checked().unwrap_or(usual) } else { usual }
        };
        self.thresholds = sane(self.thresholds, usual.thresholds);
        self.quantiles = sane(self.quantiles, usual.quantiles);
    }

    /// The rule that thresholds follow.
    pub fn rule(&self) -> Rule {
        if self.by_quantile { Rule::Quantiles(self.quantiles) } else { Rule::Absolute(self.thresholds) }
    }

    /// The numbers that the rule goes by, to be changed.
    pub fn numbers_mut(&mut self) -> &mut Thresholds {
        if self.by_quantile { &mut self.quantiles } else { &mut self.thresholds }
    }

    /// The numbers that the rule goes by.
    pub fn numbers(&self) -> Thresholds {
        if self.by_quantile { self.quantiles } else { self.thresholds }
    }
}

impl Default for MixSettings {
    fn default() -> Self {
        let probability = MixStrength::default().probability as f32;
        Self { by_box: false, l: 0.5, partner: None, partners: MixPartners::default(), probability, draw: 0 }
    }
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self {
            supervisions: ferkd_train::demo::settings::SUPERVISIONS.to_vec(),
            lr: LR,
            epochs: EPOCHS,
            seed: 0,
            mix: Mix::Selfmix,
            steps_per_s: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_keys_are_ignored_and_missing_ones_are_defaults() {
        let read: Experiment =
            serde_json::from_str(r#"{"data":"scenes","epsilon":0.25,"from-the-future":[1]}"#).unwrap();
        assert_eq!((read.data, read.settings.epsilon, read.image), (Data::Scenes, 0.25, 0));
        let text = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Experiment>(&text).unwrap(), read);
        assert_eq!((read.mixing.partners, read.mixing.probability), (MixPartners::Random, 1.0));
        let read: Experiment =
            serde_json::from_str(r#"{"mixing":{"partners":"overlap","probability":7.0}}"#).unwrap();
        let read = read.sanitised();
        assert_eq!((read.mixing.partners, read.mixing.probability), (MixPartners::Overlap, 1.0));
    }
}
