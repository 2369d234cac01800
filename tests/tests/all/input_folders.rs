//! What people call their folders and keep in them: splits, strangers, class names, ImageNet's flat validation images,
//! WebDataset. Each is understood and said, or refused with a remedy; nothing is wrong in silence.

use std::fs;
use std::path::Path;

use ferkd_data::images::{ImageList, Split};
use ferkd_tests::{ferkd, few_scenes, files, same};
use serde_json::Value;

const LABEL: &str = "label scenes --teacher digits --regions 2 --shard-images 20 --device flex";
const TRAIN: &str = "train --images scenes --supervision hard --arch resnet8 --width 4 --side 16 --epochs 2 --batch 16 \
                     --regions-per-step 2 --regions 4 --device flex";

fn rename(at: &Path, from: &str, to: &str) {
    fs::create_dir_all(at.join(to).parent().unwrap()).unwrap();
    fs::rename(at.join(from), at.join(to)).unwrap();
}

fn notices(answer: &Value) -> String {
    let all = answer["notices"].as_array().unwrap();
    all.iter().map(|text| text.as_str().unwrap()).collect::<Vec<_>>().join("\n")
}

/// A ustar archive of files with their names and contents.
fn tar(path: &Path, entries: &[(String, Vec<u8>)]) {
    let mut bytes = Vec::new();
    for (name, contents) in entries {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..135].copy_from_slice(format!("{:011o}", contents.len()).as_bytes());
        header[148..156].fill(b' ');
        header[156] = b'0';
        let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        bytes.extend(header);
        bytes.extend(contents);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn splits_of_any_usual_name_are_told_apart_and_said() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let mut names = ("train".to_owned(), "val".to_owned());
    for (train, val) in [
        ("Train", "Val"),
        ("TRAINING", "valid"),
        ("digits_train", "digits_val"),
        ("train (1)", "val (1)"),
        ("training", "Validation"),
        ("train2", "dev"),
    ] {
        rename(at.path(), &format!("scenes/{}", names.0), &format!("scenes/{train}"));
        rename(at.path(), &format!("scenes/{}", names.1), &format!("scenes/{val}"));
        let dry = ferkd(at.path(), &format!("{TRAIN} --run run --dry-run --json")).ok().json();
        assert_eq!((&dry["images"], &dry["classes"]), (&Value::from(40), &Value::from(10)), "{train}");
        let said = notices(&dry);
        assert!(said.contains(&format!("`{train}` is the training split")), "{said}");
        assert!(said.contains(&format!("`{val}` is the validation split")), "{said}");
        let text = ferkd(at.path(), &format!("{TRAIN} --run run --dry-run")).ok().stdout;
        assert!(text.contains(&format!("`{val}` is the validation split")), "{text}");
        names = (train.into(), val.into());
    }
    // The test split is used where there is no other, and only where its images have classes.
    rename(at.path(), "scenes/dev", "scenes/Test");
    let run = ferkd(at.path(), &format!("{TRAIN} --run run --json")).ok();
    assert!(run.stderr.contains("`Test` is used as the validation split"), "{}", run.stderr);
    assert!(run.json()["accuracy"].is_number(), "{}", run.stdout);
    assert!(notices(&run.json()).contains("`Test`"));
    let eval = ferkd(at.path(), "eval run scenes --json").ok().json();
    assert_eq!(eval["images"], 20);
    rename(at.path(), "scenes/Test/0", "scenes/test");
    fs::remove_dir_all(at.path().join("scenes/Test")).unwrap();
    let dry = ferkd(at.path(), &format!("{TRAIN} --run none --dry-run --json")).ok().json();
    assert!(notices(&dry).contains("no images to validate on"), "{dry}");
    assert!(
        notices(&dry).contains("scenes/test: a test split whose 2 images have no classes is passed over"),
        "{dry}"
    );
    // The same in an archive.
    let flat: Vec<_> = files(&at.path().join("scenes/test")).into_iter().collect();
    fs::remove_dir_all(at.path().join("scenes/test")).unwrap();
    tar(&at.path().join("scenes/test.tar"), &flat);
    let dry = ferkd(at.path(), &format!("{TRAIN} --run none --dry-run --json")).ok().json();
    assert!(notices(&dry).contains("scenes/test.tar: a test split whose 2 images"), "{dry}");
}

