//! Step 4: calibration. The label that a region of a given kind is trained with.
//!
//! Source: FerKD (arXiv 2312.17473) softens the ground truth on hard (context) regions and drops the
//! uninformative ones; epsilon's default is ours, as are the two arms that keep the two effects apart.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::label::SoftLabel;
use crate::mining::RegionKind;

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
        epsilon: f32,
    ) -> Result<SoftLabel> {
        match (self.calibrates(kind), truth) {
            (false, _) => Ok(teacher),
            (true, Some(truth)) => Ok(SoftLabel::smoothed(truth, teacher.classes(), epsilon)),
            (true, None) => Err(Error::unknown_class("calibration")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label::{Codec, TopK, tests::distribution};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_adapted_label_sums_to_one(p in distribution(), truth: prop::sample::Index, epsilon in 0.0f32..=1.0, kind in 0usize..4) {
            let truth = truth.index(p.len()) as u32;
            for arm in [Adaptation::None, Adaptation::Full, Adaptation::DropOnly, Adaptation::CalibrateOnly] {
                let (codec, k) = Codec::MarginalSmoothing.resolve(5, p.len());
                let teacher = TopK::of(&p, k).decode(codec, p.len()).unwrap();
                let adapted = arm.adapt(teacher.clone(), RegionKind::ALL[kind], Some(truth), epsilon).unwrap();
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
        let adapted = Adaptation::Full.adapt(teacher, RegionKind::Context, Some(7), 0.1).unwrap();
        assert!((adapted.probability(7) - 0.9).abs() < 1e-6);
        assert!((adapted.probability(0) - 0.1 / 9.0).abs() < 1e-6);
    }

    #[test]
    fn only_what_is_calibrated_needs_the_class() {
        for arm in [Adaptation::None, Adaptation::Full, Adaptation::DropOnly, Adaptation::CalibrateOnly] {
            for kind in RegionKind::ALL {
                let adapted = arm.adapt(SoftLabel::one_hot(0, 10), kind, None, 0.1);
                assert_eq!(adapted.is_err(), arm.calibrates(kind), "{arm:?} {kind:?}");
            }
        }
    }
}
