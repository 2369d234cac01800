//! A teacher of the reader's own in the built page, from an ONNX file: the module is loaded when the file is used.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use ferkd_data::batches::batch::InputSpec;
use ferkd_data::pixels::{Filter, Normalisation, OrientationRule, decode};
use ferkd_method::label::softmax;
use ferkd_method::region::Region;
use ferkd_nn::inference::Inference;
use ferkd_nn::models::{Arch, Model, ModelSpec};
use ferkd_tests::browser::Browser;
use ferkd_tests::page::{no_complaint, open, visit};
use ferkd_tests::repository;
use serde_json::{Value, json};

const SIDE: u32 = 32;

/// Its classes, in the order of its outputs.
const CLASSES: [&str; 4] = ["ant", "bee", "cat", "dog"];

/// A network of four classes.
fn network() -> Model {
    let spec = ModelSpec { width: Some(8), ..ModelSpec::new(Arch::Resnet8, CLASSES.len()) };
    spec.init(5, &Device::flex()).unwrap()
}

/// Writes its file, and what says what it does not say itself.
fn write(at: &Path, file: &[u8]) -> Vec<PathBuf> {
    let files: [(&str, &[u8]); 3] = [
        ("own.onnx", file),
        ("classes.txt", b"ant\nbee\ncat\ndog\n"),
        ("own.toml", b"mean = [0.5, 0.5, 0.5]\nstd = [0.5, 0.5, 0.5]\ninterpolation = \"bilinear\"\n"),
    ];
    let write = |(name, bytes): (&str, &[u8])| {
        std::fs::write(at.join(name), bytes).unwrap();
        at.join(name)
    };
    files.into_iter().map(write).collect()
}

/// The probabilities of a region of the cat by the same network of ours.
fn on_the_cpu(region: &Region) -> Vec<f32> {
    let bytes = std::fs::read(repository("assets/playground/photos/n02124075/chelsea.jpg")).unwrap();
    let picture = decode(&bytes, "chelsea.jpg", OrientationRule::Apply).unwrap().image;
    let normalisation = Normalisation { mean: [0.5; 3], std: [0.5; 3] };
    let view = InputSpec { side: SIDE, filter: Filter::Bilinear, normalisation };
    let mut pixels = vec![0.0; view.size()];
    view.cut(&picture, region, &mut pixels).unwrap();
    let (flex, side) = (Device::flex(), SIDE as usize);
    let input = Tensor::<4>::from_data(TensorData::new(pixels, [1, 3, side, side]), &flex);
    let logits = Inference::of(network(), &flex).unwrap().forward(input);
    softmax(&logits.try_into_vec_as::<f32>().unwrap(), 1.0).unwrap()
}

/// Opens the file with what says something of it, and has it used once the page asks about it.
fn use_it(browser: &mut Browser, files: &[PathBuf]) {
    browser.choose_files("#pick-files", files);
    let state = browser
        .until("what is asked about the file", |state| state["own_teacher"]["form"]["name"] == "own.onnx");
    let form = &state["own_teacher"]["form"];
    assert_eq!((&form["side"], &form["problem"]), (&json!(SIDE), &Value::Null), "{form}");
    assert_eq!(form["classes"], "4 classes, named by classes.txt");
    browser.act("use-onnx", Value::Null);
}

