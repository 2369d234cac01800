//! What an ONNX file says of itself, read without ONNX Runtime.
//!
//! Source: <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use crate::model_card::{CARD, ModelCard};
use ferkd_data::protobuf::{Value, fields};
use ferkd_method::error::{Error, IoContext, Result};

/// What is read of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnnxFile {
    path: PathBuf,
    /// `metadata_props`.
    pub metadata: BTreeMap<String, String>,
    /// Names of files with weights, beside it.
    pub external: BTreeSet<String>,
    /// What computes its first output, such as `Gemm`.
    pub last_operator: Option<String>,
    /// Sizes of its first input that is no weight; `None` where any goes.
    pub input: Vec<Option<u64>>,
    /// Sizes of its first output.
    pub output: Vec<Option<u64>>,
}

impl OnnxFile {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read, or is no model.
    pub fn read(path: &Path) -> Result<Self> {
        Self::of_bytes(path, &std::fs::read(path).at(path)?)
    }

    /// Reads the bytes of a file; `path` is what it is called.
    ///
    /// # Errors
    /// Bytes that are no model.
    pub fn of_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let parsed = Self::parse(bytes).map_err(|problem| {
            Error::damaged(path, format!("not an ONNX file: {problem}")).remedy("export or copy it again")
        })?;
        Ok(Self { path: path.to_owned(), ..parsed })
    }

    /// Side of its input in pixels, where that is fixed and square.
    pub fn side(&self) -> Option<u32> {
        match self.input[..] {
            [_, _, Some(height), Some(width)] if height == width => u32::try_from(height).ok(),
            _ => None,
        }
    }

    /// Number of classes, where it says that.
    pub fn classes(&self) -> Option<usize> {
        match self.output[..] {
            [_, Some(classes)] => usize::try_from(classes).ok(),
            _ => None,
        }
    }

    /// What the file says in the words of `ferkd export`, if that wrote it.
    ///
    /// # Errors
    /// A card that makes no sense.
    pub fn card(&self) -> Result<Option<ModelCard>> {
        let origin = self.path.display().to_string();
        self.metadata.get(CARD).map(|text| ModelCard::parse(text, &origin)).transpose()
    }

    /// The file and those with its weights, which lie beside it.
    ///
    /// # Errors
    /// A file with weights that is not there, or would lie elsewhere.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = vec![self.path.clone()];
        for name in &self.external {
            let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
            let beside = self.path.with_file_name(name);
            if !inside || !beside.is_file() {
                let problem = format!("its weights are in `{name}`, which is not there");
                return Err(
                    Error::damaged(&self.path, problem).remedy("put that file beside it, as it was exported")
                );
            }
            files.push(beside);
        }
        Ok(files)
    }

    /// Reads the bytes of a file; the error is the problem.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (mut found, mut has_graph) = (Self::default(), false);
        for (number, value) in fields(bytes)? {
            match (number, value) {
                (7, Value::Bytes(graph)) => {
                    found.graph(graph)?;
                    has_graph = true;
                }
                (14, Value::Bytes(entry)) => {
                    let (key, value) = entry_of(entry)?;
                    found.metadata.insert(key, value);
                }
                _ => {}
            }
        }
        if has_graph { Ok(found) } else { Err("it has no graph".into()) }
    }

    fn graph(&mut self, bytes: &[u8]) -> Result<(), String> {
        let mut producers = BTreeMap::new();
        let mut first_output = None;
        // Before IR version 4 weights had to be named among the inputs.
        let (mut inputs, mut weights) = (Vec::new(), BTreeSet::new());
        for (number, value) in fields(bytes)? {
            match (number, value) {
                (1, Value::Bytes(node)) => {
                    let node = fields(node)?;
                    let operator = node.iter().find_map(|field| text(field, 4)).unwrap_or_default();
                    for output in node.iter().filter_map(|field| text(field, 2)) {
                        producers.insert(output, operator.clone());
                    }
                    // Constants that are nodes: attributes with a tensor.
                    for (_, attribute) in messages(&node, 5) {
                        for (_, tensor) in messages(&fields(attribute)?, 5) {
                            self.tensor(tensor)?;
                        }
                    }
                }
                (5, Value::Bytes(tensor)) => {
                    weights.extend(fields(tensor)?.iter().find_map(|field| text(field, 8)));
                    self.tensor(tensor)?;
                }
                (11, Value::Bytes(input)) => inputs.push(port(input)?),
                (12, Value::Bytes(output)) if first_output.is_none() => {
                    let (name, shape) = port(output)?;
                    (first_output, self.output) = (Some(name), shape);
                }
                _ => {}
            }
        }
        let input = inputs.into_iter().find(|(name, _)| !weights.contains(name));
        self.input = input.map(|(_, shape)| shape).unwrap_or_default();
        self.last_operator = first_output.and_then(|output| producers.remove(&output));
        Ok(())
    }

    /// Takes note of where a tensor's numbers are.
    fn tensor(&mut self, bytes: &[u8]) -> Result<(), String> {
        for (_, entry) in messages(&fields(bytes)?, 13) {
            let (key, value) = entry_of(entry)?;
            if key == "location" {
                self.external.insert(value);
            }
        }
        Ok(())
    }
}