#[test]
fn a_split_that_is_packed_beside_the_other_ones_folder_is_used() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let dry = |says: &str| {
        let answer = ferkd(at.path(), &format!("{TRAIN} --run none --dry-run --json")).ok().json();
        assert!(notices(&answer).contains(says), "no {says} in {answer}");
        answer["validation_images"].clone()
    };
    let val: Vec<_> = files(&at.path().join("scenes/val")).into_iter().collect();
    tar(&at.path().join("scenes/val.tar"), &val);
    fs::write(at.path().join("scenes/ILSVRC2012_devkit_t12.tar.gz"), b"").unwrap();
    // Unpacked as well: the folder is used.
    assert_eq!(dry("1 archive beside the splits' folders (`val.tar`)"), 20);
    fs::remove_dir_all(at.path().join("scenes/val")).unwrap();
    assert_eq!(dry("`val.tar` is the validation split"), 20);
    let run = ferkd(at.path(), &format!("{TRAIN} --run run --json")).ok().json();
    assert!(run["accuracy"].is_number(), "{run}");
    assert_eq!(ferkd(at.path(), "eval run scenes --json").ok().json()["images"], 20);
}

#[test]
fn images_that_are_trained_on_and_validated_on_are_said() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let line = TRAIN.replace("scenes", "scenes/train");
    let dry = |val: &str| {
        notices(&ferkd(at.path(), &format!("{line} --val {val} --run none --dry-run --json")).ok().json())
    };
    for val in ["scenes/train", "./scenes/../scenes/train/"] {
        let said = dry(val);
        assert!(said.contains("40 of 40 images to validate on are trained on, too"), "{said}");
    }
    assert!(!dry("scenes/val").contains("trained on, too"));
}

/// macOS writes an accented letter as two characters, others as one.
#[cfg(target_os = "linux")]
#[test]
fn class_names_are_the_same_in_every_unicode_form() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let (composed, decomposed) = ("Caf\u{e9}", "Cafe\u{301}");
    rename(at.path(), "scenes/train/9", &format!("scenes/train/{composed}"));
    rename(at.path(), "scenes/val/9", &format!("scenes/val/{decomposed}"));
    let run = ferkd(at.path(), &format!("{TRAIN} --run run --json")).ok().json();
    assert!(run["accuracy"].is_number());
    // A classes file, a teacher's classes and a store's.
    let list = |last: &str| format!("0\n1\n2\n3\n4\n5\n6\n7\n8\n{last}\n");
    fs::write(at.path().join("nfd.txt"), list(decomposed)).unwrap();
    fs::write(at.path().join("nfc.txt"), list(composed)).unwrap();
    ferkd(at.path(), &format!("{LABEL} --classes-file nfd.txt --out store")).ok();
    let eval = ferkd(at.path(), "eval digits scenes --classes-file nfc.txt --device flex --json").ok().json();
    assert_eq!(eval["images"], 20);
    let train = format!("{TRAIN} --store store");
    ferkd(at.path(), &format!("{train} --classes-file nfc.txt --run stored")).ok();
    fs::write(at.path().join("other.txt"), list("Cafe")).unwrap();
    ferkd(at.path(), &format!("{train} --classes-file other.txt --run none"))
        .fails(1, &["other.txt", "not those of the store"]);
    // Two folders that look alike are no two classes.
    fs::create_dir(at.path().join("scenes/train").join(decomposed)).unwrap();
    let photo = files(&at.path().join("scenes/train/0")).into_values().next().unwrap();
    fs::write(at.path().join("scenes/train").join(decomposed).join("a.png"), photo).unwrap();
    ferkd(at.path(), &format!("{TRAIN} --run two")).fails(1, &["two of its class folders", "NFC and NFD"]);
}

