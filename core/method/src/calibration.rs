//! Step 4: calibration. The label that a region of a given kind is trained with.
//!
//! Source: FerKD (arXiv 2312.17473) softens the ground truth on hard (context) regions and drops the
//! uninformative ones. Ours: epsilon's default and temperature, the two arms that keep the two effects apart, epsilon by
//! confidence, calibrating only where the teacher is wrong, and mixing ground truth and teacher.
//!
//! ```
//! # use ferkd_method as ferkd;
//! use ferkd::calibration::{Adaptation, Softening};
//! use ferkd::label::SoftLabel;
//! use ferkd::mining::RegionKind;
//!
//! # fn main() -> ferkd::error::Result<()> {
//! let teacher = SoftLabel::one_hot(3, 10);
//! let adapt = |kind| Adaptation::Full.adapt(teacher.clone(), kind, Some(5), Softening::default());
//! // An important region keeps what the teacher says; context learns the softened class of the image.
//! assert_eq!(adapt(RegionKind::Important)?.prediction(), Some(3));
//! assert!((adapt(RegionKind::Context)?.probability(5) - 0.9).abs() < 1e-6);
//! assert!(Adaptation::Full.removes(RegionKind::Trivial));
//! # Ok(())
//! # }
//! ```

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::label::SoftLabel;
use crate::mining::{Confidence, RegionKind};
use crate::named_number;

/// How much of a calibrated label goes to the classes that are not the ground truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Epsilon {
    /// This probability, in 0..=1, at temperature 1.
    Value(f32),
    /// One minus the teacher's highest probability: the ground truth gets what the teacher gave to its top-1 prediction,
    /// at the temperature of its labels. Ours.
    Confidence,
}

impl Default for Epsilon {
    /// 0.1 (ours).
    fn default() -> Self {
        Self::Value(0.1)
    }
}

/// Name of [`Epsilon::Confidence`] in files and flags.
const BY_CONFIDENCE: &str = "confidence";

impl std::fmt::Display for Epsilon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Value(epsilon) => epsilon.fmt(f),
            Self::Confidence => f.write_str(BY_CONFIDENCE),
        }
    }
}

impl Serialize for Epsilon {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        named_number::write(self.value(), BY_CONFIDENCE, to)
    }
}

impl<'de> Deserialize<'de> for Epsilon {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        Ok(named_number::read(BY_CONFIDENCE, from)?.map_or(Self::Confidence, Self::Value))
    }
}

impl Epsilon {
    /// The number, where it is one.
    pub fn value(self) -> Option<f32> {
        match self {
            Self::Value(epsilon) => Some(epsilon),
            Self::Confidence => None,
        }
    }
}

/// Which context regions are calibrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Calibrated {
    /// All of them, as in the paper.
    #[default]
    All,
    /// Those whose top-1 prediction is not the ground truth; the others keep the teacher's label. Ours.
    Wrong,
}

/// What a calibrated label says: the softened ground truth, at the temperature of the teacher's labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Softening {
    /// What goes to the classes that are not the ground truth.
    pub epsilon: Epsilon,
    /// Temperature of the labels that it is trained with: the store's, above 0.
    pub temperature: f32,
    /// Weight of the softened ground truth, in 0..=1; the rest is the teacher's label. 1 in the paper, less is ours.
    pub truth_weight: f32,
    /// Which context regions are calibrated.
    pub calibrated: Calibrated,
}

impl Default for Softening {
    /// Epsilon 0.1 (ours), temperature 1, the ground truth alone, all context regions.
    fn default() -> Self {
        Self::new(0.1, 1.0)
    }
}

impl Softening {
    /// The paper's rule: all context regions get the ground truth, softened by a number.
    pub fn new(epsilon: f32, temperature: f32) -> Self {
        let epsilon = Epsilon::Value(epsilon);
        Self { epsilon, temperature, truth_weight: 1.0, calibrated: Calibrated::All }
    }

    /// Probability that the label spreads over the other `classes - 1` classes.
    ///
    /// A number is tempered as the teacher's probabilities are, q proportional to p^(1/T): at temperature 1 it is
    /// epsilon itself, bit by bit. Ours.
    pub fn spread(&self, teacher: &SoftLabel) -> f32 {
        match self.epsilon {
            Epsilon::Value(epsilon) => tempered(epsilon, self.temperature, teacher.classes()),
            Epsilon::Confidence => (1.0 - Confidence::highest(teacher)).clamp(0.0, 1.0),
        }
    }