/// `ValueInfoProto`: a name, and the shape where it is a tensor that says one.
fn port(bytes: &[u8]) -> Result<(String, Vec<Option<u64>>), String> {
    let port = fields(bytes)?;
    let name = port.iter().find_map(|field| text(field, 1)).unwrap_or_default();
    // TypeProto's tensor_type, its shape, and the dimensions of that.
    let mut at = messages(&port, 2);
    for number in [1, 2, 1] {
        let mut below = Vec::new();
        for (_, message) in at {
            below.extend(messages(&fields(message)?, number));
        }
        at = below;
    }
    let size = |(_, dimension): (u32, &[u8])| {
        let value = fields(dimension)?.iter().find_map(|&(number, value)| match value {
            Value::Int(size) if number == 1 => Some(size),
            _ => None,
        });
        Ok(value.filter(|&size| size > 0 && size <= i64::MAX.cast_unsigned()))
    };
    Ok((name, at.into_iter().map(size).collect::<Result<_, String>>()?))
}

/// The messages of one field.
fn messages<'a>(fields: &[(u32, Value<'a>)], number: u32) -> Vec<(u32, &'a [u8])> {
    let message = |field: &(u32, Value<'a>)| match *field {
        (found, Value::Bytes(bytes)) if found == number => Some((found, bytes)),
        _ => None,
    };
    fields.iter().filter_map(message).collect()
}

/// `StringStringEntryProto`.
fn entry_of(bytes: &[u8]) -> Result<(String, String), String> {
    let entry = fields(bytes)?;
    let part = |number| entry.iter().find_map(|field| text(field, number)).unwrap_or_default();
    Ok((part(1), part(2)))
}

