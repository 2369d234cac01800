//! What a student is handed on as: PyTorch's and ONNX's files as PyTorch, timm and ONNX Runtime read them.
//!
//! Skipped, aloud, where the Python that `FERKD_PYTHON` names (`python3`) lacks what reads them.

use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use ferkd_data::classes::ClassSpace;
use ferkd_data::pixels::Normalisation;
use ferkd_nn::classifier::Classifier;
use ferkd_nn::model_card::ModelCard;
use ferkd_nn::models::{Arch, ModelSpec, VitSize};
use ferkd_nn::weights::{Precision, StateDict};
use ferkd_tests::{ferkd, files, python, seeded};

/// What a network of ours may differ from ONNX Runtime's by: both add in other orders.
const TOLERANCE: f32 = 1e-4;

/// A network with the formula's weights as a file of ours, `at/w.safetensors`.
fn network(at: &Path, spec: ModelSpec, side: u32) -> StateDict {
    let mut dict = StateDict::of(&spec.build(&Device::flex()).unwrap()).unwrap();
    for (name, tensor) in &mut dict.tensors {
        tensor.values = seeded::tensor(name, &tensor.shape);
    }
    let names: Vec<String> = (0..spec.classes).map(|class| format!("class {class:04}")).collect();
    let classes = ClassSpace::of_folders(&names);
    ModelCard { spec, side, normalisation: Normalisation::CLIP, classes }.put(&mut dict);
    dict.write(&at.join("w.safetensors"), Precision::F32).unwrap();
    dict
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(bytes)
}

/// Loads a state dictionary without running anything, into torchvision's or timm's network, strictly, and writes the
/// sum of each tensor.
const TORCH: &str = "
import sys, torch
state = torch.load(sys.argv[1], weights_only=True)
if sys.argv[2] == 'torchvision':
    import torchvision
    model = torchvision.models.resnet18(num_classes=7)
else:
    import timm
    model = timm.create_model('deit_tiny_patch16_224', num_classes=7)
print(model.load_state_dict(state))
for name, tensor in sorted(state.items()):
    print(name, list(tensor.shape), tensor.dtype, float(tensor.double().sum()))
";

#[test]
fn a_pytorch_export_is_a_state_dictionary_that_pytorch_and_timm_load() {
    for (spec, library) in
        [(ModelSpec::new(Arch::Resnet18, 7), "torchvision"), (ModelSpec::new(Arch::VitTi16, 7), "timm")]
    {
        let at = tempfile::tempdir().unwrap();
        let dict = network(at.path(), spec, 224);
        let answer = ferkd(at.path(), "export w.safetensors --torch --json").ok().json();
        assert_eq!((&answer["path"], &answer["format"]), (&"student.pth".into(), &"torch".into()));
        // Read by this program, every number.
        let path = at.path().join("student.pth");
        let read = StateDict::read(&path).unwrap();
        assert!(read.tensors == dict.tensors && read.notes.is_empty());
        ferkd(at.path(), "export w.safetensors --torch --f16 --out half.pt").ok();
        let half = StateDict::read(&at.path().join("half.pt")).unwrap();
        let near = |a: f32, b: f32| (a - b).abs() <= 1e-3 * a.abs().max(1e-3);
        let same = |name: &String| {
            dict.tensors[name].values.iter().zip(&half.tensors[name].values).all(|(a, b)| near(*a, *b))
        };
        assert!(half.tensors.keys().eq(dict.tensors.keys()) && half.tensors.keys().all(same));

        let Some(python) = python(&format!("torch, {library}")) else { continue };
        for (file, dtype) in [("student.pth", "torch.float32"), ("half.pt", "torch.float16")] {
            let done = python(&["-c", TORCH, &at.path().join(file).to_string_lossy(), library]);
            // Libraries may say something of their own when they are imported.
            let mut lines = done.lines().skip_while(|line| !line.starts_with('<'));
            assert_eq!(lines.next(), Some("<All keys matched successfully>"), "{library}: {done}");
            let lines: Vec<&str> = lines.collect();
            assert_eq!(lines.len(), dict.tensors.len(), "{library}");
            for (line, (name, tensor)) in lines.into_iter().zip(&dict.tensors) {
                let sum: f64 = tensor.values.iter().map(|&value| f64::from(value)).sum();
                let size: f64 = tensor.values.iter().map(|&value| f64::from(value.abs())).sum();
                let begin = format!("{name} {:?} {dtype} ", tensor.shape);
                let found =
                    line.strip_prefix(&begin).unwrap_or_else(|| panic!("{line} begins not with {begin}"));
                assert!((found.parse::<f64>().unwrap() - sum).abs() <= 1e-3 * size, "{line}: {sum}");
            }
        }
    }
}

#[test]
fn a_safetensors_export_says_that_it_is_pytorchs() {
    let at = tempfile::tempdir().unwrap();
    let spec = ModelSpec { width: Some(2), ..ModelSpec::new(Arch::Resnet8, 3) };
    network(at.path(), spec, 32);
    ferkd(at.path(), "export w.safetensors --out s.safetensors").ok();
    let read = StateDict::read(&at.path().join("s.safetensors")).unwrap();
    assert_eq!(read.metadata["format"], "pt");
    assert!(ModelCard::of(&read, "s").is_ok());
}

