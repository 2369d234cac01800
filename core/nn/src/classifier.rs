//! A trained network with all that it takes to use it: classes, input side, filter and normalisation.

#[cfg(test)]
mod tests;

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::config_file::Stated;
use crate::device::read::read;
use crate::inference::Inference;
use crate::model_card::{CARD, ModelCard};
use crate::models::{Model, resize_positions};
use crate::preprocessing::{InputOverrides, Preprocessing};
use crate::weights::StateDict;
use ferkd_data::batches::batch::InputSpec;
use ferkd_data::classes::ClassSpace;
use ferkd_data::store::Teacher;
use ferkd_method::error::{Error, IoContext, Result};

/// A network ready for inference.
#[derive(Debug)]
pub struct Classifier {
    /// What it is called.
    pub name: String,
    /// SHA-256 of its weights file.
    pub sha256: String,
    /// What it is.
    pub card: ModelCard,
    /// What it wants to see, and who says so.
    pub preprocessing: Preprocessing,
    /// How its weights were found in other people's file: sentences for a person.
    pub notes: Vec<String>,
    /// The network, on a device without gradients.
    pub model: Model,
    /// The outputs that are used, where not all of them are.
    outputs: Option<Tensor<1, Int>>,
    /// The network once more, as its device computes it fastest.
    inference: Inference,
}

/// The teachers that ship with the program: name and weights file.
#[cfg(feature = "shipped")]
const SHIPPED: &[(&str, &[u8])] = &[
    (
        "efficientnet-lite0",
        include_bytes!("../../../assets/teachers/efficientnet-lite0/weights-f16.safetensors"),
    ),
    ("digits", include_bytes!("../../../assets/teachers/digits/weights-f16.safetensors")),
];
#[cfg(not(feature = "shipped"))]
const SHIPPED: &[(&str, &[u8])] = &[];

impl Classifier {
    /// Loads a shipped teacher by name, a safetensors or PyTorch file, a run folder (its best checkpoint), or a folder
    /// with `model.safetensors` or `pytorch_model.bin`.
    ///
    /// # Errors
    /// No such teacher or file, or weights that are not of a known network.
    pub fn load(what: &str, device: &Device) -> Result<Self> {
        Self::load_with(what, &InputOverrides::default(), None, device)
    }

    /// The same with what a user says of its input, and of the classes of its outputs, in their order
    /// ([`ModelCard::with_classes`]). What neither a user nor the weights say is read from
    /// `config.json` or `preprocessor_config.json` beside them.
    ///
    /// # Errors
    /// As [`load`](Self::load); such a file that is damaged; an input that the network cannot take; another number of
    /// classes than there are outputs.
    pub fn load_with(
        what: &str,
        asked: &InputOverrides,
        classes: Option<&ClassSpace>,
        device: &Device,
    ) -> Result<Self> {
        if let Some((name, bytes)) = SHIPPED.iter().find(|(name, _)| *name == what) {
            return Self::load_bytes(name, bytes, name, asked, classes, None, device);
        }
        let path = Path::new(what);
        if !path.exists() {
            let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
            return Err(Error::usage(what, "neither a shipped teacher nor a file").remedy(format!(
                "name a safetensors or PyTorch file, a run folder, or one of {}",
                names.join(", ")
            )));
        }
        let file = if path.is_dir() { weights_in(path)? } else { path.to_owned() };
        let name = path.file_name().map_or(what.into(), |n| n.to_string_lossy());
        let endings = [".safetensors", ".pth", ".pt", ".bin"];
        let name = endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
        let bytes = std::fs::read(&file).at(&file)?;
        Self::load_bytes(name, &bytes, &file.display().to_string(), asked, classes, Some(&file), device)
    }

    /// Loads weights from memory.
    pub fn from_bytes(name: &str, bytes: &[u8], device: &Device) -> Result<Self> {
        Self::load_bytes(name, bytes, name, &InputOverrides::default(), None, None, device)
    }

