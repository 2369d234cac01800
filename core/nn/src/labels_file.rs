//! Names of classes in the `config.json` beside weights, as transformers (`id2label`) and timm (`label_names`) write
//! them; and whether transformers' network is computed as those that are known here.

use std::path::Path;

use serde_json::{Map, Value};

use crate::config_file::configuration;
use ferkd_data::classes::ClassSpace;
use ferkd_method::error::{Error, Result};

/// The classes that a `config.json` beside a weights file names, in the order of the outputs, and its path; `None` where
/// it names none.
///
/// # Errors
/// A file that is not JSON, names that make no sense, or a network that is computed in another way than here.
pub fn classes_beside(weights: &Path) -> Result<Option<(ClassSpace, String)>> {
    let path = weights.with_file_name("config.json");
    let Some(bytes) = configuration(&path)? else { return Ok(None) };
    let path = path.display().to_string();
    Ok(parse(&bytes, &path)?.map(|classes| (classes, path)))
}

/// The classes that a reader's own file names, in the order of the outputs: a list as `--classes-file` takes it, or JSON (as
/// in `config.json`, a list of names, an object from numbers to names), by the ending of its name; `None` for JSON that
/// names none.
///
/// # Errors
/// A file that names classes in a way that makes no sense.
pub fn classes_in(bytes: &[u8], name: &str) -> Result<Option<ClassSpace>> {
    match Path::new(name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
        true => parse_names(&json(bytes, name)?, name),
        false => ClassSpace::parse(bytes, Path::new(name)).map(Some),
    }
}

fn parse(bytes: &[u8], path: &str) -> Result<Option<ClassSpace>> {
    let value = json(bytes, path)?;
    if let Value::Object(top) = &value {
        check_network(top, path)?;
        return named(top, path);
    }
    Ok(None)
}

/// The classes of a `config.json`, of a list of names, or of an object from numbers to names, or to pairs of identifier
/// and name, as Keras has ImageNet's.
fn parse_names(value: &Value, path: &str) -> Result<Option<ClassSpace>> {
    let bad = |problem: String| bad_names(path, problem);
    let pair = |value: &Value| match value.as_array().map(Vec::as_slice) {
        Some([Value::String(id), Value::String(name)]) => Some((id.clone(), name.clone())),
        _ => value.as_str().map(|name| (name.to_owned(), name.to_owned())),
    };
    let pairs: Option<Vec<(String, String)>> = match value {
        Value::Array(list) => list.iter().map(pair).collect(),
        Value::Object(top) if !top.is_empty() && top.keys().all(|key| key.parse::<usize>().is_ok()) => {
            let mut numbers: Vec<usize> = top.keys().filter_map(|key| key.parse().ok()).collect();
            numbers.sort_unstable();
            if !numbers.iter().copied().eq(0..top.len()) {
                return Err(bad(format!("its numbers are not 0 to {}", top.len() - 1)));
            }
            numbers.iter().map(|number| top.get(&number.to_string()).and_then(pair)).collect()
        }
        Value::Object(top) => return named(top, path),
        _ => return Ok(None),
    };
    let (ids, names): (Vec<String>, Vec<String>) =
        pairs.ok_or_else(|| bad("not all of its names are texts".into()))?.into_iter().unzip();
    match ids.len() {
        1..=MOST_CLASSES => unique(ids, names).map(Some).map_err(bad),
        count => Err(bad(format!("invalid list of {count} classes: expected 1 to {MOST_CLASSES}"))),
    }
}

/// Classes that a file may name: as many as a list of `--classes-file`.
const MOST_CLASSES: usize = 65_536;

fn json(bytes: &[u8], path: &str) -> Result<Value> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice(bytes).map_err(|e| bad_names(path, format!("invalid JSON: {e}")))
}

fn bad_names(path: &str, problem: String) -> Error {
    Error::damaged(path, problem).remedy("correct it, or name the classes by --classes-file")
}

