//! A trained network with all that it takes to use it: classes, input side, filter and normalisation.

mod engine;
mod files;
#[cfg(test)]
mod tests;

use std::path::Path;
#[cfg(feature = "onnx")]
use std::sync::Arc;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::classifier::engine::Engine;
use crate::classifier::files::{is_onnx, named_beside, weights_in};
use crate::config_file::Stated;
use crate::device::read::read;
use crate::inference::Inference;
use crate::model_card::{CARD, ModelCard};
use crate::models::{Model, resize_positions};
#[cfg(feature = "onnx")]
use crate::onnx_model::OnnxModel;
#[cfg(feature = "onnx")]
use crate::preprocessing::Source;
use crate::preprocessing::{InputOverrides, Preprocessing};
use crate::weights::StateDict;
use ferkd_data::batches::batch::InputSpec;
use ferkd_data::classes::ClassSpace;
use ferkd_data::digest::sha256;
#[cfg(feature = "onnx")]
use ferkd_data::pixels::Normalisation;
use ferkd_data::store::Teacher;
use ferkd_method::error::{Error, Result};

/// A network ready for inference.
#[derive(Debug)]
pub struct Classifier {
    /// What it is called.
    pub name: String,
    /// SHA-256 of its weights file.
    pub sha256: String,
    /// The classes of its outputs, in their order.
    pub classes: ClassSpace,
    /// What it wants to see, and who says so.
    pub preprocessing: Preprocessing,
    /// How its weights were found in other people's file: sentences for a person.
    pub notes: Vec<String>,
    /// What computes its logits.
    engine: Engine,
    /// The outputs that are used, where not all of them are.
    outputs: Option<Tensor<1, Int>>,
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
    /// Loads a shipped teacher by name, a safetensors, PyTorch or ONNX file, a run folder (its best checkpoint), or a
    /// folder with `model.safetensors` or `pytorch_model.bin`, or the index of several such files.
    ///
    /// # Errors
    /// No such teacher or file, or weights that are not of a known network.
    pub fn load(what: &str, device: &Device) -> Result<Self> {
        Self::load_with(what, &InputOverrides::default(), None, device, "auto")
    }

    /// The same with what a user says of its input, and of the classes of its outputs, in their order
    /// ([`ModelCard::with_classes`]). What neither a user nor the weights say is read from
    /// `config.json` or `preprocessor_config.json` beside them, or from a file of the weights' name that ends in
    /// `.toml`. `provider` is the device's name, by which ONNX Runtime computes, where an ONNX file is named.
    ///
    /// # Errors
    /// As [`load`](Self::load); such a file that is damaged; an input that the network cannot take; another number of
    /// classes than there are outputs.
    pub fn load_with(
        what: &str,
        asked: &InputOverrides,
        classes: Option<&ClassSpace>,
        device: &Device,
        provider: &str,
    ) -> Result<Self> {
        if let Some((name, bytes)) = SHIPPED.iter().find(|(name, _)| *name == what) {
            let (dict, sha256) = (StateDict::from_bytes(bytes, name)?, sha256(bytes));
            return Self::load_dict(name, dict, sha256, asked, classes, None, device);
        }
        let path = Path::new(what);
        if !path.exists() {
            let names: Vec<&str> = SHIPPED.iter().map(|(name, _)| *name).collect();
            return Err(Error::usage(what, "neither a shipped teacher nor a file").remedy(format!(
                "name a safetensors, PyTorch or ONNX file, a run folder, or one of {}",
                names.join(", ")
            )));
        }
        let file = if path.is_dir() { weights_in(path)? } else { path.to_owned() };
        let name = path.file_name().map_or(what.into(), |n| n.to_string_lossy());
        let endings = [".safetensors", ".pth", ".pt", ".bin", ".onnx"];
        let name = endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
        if is_onnx(&file)? {
            return Self::load_onnx(name, &file, asked, classes, device, provider);
        }
        let (dict, sha256) = StateDict::read_hashed(&file)?;
        Self::load_dict(name, dict, sha256, asked, classes, Some(&file), device)
    }

