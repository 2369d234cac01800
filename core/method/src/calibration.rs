//! Step 4: calibration. The label that a region of a given kind is trained with.
//!
//! Source: FerKD (arXiv 2312.17473) softens the ground truth on hard (context) regions and drops the
//! uninformative ones; epsilon's default, its temperature and the two arms that keep the two effects apart are ours.
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
use crate::mining::RegionKind;

/// What a calibrated label says: the softened ground truth, at the temperature of the teacher's labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Softening {
    /// Probability that the student should spread over the other classes at temperature 1, in 0..=1.
    pub epsilon: f32,
    /// Temperature of the labels that it is trained with: the store's, above 0.
    pub temperature: f32,
}

impl Default for Softening {
    /// Epsilon 0.1 (ours), temperature 1.
    fn default() -> Self {
        Self { epsilon: 0.1, temperature: 1.0 }
    }
}

impl Softening {
    /// Probability that the label spreads over the other `classes - 1` classes: epsilon, tempered as the teacher's
    /// probabilities are, q proportional to p^(1/T). At temperature 1 it is epsilon itself, bit by bit. Ours.
    pub fn spread(&self, classes: u32) -> f32 {
        if self.temperature == 1.0 || classes < 2 {
            return self.epsilon;
        }
        let (epsilon, temperature) = (f64::from(self.epsilon), f64::from(self.temperature));
        let others = f64::from(classes - 1);
        // Logarithms: with many classes or a small temperature the powers themselves vanish.
        let truth = libm::log(1.0 - epsilon) / temperature;
        let rest = libm::log(others) + libm::log(epsilon / others) / temperature;
        (1.0 / (1.0 + libm::exp(truth - rest))) as f32
    }

    /// The label of a region whose image has the class `truth`, one of `classes`.
    pub fn label(&self, truth: u32, classes: u32) -> SoftLabel {
        SoftLabel::smoothed(truth, classes, self.spread(classes))
    }
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
            (true, Some(truth)) => Ok(softening.label(truth, teacher.classes())),
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
            kind in 0usize..4,
        ) {
            let softening = Softening { epsilon, temperature };
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
        let softening = Softening { epsilon: 0.1, temperature: 2.0 };
        let label = softening.label(3, 10);
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
                let label = Softening { epsilon, temperature: 1.0 }.label(0, classes);
                assert_eq!(label, SoftLabel::smoothed(0, classes, epsilon));
            }
        }
    }

    #[test]
    fn no_temperature_makes_certainty_or_a_lone_class_uncertain() {
        for temperature in [1e-3, 0.5, 2.0, 100.0] {
            let spread = |epsilon, classes| Softening { epsilon, temperature }.spread(classes);
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
}
