//! Weights to begin with: from a file or a run, for another input side, or with another head.

use std::path::Path;

use burn::tensor::Device;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use ferkd_data::classes::ClassSpace;
use ferkd_data::pixels::Normalisation;
use ferkd_method::error::{Error, Result};
use ferkd_nn::classifier::Classifier;
use ferkd_nn::model_card::{CARD, ModelCard};
use ferkd_nn::models::{Model, ModelSpec, resize_positions};
use ferkd_nn::preprocessing::Preprocessing;
use ferkd_nn::weights::StateDict;

/// A trained network, before it is fitted to what it is to learn.
#[derive(Debug, Clone)]
pub struct Pretrained {
    /// Its tensors.
    pub weights: StateDict,
    /// What it is.
    pub spec: ModelSpec,
    /// Side of its input, in pixels.
    pub side: u32,
    /// How bytes become numbers for it.
    pub normalisation: Normalisation,
    /// What it wants to see, and who says so.
    pub preprocessing: Preprocessing,
    /// How its weights were found in other people's file: sentences for a person.
    pub notes: Vec<String>,
    origin: String,
}

impl Pretrained {
    /// Reads a weights file, the best checkpoint of a run folder, or a shipped teacher by name.
    ///
    /// A file without a card is recognised by its names and shapes; its classes do not matter here.
    ///
    /// # Errors
    /// No such file, or weights not of a known network.
    pub fn read(from: &Path) -> Result<Self> {
        let origin = from.display().to_string();
        let mut weights = Classifier::weights(&origin)?;
        let notes = std::mem::take(&mut weights.notes);
        if !weights.metadata.contains_key(CARD) {
            let spec = weights.infer_spec(&origin)?;
            let (side, usual) = ModelCard::usual(&spec);
            let classes = ClassSpace::of_folders(&[]);
            let card = ModelCard { spec, side, normalisation: usual, classes };
            // What lies beside other people's weights knows how they were trained.
            let stated = Classifier::stated(&origin)?;
            let preprocessing = stated.iter().fold(card.preprocessing(false), Preprocessing::with_file);
            let normalisation = preprocessing.normalisation;
            return Ok(Self { weights, spec, side, normalisation, preprocessing, notes, origin });
        }
        let card = ModelCard::of(&weights, &origin)?;
        let preprocessing = card.preprocessing(true);
        let ModelCard { spec, side, normalisation, .. } = card;
        Ok(Self { weights, spec, side, normalisation, preprocessing, notes, origin })
    }

    /// What a student that begins with it takes from it besides weights, and who says so: sentences for a person.
    pub fn sentences(&self) -> Vec<String> {
        let seen = self.preprocessing.weights_sentence(&self.origin);
        self.notes.iter().cloned().chain([seen]).collect()
    }

    /// A checksum of its tensors and of how it sees, whatever file they lie in.
    pub fn checksum(&self) -> u64 {
        let seen = format!("{} {:?}", self.side, self.normalisation);
        self.weights.tensors.iter().fold(xxh3_64(seen.as_bytes()), |sum, (name, tensor)| {
            let bytes: Vec<u8> = tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let sum = xxh3_64_with_seed(format!("{name} {:?}", tensor.shape).as_bytes(), sum);
            xxh3_64_with_seed(&bytes, sum)
        })
    }

    /// The student `spec`, beginning with these weights.
    ///
    /// Positions of a vision transformer are resized to the student's side. With `reset_head` the last layer is
    /// drawn again from `seed`.
    ///
    /// # Errors
    /// Another architecture, or another number of classes without `reset_head`.
    pub fn fit(mut self, spec: &ModelSpec, reset_head: bool, seed: u64, device: &Device) -> Result<Model> {
        let model = spec.init(seed, device)?;
        let tensors = &mut self.weights.tensors;
        if let (Some(size), Some(positions)) = (spec.vit, tensors.get("pos_embed")) {
            let resized = resize_positions(positions, size.grid())?;
            tensors.insert("pos_embed".into(), resized);
        }
        let head = spec.arch.head();
        if reset_head {
            tensors.retain(|name, _| !name.starts_with(head));
            let fresh = StateDict::of(&model)?.tensors.into_iter();
            tensors.extend(fresh.filter(|(name, _)| name.starts_with(head)));
        } else if let Some(rows) = tensors.get(&format!("{head}weight")).and_then(|t| t.shape.first())
            && *rows != spec.classes
        {
            let problem = format!("it was trained on {rows} classes, and these are {}", spec.classes);
            return Err(Error::mismatch(self.origin, problem)
                .remedy("draw a new last layer with --reset-head, or use `ferkd transfer`"));
        }
        self.weights.load_into(model, &self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferkd_nn::models::{Arch, VitSize};
    use ferkd_nn::weights::Precision;

    fn spec(side: usize, classes: usize) -> ModelSpec {
        let size = VitSize { side, patch: 8, width: 16, depth: 2, heads: 2 };
        ModelSpec { vit: Some(size), ..ModelSpec::new(Arch::VitTi16, classes) }
    }

    fn file(folder: &Path) -> std::path::PathBuf {
        let spec = spec(16, 3);
        let mut dict = StateDict::of(&spec.init(1, &Device::flex()).unwrap()).unwrap();
        let classes = ClassSpace::of_folders(&["a", "b", "c"].map(String::from));
        ModelCard { spec, side: 16, normalisation: Normalisation::CLIP, classes }.put(&mut dict);
        let path = folder.join("w.safetensors");
        dict.write(&path, Precision::F32).unwrap();
        path
    }

    #[test]
    fn another_side_and_another_head_are_fitted() {
        let folder = tempfile::tempdir().unwrap();
        let from = Pretrained::read(&file(folder.path())).unwrap();
        assert_eq!((from.spec, from.side, from.normalisation), (spec(16, 3), 16, Normalisation::CLIP));
        let fitted = from.clone().fit(&spec(32, 5), true, 9, &Device::flex()).unwrap();
        let (before, after) = (&from.weights.tensors, StateDict::of(&fitted).unwrap().tensors);
        assert_eq!(after["blocks.1.mlp.fc2.weight"], before["blocks.1.mlp.fc2.weight"]);
        assert_eq!(after["pos_embed"], resize_positions(&before["pos_embed"], 4).unwrap());
        let drawn = StateDict::of(&spec(32, 5).init(9, &Device::flex()).unwrap()).unwrap().tensors;
        assert_eq!(after["head.weight"], drawn["head.weight"]);
    }

    #[test]
    fn a_head_is_never_replaced_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let from = Pretrained::read(&file(folder.path())).unwrap();
        let error = from.clone().fit(&spec(16, 5), false, 0, &Device::flex()).unwrap_err().to_string();
        assert!(error.contains("3 classes") && error.contains("--reset-head"), "{error}");
        // The same number of classes keeps the head, unless a new one is asked for.
        let kept =
            StateDict::of(&from.clone().fit(&spec(16, 3), false, 0, &Device::flex()).unwrap()).unwrap();
        assert_eq!(kept.tensors["head.weight"], from.weights.tensors["head.weight"]);
        let drawn =
            StateDict::of(&from.clone().fit(&spec(16, 3), true, 0, &Device::flex()).unwrap()).unwrap();
        assert_ne!(drawn.tensors["head.weight"], from.weights.tensors["head.weight"]);
    }
}