fn label_by_the_readers_network(with_webgpu: bool) {
    let Some(mut visit) = visit(with_webgpu) else { return };
    open(&mut visit);
    let browser = &mut visit.browser;
    browser.act("experiment", json!({ "image": 0 }));
    let before = browser.until("the cat", |state| {
        state["shown"]["name"] == "n02124075/chelsea.jpg"
            && state["shown"]["labels"] == state["shown"]["regions"]
    });
    let at = tempfile::tempdir().unwrap();
    let file = network().to_onnx(SIDE as usize, CLASSES.len(), &BTreeMap::new()).unwrap();
    use_it(browser, &write(at.path(), &file));
    let state = browser.until("all labels of the photo by it", |state| {
        state["labelled_by"] == "own.onnx" && state["shown"]["labels"] == before["shown"]["regions"]
    });
    assert_eq!(state["own_teacher"]["name"], "own.onnx");
    assert_eq!(state["shown"]["regions"], before["shown"]["regions"]);
    let region = Region { top: 20, left: 100, height: 180, width: 180, flip: false };
    browser.act("box", json!(region));
    let state = browser.until("the box's label", |state| !state["box"]["label"].is_null());
    let top = state["box"]["label"]["top"].as_array().unwrap();
    let expected = on_the_cpu(&region);
    assert!(top.len() >= 2, "{top:?}");
    for pair in top {
        let class = CLASSES.iter().position(|name| pair[0] == *name).unwrap();
        let off = (pair[1].as_f64().unwrap() - f64::from(expected[class])).abs();
        assert!(off < 1e-3, "{pair}: {} on the CPU", expected[class]);
    }
    // The histogram counts its labels: all of the shown photo at least.
    browser.until("counts of its labels", |state| {
        let kinds = state["kinds"].as_object();
        kinds.is_some_and(|kinds| kinds.values().filter_map(Value::as_u64).sum::<u64>() >= 48)
    });
    browser.act("shipped-teacher", Value::Null);
    let after = browser.until("the labels that the photos came with", |state| {
        state["labelled_by"] == "efficientnet-lite0" && state["kinds"] == before["kinds"]
    });
    assert_eq!((&after["own_teacher"]["name"], &after["images"]), (&Value::Null, &before["images"]));
    no_complaint(browser);
}

#[test]
fn an_onnx_file_labels_the_photos_beside_the_engines_worker() {
    label_by_the_readers_network(false);
}

#[test]
fn an_onnx_file_labels_the_photos_beside_webgpu() {
    label_by_the_readers_network(true);
}

#[test]
fn a_file_that_cannot_be_computed_is_named_and_the_page_goes_on() {
    let Some(mut visit) = visit(false) else { return };
    open(&mut visit);
    let browser = &mut visit.browser;
    let at = tempfile::tempdir().unwrap();
    let file = network().to_onnx(SIDE as usize, CLASSES.len(), &BTreeMap::new()).unwrap();
    // An operator that no one knows, wherever one is named.
    let mut unknown = file.clone();
    for at in 0..unknown.len() - 4 {
        if unknown[at..].starts_with(b"Relu") {
            unknown[at..at + 4].copy_from_slice(b"Rely");
        }
    }
    assert_ne!(unknown, file);
    use_it(browser, &write(at.path(), &unknown));
    let says = |state: &Value, words: &[&str]| {
        let notices = state["notices"].as_array().unwrap();
        let text = |notice: &Value| notice["text"].as_str().unwrap_or_default().to_owned();
        notices.iter().map(text).any(|text| words.iter().all(|word| text.contains(word)))
    };
    let state = browser.until("what is wrong with it", |state| says(state, &["own.onnx", "Rely"]));
    assert_eq!(
        (&state["own_teacher"]["name"], &state["labelled_by"]),
        (&Value::Null, &json!("efficientnet-lite0"))
    );
    // Cut off, it is none to begin with.
    std::fs::write(at.path().join("own.onnx"), &file[..file.len() / 2]).unwrap();
    browser.choose_files("#pick-files", &[at.path().join("own.onnx")]);
    browser.until("that it is none", |state| says(state, &["own.onnx", "not an ONNX file"]));
    // The same page opens a sound one.
    use_it(browser, &write(at.path(), &file));
    browser.until("labels by it", |state| {
        state["labelled_by"] == "own.onnx" && state["shown"]["labels"].as_u64().unwrap_or(0) > 0
    });
    assert_eq!(browser.complaints, Vec::<String>::new());
}
