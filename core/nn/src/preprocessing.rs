//! What a network wants to see, and who says so: a flag, a file beside the weights, the weights themselves, their
//! architecture, or nothing, in which case it is assumed and said.
//!
//! Shapes do not tell two trainings apart: DeiT's ViT-B/16 takes ImageNet's mean and standard deviation, timm's
//! `augreg` one of the same shapes 0.5 and 0.5, and the wrong ones cost some points of accuracy without a word.

use std::fmt;

use serde::Serialize;

use crate::config_file::{SIDES, Stated, check_crop, check_normalisation};
use crate::models::Arch;
use ferkd_data::batches::batch::InputSpec;
use ferkd_data::pixels::{CropMode, Filter, Normalisation};
pub use ferkd_data::store::InputSource as Source;
use ferkd_data::store::InputSources;
use ferkd_method::error::{Error, Result};

/// What a user says of a network and its input; what is left out is looked for elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct InputOverrides {
    /// The architecture, where shapes do not tell it: a transformer's heads.
    pub arch: Option<Arch>,
    /// Side in pixels.
    pub side: Option<u32>,
    /// How pictures are resized.
    pub filter: Option<Filter>,
    /// Mean of red, green and blue, in 0..=1.
    pub mean: Option<[f32; 3]>,
    /// Standard deviation of red, green and blue, in the same unit.
    pub std: Option<[f32; 3]>,
    /// Share of a picture's short side that the centre keeps in an evaluation, in 0..=1.
    pub crop: Option<f64>,
}

/// Who said it, for a person.
struct Said<'a>(&'a Source);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Flag => "as asked",
            Source::File(path) => path,
            Source::Weights => "the weights",
            Source::Architecture => "the architecture's",
            Source::Protocol => "the usual protocol",
            Source::Assumed => "assumed",
        })
    }
}

/// How a picture becomes what a network sees, and who says so.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preprocessing {
    /// Side in pixels.
    pub side: u32,
    /// How pictures are resized.
    pub filter: Filter,
    /// How bytes become numbers.
    pub normalisation: Normalisation,
    /// Share of a picture's short side that the centre keeps in an evaluation; the protocol's if left out.
    pub crop: Option<f64>,
    /// How a picture becomes a square for an evaluation.
    pub crop_mode: CropMode,
    /// Who says the side.
    pub side_from: Source,
    /// Who says the filter.
    pub filter_from: Source,
    /// Who says mean and standard deviation.
    pub normalisation_from: Source,
}

impl Preprocessing {
    /// Side and normalisation as said by `source`, the rest as the protocol has it.
    pub fn new(
        side: u32,
        side_from: Source,
        normalisation: Normalisation,
        normalisation_from: Source,
    ) -> Self {
        let (filter, filter_from) = (Filter::Bicubic, Source::Protocol);
        let (crop, crop_mode) = (None, CropMode::Center);
        Self { side, filter, normalisation, crop, crop_mode, side_from, filter_from, normalisation_from }
    }

    /// The same with what a file beside the weights says.
    #[must_use]
    pub fn with_file(mut self, stated: &Stated) -> Self {
        let source = || Source::File(stated.path.clone());
        if let Some(side) = stated.side {
            (self.side, self.side_from) = (side, source());
        }
        if let Some(filter) = stated.filter {
            (self.filter, self.filter_from) = (filter, source());
        }
        if let Some(normalisation) = stated.normalisation {
            (self.normalisation, self.normalisation_from) = (normalisation, source());
        }
        self.crop = stated.crop.or(self.crop);
        self.crop_mode = stated.crop_mode.unwrap_or(self.crop_mode);
        self
    }

    /// The same with what a user asks for.
    ///
    /// # Errors
    /// Numbers out of range, or one of mean and standard deviation where the other one would be assumed.
    pub fn with_overrides(mut self, asked: &InputOverrides) -> Result<Self> {
        if let Some(side) = asked.side {
            if !SIDES.contains(&side) {
                return Err(Error::usage("side", format!("invalid value {side}: expected 8 to 4096 pixels")));
            }
            (self.side, self.side_from) = (side, Source::Flag);
        }
        if let Some(filter) = asked.filter {
            (self.filter, self.filter_from) = (filter, Source::Flag);
        }
        if let Some(crop) = asked.crop {
            self.crop = Some(check_crop(crop).map_err(|problem| Error::usage("crop", problem))?);
        }
        if asked.mean.is_some() != asked.std.is_some() && self.normalisation_from == Source::Assumed {
            return Err(Error::usage("mean, std", "only one of them is given, and the other is not known")
                .remedy("give both"));
        }
        if asked.mean.is_some() || asked.std.is_some() {
            self.normalisation.mean = asked.mean.unwrap_or(self.normalisation.mean);
            self.normalisation.std = asked.std.unwrap_or(self.normalisation.std);
            self.normalisation_from = Source::Flag;
            check_normalisation(&self.normalisation).map_err(|problem| {
                Error::usage("mean, std", problem).remedy("give numbers for bytes in 0..=1")
            })?;
        }
        Ok(self)
    }

    /// Who said so, as a store keeps it.
    pub fn sources(&self) -> InputSources {
        InputSources {
            side: self.side_from.clone().without_folder(),
            filter: self.filter_from.clone().without_folder(),
            normalisation: self.normalisation_from.clone().without_folder(),
        }
    }