    /// What a file beside the weights says of their input, of what [`load`](Self::load) would load.
    ///
    /// # Errors
    /// A folder without weights, or a file that is damaged.
    pub fn stated(what: &str) -> Result<Option<Stated>> {
        let path = Path::new(what);
        match (Self::is_shipped(what), path.is_dir()) {
            (true, _) => Ok(None),
            (false, true) => Stated::beside(&weights_in(path)?),
            (false, false) => Stated::beside(path),
        }
    }

    /// The tensors alone of what [`load`](Self::load) would load.
    ///
    /// # Errors
    /// No such teacher or file.
    pub fn weights(what: &str) -> Result<StateDict> {
        if let Some((name, bytes)) = SHIPPED.iter().find(|(name, _)| *name == what) {
            return Ok(StateDict::from_bytes(bytes, name)?.trained());
        }
        let path = Path::new(what);
        let file = if path.is_dir() { weights_in(path)? } else { path.to_owned() };
        Ok(StateDict::read(&file)?.trained())
    }

    /// Loads the bytes of the weights file `origin`; what lies beside `file` is looked at where there is one.
    fn load_bytes(
        name: &str,
        bytes: &[u8],
        origin: &str,
        asked: &InputOverrides,
        classes: Option<&ClassSpace>,
        file: Option<&Path>,
        device: &Device,
    ) -> Result<Self> {
        let mut dict = StateDict::from_bytes(bytes, origin)?.trained();
        let mut card = ModelCard::with_classes(&dict, origin, classes)?;
        let mut preprocessing = card.preprocessing(dict.metadata.contains_key(CARD));
        // What says itself what it wants needs no file: one beside it is another network's.
        if let Some(file) = file
            && !dict.metadata.contains_key(CARD)
            && let Some(stated) = Stated::beside(file)?
        {
            if let (Some(size), Some(side)) = (card.spec.vit, stated.side)
                && size.side != side as usize
                && asked.side.is_none()
            {
                let problem = format!("it says {side} pixels, and {origin} has positions for {}", size.side);
                return Err(Error::mismatch(stated.path, problem)
                    .remedy("is it of these weights? take it away, or say the side by --side"));
            }
            preprocessing = preprocessing.with_file(&stated);
        }
        let preprocessing = preprocessing.with_overrides(asked)?;
        if let Some(size) = &mut card.spec.vit
            && size.side != preprocessing.side as usize
            && let Some(positions) = dict.tensors.get("pos_embed")
        {
            size.side = preprocessing.side as usize;
            size.check()?;
            let resized = resize_positions(positions, size.grid())?;
            dict.tensors.insert("pos_embed".into(), resized);
        }
        (card.side, card.normalisation) = (preprocessing.side, preprocessing.normalisation);
        let device = device.clone().inner();
        let model = dict.load_into(card.spec.init(0, &device)?, origin)?.valid();
        Ok(Self {
            name: name.to_owned(),
            sha256: ferkd_data::digest::sha256(bytes),
            card,
            preprocessing,
            notes: std::mem::take(&mut dict.notes),
            inference: Inference::of(model.clone(), &device)?,
            model,
            outputs: None,
        })
    }

    /// The same on another device.
    ///
    /// # Errors
    /// Weights that are not finite.
    pub fn on(&self, device: &Device) -> Result<Self> {
        let device = device.clone().inner();
        let fresh = self.card.spec.init(0, &device)?;
        let model = StateDict::of(&self.model)?.load_into(fresh, &self.name)?.valid();
        Ok(Self {
            name: self.name.clone(),
            sha256: self.sha256.clone(),
            card: self.card.clone(),
            preprocessing: self.preprocessing.clone(),
            notes: self.notes.clone(),
            inference: Inference::of(model.clone(), &device)?,
            model,
            outputs: self.outputs.clone().map(|outputs| outputs.to_device(&device)),
        })
    }

    /// Whether `what` names a teacher that ships with the program.
    pub fn is_shipped(what: &str) -> bool {
        SHIPPED.iter().any(|(name, _)| *name == what)
    }