    /// Opens the device `name` and loads a teacher for it: what ONNX Runtime computes needs no device of burn's but
    /// the CPU.
    ///
    /// # Errors
    /// A device that cannot be opened, and those of [`load_with`](Self::load_with).
    pub fn open(
        what: &str,
        asked: &InputOverrides,
        classes: Option<&ClassSpace>,
        name: &str,
    ) -> Result<(Self, Device)> {
        let path = Path::new(what);
        let onnx = !Self::is_shipped(what) && path.is_file() && is_onnx(path)?;
        let device = crate::device::open(if onnx { "flex" } else { name })?;
        Ok((Self::load_with(what, asked, classes, &device, name)?, device))
    }

    #[cfg(feature = "onnx")]
    fn load_onnx(
        name: &str,
        file: &Path,
        asked: &InputOverrides,
        classes: Option<&ClassSpace>,
        device: &Device,
        provider: &str,
    ) -> Result<Self> {
        if asked.arch.is_some() {
            return Err(
                Error::usage("arch", "an ONNX file says itself what it computes").remedy("leave --arch out")
            );
        }
        let model = OnnxModel::load(file, provider.parse()?)?;
        let card = model.card();
        let mut notes = model.notes();
        let named = match classes.is_none() && card.is_none() {
            true => named_beside(file, model.outputs(), &mut notes)?,
            false => None,
        };
        let (origin, named) = (file.display().to_string(), classes.or(named.as_ref()));
        let classes = ModelCard::name_outputs(model.outputs(), card, named, &origin)?;
        let preprocessing = match card {
            Some(card) => card.preprocessing(true),
            None => {
                let (side, from) = match model.side() {
                    Some(side) => (side, Source::Weights),
                    None => (224, Source::Assumed),
                };
                let said = Preprocessing::new(side, from, Normalisation::IMAGENET, Source::Assumed);
                Stated::beside(file)?.iter().fold(said, Preprocessing::with_file)
            }
        };
        let preprocessing = preprocessing.with_overrides(asked)?;
        model.check_side(&preprocessing)?;
        Ok(Self {
            name: name.to_owned(),
            sha256: model.sha256().to_owned(),
            classes,
            notes,
            preprocessing,
            engine: Engine::Onnx(Arc::new(model), device.clone().inner()),
            outputs: None,
        })
    }

    #[cfg(not(feature = "onnx"))]
    fn load_onnx(
        _: &str,
        file: &Path,
        _: &InputOverrides,
        _: Option<&ClassSpace>,
        _: &Device,
        _: &str,
    ) -> Result<Self> {
        Err(Error::damaged(file, "it is an ONNX file, and this program was built without ONNX Runtime").remedy(
            "build it with `--features onnx`, or save the network's weights by torch.save(model.state_dict(), FILE)",
        ))
    }

    /// Loads weights from memory.
    pub fn from_bytes(name: &str, bytes: &[u8], device: &Device) -> Result<Self> {
        let (dict, asked) = (StateDict::from_bytes(bytes, name)?, InputOverrides::default());
        Self::load_dict(name, dict, sha256(bytes), &asked, None, None, device)
    }