/// `id2label` or `label_names`, with `label_descriptions`.
fn named(top: &Map<String, Value>, path: &str) -> Result<Option<ClassSpace>> {
    let bad = |problem: String| bad_names(path, problem);
    let inner = top.get("pretrained_cfg").and_then(Value::as_object);
    let names = |key: &str| top.get(key).or_else(|| inner?.get(key)).filter(|value| !value.is_null());
    let labels = match (top.get("id2label").and_then(Value::as_object), names("label_names")) {
        (Some(labels), _) => numbered(labels).map_err(bad)?,
        (None, Some(labels)) => {
            let text = |label: &Value| label.as_str().map(str::to_owned);
            let labels = labels.as_array().and_then(|labels| labels.iter().map(text).collect());
            labels.ok_or_else(|| bad("invalid `label_names`: expected a list of texts".into()))?
        }
        (None, None) => return Ok(None),
    };
    // What transformers writes where no one named them.
    if labels.iter().enumerate().all(|(i, label)| *label == format!("LABEL_{i}")) {
        return Ok(None);
    }
    let names = match names("label_descriptions").and_then(Value::as_object) {
        Some(descriptions) => labels
            .iter()
            .map(|label| descriptions.get(label).and_then(Value::as_str).unwrap_or(label).to_owned())
            .collect(),
        None => labels.clone(),
    };
    unique(labels, names).map(Some).map_err(bad)
}

/// Classes by identifiers and names; ImageNet's, by whichever of its names, keep their WordNet ids.
fn unique(ids: Vec<String>, names: Vec<String>) -> Result<ClassSpace, String> {
    let imagenet = ClassSpace::imagenet();
    if ids.len() == imagenet.len() && is_imagenet(&ids, &imagenet) {
        return Ok(imagenet);
    }
    let mut seen = std::collections::HashSet::new();
    match ids.iter().find(|id| !seen.insert(*id)) {
        Some(twice) => Err(format!("class `{twice}` stands there twice")),
        None => Ok(ClassSpace { ids, names }),
    }
}

/// `{"0": "cat", "1": "dog"}`.
fn numbered(labels: &Map<String, Value>) -> Result<Vec<String>, String> {
    let mut found = vec![None; labels.len()];
    for (number, label) in labels {
        let place = number.parse().ok().filter(|&place: &usize| place < found.len());
        match (place, label.as_str()) {
            (Some(place), Some(label)) => found[place] = Some(label.to_owned()),
            _ => return Err(format!("`id2label` has {number:?}: {label} among {} classes", labels.len())),
        }
    }
    found.into_iter().collect::<Option<_>>().ok_or_else(|| "`id2label` names a class twice".into())
}

/// Whether names are ImageNet's in its order, under whichever of their synonyms: the first one of half of them is.
fn is_imagenet(labels: &[String], imagenet: &ClassSpace) -> bool {
    let first = |text: &str| text.split(',').next().unwrap_or_default().trim().to_lowercase();
    let same = |(i, label): (usize, &String)| {
        *label == imagenet.ids[i] || first(label) == imagenet.names[i].to_lowercase()
    };
    2 * labels.iter().enumerate().filter(|pair| same(*pair)).count() >= labels.len()
}

