//! An ONNX file of the reader's before it is used: what it and the files that came with it say, and what is left to be
//! asked.

use std::path::Path;
use std::sync::Arc;

use ferkd_data::classes::ClassSpace;
use ferkd_data::pixels::Normalisation;
use ferkd_method::{Error, Result};
use ferkd_nn::config_file::Stated;
use ferkd_nn::labels_file::classes_in;
use ferkd_nn::onnx_file::OnnxFile;
use ferkd_nn::preprocessing::{InputOverrides, Preprocessing, Source};

use crate::engine::{OnnxBytes, OnnxTeacher};

/// A file's path, or its name where that is all that is known, and its bytes.
type NamedFile = (String, Arc<[u8]>);

/// Side in pixels that is proposed where a file takes any.
const USUAL_SIDE: u32 = 224;

/// Bytes of a file with all that belongs to it, at the most: a page holds several copies while it is handed on.
const MOST_BYTES: usize = 400 << 20;

/// Endings of files that say something of a network beside it.
const SAYING: [&str; 3] = ["txt", "json", "toml"];

/// An ONNX file that waits to be used.
#[derive(Clone)]
pub struct OnnxForm {
    /// The file's name.
    pub name: String,
    /// What it sees, and who says so.
    pub preprocessing: Preprocessing,
    /// Side of its input in pixels, where it takes no other.
    pub side: Option<u32>,
    /// Number of its classes, where the file says that.
    pub outputs: Option<usize>,
    /// The classes that are named, and who names them.
    pub classes: Option<(ClassSpace, String)>,
    file: Arc<[u8]>,
    beside: Vec<NamedFile>,
    gives_probabilities: bool,
}

/// The last part of a path.
fn base(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}

fn has_ending(path: &str, endings: &[&str]) -> bool {
    let ending = Path::new(path).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    endings.iter().any(|one| one.eq_ignore_ascii_case(ending))
}

/// Whether a file is an ONNX file, by its name.
pub fn is_onnx(path: &str) -> bool {
    has_ending(path, &["onnx"])
}

/// Whether a file may say something of a network beside it, by its name.
pub fn says_something(path: &str) -> bool {
    has_ending(path, &SAYING)
}

/// Whether a file that lies beside a network says nothing of it; one that is damaged says something.
#[cfg(feature = "desktop")]
pub fn says_nothing(name: &str, bytes: &[u8]) -> bool {
    has_ending(name, &["json"])
        && matches!(Stated::parse(bytes, name), Ok(None))
        && matches!(classes_in(bytes, name), Ok(None))
}

impl OnnxForm {
    /// Reads the file `path`, and takes what belongs to it out of `others`: files with its weights, names of classes, what
    /// it sees.
    ///
    /// # Errors
    /// Bytes that are no ONNX file, files with weights that did not come along, more bytes than a page can hold, and those
    /// of [`take`](Self::take).
    pub fn read((path, file): NamedFile, others: &mut Vec<NamedFile>) -> Result<Self> {
        let name = base(&path).to_owned();
        let said = OnnxFile::of_bytes(Path::new(&name), &file)?;
        let mut beside = Vec::new();
        for location in &said.external {
            let found = others.iter().position(|(path, _)| base(path) == base(location));
            let found = found.ok_or_else(|| {
                Error::damaged(&*name, format!("its weights are in `{location}`, which did not come with it"))
                    .remedy("open both files together")
            })?;
            beside.push((location.clone(), others.swap_remove(found).1));
        }
        let bytes = beside.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() + file.len();
        if bytes > MOST_BYTES {
            return Err(Error::damaged(
                &*name,
                format!("invalid size of {bytes} bytes: expected {MOST_BYTES} at most"),
            )
            .remedy("label images with it by `ferkd label`, and open the label store"));
        }
        let card = said.card()?;
        let side = said.side();
        let mut preprocessing = match &card {
            Some(card) => card.preprocessing(true),
            None => {
                let from = if side.is_some() { Source::Weights } else { Source::Assumed };
                Preprocessing::new(side.unwrap_or(USUAL_SIDE), from, Normalisation::IMAGENET, Source::Assumed)
            }
        };
        if let Some(side) = side {
            (preprocessing.side, preprocessing.side_from) = (side, Source::Weights);
        }
        let mut form = Self {
            preprocessing,
            side,
            outputs: said.classes(),
            classes: card.map(|card| (card.classes, name.clone())),
            beside,
            gives_probabilities: said.last_operator.as_deref() == Some("Softmax"),
            name,
            file,
        };
        let (saying, rest) = std::mem::take(others).into_iter().partition(|(path, _)| says_something(path));
        *others = rest;
        form.take(saying)?;
        Ok(form)
    }

