//! Teachers in ONNX files, as a user meets them: what ONNX Runtime computes is what the network of the same weights
//! gives, whatever it is asked for.
//!
//! Skipped, aloud, where the Python that `FERKD_PYTHON` names (`python3`) has no ONNX Runtime.

use std::path::Path;

use burn::tensor::Device;
use ferkd_data::classes::ClassSpace;
use ferkd_data::digest::sha256;
use ferkd_data::pixels::Normalisation;
use ferkd_nn::classifier::Classifier;
use ferkd_nn::model_card::ModelCard;
use ferkd_nn::models::{Arch, ModelSpec};
use ferkd_nn::preprocessing::InputOverrides;
use ferkd_nn::weights::{Precision, StateDict};
use ferkd_skip::skipped;
use ferkd_tests::{Answer, answer, command, ferkd, few_scenes, python, repository, seeded, test_data};
use serde_json::Value;
use xtask::onnx_runtime::FIND;

/// The library within Python's package; none where there is no ONNX Runtime.
fn library() -> Option<String> {
    let python = python("onnxruntime")?;
    Some(python(&["-c", FIND]).trim().to_owned())
}

/// The program, where ONNX Runtime is at `library`.
fn with(library: &str, folder: &Path, line: &str) -> Answer {
    let words: Vec<&str> = line.split_whitespace().collect();
    answer(command(folder, &words).env("ORT_DYLIB_PATH", library))
}

/// Scenes, and one network of their ten classes as `at/w.safetensors` and as `at/w.onnx`.
fn prepared(at: &Path) {
    few_scenes(at);
    let spec = ModelSpec { width: Some(8), ..ModelSpec::new(Arch::Resnet8, 10) };
    let mut dict = StateDict::of(&spec.build(&Device::flex()).unwrap()).unwrap();
    for (name, tensor) in &mut dict.tensors {
        tensor.values = seeded::tensor(name, &tensor.shape);
    }
    let names: Vec<String> = (0..10).map(|class| class.to_string()).collect();
    let classes = ClassSpace::of_folders(&names);
    ModelCard { spec, side: 32, normalisation: Normalisation::CLIP, classes }.put(&mut dict);
    dict.write(&at.join("w.safetensors"), Precision::F32).unwrap();
    ferkd(at, "export w.safetensors --onnx --out w.onnx").ok();
}

/// Writes `from` as `to` with some bytes in the place of others of the same length.
fn changed(at: &Path, from: &str, to: &str, old: &[u8], new: &[u8]) {
    let mut bytes = std::fs::read(at.join(from)).unwrap();
    let places: Vec<usize> =
        bytes.windows(old.len()).enumerate().filter(|(_, window)| *window == old).map(|(i, _)| i).collect();
    assert!(!places.is_empty() && old.len() == new.len());
    places.iter().for_each(|&place| bytes[place..place + new.len()].copy_from_slice(new));
    std::fs::write(at.join(to), bytes).unwrap();
}

fn teacher(store: &Path) -> Value {
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(store.join("manifest.json")).unwrap()).unwrap();
    manifest["teacher"].clone()
}

#[track_caller]
fn near(a: &Value, b: &Value) {
    let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
    assert!((a - b).abs() < 1e-4, "{a} and {b}");
}

