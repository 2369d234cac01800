//! What a reader says of a region: who is wrong about it.

use std::collections::BTreeMap;

use ferkd_method::mining::RegionKind;
use serde::{Deserialize, Serialize};

/// What the reader says of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The teacher is wrong.
    TeacherWrong,
    /// The image's class is wrong.
    ClassWrong,
    /// Both could be said.
    Ambiguous,
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Self; 3] = [Self::TeacherWrong, Self::ClassWrong, Self::Ambiguous];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::TeacherWrong => "teacher-wrong",
            Self::ClassWrong => "class-wrong",
            Self::Ambiguous => "ambiguous",
        }
    }

    /// Its name on a button.
    pub fn title(self) -> &'static str {
        match self {
            Self::TeacherWrong => "Teacher wrong",
            Self::ClassWrong => "Class wrong",
            Self::Ambiguous => "Ambiguous",
        }
    }
}

/// A line of the decisions' file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The image's name.
    pub image: String,
    /// Number of the region.
    pub region: u32,
    /// The image's class, by name.
    pub class: Option<String>,
    /// The teacher's top-1 prediction, by name.
    pub teacher: Option<String>,
    /// The teacher's probability of it.
    pub probability: Option<f32>,
    /// What the region was, under the settings of that moment.
    #[serde(default)]
    pub kind: Option<RegionKind>,
    /// Its confidence under the same settings, in 0..=1.
    #[serde(default)]
    pub confidence: Option<f32>,
    /// What the reader says.
    pub verdict: Verdict,
}

/// What was said of the regions of one data set, by image and region.
pub type Decisions = BTreeMap<(u64, u32), Decision>;
