//! A store as numpy sees it: `examples/read_store.py`, and every file of every codec.
//!
//! Skipped, aloud, where there is no `python3` with numpy; `FERKD_PYTHON` names another interpreter.

use std::path::Path;
use std::process::{Command, Output};

use ferkd_data::pixels::{Filter, Normalisation, OrientationRule};
use ferkd_data::store::{
    Boxes, ExplicitBox, ImageEntry, LabelFormat, LabelSpace, Manifest, Regions, ShardLabels, Store,
    StoreWriter, Teacher, image_list_sha256, manifest,
};
use ferkd_method::label::{Codec, softmax};
use ferkd_method::region::{FractionBox, RegionSampler};
use ferkd_method::rng::{Purpose, Stream};
use ferkd_skip::not_installed;

const IMAGES: u64 = 7;
const REGIONS: u32 = 3;
const CLASSES: u32 = 40;

fn python(arguments: &[&str]) -> Option<Output> {
    let python = std::env::var("FERKD_PYTHON").unwrap_or_else(|_| "python3".into());
    let has_numpy = Command::new(&python).args(["-c", "import numpy"]).output();
    if !has_numpy.is_ok_and(|done| done.status.success()) {
        not_installed(format_args!("there is no {python} with numpy"));
        return None;
    }
    Some(Command::new(&python).args(arguments).output().unwrap())
}

fn stdout(done: Output) -> String {
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn name(image: u64) -> String {
    format!("n{image:02}/é {image}.jpg")
}

fn written(codec: Codec, k: u32, explicit: bool) -> tempfile::TempDir {
    written_as(manifest::FORMAT, codec, k, explicit)
}

fn written_as(format: u32, codec: Codec, k: u32, explicit: bool) -> tempfile::TempDir {
    let names: Vec<String> = (0..IMAGES).map(name).collect();
    let manifest = Manifest {
        format,
        images: IMAGES,
        shard_images: 5,
        image_list_sha256: image_list_sha256(names.iter().map(String::as_str)),
        regions: Regions {
            per_image: REGIONS,
            boxes: if explicit { Boxes::Explicit } else { Boxes::Generated(RegionSampler::new(1)) },
        },
        label: LabelFormat {
            codec,
            k,
            classes: CLASSES,
            temperature: 1.0,
            space: LabelSpace::Folder,
            class_list: (0..CLASSES).map(|c| format!("n{c:02}")).collect(),
            class_names: (0..CLASSES).map(|c| format!("class {c}")).collect(),
        },
        teacher: Teacher {
            name: "none".into(),
            sha256: None,
            side: 224,
            filter: Filter::Bicubic,
            normalisation: Normalisation { mean: [0.5; 3], std: [0.25; 3] },
            sources: None,
        },
        orientation: OrientationRule::Apply,
        created_by: "0.1.0".into(),
    };
    let folder = tempfile::tempdir().unwrap();
    let mut writer = StoreWriter::open(folder.path(), manifest).unwrap();
    for shard in writer.missing_shards() {
        let first = writer.layout().image(shard, 0);
        let images = first..first + u64::from(writer.layout().images_in(shard));
        let entries: Vec<ImageEntry> = images
            .clone()
            .map(|image| ImageEntry {
                name: name(image),
                width: 300,
                height: 200,
                class: Some(image as u32),
                checksum: image,
                orientation: 1,
            })
            .collect();
        let mut labels = ShardLabels::new(writer.manifest()).unwrap();
        let mut boxes = Vec::new();
        for (image, region) in images.flat_map(|image| (0..REGIONS).map(move |region| (image, region))) {
            let mut draw = Stream::new(2, Purpose::Scene, image, region);
            let logits: Vec<f32> = (0..CLASSES).map(|_| (3.0 * draw.normal()) as f32).collect();
            labels.push_full(&softmax(&logits, 1.0).unwrap()).unwrap();
            let fractions = FractionBox { top: 0.125, left: 0.25, height: 0.5, width: 0.5 };
            boxes.push(ExplicitBox { fractions, flip: region % 2 == 1 });
        }
        writer.write_shard(shard, &entries, &labels, explicit.then_some(&boxes)).unwrap();
    }
    writer.finish().unwrap();
    folder
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() < 2e-6
}

#[test]
fn the_example_decodes_what_we_decode() {
    for format in manifest::OLDEST_FORMAT..=manifest::FORMAT {
        decodes(written_as(format, Codec::MarginalSmoothing, 5, false).path());
    }
}

fn decodes(folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/read_store.py");
    let Some(done) = python(&[script.to_str().unwrap(), folder.to_str().unwrap()]) else { return };
    let store = Store::open(folder).unwrap();
    let text = stdout(done);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "the first shard has five images");
    for (image, line) in lines.into_iter().enumerate() {
        let said: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(said["image"], name(image as u64));
        let label = store.label(image as u64, 0).unwrap();
        let top = said["top"].as_object().unwrap();
        assert_eq!(top.len(), 5);
        for &(class, p) in label.top() {
            assert!(close(top[&format!("class {class}")].as_f64().unwrap(), f64::from(p)), "{line}");
        }
        assert!(close(said["each_other"].as_f64().unwrap(), f64::from(label.rest())), "{line}");
    }
}