#[test]
fn an_onnx_teacher_evaluates_labels_and_teaches_as_the_network_of_its_weights() {
    let Some(library) = library() else { return };
    let at = tempfile::tempdir().unwrap();
    prepared(at.path());
    let run = |line: &str| with(&library, at.path(), line);
    let eval = |model: &str| run(&format!("eval {model} scenes --device cpu --json")).ok().json();
    let (ours, theirs) = (eval("w.safetensors"), eval("w.onnx"));
    near(&ours["loss"], &theirs["loss"]);
    assert_eq!(ours["top1"], theirs["top1"]);
    assert_eq!(theirs["preprocessing"]["normalisation_from"], "weights");
    let said = theirs["notices"].to_string();
    assert!(said.contains("computed by ONNX Runtime on the CPU"), "{said}");
    // A file that takes two images at once: `batch` becomes the number 2, written in as many bytes.
    changed(at.path(), "w.onnx", "two.onnx", b"\x12\x05batch", b"\x08\x82\x80\x80\x80\x80\x00");
    near(&eval("two.onnx")["loss"], &theirs["loss"]);

    let label = "label scenes --regions 3 --top-k 3 --batch 7 --device cpu --teacher";
    run(&format!("{label} w.onnx --out onnx")).ok();
    run(&format!("{label} w.safetensors --out own")).ok();
    let kept = teacher(&at.path().join("onnx"));
    assert_eq!(kept["sha256"], sha256(&std::fs::read(at.path().join("w.onnx")).unwrap()));
    assert_eq!((&kept["name"], &kept["side"]), (&"w".into(), &32.into()));
    assert_eq!(kept["normalisation"], teacher(&at.path().join("own"))["normalisation"]);
    let mine = |store: &str| ferkd(at.path(), &format!("mine {store} --json")).ok().json();
    let (own, onnx) = (mine("own"), mine("onnx"));
    assert!(own["kinds"].is_array() && own["kinds"] == onnx["kinds"], "{own} {onnx}");
    // Of another file's labels it is no continuation.
    run(&format!("{label} two.onnx --out onnx")).fails(1, &["teacher"]);

    let train = "train --images scenes --supervision kd --arch resnet8 --width 2 --side 32 --epochs 1 --batch 8 \
                 --regions-per-step 1 --log-every 1 --device cpu --seed 3";
    let losses = |model: &str, name: &str| -> Vec<Value> {
        run(&format!("{train} --teacher {model} --run {name}")).ok();
        let text = std::fs::read_to_string(at.path().join(name).join("metrics.jsonl")).unwrap();
        let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["event"] == "metric").map(|event| event["loss"].clone()).collect()
    };
    let (ours, theirs) = (losses("w.safetensors", "by-own"), losses("w.onnx", "by-onnx"));
    assert_eq!((ours.len(), theirs.len()), (5, 5));
    ours.iter().zip(&theirs).for_each(|(a, b)| near(a, b));
}

#[test]
fn an_onnx_file_that_says_nothing_is_told_by_flags_or_a_file_beside_it() {
    let Some(library) = library() else { return };
    let at = tempfile::tempdir().unwrap();
    prepared(at.path());
    let run = |line: &str| with(&library, at.path(), line);
    changed(at.path(), "w.onnx", "plain.onnx", b"\x0a\x05ferkd\x12", b"\x0a\x05other\x12");
    let eval = "eval plain.onnx scenes --device cpu --json";
    run(eval).fails(1, &["plain.onnx", "10 classes", "--classes-file"]);
    std::fs::write(at.path().join("classes"), "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n").unwrap();
    let eval = format!("{eval} --classes-file classes");
    let assumed = run(&eval).ok();
    assert!(assumed.stderr.contains("(assumed)") && assumed.stderr.contains("32 x 32 pixels (the weights)"));
    let clip = "mean = [0.48145466, 0.4578275, 0.40821073]\nstd = [0.26862954, 0.26130258, 0.27577711]\n";
    std::fs::write(at.path().join("plain.toml"), clip).unwrap();
    let told = run(&eval).ok().json();
    assert_eq!(told["preprocessing"]["normalisation_from"], serde_json::json!({"file": "plain.toml"}));
    assert_eq!(told["loss"], run("eval w.onnx scenes --device cpu --json").ok().json()["loss"]);
    // Classes may stand beside it as well, as transformers has them.
    let labels: serde_json::Map<String, Value> =
        (0..10).map(|class| (class.to_string(), class.to_string().into())).collect();
    let config = serde_json::json!({ "model_type": "resnet", "id2label": labels });
    std::fs::write(at.path().join("config.json"), config.to_string()).unwrap();
    let named = run("eval plain.onnx scenes --device cpu --json").ok().json();
    assert_eq!(named["loss"], told["loss"]);
    assert!(named["notices"].to_string().contains("classes are named by config.json"));
    run(&format!("{eval} --side 64")).fails(1, &["32 pixels", "--side 32"]);
    run(&eval.replace("--device cpu", "--device wgpu")).fails(2, &["wgpu", "tensorrt"]);
}

