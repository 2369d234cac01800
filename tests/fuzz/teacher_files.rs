//! Other people's teachers as targets: an ONNX file, as far as it is read without ONNX Runtime, and what lies beside
//! weights. All are read by path, among sound files.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use ferkd_data::classes::ClassSpace;
use ferkd_data::pixels::Normalisation;
use ferkd_data::protobuf::Message;
use ferkd_method::{Error, Result};
use ferkd_nn::config_file::Stated;
use ferkd_nn::labels_file::classes_beside;
use ferkd_nn::model_card::ModelCard;
use ferkd_nn::models::{Arch, ModelSpec};
use ferkd_nn::onnx_file::OnnxFile;
use ferkd_nn::weights::{Precision, StateDict};
use ferkd_tests::repository;

use crate::packed::NAME;
use crate::seeds::{put, read_all};

/// Sound files, and what reads one.
type Files = (Vec<Vec<u8>>, Box<dyn FnMut(&[u8]) -> Result<()>>);

/// A file of `ferkd export --onnx`, and one whose weights lie in another file.
///
/// # Errors
/// They cannot be made, or what lies beside them not be written below `scratch`.
pub fn onnx(scratch: &Path) -> Result<Files> {
    let spec = ModelSpec { width: Some(2), ..ModelSpec::new(Arch::Resnet8, 3) };
    let network = spec.build(&Device::flex())?;
    let classes = ClassSpace::of_folders(&["cat", "dog", "eel"].map(str::to_owned));
    let mut dict = StateDict::of(&network)?;
    ModelCard { spec, side: 8, normalisation: Normalisation::IMAGENET, classes }.put(&mut dict);
    let own = network.to_onnx(8, 3, &dict.metadata)?;

    put(&scratch.join("w.data"), &[0; 12])?;
    let entry = |key: &str, value: &str| Message::new().bytes(1, key).bytes(2, value);
    let (location, offset) = (entry("location", "w.data"), entry("offset", "0"));
    let tensor =
        Message::new().int(1, 3).bytes(8, "w").message(13, &location).message(13, &offset).int(14, 1);
    let constant = Message::new().bytes(1, "value").message(5, &tensor);
    let nodes = [
        Message::new().bytes(2, "w").bytes(4, "Constant").message(5, &constant),
        Message::new().bytes(1, "w").bytes(2, "y").bytes(4, "Softmax"),
    ];
    let output = Message::new().bytes(1, "y");
    let graph = Message::new().messages(1, &nodes).message(5, &tensor).message(12, &output);
    let foreign = Message::new().int(1, 8).bytes(2, "pytorch").message(7, &graph);

    let path = scratch.join(NAME).with_extension("onnx");
    let read = move |bytes: &[u8]| {
        put(&path, bytes)?;
        let file = OnnxFile::read(&path)?;
        file.card()?;
        file.files().map(drop)
    };
    Ok((vec![own, foreign.into_bytes()], Box::new(read)))
}

/// A user's file beside weights.
pub fn sidecar(scratch: &Path) -> Files {
    let files = [
        "side = 224\nmean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\ninterpolation = \"bilinear\"\n",
        "# as trained\nside = 96\ncrop = 0.95\ncrop_mode = 'squash'\ninterpolation = \"bicubic\"\n",
    ];
    let weights = scratch.join(NAME).with_extension("onnx");
    let path = weights.with_extension("toml");
    let read = move |bytes: &[u8]| {
        put(&path, bytes)?;
        Stated::beside(&weights).map(drop)
    };
    (files.map(|file| file.as_bytes().to_vec()).into(), Box::new(read))
}

/// An index of weights in two files, of which each is sound.
///
/// # Errors
/// The files cannot be read, or not be written below `scratch`.
pub fn shards(scratch: &Path) -> Result<Files> {
    let whole = read_all(&[repository("tests/data/torch/expected.safetensors")])?.remove(0);
    let whole = StateDict::from_bytes(&whole, "expected.safetensors")?;
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let mut parts = [StateDict::default(), StateDict::default()];
    let mut map = serde_json::Map::new();
    for (i, (name, tensor)) in whole.tensors.into_iter().enumerate() {
        map.insert(name.clone(), names[i % 2].into());
        parts[i % 2].tensors.insert(name, tensor);
    }
    for (name, part) in names.iter().zip(&parts) {
        part.write(&scratch.join(name), Precision::F32)?;
    }
    let index = serde_json::json!({ "metadata": { "total_size": 1024 }, "weight_map": map });
    let bytes = serde_json::to_vec_pretty(&index).unwrap_or_default();
    let path = scratch.join(format!("{NAME}.safetensors.index.json"));
    let read = move |bytes: &[u8]| {
        put(&path, bytes)?;
        StateDict::read(&path).map(drop)
    };
    Ok((vec![bytes], Box::new(read)))
}

/// Names of classes as transformers and timm write them.
///
/// # Errors
/// Their folder cannot be made.
pub fn labels(scratch: &Path) -> Result<Files> {
    let files = [
        r#"{"architectures": ["ViTForImageClassification"], "model_type": "vit", "hidden_act": "gelu",
            "qkv_bias": true, "id2label": {"0": "cat", "1": "dog", "2": "eel"}, "label2id": {"cat": 0}}"#,
        r#"{"architecture": "resnet18", "num_classes": 2, "label_names": ["n01440764", "n01443537"],
            "label_descriptions": {"n01440764": "tench, Tinca tinca"}, "pretrained_cfg": {"mean": [0.5, 0.5, 0.5]}}"#,
        r#"{"pretrained_cfg": {"label_names": ["a", "b", "c"]}, "model_type": "resnet", "hidden_act": "relu",
            "downsample_in_first_stage": false, "downsample_in_bottleneck": false}"#,
    ];
    let folder = scratch.join(NAME);
    fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
    let (weights, path) = (folder.join("model.safetensors"), folder.join("config.json"));
    let read = move |bytes: &[u8]| {
        put(&path, bytes)?;
        classes_beside(&weights).map(drop)
    };
    Ok((files.map(|file| file.as_bytes().to_vec()).into(), Box::new(read)))
}