    /// Takes up files that say something of it: names of classes (a list as `--classes-file` takes it, or JSON), `mean`,
    /// `std`, `side` and `interpolation` (`config.json`, `preprocessor_config.json`, TOML as beside weights).
    ///
    /// # Errors
    /// A file that says nothing of a network, or what makes no sense.
    pub fn take(&mut self, files: Vec<NamedFile>) -> Result<()> {
        for (path, bytes) in files {
            let name = base(&path);
            if has_ending(name, &["toml"]) {
                let text = String::from_utf8_lossy(&bytes);
                self.see(&Stated::parse_toml(&text, name)?);
                continue;
            }
            let stated = match has_ending(name, &["json"]) {
                true => Stated::parse(&bytes, name)?,
                false => None,
            };
            let classes = classes_in(&bytes, name)?;
            if stated.is_none() && classes.is_none() {
                return Err(Error::damaged(name, "it names neither classes nor what a network sees").remedy(
                    "write a class a line into a text file, or a JSON list of names, in the order of the outputs",
                ));
            }
            if let Some(stated) = stated {
                self.see(&stated);
            }
            if let Some(classes) = classes {
                self.classes = Some((classes, name.to_owned()));
            }
        }
        Ok(())
    }

    fn see(&mut self, stated: &Stated) {
        let (side, from) = (self.side, self.preprocessing.side_from.clone());
        self.preprocessing = self.preprocessing.clone().with_file(stated);
        // What the file takes alone comes before what others say of it.
        if let Some(side) = side {
            (self.preprocessing.side, self.preprocessing.side_from) = (side, from);
        }
    }

    /// Sees what the reader says.
    ///
    /// # Errors
    /// Numbers that are not possible.
    pub fn set(&mut self, asked: &InputOverrides) -> Result<()> {
        let asked = InputOverrides { side: asked.side.filter(|_| self.side.is_none()), ..*asked };
        self.preprocessing = self.preprocessing.clone().with_overrides(&asked)?;
        Ok(())
    }

    /// What is wrong with it as it stands.
    pub fn problem(&self) -> Option<String> {
        let ((classes, from), outputs) = (self.classes.as_ref()?, self.outputs?);
        (classes.len() != outputs)
            .then(|| format!("{from} names {} classes, and the network has {outputs} outputs", classes.len()))
    }

    /// How its classes are called, for a person.
    pub fn naming(&self) -> String {
        let imagenet = 1000;
        match (&self.classes, self.outputs) {
            (Some((classes, from)), _) => format!("{} classes, named by {from}", classes.len()),
            (None, Some(count)) if count == imagenet => "1000 classes: ImageNet's".into(),
            (None, Some(count)) => format!("{count} classes without names: class 0 to class {}", count - 1),
            (None, None) => "As many as it turns out to have; 1000 are ImageNet's".into(),
        }
    }

    /// What the engine is asked.
    pub fn request(self) -> OnnxTeacher {
        let beside = self.beside.iter().map(|(name, bytes)| (name.clone(), bytes.to_vec())).collect();
        OnnxTeacher {
            bytes: OnnxBytes { name: self.name, file: self.file.to_vec(), beside },
            side: self.preprocessing.side,
            filter: self.preprocessing.filter,
            normalisation: self.preprocessing.normalisation,
            classes: self.classes.map(|(classes, _)| classes),
            gives_probabilities: self.gives_probabilities,
        }
    }
}

/// What tests of it share.
#[cfg(test)]
pub(crate) mod testing {
    use std::sync::Arc;

    use ferkd_data::protobuf::Message;

    /// `ValueInfoProto` of some sizes; any goes where one is 0.
    fn port(name: &str, sizes: &[i64]) -> Message {
        let dimensions: Vec<Message> = sizes.iter().map(|&size| Message::new().int(1, size)).collect();
        let tensor = Message::new().int(1, 1).message(2, &Message::new().messages(1, &dimensions));
        Message::new().bytes(1, name).message(2, &Message::new().message(1, &tensor))
    }

    /// A file that says what it takes and gives; nothing in it computes.
    pub(crate) fn file(side: i64, classes: i64) -> Arc<[u8]> {
        let node = Message::new().bytes(1, "x").bytes(2, "y").bytes(4, "Softmax");
        let graph = Message::new()
            .message(1, &node)
            .message(11, &port("x", &[0, 3, side, side]))
            .message(12, &port("y", &[0, classes]));
        Message::new().message(7, &graph).into_bytes().into()
    }
}