    /// What the network wants to see.
    pub fn input(&self) -> InputSpec {
        InputSpec { side: self.side, filter: self.filter, normalisation: self.normalisation }
    }

    /// Whether mean and standard deviation are a guess, which a user should know.
    pub fn is_assumed(&self) -> bool {
        self.normalisation_from == Source::Assumed
    }

    /// A sentence for a person: what is used of `name`, and who says so.
    pub fn sentence(&self, name: &str) -> String {
        let hint = match self.is_assumed() {
            true => {
                "; nothing beside the weights says mean and std: where they were trained with others (timm's augreg \
                     transformers: 0.5), give both"
            }
            false => "",
        };
        let shape = match self.crop_mode {
            CropMode::Center => "",
            CropMode::Squash => "; an evaluation squashes whole pictures into the square (crop_mode)",
            CropMode::Border => "; an evaluation puts a border around whole pictures (crop_mode)",
        };
        format!("{name} sees {self}{shape}{hint}")
    }

    /// A sentence for a person: what a student that begins with the weights `name` goes on seeing, and who says so.
    /// Side and filter are the student's own.
    pub fn weights_sentence(&self, name: &str) -> String {
        let hint = match self.is_assumed() {
            true => {
                "; nothing beside the weights says them: where they were trained with others (timm's augreg \
                     transformers: 0.5), put their config.json beside them"
            }
            false => "",
        };
        format!("the student begins with {name} and sees {}{hint}", self.colours())
    }

    /// Mean and standard deviation, and who says them.
    fn colours(&self) -> String {
        let three = |numbers: [f32; 3]| match numbers {
            [a, b, c] if a == b && b == c => format!("{a:.4}"),
            [a, b, c] => format!("{a:.4},{b:.4},{c:.4}"),
        };
        let Normalisation { mean, std } = self.normalisation;
        format!("mean {} and std {} ({})", three(mean), three(std), Said(&self.normalisation_from))
    }
}

impl fmt::Display for Preprocessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filter = match self.filter {
            Filter::Bilinear => "bilinear",
            Filter::Bicubic => "bicubic",
        };
        write!(
            f,
            "{0} x {0} pixels ({1}), {filter} ({2}), {3}",
            self.side,
            Said(&self.side_from),
            Said(&self.filter_from),
            self.colours(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assumed() -> Preprocessing {
        Preprocessing::new(224, Source::Architecture, Normalisation::IMAGENET, Source::Assumed)
    }

    #[test]
    fn a_flag_comes_before_a_file_and_a_file_before_what_is_assumed() {
        let half = Normalisation { mean: [0.5; 3], std: [0.5; 3] };
        let stated = Stated {
            path: "m/config.json".into(),
            side: Some(384),
            filter: Some(Filter::Bilinear),
            normalisation: Some(half),
            crop: Some(0.9),
            crop_mode: Some(CropMode::Squash),
        };
        let filed = assumed().with_file(&stated);
        assert_eq!((filed.side, filed.filter, filed.normalisation), (384, Filter::Bilinear, half));
        assert_eq!((filed.crop, filed.crop_mode), (Some(0.9), CropMode::Squash));
        assert!(filed.sentence("t").contains("squashes whole pictures"));
        assert_eq!(filed.sources().filter, Source::File("config.json".into()));
        let said = filed.weights_sentence("w");
        assert_eq!(said, "the student begins with w and sees mean 0.5000 and std 0.5000 (m/config.json)");
        assert!(assumed().weights_sentence("w").contains("(assumed); nothing beside the weights says them"));
        assert!(!filed.is_assumed() && filed.sentence("t").contains("0.5000 and std 0.5000 (m/config.json)"));
        let asked = InputOverrides { side: Some(96), mean: Some([0.1; 3]), ..InputOverrides::default() };
        let flagged = filed.with_overrides(&asked).unwrap();
        assert_eq!(
            (flagged.side, flagged.normalisation.mean, flagged.normalisation.std),
            (96, [0.1; 3], [0.5; 3])
        );
        assert_eq!(flagged.normalisation_from, Source::Flag);
    }

    #[test]
    fn what_nothing_says_is_said_to_be_assumed() {
        let sentence = assumed().sentence("vit");
        assert!(sentence.contains("(assumed)") && sentence.contains("give both"), "{sentence}");
        let one = InputOverrides { mean: Some([0.5; 3]), ..InputOverrides::default() };
        assert!(assumed().with_overrides(&one).unwrap_err().to_string().contains("give both"));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for asked in [
            InputOverrides { side: Some(0), ..InputOverrides::default() },
            InputOverrides { crop: Some(1.5), ..InputOverrides::default() },
            InputOverrides { crop: Some(f64::NAN), ..InputOverrides::default() },
            InputOverrides { mean: Some([123.7; 3]), std: Some([58.4; 3]), ..InputOverrides::default() },
            InputOverrides { mean: Some([0.5; 3]), std: Some([0.0, 0.5, 0.5]), ..InputOverrides::default() },
        ] {
            assert!(assumed().with_overrides(&asked).is_err(), "{asked:?}");
        }
    }
}