    /// The label of a region whose image has the class `truth`, and of which the teacher said `teacher`.
    ///
    /// # Errors
    /// A class that is none of the label's.
    pub fn label(&self, truth: u32, teacher: SoftLabel) -> Result<SoftLabel> {
        if self.calibrated == Calibrated::Wrong && teacher.prediction() == Some(truth) {
            return Ok(teacher);
        }
        let softened = SoftLabel::smoothed(truth, teacher.classes(), self.spread(&teacher));
        if self.truth_weight == 1.0 { Ok(softened) } else { softened.mixed(&teacher, self.truth_weight) }
    }
}

/// Probability that the softened ground truth leaves to the other classes, at temperature `temperature`, where it is
/// `epsilon` at temperature 1.
pub fn tempered(epsilon: f32, temperature: f32, classes: u32) -> f32 {
    if temperature == 1.0 || classes < 2 {
        return epsilon;
    }
    let (epsilon, temperature) = (f64::from(epsilon), f64::from(temperature));
    let others = f64::from(classes - 1);
    // Logarithms: with many classes or a small temperature the powers themselves vanish.
    let truth = libm::log(1.0 - epsilon) / temperature;
    let rest = libm::log(others) + libm::log(epsilon / others) / temperature;
    (1.0 / (1.0 + libm::exp(truth - rest))) as f32
}

/// Which of FerKD's two effects take place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adaptation {
    /// FKD: every region keeps the teacher's label.
    None,
    /// FerKD: uninformative regions are removed, context regions calibrated.
    Full,
    /// Uninformative regions are removed, nothing is calibrated.
    DropOnly,
    /// Everything below `mid` is calibrated, nothing is removed.
    CalibrateOnly,
}

impl Adaptation {
    /// Whether regions of this kind are never trained on.
    pub fn removes(self, kind: RegionKind) -> bool {
        matches!(self, Self::Full | Self::DropOnly)
            && matches!(kind, RegionKind::Discarded | RegionKind::Trivial)
    }

    /// Whether a region of this kind is trained on the softened ground truth, once it is trained on at all.
    ///
    /// A discarded region reaches this only where nothing is removed, or where it is all that an image has;
    /// the teacher saw still less in it than in context, so it is calibrated too (ours).
    pub fn calibrates(self, kind: RegionKind) -> bool {
        matches!(self, Self::Full | Self::CalibrateOnly)
            && matches!(kind, RegionKind::Context | RegionKind::Discarded)
    }

