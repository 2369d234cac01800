//! Folders of the Hugging Face hub and one's own networks as teachers, as they lie: shards with their index, names of
//! transformers, classes and preprocessing of `config.json`, PyTorch's files.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use ferkd_data::torch::{StoredTensor, state_dict};
use ferkd_nn::models::{Arch, ModelSpec, VitSize};
use ferkd_nn::weights::{HostTensor, StateDict};
use ferkd_tests::{ferkd, few_scenes, seeded};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

type Tensors = BTreeMap<String, HostTensor>;

/// A network of ten classes with the formula's weights.
fn network(spec: &ModelSpec) -> Tensors {
    let mut dict = StateDict::of(&spec.build(&Device::flex()).unwrap()).unwrap();
    for (name, tensor) in &mut dict.tensors {
        tensor.values = seeded::tensor(name, &tensor.shape);
    }
    dict.tensors
}

fn bytes(tensor: &HostTensor) -> Vec<u8> {
    tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// As other programs write safetensors.
fn write(path: &Path, tensors: &Tensors) {
    let data: Vec<(&String, Vec<u8>)> = tensors.iter().map(|(name, tensor)| (name, bytes(tensor))).collect();
    let views = data.iter().map(|(name, bytes)| {
        (*name, TensorView::new(Dtype::F32, tensors[*name].shape.clone(), bytes).unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// As `torch.save` does.
fn write_torch(path: &Path, tensors: &Tensors) {
    let data: Vec<(&String, &HostTensor, Vec<u8>)> =
        tensors.iter().map(|(name, tensor)| (name, tensor, bytes(tensor))).collect();
    let stored: Vec<StoredTensor> = data
        .iter()
        .map(|(name, tensor, bytes)| StoredTensor { name, shape: &tensor.shape, half: false, bytes })
        .collect();
    std::fs::write(path, state_dict(&stored).unwrap()).unwrap();
}

/// transformers' names of timm's vision transformer.
fn as_transformers_vit(tensors: &Tensors) -> Tensors {
    let mut renamed = Tensors::new();
    for (name, tensor) in tensors {
        let mut put = |name: String, tensor: HostTensor| assert!(renamed.insert(name, tensor).is_none());
        let rows = |from: usize, to: usize| {
            let row = tensor.values.len() / tensor.shape[0];
            let mut shape = tensor.shape.clone();
            shape[0] = to - from;
            HostTensor { shape, values: tensor.values[from * row..to * row].to_vec() }
        };
        if let Some((block, kind)) = name.split_once(".attn.qkv.") {
            let width = tensor.shape[0] / 3;
            for (i, part) in ["query", "key", "value"].into_iter().enumerate() {
                let block = block.replace("blocks.", "vit.encoder.layer.");
                put(format!("{block}.attention.attention.{part}.{kind}"), rows(i * width, (i + 1) * width));
            }
            continue;
        }
        let mut new = name.clone();
        for (ours, theirs) in [
            ("blocks.", "vit.encoder.layer."),
            (".norm1.", ".layernorm_before."),
            (".norm2.", ".layernorm_after."),
            (".attn.proj.", ".attention.output.dense."),
            (".mlp.fc1.", ".intermediate.dense."),
            (".mlp.fc2.", ".output.dense."),
            ("patch_embed.proj.", "vit.embeddings.patch_embeddings.projection."),
            ("cls_token", "vit.embeddings.cls_token"),
            ("pos_embed", "vit.embeddings.position_embeddings"),
            ("head.", "classifier."),
        ] {
            new = new.replace(ours, theirs);
        }
        let new = if new.starts_with("norm.") { format!("vit.layer{new}") } else { new };
        put(new, rows(0, tensor.shape[0]));
    }
    renamed
}

/// transformers' names of torchvision's ResNet.
fn as_transformers_resnet(tensors: &Tensors) -> Tensors {
    let layer = |name: &str| match name {
        "conv1" => "layer.0.convolution",
        "conv2" => "layer.1.convolution",
        "bn1" => "layer.0.normalization",
        "bn2" => "layer.1.normalization",
        "downsample.0" => "shortcut.convolution",
        "downsample.1" => "shortcut.normalization",
        other => panic!("{other}"),
    };
    let rename = |name: &String| {
        let (place, kind) = name.rsplit_once('.').unwrap();
        match place {
            "conv1" => format!("resnet.embedder.embedder.convolution.{kind}"),
            "bn1" => format!("resnet.embedder.embedder.normalization.{kind}"),
            "fc" => format!("classifier.1.{kind}"),
            _ => {
                let (stage, rest) = place.strip_prefix("layer").unwrap().split_once('.').unwrap();
                let (block, within) = rest.split_once('.').unwrap();
                let stage = stage.parse::<usize>().unwrap() - 1;
                format!("resnet.encoder.stages.{stage}.layers.{block}.{}.{kind}", layer(within))
            }
        }
    };
    tensors.iter().map(|(name, tensor)| (rename(name), tensor.clone())).collect()
}

fn id2label() -> Value {
    (0..10)
        .map(|class| (class.to_string(), Value::from(class.to_string())))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// What an evaluation on the scenes says.
fn eval(at: &Path, model: &str) -> Value {
    ferkd(at, &format!("eval {model} scenes --device flex --json")).ok().json()
}

/// The same network without a word about itself, asked for by flags.
fn plain(at: &Path, tensors: &Tensors, flags: &str) -> Value {
    write(&at.join("plain.safetensors"), tensors);
    std::fs::write(at.join("classes"), "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n").unwrap();
    eval(at, &format!("plain.safetensors --classes-file classes {flags}"))
}

const HALF: &str = "--mean 0.5 --std 0.5";

#[test]
fn shards_under_transformers_names_are_a_teacher_as_they_lie() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let size = VitSize { side: 32, patch: 16, width: 192, depth: 12, heads: 3 };
    let tensors = network(&ModelSpec { vit: Some(size), ..ModelSpec::new(Arch::VitTi16, 10) });
    let folder = at.path().join("hub");
    std::fs::create_dir(&folder).unwrap();
    let renamed = as_transformers_vit(&tensors);
    let mut map = BTreeMap::new();
    // All of one shard's names have a prefix in common, which is none of all names.
    let (body, rest): (Tensors, Tensors) =
        renamed.into_iter().partition(|(name, _)| name.starts_with("vit.encoder.layer.1"));
    for (number, shard) in [body, rest].iter().enumerate() {
        let name = format!("model-{:05}-of-00002.safetensors", number + 1);
        write(&folder.join(&name), shard);
        map.extend(shard.keys().map(|tensor| (tensor.clone(), name.clone())));
    }
    let index = json!({ "metadata": { "total_size": 1 }, "weight_map": map });
    std::fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
    let config =
        json!({ "model_type": "vit", "hidden_act": "gelu", "image_size": 32, "id2label": id2label() });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let processor = json!({ "do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
        "resample": 2, "size": 32 });
    std::fs::write(folder.join("preprocessor_config.json"), processor.to_string()).unwrap();

    let found = eval(at.path(), "hub");
    let expected = plain(at.path(), &tensors, &format!("{HALF} --interpolation bilinear"));
    assert_eq!((&found["loss"], &found["top1"]), (&expected["loss"], &expected["top1"]));
    let said = found["notices"].to_string();
    assert!(said.contains("transformers' names") && said.contains("classes are named by hub"), "{said}");
    let again = eval(at.path(), "hub/model.safetensors.index.json");
    assert_eq!(found["loss"], again["loss"]);
    // It labels and teaches as well.
    ferkd(at.path(), "label scenes --teacher hub --out store --regions 2 --device flex").ok();
    ferkd(at.path(), "verify store --images scenes").ok();

    std::fs::remove_file(folder.join("model-00001-of-00002.safetensors")).unwrap();
    ferkd(at.path(), "eval hub scenes --device flex")
        .fails(1, &["index.json", "model-00001-of-00002.safetensors", "copy the folder again"]);
}

#[test]
fn a_resnet_of_transformers_and_one_of_timm_are_teachers_as_they_lie() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let tensors = network(&ModelSpec::new(Arch::Resnet18, 10));
    let expected = plain(at.path(), &tensors, &format!("{HALF} --side 32 --interpolation bilinear"));
    let folder = at.path().join("transformers");
    std::fs::create_dir(&folder).unwrap();
    write(&folder.join("model.safetensors"), &as_transformers_resnet(&tensors));
    let mut config = json!({ "model_type": "resnet", "hidden_act": "relu", "id2label": id2label() });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let processor = json!({ "do_normalize": true, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
        "resample": 2, "size": 32 });
    std::fs::write(folder.join("preprocessor_config.json"), processor.to_string()).unwrap();
    assert_eq!(eval(at.path(), "transformers")["loss"], expected["loss"]);
    config["downsample_in_bottleneck"] = true.into();
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    ferkd(at.path(), "eval transformers scenes --device flex")
        .fails(1, &["config.json", "`downsample_in_bottleneck` is true", "ONNX"]);

    let folder = at.path().join("timm");
    std::fs::create_dir(&folder).unwrap();
    write_torch(&folder.join("pytorch_model.bin"), &tensors);
    let names: Vec<String> = (0..10).map(|class| class.to_string()).collect();
    let config = json!({ "architecture": "resnet18", "num_classes": 10, "label_names": names,
        "pretrained_cfg": { "input_size": [3, 32, 32], "interpolation": "bilinear", "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5] } });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    assert_eq!(eval(at.path(), "timm")["loss"], expected["loss"]);
    // Labels of another network are named.
    let config = json!({ "label_names": ["a", "b"] });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    ferkd(at.path(), "eval timm scenes --device flex")
        .fails(1, &["config.json", "2 classes", "10 outputs", "--classes-file"]);
}

#[test]
fn ones_own_network_labels_is_evaluated_and_teaches() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let tensors = network(&ModelSpec::new(Arch::Resnet18Cifar, 10));
    write_torch(&at.path().join("own.pth"), &tensors);
    std::fs::write(at.path().join("classes.txt"), "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n").unwrap();
    let eval = "eval own.pth scenes --device flex --side 32";
    ferkd(at.path(), eval).fails(1, &["own.pth", "10 classes", "--classes-file"]);
    let found = ferkd(at.path(), &format!("{eval} --classes-file classes.txt --json")).ok().json();
    assert_eq!(found["loss"], plain(at.path(), &tensors, "--side 32")["loss"]);
    let label =
        "label scenes --teacher own.pth --classes-file classes.txt --side 32 --regions 2 --device flex";
    ferkd(at.path(), &format!("{label} --out store")).ok();
    ferkd(at.path(), "verify store --images scenes").ok();
    let train = "train --images scenes --supervision kd --teacher own.pth --classes-file classes.txt --teacher-side 32 \
                 --arch resnet8 --width 2 --side 32 --epochs 1 --batch 8 --regions-per-step 1 --device flex --run run";
    ferkd(at.path(), train).ok();
    // What the file says comes before what is asked for.
    ferkd(at.path(), &format!("{eval} --classes-file classes.txt --arch resnet50"))
        .fails(1, &["own.pth", "resnet18-cifar", "resnet50", "leave --arch out"]);
}

#[test]
fn a_transformer_of_its_own_size_is_known_by_an_architecture_with_such_heads() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let size = VitSize { side: 32, patch: 8, width: 128, depth: 3, heads: 2 };
    let tensors = network(&ModelSpec { vit: Some(size), ..ModelSpec::new(Arch::VitTi16, 10) });
    write_torch(&at.path().join("own.pth"), &tensors);
    std::fs::write(at.path().join("classes.txt"), "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n").unwrap();
    let eval = "eval own.pth scenes --device flex --classes-file classes.txt";
    ferkd(at.path(), eval).fails(1, &["own.pth", "width 128", "depth 3", "--arch vit-ti16"]);
    let found = ferkd(at.path(), &format!("{eval} --arch vit-ti16 --json")).ok().json();
    assert_eq!(found["preprocessing"]["side"], 32);
    ferkd(at.path(), &format!("{eval} --arch resnet18")).fails(1, &["own.pth"]);
    ferkd(at.path(), &format!("{eval} --arch eva-g14")).fails(1, &["own.pth"]);
    let label =
        "label scenes --teacher own.pth --classes-file classes.txt --arch vit-ti16 --regions 2 --device flex";
    ferkd(at.path(), &format!("{label} --out store")).ok();
    let train = "train --images scenes --supervision kd --teacher own.pth --classes-file classes.txt --teacher-arch vit-ti16 \
                 --arch resnet8 --width 2 --side 32 --epochs 1 --batch 8 --regions-per-step 1 --device flex --run run";
    ferkd(at.path(), train).ok();
}