#[test]
fn an_export_is_called_what_it_is() {
    let at = tempfile::tempdir().unwrap();
    network(at.path(), ModelSpec { width: Some(2), ..ModelSpec::new(Arch::Resnet8, 3) }, 32);
    for (line, says) in [
        ("--out student.pth", ["student.pth", "--torch", ".safetensors"]),
        ("--out student.onnx", ["student.onnx", "--onnx", ".safetensors"]),
        ("--torch --out student.safetensors", ["leave --torch", "torch file", ".pth"]),
        ("--onnx --out student.pt", ["--torch", "onnx file", ".onnx"]),
        ("--onnx --out student.npz", ["student.npz", "onnx file", ".onnx"]),
        ("--onnx --torch", ["--onnx", "--torch", "cannot be used"]),
        ("--onnx --f16", ["--onnx", "--f16", "cannot be used"]),
    ] {
        ferkd(at.path(), &format!("export w.safetensors {line}")).fails(2, &says);
    }
    assert_eq!(files(at.path()).len(), 1);
}

/// Runs images through ONNX Runtime, the first alone and the others together.
const ONNX: &str = "
import sys, numpy as np, onnxruntime as ort
side = int(sys.argv[3])
options = ort.SessionOptions()
options.intra_op_num_threads = 1
session = ort.InferenceSession(sys.argv[1], options, providers=['CPUExecutionProvider'])
assert [i.name for i in session.get_inputs()] == ['images'], session.get_inputs()
assert [o.name for o in session.get_outputs()] == ['logits'], session.get_outputs()
images = np.fromfile(sys.argv[2], '<f4').reshape(-1, 3, side, side)
parts = [session.run(None, {'images': part})[0] for part in (images[:1], images[1:])]
np.concatenate(parts).astype('<f4').tofile(sys.argv[4])
print(session.get_modelmeta().custom_metadata_map['ferkd'])
";

/// Networks of every family, and the side of their images.
fn onnx_cases() -> [(ModelSpec, u32); 7] {
    let vit = |arch, size| ModelSpec { vit: Some(size), ..ModelSpec::new(arch, 7) };
    let deit = VitSize { side: 40, patch: 8, width: 64, depth: 2, heads: 4 };
    let eva = VitSize { side: 42, patch: 14, width: 88, depth: 2, heads: 4 };
    [
        (ModelSpec { width: Some(8), ..ModelSpec::new(Arch::Resnet8, 5) }, 32),
        (ModelSpec::new(Arch::Resnet18, 7), 64),
        (ModelSpec::new(Arch::Resnet18Cifar, 10), 16),
        (ModelSpec::new(Arch::Resnet50, 7), 64),
        // Of an odd side, where TensorFlow's padding is not the same before and behind.
        (ModelSpec::new(Arch::EfficientnetLite0, 7), 65),
        (vit(Arch::VitTi16, deit), 40),
        (vit(Arch::EvaG14, eva), 42),
    ]
}

/// Checks logits of the export of `at/w.safetensors` for some images against the program's own.
#[track_caller]
fn same_logits(at: &Path, (spec, side): (ModelSpec, u32), images: Vec<f32>, theirs: &[f32]) {
    let flex = Device::flex();
    let model = Classifier::load(&at.join("w.safetensors").to_string_lossy(), &flex).unwrap();
    let side = side as usize;
    let input = Tensor::<4>::from_data(TensorData::new(images, [3, 3, side, side]), &flex);
    let ours = model.forward(input).unwrap().try_into_vec_as::<f32>().unwrap();
    assert_eq!(ours.len(), theirs.len());
    let most = ours.iter().fold(0.0, |most: f32, logit| most.max(logit.abs()));
    let off = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("{} at {side} pixels: off by {off:e} of {most}", spec.arch);
    assert!(off < TOLERANCE && most > 0.01, "{}: a logit is off by {off} of {most}", spec.arch);
}

#[test]
fn an_onnx_export_gives_the_programs_logits_in_onnx_runtime() {
    let Some(python) = python("numpy, onnxruntime") else { return };
    for (spec, side) in onnx_cases() {
        let at = tempfile::tempdir().unwrap();
        network(at.path(), spec, side);
        ferkd(at.path(), "export w.safetensors --onnx").ok();
        let images = seeded::images(3, side as usize);
        std::fs::write(at.path().join("images"), bytemuck::cast_slice(&images)).unwrap();
        let path = |name: &str| at.path().join(name).to_string_lossy().into_owned();
        let card =
            python(&["-c", ONNX, &path("student.onnx"), &path("images"), &side.to_string(), &path("logits")]);
        let card: ModelCard = serde_json::from_str(card.trim()).unwrap();
        assert_eq!((card.spec, card.side, card.classes.len()), (spec, side, spec.classes));
        let theirs = floats(&std::fs::read(at.path().join("logits")).unwrap());
        same_logits(at.path(), (spec, side), images, &theirs);
    }
}

/// What the window and the page compute ONNX files with.
#[test]
fn an_onnx_export_gives_the_programs_logits_in_the_playground() {
    for (spec, side) in onnx_cases() {
        let at = tempfile::tempdir().unwrap();
        network(at.path(), spec, side);
        ferkd(at.path(), "export w.safetensors --onnx").ok();
        let file = std::fs::read(at.path().join("student.onnx")).unwrap();
        let theirs = ferkd_onnx::Network::load(file, Vec::new()).unwrap();
        assert_eq!((theirs.side(), theirs.classes(side as usize)), (Some(side as usize), Ok(spec.classes)));
        let images = seeded::images(3, side as usize);
        let logits = theirs.logits(&images, side as usize).unwrap();
        same_logits(at.path(), (spec, side), images, &logits);
    }
}