/// Shapes do not tell these settings of transformers' networks: others would give other logits without a word.
fn check_network(top: &Map<String, Value>, path: &str) -> Result<()> {
    let kind = top.get("model_type").and_then(Value::as_str).unwrap_or_default();
    let text = |key: &str| top.get(key).and_then(Value::as_str);
    let switch = |key: &str| top.get(key).and_then(Value::as_bool).unwrap_or(false);
    let problem = match kind {
        "vit" | "deit" if text("hidden_act").is_some_and(|act| act != "gelu") => "hidden_act",
        "vit" | "deit" if top.get("qkv_bias").and_then(Value::as_bool) == Some(false) => "qkv_bias",
        "resnet" if text("hidden_act").is_some_and(|act| act != "relu") => "hidden_act",
        "resnet" if switch("downsample_in_bottleneck") => "downsample_in_bottleneck",
        "resnet" if switch("downsample_in_first_stage") => "downsample_in_first_stage",
        _ => return Ok(()),
    };
    let value = top.get(problem).map(Value::to_string).unwrap_or_default();
    Err(Error::mismatch(path, format!("`{problem}` is {value}, and networks like that are not known here"))
        .remedy("export it as ONNX, and name that file as the teacher"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_readers_own_file_names_classes_as_a_list_or_in_json() {
        for (name, text) in [
            ("classes.txt", "a\tcat\nb\tdog\n"),
            ("classes.json", r#"[["a", "cat"], ["b", "dog"]]"#),
            ("index.JSON", r#"{"1": ["b", "dog"], "0": ["a", "cat"]}"#),
        ] {
            let found = classes_in(text.as_bytes(), name).unwrap().unwrap();
            assert_eq!(
                (found.ids, found.names),
                (vec!["a".into(), "b".into()], vec!["cat".into(), "dog".into()])
            );
        }
        for text in
            [r#"["cat", "dog"]"#, r#"{"0": "cat", "1": "dog"}"#, r#"{"id2label": {"0": "cat", "1": "dog"}}"#]
        {
            assert_eq!(classes_in(text.as_bytes(), "c.json").unwrap().unwrap().ids, ["cat", "dog"], "{text}");
        }
        let imagenet = ClassSpace::imagenet();
        let keras: Map<String, Value> = (imagenet.ids.iter().zip(&imagenet.names).enumerate())
            .map(|(i, (id, name))| (i.to_string(), serde_json::json!([id, name])))
            .collect();
        let text = Value::Object(keras).to_string();
        assert_eq!(classes_in(text.as_bytes(), "imagenet_class_index.json").unwrap(), Some(imagenet));
        for text in ["{}", "7", r#"{"mean": [0.5, 0.5, 0.5]}"#] {
            assert_eq!(classes_in(text.as_bytes(), "c.json").unwrap(), None, "{text}");
        }
        for (text, says) in [
            ("[]", "0 classes"),
            (r#"["a", 1]"#, "are texts"),
            (r#"["a", "a"]"#, "`a` stands there twice"),
            (r#"{"0": "a", "2": "b"}"#, "not 0 to 1"),
            ("{", "invalid JSON"),
        ] {
            let error = classes_in(text.as_bytes(), "c.json").unwrap_err().to_string();
            assert!(error.starts_with("c.json: ") && error.contains(says), "{text}: {error}");
        }
    }

    fn read(text: &str) -> Result<Option<ClassSpace>> {
        parse(text.as_bytes(), "m/config.json")
    }

    #[test]
    fn classes_are_read_as_transformers_and_timm_name_them() {
        let found = read(r#"{"model_type": "vit", "id2label": {"1": "dog", "0": "cat"}}"#).unwrap().unwrap();
        assert_eq!(found.ids, ["cat", "dog"]);
        let timm = r#"{"architecture": "resnet18", "num_classes": 2, "label_names": ["n1", "n2"],
            "label_descriptions": {"n1": "cat, feline"}, "pretrained_cfg": {"mean": [0.5, 0.5, 0.5]}}"#;
        let found = read(timm).unwrap().unwrap();
        assert_eq!(
            (found.ids, found.names),
            (vec!["n1".into(), "n2".into()], vec!["cat, feline".into(), "n2".into()])
        );
        let inner = read(r#"{"pretrained_cfg": {"label_names": ["a", "b", "c"]}}"#).unwrap().unwrap();
        assert_eq!(inner.ids, ["a", "b", "c"]);
        for text in
            ["{}", "[1]", r#"{"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}"#, r#"{"label_names": null}"#]
        {
            assert_eq!(read(text).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn imagenets_classes_keep_their_wordnet_ids() {
        let imagenet = ClassSpace::imagenet();
        let labels: Map<String, Value> = imagenet
            .names
            .iter()
            .enumerate()
            .map(|(i, name)| (i.to_string(), format!("{name}, {i}th").into()))
            .collect();
        let text = serde_json::json!({ "id2label": labels }).to_string();
        assert_eq!(read(&text).unwrap().unwrap(), imagenet);
        let text = serde_json::json!({ "label_names": imagenet.ids }).to_string();
        assert_eq!(read(&text).unwrap().unwrap(), imagenet);
    }

    #[test]
    fn what_makes_no_sense_or_is_computed_otherwise_is_named() {
        for (text, says) in [
            ("{", "invalid JSON"),
            (r#"{"id2label": {"0": "a", "2": "b"}}"#, "among 2 classes"),
            (r#"{"id2label": {"0": "a", "00": "b"}}"#, "twice"),
            (r#"{"label_names": ["a", "a"]}"#, "`a` stands there twice"),
            (r#"{"label_names": [1]}"#, "list of texts"),
            (
                r#"{"model_type": "resnet", "downsample_in_bottleneck": true}"#,
                "`downsample_in_bottleneck` is true",
            ),
            (r#"{"model_type": "vit", "hidden_act": "quick_gelu"}"#, "quick_gelu"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with("m/config.json: ") && error.contains(says), "{text}: {error}");
        }
    }
}