#[test]
fn an_onnx_file_that_cannot_be_used_is_named() {
    let Some(library) = library() else { return };
    let at = tempfile::tempdir().unwrap();
    prepared(at.path());
    let bytes = std::fs::read(at.path().join("w.onnx")).unwrap();
    std::fs::write(at.path().join("cut.onnx"), &bytes[..bytes.len() / 2]).unwrap();
    with(&library, at.path(), "eval cut.onnx scenes --device cpu")
        .fails(1, &["cut.onnx", "not an ONNX file"]);
    changed(at.path(), "w.onnx", "foreign.onnx", b"GlobalAveragePool", b"GlobalAveragePour");
    with(&library, at.path(), "eval foreign.onnx scenes --device cpu")
        .fails(1, &["foreign.onnx", "ONNX Runtime cannot load it"]);
    // Of what is computed by ONNX Runtime there are no weights.
    with(&library, at.path(), "export w.onnx").fails(2, &["w.onnx", "ONNX file already"]);
}

#[test]
fn without_onnx_runtime_it_is_said_how_to_get_it() {
    let at = tempfile::tempdir().unwrap();
    prepared(at.path());
    with("/no/such/library.so", at.path(), "eval w.onnx scenes --device cpu")
        .fails(1, &["ORT_DYLIB_PATH", "/no/such/library.so", "pip install onnxruntime"]);
    // No Python, and nothing in the system.
    let words = ["eval", "w.onnx", "scenes", "--device", "cpu"];
    let mut alone = command(at.path(), &words);
    let nothing =
        answer(alone.env("PATH", "/nowhere").env("LD_LIBRARY_PATH", "").env_remove("ORT_DYLIB_PATH"));
    if nothing.code != 0 {
        nothing.fails(1, &["ONNX Runtime", "pip install onnxruntime", "ORT_DYLIB_PATH"]);
    }
}

/// Runs images through ONNX Runtime in Python.
const RUN: &str = "
import sys, numpy as np, onnxruntime as ort
side = int(sys.argv[3])
session = ort.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider'])
images = np.fromfile(sys.argv[2], '<f4').reshape(-1, 3, side, side)
session.run(None, {session.get_inputs()[0].name: images})[0].astype('<f4').tofile(sys.argv[4])
";

/// What `python examples/export_onnx.py $FERKD_TEST_DATA/onnx` wrote: whole networks.
#[test]
fn exports_of_torchvision_and_timm_have_onnx_runtimes_logits() {
    let Some(folder) = test_data("onnx") else { return };
    are_onnx_runtimes(&folder, &ClassSpace::imagenet());
}

/// What `python tests/reference/small_onnx.py` wrote: their kinds of layers, in files that ship.
#[test]
fn small_exports_of_torchvision_and_timm_have_onnx_runtimes_logits() {
    let names: Vec<String> = (0..10).map(|class| class.to_string()).collect();
    are_onnx_runtimes(&repository("tests/data/onnx"), &ClassSpace::of_folders(&names));
}

fn are_onnx_runtimes(folder: &Path, classes: &ClassSpace) {
    if std::env::var_os("ORT_DYLIB_PATH").is_none() {
        return skipped("this process finds ONNX Runtime by ORT_DYLIB_PATH, which is not set");
    }
    let Some(python) = python("numpy, onnxruntime") else { return };
    let at = tempfile::tempdir().unwrap();
    let path = |name: &str| at.path().join(name).to_string_lossy().into_owned();
    let mut tried = 0;
    for entry in folder.read_dir().unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|ending| ending != "onnx") {
            continue;
        }
        let file = file.to_string_lossy().into_owned();
        let (asked, device) = (InputOverrides::default(), Device::flex());
        let teacher = Classifier::load_with(&file, &asked, Some(classes), &device, "auto").unwrap();
        let side = teacher.preprocessing.side;
        assert!(!teacher.preprocessing.is_assumed() && teacher.classes == *classes);
        let images = seeded::images(3, side as usize);
        std::fs::write(path("images"), bytemuck::cast_slice(&images)).unwrap();
        python(&["-c", RUN, &file, &path("images"), &side.to_string(), &path("logits")]);
        let theirs: Vec<f32> = bytemuck::pod_collect_to_vec(&std::fs::read(path("logits")).unwrap());
        let ours = teacher.logits(images, side, &Device::flex()).unwrap();
        assert_eq!((ours.len(), theirs.len()), (3 * classes.len(), 3 * classes.len()));
        let most = theirs.iter().fold(0.0, |most: f32, logit| most.max(logit.abs()));
        let off = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{file}: off by {off:e} of {most}");
        assert!(off < 1e-3 && most > 0.1, "{file}: a logit is off by {off}, and the largest is {most}");
        tried += 1;
    }
    assert!(tried > 0, "{} has no ONNX file", folder.display());
}