#[test]
fn splits_that_could_be_meant_in_two_ways_are_refused() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    rename(at.path(), "scenes/val/3", "scenes/valid/3");
    ferkd(at.path(), &format!("{TRAIN} --run run --dry-run")).fails(1, &["scenes", "`val` and `valid`"]);
    rename(at.path(), "scenes/valid", "scenes/training");
    ferkd(at.path(), &format!("{LABEL} --out store")).fails(1, &["`train` and `training`"]);
    rename(at.path(), "scenes/training/3", "scenes/3");
    fs::remove_dir(at.path().join("scenes/training")).unwrap();
    ferkd(at.path(), &format!("{LABEL} --out store")).fails(1, &["`3`", "`train`", "name the folder"]);
    fs::remove_dir_all(at.path().join("scenes/3")).unwrap();
    fs::remove_dir_all(at.path().join("scenes/train")).unwrap();
    ferkd(at.path(), &format!("{LABEL} --out store")).fails(1, &["no training split", "name the folder"]);
}

#[test]
fn archives_are_told_apart_by_a_word_at_any_position() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let shard = |split: &str, name: &str, part: usize| {
        let all = files(&at.path().join("scenes").join(split));
        let half: Vec<_> = all.into_iter().skip(part).step_by(2).collect();
        tar(&at.path().join("shards").join(name), &half);
    };
    for part in 0..2 {
        shard("train", &format!("imagenet1k-train-000{part}.tar"), part);
        shard("val", &format!("imagenet1k-validation-0{part}.tar"), part);
    }
    ferkd(at.path(), &format!("{LABEL} --out store")).ok();
    let line = LABEL.replace("scenes", "shards");
    let labelled = ferkd(at.path(), &format!("{line} --out tars --json")).ok().json();
    assert!(notices(&labelled).contains("imagenet1k-train-0000.tar"), "{labelled}");
    same(&files(&at.path().join("store")), &files(&at.path().join("tars")));
    let dry = ferkd(at.path(), &format!("{} --run run --dry-run --json", TRAIN.replace("scenes", "shards")));
    let said = notices(&dry.ok().json());
    assert!(said.contains("imagenet1k-validation-01.tar` (2 archives) is the validation split"), "{said}");
    fs::write(at.path().join("shards/other-val-1.tar"), b"").unwrap();
    let line = TRAIN.replace("scenes", "shards");
    ferkd(at.path(), &format!("{line} --run run --dry-run"))
        .fails(1, &["other-val-1.tar", "validation-00.tar"]);
}

/// Files of the system, licences, checksums, thumbnails, dangling links and names that are not UTF-8.
#[cfg(unix)]
#[test]
fn strangers_beside_the_classes_are_passed_over_and_said_once() {
    use std::os::unix::ffi::OsStrExt;
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    ferkd(at.path(), &format!("{LABEL} --out clean")).ok();
    let root = at.path().join("scenes/train");
    for folder in ["__MACOSX/3", "lost+found", "n01440764", "3/@eaDir/a.png"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    let photo = files(&root).into_values().next().unwrap();
    fs::write(root.join("__MACOSX/3/._a.png"), b"resource fork").unwrap();
    fs::write(root.join("3/@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg"), &photo).unwrap();
    for name in ["LICENSE", "Thumbs.db", "SHA256SUMS", "train.idx", "3/desktop.ini", "3/COPYING"] {
        fs::write(root.join(name), b"no picture").unwrap();
    }
    std::os::unix::fs::symlink("/gone/a.png", root.join("3/gone.png")).unwrap();
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"3/\xFF.png")), &photo).unwrap();
    let said = notices(&ferkd(at.path(), &format!("{LABEL} --out store --json")).ok().json());
    for text in [
        "`n01440764`",
        "__MACOSX",
        "@eaDir",
        "LICENSE",
        "6 files that are not images",
        "3/gone.png",
        "not UTF-8",
    ] {
        assert!(said.contains(text), "no {text} in {said}");
    }
    same(&files(&at.path().join("clean")), &files(&at.path().join("store")));
}

