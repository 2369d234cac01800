//! What a weights file says of its network, or what is concluded from one that says nothing.

use serde::{Deserialize, Serialize};

use crate::models::{Arch, ModelSpec};
use crate::preprocessing::{Preprocessing, Source};
use crate::weights::StateDict;
use ferkd_data::classes::ClassSpace;
use ferkd_data::pixels::Normalisation;
use ferkd_method::error::{Error, Result};

/// Key of a weights file's metadata that holds a [`ModelCard`].
pub const CARD: &str = "ferkd";

/// What a weights file says of its network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelCard {
    /// The network.
    pub spec: ModelSpec,
    /// Side of its input, in pixels.
    pub side: u32,
    /// How bytes become numbers for it.
    pub normalisation: Normalisation,
    /// Its classes, in output order.
    pub classes: ClassSpace,
}

impl ModelCard {
    /// Writes the card into a file's metadata.
    pub fn put(&self, dict: &mut StateDict) {
        // Plain data with text keys: serialising it cannot fail.
        dict.metadata.insert(CARD.into(), serde_json::to_string(self).unwrap_or_default());
    }

    /// Reads the card, or concludes one from a file without: torchvision's or EfficientNet-Lite's weights.
    ///
    /// # Errors
    /// A card that makes no sense, or weights without one whose classes are not ImageNet's.
    pub fn of(dict: &StateDict, origin: &str) -> Result<Self> {
        Self::with_classes(dict, origin, None, None)
    }

    /// The same, where `classes` are those of the outputs: of weights that do not name theirs, and instead of those
    /// that they name. `arch` is what a user says the network is.
    ///
    /// # Errors
    /// Those of [`of`](Self::of), another number of classes than there are outputs, or another network.
    pub fn with_classes(
        dict: &StateDict,
        origin: &str,
        classes: Option<&ClassSpace>,
        arch: Option<Arch>,
    ) -> Result<Self> {
        let card = Self::read(dict, origin, classes, arch)?;
        if let Some(arch) = arch.filter(|arch| *arch != card.spec.arch) {
            let problem = format!("it is a {}, and --arch says {arch}", card.spec.arch);
            return Err(Error::mismatch(origin, problem).remedy("leave --arch out"));
        }
        let classes = Self::name_outputs(card.spec.classes, Some(&card), classes, origin)?;
        Ok(Self { classes, ..card })
    }

    /// The classes of `outputs` outputs: those that a user names, those of the file's card, or ImageNet's.
    ///
    /// # Errors
    /// Another number of classes than there are outputs, or outputs that nothing names.
    pub(crate) fn name_outputs(
        outputs: usize,
        card: Option<&Self>,
        named: Option<&ClassSpace>,
        origin: &str,
    ) -> Result<ClassSpace> {
        let Some(classes) = named.or(card.map(|card| &card.classes)) else {
            return Self::imagenet_or_error(outputs, origin);
        };
        if classes.len() != outputs {
            let problem = format!("it has {outputs} outputs, and {} classes are named for it", classes.len());
            return Err(Error::mismatch(origin, problem)
                .remedy("name a class a line in --classes-file, in the order of the outputs"));
        }
        Ok(classes.clone())
    }

    /// The classes of a file that does not name them.
    fn imagenet_or_error(outputs: usize, origin: &str) -> Result<ClassSpace> {
        if outputs == 1000 {
            return Ok(ClassSpace::imagenet());
        }
        let problem = format!("{outputs} classes, and it does not say which");
        Err(Error::mismatch(origin, problem).remedy(
            "name them by --classes-file FILE, a line each in the order of the outputs, or use a file that `ferkd \
             train` or `ferkd export` wrote",
        ))
    }

    /// Reads a card as it is written in a file's metadata.
    ///
    /// # Errors
    /// Text that is no card, or one that contradicts itself; they name `origin`, the file.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        let card: Self = serde_json::from_str(text).map_err(|e| {
            Error::damaged(origin, format!("its metadata make no sense: {e}"))
                .remedy("copy or write the file again")
        })?;
        let sound = card.classes.len() == card.spec.classes
            && card.classes.names.len() == card.spec.classes
            && (8..=4096).contains(&card.side)
            && card.spec.vit.is_none_or(|size| size.side == card.side as usize);
        match sound {
            true => Ok(card),
            false => Err(Error::damaged(origin, "its metadata contradict each other")
                .remedy("copy or write the file again")),
        }
    }

    fn read(
        dict: &StateDict,
        origin: &str,
        classes: Option<&ClassSpace>,
        arch: Option<Arch>,
    ) -> Result<Self> {
        if let Some(text) = dict.metadata.get(CARD) {
            return Self::parse(text, origin);
        }
        let spec = dict.infer_spec_as(arch, origin)?;
        let (side, normalisation) = Self::usual(&spec);
        let classes = classes
            .map_or_else(|| Self::imagenet_or_error(spec.classes, origin), |named| Ok(named.clone()))?;
        Ok(Self { spec, side, normalisation, classes })
    }

    /// What the network wants to see, as far as its weights say it; `own` is whether the card is the file's own.
    pub fn preprocessing(&self, own: bool) -> Preprocessing {
        let side_from = if own || self.spec.vit.is_some() { Source::Weights } else { Source::Architecture };
        // EfficientNet-Lite and EVA's giant were published with one normalisation, all others with several.
        let normalisation_from = match own {
            true => Source::Weights,
            false if self.normalisation == Normalisation::IMAGENET => Source::Assumed,
            false => Source::Architecture,
        };
        Preprocessing::new(self.side, side_from, self.normalisation, normalisation_from)
    }

    /// Side in pixels and normalisation that published weights of a network go with.
    pub fn usual(spec: &ModelSpec) -> (u32, Normalisation) {
        let side = spec.vit.map_or(spec.arch.imagenet_side(), |size| size.side as u32);
        (side, spec.arch.imagenet_normalisation())
    }
}