    /// Uses the outputs of the classes in `used` alone, in ascending order, and renumbers `used` by them.
    ///
    /// # Errors
    /// A class that is used twice.
    pub fn restrict(&mut self, used: &mut [u32]) -> Result<()> {
        let mut outputs = used.to_vec();
        outputs.sort_unstable();
        outputs.dedup();
        if outputs.len() < used.len() {
            return Err(
                Error::mismatch("class folders", "two of them are the same class").remedy("merge them")
            );
        }
        for class in used {
            *class = outputs.binary_search(class).unwrap_or_default() as u32;
        }
        let same = outputs.iter().copied().eq(0..self.card.classes.len() as u32);
        if !same {
            self.card.classes = self.card.classes.subset(&outputs);
            let list: Vec<i32> = outputs.iter().map(|&c| c as i32).collect();
            let count = list.len();
            let device = self.model.devices().into_iter().next().unwrap_or_default();
            self.outputs = Some(Tensor::from_data(TensorData::new(list, [count]), &device));
        }
        Ok(())
    }

    /// What it sees as a teacher, who says so, and how its weights were found: sentences for a person.
    pub fn sentences(&self) -> Vec<String> {
        let seen = self.preprocessing.sentence(&format!("the teacher {}", self.name));
        self.notes.iter().cloned().chain([seen]).collect()
    }

    /// What the network wants to see when it labels regions.
    pub fn input_spec(&self) -> InputSpec {
        self.preprocessing.input()
    }

    /// How a store remembers it.
    pub fn info(&self) -> Teacher {
        let InputSpec { side, filter, normalisation } = self.input_spec();
        let (sha256, sources) = (Some(self.sha256.clone()), Some(self.preprocessing.sources()));
        Teacher { name: self.name.clone(), sha256, side, filter, normalisation, sources }
    }

    /// Logits of shape (N, C) for images of shape (N, 3, side, side).
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let logits = self.inference.forward(images);
        match &self.outputs {
            Some(outputs) => logits.select(1, outputs.clone()),
            None => logits,
        }
    }

    /// Logits on the host, row by row, for planar pictures of shape (N, 3, side, side).
    pub fn logits(&self, pixels: Vec<f32>, side: u32, device: &Device) -> Result<Vec<f32>> {
        let side = side as usize;
        let count = pixels.len() / (3 * side * side);
        let images =
            Tensor::<4>::from_data(TensorData::new(pixels, [count, 3, side, side]), &device.clone().inner());
        read(self.forward(images))
    }
}

/// Something that gives logits and knows its classes.
pub trait Scores {
    /// Logits of shape (N, C) for images of shape (N, 3, side, side).
    fn scores(&self, images: Tensor<4>) -> Tensor<2>;
    /// The classes, in output order.
    fn classes(&self) -> &ClassSpace;
}

impl Scores for (&Inference, &ClassSpace) {
    fn scores(&self, images: Tensor<4>) -> Tensor<2> {
        self.0.forward(images)
    }

    fn classes(&self) -> &ClassSpace {
        self.1
    }
}

impl Scores for Classifier {
    fn scores(&self, images: Tensor<4>) -> Tensor<2> {
        self.forward(images)
    }

    fn classes(&self) -> &ClassSpace {
        &self.card.classes
    }
}

/// The weights in a folder: a run's best checkpoint, else its last, else a model's as the Hugging Face hub has it.
fn weights_in(folder: &Path) -> Result<std::path::PathBuf> {
    let names = [
        "checkpoints/best.safetensors",
        "checkpoints/last.safetensors",
        "model.safetensors",
        "pytorch_model.bin",
    ];
    names.iter().map(|name| folder.join(name)).find(|file| file.exists()).ok_or_else(|| {
        Error::damaged(folder, "it holds no checkpoint")
            .remedy("name a run folder of `ferkd train`, or a safetensors file")
    })
}