fn text(field: &(u32, Value<'_>), number: u32) -> Option<String> {
    match *field {
        (found, Value::Bytes(bytes)) if found == number => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferkd_data::protobuf::Message;

    #[test]
    fn weights_beside_a_file_and_its_last_operator_are_found() {
        let entry = |key: &str, value: &str| Message::new().bytes(1, key).bytes(2, value);
        let tensor = |file: &str| {
            let location = entry("location", file);
            Message::new().bytes(8, "w").message(13, &location).message(13, &entry("offset", "0")).int(14, 1)
        };
        let constant = Message::new().bytes(1, "value").message(5, &tensor("b.data"));
        let nodes = [
            Message::new().bytes(2, "w").bytes(4, "Constant").message(5, &constant),
            Message::new().bytes(1, "w").bytes(2, "y").bytes(4, "Softmax"),
        ];
        let graph = Message::new()
            .messages(1, &nodes)
            .message(5, &tensor("a.data"))
            .message(12, &Message::new().bytes(1, "y"))
            .message(12, &Message::new().bytes(1, "w"));
        let file = Message::new().int(1, 8).message(7, &graph).message(14, &entry("ferkd", "{}"));
        let found = OnnxFile::parse(&file.clone().into_bytes()).unwrap();
        assert_eq!(found.external, ["a.data", "b.data"].map(String::from).into());
        assert_eq!(found.last_operator.as_deref(), Some("Softmax"));
        assert_eq!(found.metadata["ferkd"], "{}");
        assert!(OnnxFile::parse(&file.into_bytes()[..20]).is_err());
        let error = OnnxFile::parse(b"\x08\x08\x12\x07pytorch").unwrap_err();
        assert_eq!(error, "it has no graph");
    }

    #[test]
    fn what_it_takes_and_gives_is_read() {
        let port = |name: &str, sizes: &[Option<i64>]| {
            let size = |size: &Option<i64>| match size {
                Some(size) => Message::new().int(1, *size),
                None => Message::new().bytes(2, "batch"),
            };
            let sizes: Vec<Message> = sizes.iter().map(size).collect();
            let tensor = Message::new().int(1, 1).message(2, &Message::new().messages(1, &sizes));
            Message::new().bytes(1, name).message(2, &Message::new().message(1, &tensor))
        };
        let read = |inputs: &[Message], output: &Message| {
            let graph = Message::new()
                .message(5, &Message::new().bytes(8, "w"))
                .messages(11, inputs)
                .message(12, output)
                .message(12, &port("other", &[Some(1)]));
            OnnxFile::parse(&Message::new().message(7, &graph).into_bytes()).unwrap()
        };
        // A weight that stands among the inputs is none of them.
        let inputs = [port("w", &[Some(7)]), port("x", &[None, Some(3), Some(96), Some(96)])];
        let found = read(&inputs, &port("y", &[None, Some(10)]));
        assert_eq!((found.side(), found.classes()), (Some(96), Some(10)));
        assert_eq!(found.input, [None, Some(3), Some(96), Some(96)]);
        for sizes in
            [&[None, Some(3), None, None][..], &[None, Some(3), Some(96), Some(64)], &[Some(-1)], &[]]
        {
            let found = read(&[port("x", sizes)], &port("y", &[None, None]));
            assert_eq!((found.side(), found.classes()), (None, None), "{sizes:?}");
        }
        let nothing = Message::new().bytes(1, "y");
        assert_eq!(read(&[], &nothing), read(&[port("x", &[])], &nothing));
    }

    #[test]
    fn a_card_that_contradicts_itself_and_weights_that_lie_elsewhere_are_named() {
        use crate::models::{Arch, ModelSpec};
        use ferkd_data::classes::ClassSpace;
        use ferkd_data::pixels::Normalisation;
        let at = tempfile::tempdir().unwrap();
        let path = at.path().join("m.onnx");
        let read = |graph: &Message, card: &str| {
            let entry = Message::new().bytes(1, CARD).bytes(2, card);
            std::fs::write(&path, Message::new().message(7, graph).message(14, &entry).into_bytes()).unwrap();
            OnnxFile::read(&path).unwrap()
        };
        let card = ModelCard {
            spec: ModelSpec::new(Arch::Resnet8, 2),
            side: 16,
            normalisation: Normalisation::CLIP,
            classes: ClassSpace::of_folders(&["a".to_owned(), "b".to_owned()]),
        };
        let text = serde_json::to_string(&card).unwrap();
        assert_eq!(read(&Message::new(), &text).card().unwrap(), Some(card));
        for (old, new) in
            [("\"side\":16", "\"side\":4"), ("[\"a\",\"b\"]", "[\"a\"]"), ("\"side\"", "\"sides\"")]
        {
            assert!(text.contains(old), "{text}");
            let error = read(&Message::new(), &text.replace(old, new)).card().unwrap_err().to_string();
            assert!(error.contains("m.onnx: its metadata"), "{error}");
        }
        for (name, found) in [("w", true), ("none", false), ("../w", false), ("", false)] {
            std::fs::write(at.path().join("w"), b"weights").unwrap();
            let location = Message::new().bytes(1, "location").bytes(2, name);
            let graph = Message::new().message(5, &Message::new().message(13, &location));
            let files = read(&graph, &text).files();
            match found {
                true => assert_eq!(files.unwrap(), [path.clone(), at.path().join("w")]),
                false => {
                    let error = files.unwrap_err().to_string();
                    assert!(error.contains("m.onnx") && error.contains(&format!("`{name}`")), "{error}");
                }
            }
        }
    }
}