#[test]
fn formats_besides_jpeg_png_and_webp_are_labelled() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    ferkd(at.path(), &format!("{LABEL} --out png")).ok();
    let folder = at.path().join("scenes/train/3");
    for (path, ending) in
        fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).zip(["bmp", "ppm", "tiff", "bmp"])
    {
        let picture = image::open(&path).unwrap().into_rgb8();
        picture.save(path.with_extension(ending)).unwrap();
        fs::remove_file(path).unwrap();
    }
    let done = ferkd(at.path(), &format!("{LABEL} --out others --json")).ok().json();
    assert_eq!(done["images"], 40);
}

/// The weights file without what it says of itself.
fn anonymous(from: &Path, to: &Path) {
    let bytes = fs::read(from).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    fs::write(to, safetensors::serialize(file.tensors(), None).unwrap()).unwrap();
}

#[test]
fn a_classes_file_names_the_outputs_for_label_eval_and_train() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "ice cream"];
    for split in ["train", "val"] {
        for (digit, word) in words.iter().enumerate() {
            let name = format!("scenes/{split}/{}", word.replace(' ', "_"));
            rename(at.path(), &format!("scenes/{split}/{digit}"), &name);
        }
    }
    fs::write(at.path().join("c.txt"), format!("\u{FEFF}{}\r\n", words.join("\r\n"))).unwrap();
    let run = ferkd(at.path(), &format!("{TRAIN} --classes-file c.txt --run run --json")).ok().json();
    anonymous(&at.path().join("run/checkpoints/best.safetensors"), &at.path().join("own.safetensors"));
    let label = "label scenes --teacher own.safetensors --regions 2 --device flex --out store";
    ferkd(at.path(), label).fails(1, &["own.safetensors", "10 classes", "--classes-file"]);
    ferkd(at.path(), &format!("{label} --classes-file c.txt")).ok();
    let manifest: Value =
        serde_json::from_slice(&fs::read(at.path().join("store/manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["label"]["class_list"], serde_json::json!(words), "{manifest}");
    // The weights know neither the student's side nor its classes; the former is the network's usual one.
    let eval =
        ferkd(at.path(), "eval own.safetensors scenes --classes-file c.txt --device flex --json").ok().json();
    assert_eq!((&eval["images"], run["accuracy"].is_number()), (&Value::from(20), true));
    let kd = TRAIN.replace("hard", "kd --teacher own.safetensors --classes-file c.txt");
    ferkd(at.path(), &format!("{kd} --run kd")).ok();
    fs::write(at.path().join("few.txt"), "zero\none\n").unwrap();
    ferkd(at.path(), &format!("{label}2 --classes-file few.txt")).fails(1, &["10 outputs", "2 classes"]);
}

#[test]
fn imagenets_flat_validation_images_are_understood_by_a_list_beside_them_or_refused_before_the_first_step() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let ids = ["n01440764", "n01443537", "n01484850", "n01491361", "n01494475"];
    for (digit, id) in ids.iter().enumerate() {
        rename(at.path(), &format!("scenes/train/{digit}"), &format!("set/train/{id}"));
    }
    fs::create_dir(at.path().join("set/val")).unwrap();
    let mut rows = "ImageId,PredictionString\n".to_owned();
    let mut number = 0;
    for (digit, id) in ids.iter().enumerate() {
        for bytes in files(&at.path().join(format!("scenes/val/{digit}"))).values() {
            number += 1;
            fs::write(at.path().join(format!("set/val/ILSVRC2012_val_{number:08}.JPEG")), bytes).unwrap();
            rows += &format!("ILSVRC2012_val_{number:08},{id} 1 2 3 4\n");
        }
    }
    let line = TRAIN.replace("scenes", "set");
    for dry in ["", "--dry-run"] {
        ferkd(at.path(), &format!("{line} --run run {dry}")).fails(
            1,
            &["set/val", "no classes", "imagenet_2012_validation_synset_labels.txt", "class folders"],
        );
    }
    assert!(!at.path().join("run/metrics.jsonl").exists());
    fs::write(at.path().join("set/LOC_val_solution.csv"), rows).unwrap();
    let run = ferkd(at.path(), &format!("{line} --run run --json")).ok();
    assert!(run.stderr.contains("LOC_val_solution.csv"), "{}", run.stderr);
    assert!(run.json()["accuracy"].is_number());
    let eval = ferkd(at.path(), "eval run set --json").ok().json();
    let classes: Vec<(&str, u64)> = eval["classes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|class| (class["name"].as_str().unwrap(), class["images"].as_u64().unwrap()))
        .collect();
    let two = |name| (name, 2);
    assert_eq!(
        classes,
        ["tench", "goldfish", "great white shark", "tiger shark", "hammerhead shark"].map(two)
    );
}

#[test]
fn webdataset_shards_give_their_classes() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let mut entries = Vec::new();
    for (name, bytes) in files(&at.path().join("scenes/train")) {
        let (class, file) = name.split_once('/').unwrap();
        let key = format!("{}.{class}", file.trim_end_matches(".png").replace('/', "-"));
        entries.push((format!("{key}.cls"), class.as_bytes().to_vec()));
        entries.push((format!("{key}.depth.png"), bytes.clone()));
        entries.push((format!("{key}.png"), bytes));
    }
    let (first, second) = entries.split_at(60);
    tar(&at.path().join("wds/train-000000.tar"), first);
    tar(&at.path().join("wds/train-000001.tar"), second);
    let list = ImageList::open(&at.path().join("wds"), Split::Train).unwrap();
    assert_eq!((list.len(), list.folders().len()), (40, 10));
    for i in 0..list.len() {
        let own = list.name(i).trim_end_matches(".png").rsplit('.').next().unwrap();
        assert_eq!(list.folders()[list.folder(i).unwrap() as usize], own);
    }
    let label = "label wds --teacher digits --regions 2 --device flex --out store --json";
    let done = ferkd(at.path(), label).ok().json();
    assert_eq!((&done["images"], &done["classes"]), (&Value::from(40), &Value::from(10)));
    assert!(notices(&done).contains("40 second images of their keys"), "{done}");
}

#[test]
fn images_of_one_class_alone_are_not_trained_on_nor_labelled_with_it() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    // A folder too far up, or one of unsorted images.
    rename(at.path(), "scenes/train/3", "one/3");
    let said = ["one class alone, `3`"];
    for dry in ["", "--dry-run"] {
        let train = TRAIN.replace("scenes", "one");
        ferkd(at.path(), &format!("{train} --run run {dry}")).fails(1, &["nothing to tell apart", said[0]]);
    }
    let label = LABEL.replace("scenes", "one");
    ferkd(at.path(), &format!("{label} --out store")).fails(1, &["--classes teacher", said[0]]);
    ferkd(at.path(), &format!("{label} --out store --classes teacher")).ok();
    let fkd = TRAIN.replace("scenes", "one").replace("hard", "fkd --store store");
    ferkd(at.path(), &format!("{fkd} --run fkd")).ok();
}

/// Reading one would take for ever.
#[cfg(target_os = "linux")]
#[test]
fn a_pipe_that_is_called_like_an_image_is_passed_over() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let made = std::process::Command::new("mkfifo").arg(at.path().join("scenes/train/3/pipe.png")).status();
    assert!(made.unwrap().success());
    let labelled = ferkd(at.path(), &format!("{LABEL} --out store --json")).ok().json();
    assert_eq!(labelled["images"], 40);
    assert!(notices(&labelled).contains("1 pipe, socket or device (`3/pipe.png`)"), "{labelled}");
}