    /// What files beside the weights say of their input, of what [`load`](Self::load) would load; the last comes first.
    ///
    /// # Errors
    /// A folder without weights, or a file that is damaged.
    pub fn stated(what: &str) -> Result<Vec<Stated>> {
        let path = Path::new(what);
        match (Self::is_shipped(what), path.is_dir()) {
            (true, _) => Ok(Vec::new()),
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

    /// Takes weights up, of `file` where there is one: what lies beside it is looked at.
    fn load_dict(
        name: &str,
        dict: StateDict,
        sha256: String,
        asked: &InputOverrides,
        classes: Option<&ClassSpace>,
        file: Option<&Path>,
        device: &Device,
    ) -> Result<Self> {
        let origin = file.map_or(name.to_owned(), |file| file.display().to_string());
        let origin = origin.as_str();
        let mut dict = dict.trained();
        // What says itself what it is needs no file: one beside it is another network's.
        let named = match file.filter(|_| classes.is_none() && !dict.metadata.contains_key(CARD)) {
            Some(file) => {
                named_beside(file, dict.infer_spec_as(asked.arch, origin)?.classes, &mut dict.notes)?
            }
            None => None,
        };
        let mut card = ModelCard::with_classes(&dict, origin, classes.or(named.as_ref()), asked.arch)?;
        let mut preprocessing = card.preprocessing(dict.metadata.contains_key(CARD));
        let stated = match file.filter(|_| !dict.metadata.contains_key(CARD)) {
            Some(file) => Stated::beside(file)?,
            None => Vec::new(),
        };
        if let (Some(size), None) = (card.spec.vit, asked.side)
            && let Some((stated, side)) = stated.iter().rev().find_map(|stated| Some((stated, stated.side?)))
            && size.side != side as usize
        {
            let problem = format!("it says {side} pixels, and {origin} has positions for {}", size.side);
            return Err(Error::mismatch(&*stated.path, problem)
                .remedy("is it of these weights? take it away, or say the side by --side"));
        }
        preprocessing = stated.iter().fold(preprocessing, Preprocessing::with_file);
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
        let device = device.clone().inner();
        let model = dict.load_into(card.spec.init(0, &device)?, origin)?.valid();
        Ok(Self {
            name: name.to_owned(),
            sha256,
            classes: card.classes,
            preprocessing,
            notes: std::mem::take(&mut dict.notes),
            engine: Engine::network(card.spec, model, &device)?,
            outputs: None,
        })
    }

    /// The same on another device.
    ///
    /// # Errors
    /// Weights that are not finite.
    pub fn on(&self, device: &Device) -> Result<Self> {
        let device = device.clone().inner();
        Ok(Self {
            name: self.name.clone(),
            sha256: self.sha256.clone(),
            classes: self.classes.clone(),
            preprocessing: self.preprocessing.clone(),
            notes: self.notes.clone(),
            engine: self.engine.on(&device, &self.name)?,
            outputs: self.outputs.clone().map(|outputs| outputs.to_device(&device)),
        })
    }

    /// The network, on a device without gradients; none where ONNX Runtime computes.
    pub fn model(&self) -> Option<&Model> {
        self.engine.own().map(|network| &network.model)
    }

    /// What it says of itself, in a file of ours; none where ONNX Runtime computes.
    pub fn card(&self) -> Option<ModelCard> {
        self.engine.own().map(|network| ModelCard {
            spec: network.spec,
            side: self.preprocessing.side,
            normalisation: self.preprocessing.normalisation,
            classes: self.classes.clone(),
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
        let same = outputs.iter().copied().eq(0..self.classes.len() as u32);
        if !same {
            self.classes = self.classes.subset(&outputs);
            let list: Vec<i32> = outputs.iter().map(|&c| c as i32).collect();
            let count = list.len();
            let device = self.engine.device();
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
    ///
    /// # Errors
    /// What ONNX Runtime could not compute.
    pub fn forward(&self, images: Tensor<4>) -> Result<Tensor<2>> {
        let logits = self.engine.forward(images)?;
        Ok(match &self.outputs {
            Some(outputs) => logits.select(1, outputs.clone()),
            None => logits,
        })
    }

    /// Logits on the host, row by row, for planar pictures of shape (N, 3, side, side).
    pub fn logits(&self, pixels: Vec<f32>, side: u32, device: &Device) -> Result<Vec<f32>> {
        let side = side as usize;
        let count = pixels.len() / (3 * side * side);
        let images =
            Tensor::<4>::from_data(TensorData::new(pixels, [count, 3, side, side]), &device.clone().inner());
        read(self.forward(images)?)
    }
}

/// Something that gives logits and knows its classes.
pub trait Scores {
    /// Logits of shape (N, C) for images of shape (N, 3, side, side).
    ///
    /// # Errors
    /// What could not be computed.
    fn scores(&self, images: Tensor<4>) -> Result<Tensor<2>>;
    /// The classes, in output order.
    fn classes(&self) -> &ClassSpace;
}

impl Scores for (&Inference, &ClassSpace) {
    fn scores(&self, images: Tensor<4>) -> Result<Tensor<2>> {
        Ok(self.0.forward(images))
    }

    fn classes(&self) -> &ClassSpace {
        self.1
    }
}

impl Scores for Classifier {
    fn scores(&self, images: Tensor<4>) -> Result<Tensor<2>> {
        self.forward(images)
    }

    fn classes(&self) -> &ClassSpace {
        &self.classes
    }
}