/// Opens every file with numpy, and prints what they hold.
const OPEN_ALL: &str = r#"
import glob, json, os, sys, numpy as np
store = sys.argv[1]
kept = json.load(open(store + "/manifest.json"))["label"]
shapes = {}
for path in sorted(glob.glob(store + "/*.npy")):
    table = np.load(path, mmap_mode="r", allow_pickle=False)
    assert os.path.getsize(path) - table.nbytes == table.offset and table.offset % 64 == 0, path
    shapes[os.path.basename(path)] = [list(table.shape), table.dtype.itemsize]
labels = np.load(store + "/labels-00001.npy")
images = np.load(store + "/images-00001.npy")
heap = open(store + "/names-00001.txt", "rb").read()
fields = labels.dtype.names
first = labels["p"].max(-1) if "p" in fields else 1 - (labels["q1"] / 65535) ** 2 if "q1" in fields else np.ones(labels.shape)
print(json.dumps({
    "shapes": shapes,
    "first": first.tolist(),
    "names": [heap[o:o + n].decode() for o, n in zip(images["name_offset"], images["name_len"])],
    "classes": images["class"].tolist(),
    "boxes": np.load(store + "/boxes-00001.npy")["box"][0, 1].tolist(),
    "flips": np.load(store + "/boxes-00001.npy")["flip"][0].tolist(),
}))
"#;

#[test]
fn numpy_opens_every_file_of_every_codec() {
    for (codec, k, bytes) in [
        (Codec::MarginalSmoothing, 1, 4),
        (Codec::MarginalSmoothing, 5, 16),
        (Codec::MarginalRenorm, 10, 31),
        (Codec::Smoothing, 1, 4),
        (Codec::Hard, 1, 2),
        (Codec::Full, CLASSES, 160),
    ] {
        let folder = written(codec, k, true);
        let Some(done) = python(&["-c", OPEN_ALL, folder.path().to_str().unwrap()]) else { return };
        let said: serde_json::Value = serde_json::from_str(&stdout(done)).unwrap();
        let expected = serde_json::json!({
            "boxes-00000.npy": [[5, 3], 20], "boxes-00001.npy": [[2, 3], 20],
            "images-00000.npy": [[5], 48], "images-00001.npy": [[2], 48],
            "labels-00000.npy": [[5, 3], bytes], "labels-00001.npy": [[2, 3], bytes],
        });
        assert_eq!(said["shapes"], expected, "{codec:?}");
        assert_eq!(said["names"], serde_json::json!([name(5), name(6)]));
        assert_eq!(said["classes"], serde_json::json!([5, 6]));
        assert_eq!(said["boxes"], serde_json::json!([0.125, 0.25, 0.5, 0.5]));
        assert_eq!(said["flips"], serde_json::json!([0, 1, 0]));
        let store = Store::open(folder.path()).unwrap();
        for (row, region) in (0..2).flat_map(|row| (0..REGIONS).map(move |region| (row, region))) {
            let first = said["first"][row as usize][region as usize].as_f64().unwrap();
            let label = store.label(5 + row, region).unwrap();
            assert!(close(first, f64::from(label.top()[0].1)), "{codec:?}: {first} {label:?}");
        }
    }
}

#[test]
fn the_documents_renormalisation_is_ours() {
    let folder = written(Codec::MarginalRenorm, 10, false);
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/label-store.md");
    let document = std::fs::read_to_string(document).unwrap();
    let blocks: Vec<&str> =
        document.split("```python\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    let [decode, renormalise] = blocks[..] else { panic!("{} blocks", blocks.len()) };
    let path = folder.path().to_str().unwrap();
    let decode = decode.replace("\"store/", &format!("\"{path}/"));
    let print = "print(json.dumps([[float(q) for q in renormalised(top[i, 1])] for i in range(5)]))";
    let Some(done) = python(&["-c", &format!("{decode}\n{renormalise}\n{print}")]) else { return };
    let said: Vec<Vec<f64>> = serde_json::from_str(&stdout(done)).unwrap();
    let store = Store::open(folder.path()).unwrap();
    for (image, said) in said.into_iter().enumerate() {
        let label = store.label(image as u64, 1).unwrap();
        assert_eq!(label.top().len(), said.len());
        for (&(_, ours), theirs) in label.top().iter().zip(said) {
            assert!(close(f64::from(ours), theirs), "image {image}: {ours} {theirs}");
        }
    }
}