    /// The label that a region is trained with: the teacher's, or the softened ground truth `truth`.
    ///
    /// # Errors
    /// A label to be calibrated where the ground truth is not known.
    pub fn adapt(
        self,
        teacher: SoftLabel,
        kind: RegionKind,
        truth: Option<u32>,
        softening: Softening,
    ) -> Result<SoftLabel> {
        match (self.calibrates(kind), truth) {
            (false, _) => Ok(teacher),
            (true, Some(truth)) => softening.label(truth, teacher),
            (true, None) => Err(Error::unknown_class("calibration")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::{Codec, TopK, softmax, tests::distribution};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_adapted_label_sums_to_one(
            p in distribution(),
            truth: prop::sample::Index,
            epsilon in 0.0f32..=1.0,
            temperature in 0.01f32..20.0,
            truth_weight in 0.0f32..=1.0,
            kind in 0usize..4,
            by_confidence: bool,
            only_wrong: bool,
        ) {
            let softening = Softening {
                epsilon: if by_confidence { Epsilon::Confidence } else { Epsilon::Value(epsilon) },
                temperature,
                truth_weight,
                calibrated: if only_wrong { Calibrated::Wrong } else { Calibrated::All },
            };
            let truth = truth.index(p.len()) as u32;
            for arm in [Adaptation::None, Adaptation::Full, Adaptation::DropOnly, Adaptation::CalibrateOnly] {
                let (codec, k) = Codec::MarginalSmoothing.resolve(5, p.len());
                let teacher = TopK::of(&p, k).decode(codec, p.len()).unwrap();
                let adapted = arm.adapt(teacher.clone(), RegionKind::ALL[kind], Some(truth), softening).unwrap();
                let sum: f64 = adapted.dense().iter().map(|&p| f64::from(p)).sum();
                prop_assert!((sum - 1.0).abs() < 1e-6);
                if RegionKind::ALL[kind] == RegionKind::Important {
                    prop_assert_eq!(adapted, teacher);
                }
            }
        }
    }

    #[test]
    fn context_becomes_the_softened_truth() {
        let teacher = SoftLabel::one_hot(0, 10);
        let adapted =
            Adaptation::Full.adapt(teacher, RegionKind::Context, Some(7), Softening::default()).unwrap();
        assert!((adapted.probability(7) - 0.9).abs() < 1e-6);
        assert!((adapted.probability(0) - 0.1 / 9.0).abs() < 1e-6);
    }

    #[test]
    fn the_calibrated_label_has_the_temperature_of_the_teachers() {
        // 0.9 and nine times 0.1 / 9 at temperature 1; their square roots are 0.9487 and nine times 0.1054.
        let label = Softening::new(0.1, 2.0).label(3, SoftLabel::one_hot(0, 10)).unwrap();
        assert!((label.probability(3) - 0.5).abs() < 1e-6, "{label:?}");
        assert!((label.probability(0) - 0.5 / 9.0).abs() < 1e-6, "{label:?}");
        // What the student says at temperature 1 once its logits fit that label: 0.9 again.
        let logits: Vec<f32> = label.dense().iter().map(|&p| 2.0 * p.ln()).collect();
        assert!((softmax(&logits, 1.0).unwrap()[3] - 0.9).abs() < 1e-6);
        assert!((softmax(&logits, 2.0).unwrap()[3] - 0.5).abs() < 1e-6);
    }

    #[test]
    fn temperature_one_changes_no_bit() {
        for epsilon in [0.0, 1e-6, 0.1, 0.3, 1.0] {
            for classes in [1, 2, 10, 1000] {
                let label = Softening::new(epsilon, 1.0).label(0, SoftLabel::one_hot(0, classes)).unwrap();
                assert_eq!(label, SoftLabel::smoothed(0, classes, epsilon));
            }
        }
    }

    #[test]
    fn no_temperature_makes_certainty_or_a_lone_class_uncertain() {
        for temperature in [1e-3, 0.5, 2.0, 100.0] {
            let spread = |epsilon, classes| tempered(epsilon, temperature, classes);
            assert_eq!((spread(0.0, 10), spread(1.0, 10), spread(0.1, 1)), (0.0, 1.0, 0.1));
            // Two equal probabilities stay equal.
            assert!((spread(0.5, 2) - 0.5).abs() < 1e-6);
        }
    }

    #[test]
    fn only_what_is_calibrated_needs_the_class() {
        for arm in [Adaptation::None, Adaptation::Full, Adaptation::DropOnly, Adaptation::CalibrateOnly] {
            for kind in RegionKind::ALL {
                let adapted = arm.adapt(SoftLabel::one_hot(0, 10), kind, None, Softening::default());
                assert_eq!(adapted.is_err(), arm.calibrates(kind), "{arm:?} {kind:?}");
            }
        }
    }

    #[test]
    fn by_confidence_the_truth_gets_what_the_first_guess_had() {
        let p = softmax(&[2.0, 1.0, 0.0, -1.0], 1.0).unwrap();
        let teacher = TopK::of(&p, 4).decode(Codec::Full, 4).unwrap();
        let softening = Softening { epsilon: Epsilon::Confidence, temperature: 3.0, ..Softening::default() };
        let label = softening.label(2, teacher).unwrap();
        assert!((label.probability(2) - p[0]).abs() < 1e-6, "{label:?}");
        assert!((label.probability(0) - (1.0 - p[0]) / 3.0).abs() < 1e-6, "{label:?}");
    }

    #[test]
    fn a_right_first_guess_is_left_alone_where_only_wrong_ones_are_calibrated() {
        let teacher = SoftLabel::smoothed(4, 10, 0.3);
        let softening = Softening { calibrated: Calibrated::Wrong, ..Softening::default() };
        assert_eq!(softening.label(4, teacher.clone()).unwrap(), teacher);
        assert_eq!(softening.label(5, teacher).unwrap(), SoftLabel::smoothed(5, 10, 0.1));
    }

    #[test]
    fn truth_and_teacher_are_mixed_by_weight() {
        let teacher = SoftLabel::one_hot(0, 10);
        let softening = Softening { truth_weight: 0.25, ..Softening::new(0.0, 1.0) };
        let label = softening.label(7, teacher.clone()).unwrap();
        assert!((label.probability(7) - 0.25).abs() < 1e-6 && (label.probability(0) - 0.75).abs() < 1e-6);
        let none = Softening { truth_weight: 0.0, ..softening };
        assert_eq!(none.label(7, teacher.clone()).unwrap(), teacher);
    }

    #[test]
    fn epsilon_is_a_number_or_a_word() {
        for (epsilon, text) in [(Epsilon::Value(0.25), "0.25"), (Epsilon::Confidence, "\"confidence\"")] {
            assert_eq!(serde_json::to_string(&epsilon).unwrap(), text);
            assert_eq!(serde_json::from_str::<Epsilon>(text).unwrap(), epsilon);
        }
        let error = serde_json::from_str::<Epsilon>("\"much\"").unwrap_err().to_string();
        assert!(error.contains("a number or \"confidence\""), "{error}");
    }
}
