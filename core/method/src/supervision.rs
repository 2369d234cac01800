//! What students learn from: the arms that are compared.
//!
//! Source: hard, kd, funmatch and fkd are the baselines of FerKD (arXiv 2312.17473); the two arms that keep its effects
//! apart are ours.

use serde::{Deserialize, Serialize};

use crate::calibration::Adaptation;
use crate::selfmix::Mix;

/// What a student learns from (method, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Supervision {
    /// The ground truth.
    Hard,
    /// The ground truth and an online teacher.
    Kd,
    /// An online teacher alone, which sees exactly what the student sees.
    Funmatch,
    /// Stored labels, untouched.
    Fkd,
    /// Stored labels, mined and calibrated.
    Ferkd,
    /// FerKD, with regions of one image mixed.
    #[serde(rename = "ferkd+selfmix")]
    FerkdSelfmix,
    /// FerKD that removes regions, but calibrates none.
    FerkdDrop,
    /// FerKD that calibrates regions, but removes none.
    FerkdCalibrate,
}

impl Supervision {
    /// All supervisions.
    pub const ALL: [Self; 8] = [
        Self::Hard,
        Self::Kd,
        Self::Funmatch,
        Self::Fkd,
        Self::Ferkd,
        Self::FerkdSelfmix,
        Self::FerkdDrop,
        Self::FerkdCalibrate,
    ];

    /// Name in files, flags and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Kd => "kd",
            Self::Funmatch => "funmatch",
            Self::Fkd => "fkd",
            Self::Ferkd => "ferkd",
            Self::FerkdSelfmix => "ferkd+selfmix",
            Self::FerkdDrop => "ferkd-drop",
            Self::FerkdCalibrate => "ferkd-calibrate",
        }
    }

    /// Whether labels come from a store.
    pub fn needs_store(self) -> bool {
        !matches!(self, Self::Hard) && !self.needs_teacher()
    }

    /// Whether a teacher runs beside the student.
    pub fn needs_teacher(self) -> bool {
        matches!(self, Self::Kd | Self::Funmatch)
    }

    /// What is done with stored labels.
    pub fn adaptation(self) -> Adaptation {
        match self {
            Self::Ferkd | Self::FerkdSelfmix => Adaptation::Full,
            Self::FerkdDrop => Adaptation::DropOnly,
            Self::FerkdCalibrate => Adaptation::CalibrateOnly,
            _ => Adaptation::None,
        }
    }

    /// Which regions are mixed where nothing else is said.
    pub fn mix(self) -> Mix {
        match self {
            Self::FerkdSelfmix => Mix::Selfmix,
            Self::Funmatch => Mix::Mixup,
            _ => Mix::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_supervisions_are_those_of_the_file() {
        for supervision in Supervision::ALL {
            let written = serde_json::to_string(&supervision).unwrap();
            assert_eq!(written, format!("\"{}\"", supervision.name()));
        }
    }
}
