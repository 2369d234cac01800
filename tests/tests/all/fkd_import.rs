//! `ferkd import fkd` on label files that FKD's own generator wrote, against what FKD's own decoder gives.

use std::fs;
use std::path::{Path, PathBuf};

use ferkd_data::store::Store;
use ferkd_method::label::total_variation;
use ferkd_method::region::Region;
use ferkd_tests::{Answer, answer, command, ferkd, files, repository};
use safetensors::SafeTensors;
use serde_json::Value;

/// Images of the goldens' names, one with several dots: chelsea comes first.
fn photos(at: &Path) {
    for (class, photo, name) in
        [("n02124075", "chelsea", "chelsea.JPEG.png"), ("n07920052", "coffee", "coffee.png")]
    {
        let folder = at.join("photos/train").join(class);
        fs::create_dir_all(&folder).unwrap();
        fs::copy(repository(&format!("assets/photos/{photo}.png")), folder.join(name)).unwrap();
    }
}

fn folder() -> tempfile::TempDir {
    let at = tempfile::tempdir().unwrap();
    photos(at.path());
    at
}

/// The golden label files of a type, copied so that a test may break them.
fn labels(at: &Path, label_type: &str) -> PathBuf {
    let to = at.join("fkd");
    for (name, bytes) in files(&repository(&format!("tests/data/fkd/{label_type}"))) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    to
}

fn import(at: &Path, label_type: &str, more: &str) -> Answer {
    let labels = repository(&format!("tests/data/fkd/{label_type}"));
    let mut words = vec!["import", "fkd", labels.to_str().unwrap(), "--images", "photos"];
    words.extend(more.split_whitespace());
    answer(&mut command(at, &words))
}

/// A golden tensor's values.
fn golden(name: &str) -> Vec<f32> {
    let bytes = fs::read(repository("tests/data/fkd/decoded.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    match name.starts_with("flips") {
        true => tensor.data().iter().map(|&flip| f32::from(flip)).collect(),
        false => bytemuck::pod_collect_to_vec(tensor.data()),
    }
}

/// Imports a label type and compares boxes, flips and labels with FKD's. Coordinates of 16 bits are off by their
/// rounding.
fn agrees(label_type: &str, decode: &str, expected: &str, rounding: f64) {
    let at = folder();
    let done = import(at.path(), label_type, &format!("--out store --json {decode}")).ok().json();
    assert_eq!((done["images"].as_u64(), done["regions_per_image"].as_u64()), (Some(2), Some(16)));
    assert_eq!((done["refused_count"].as_u64(), done["classes"].as_u64()), (Some(0), Some(1000)));
    ferkd(at.path(), "verify store").ok();
    let store = Store::open(at.path().join("store")).unwrap();
    for (image, (photo, class, name)) in
        [("chelsea", 285, "n02124075/chelsea.JPEG.png"), ("coffee", 967, "n07920052/coffee.png")]
            .into_iter()
            .enumerate()
    {
        let image = image as u64;
        let entry = store.image(image).unwrap();
        assert_eq!((entry.name.as_str(), entry.class), (name, Some(class)));
        let size = image::image_dimensions(repository(&format!("assets/photos/{photo}.png"))).unwrap();
        assert_eq!((entry.width, entry.height), size);
        let (coords, flips) = (golden(&format!("coords/{photo}")), golden(&format!("flips/{photo}")));
        for (region, (coords, flip)) in coords.chunks(4).zip(&flips).enumerate() {
            let found = store.explicit_box(image, region as u32).unwrap().unwrap();
            let fractions = found.fractions;
            let values = [fractions.top, fractions.left, fractions.height, fractions.width];
            for (value, &expected) in values.iter().zip(coords) {
                assert!((value - f64::from(expected)).abs() <= rounding, "{value}, not {expected}");
            }
            assert_eq!(found.flip, *flip == 1.0, "region {region}");
            let pixels = Region::from_fractions(fractions, found.flip, size.0, size.1);
            assert_eq!(store.region(image, region as u32).unwrap(), pixels);
        }
        for (region, row) in golden(&format!("{expected}/{photo}")).chunks(1000).enumerate() {
            let label = store.label(image, region as u32).unwrap();
            let mut row = row.to_vec();
            // FKD leaves sums of 16-bit numbers above 1; a store scales them to 1.
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|p| *p /= sum);
            let distance = total_variation(&label.dense(), &row);
            assert!(distance < 0.01, "region {region} of {photo}: total variation {distance}");
            let first = label.top()[0];
            assert!((first.1 - row[first.0 as usize]).abs() < 1.0 / 4000.0, "{first:?}");
        }
    }
}

#[test]
fn marginal_smoothing() {
    agrees("marginal_smoothing_k5", "", "marginal_smoothing_k5", 0.0);
    agrees("marginal_smoothing_k10", "--decode marginal-smoothing", "marginal_smoothing_k10", 0.0);
}

#[test]
fn marginal_smoothing_of_16_bits() {
    agrees("marginal_smoothing_k5_fp16", "", "marginal_smoothing_k5_fp16", 3e-4);
    agrees("marginal_smoothing_k10_fp16", "", "marginal_smoothing_k10_fp16", 3e-4);
}

#[test]
fn marginal_renorm() {
    agrees("marginal_smoothing_k5", "--decode marginal-renorm", "marginal_smoothing_k5_as_renorm", 0.0);
    agrees(
        "marginal_smoothing_k5_fp16",
        "--decode marginal-renorm",
        "marginal_smoothing_k5_fp16_as_renorm",
        3e-4,
    );
}

#[test]
fn smoothing() {
    agrees("smoothing", "", "smoothing", 0.0);
}

#[test]
fn hard() {
    agrees("hard", "", "hard", 0.0);
}

/// Through the ordinary commands, as any other store.
#[test]
fn an_imported_store_is_mined_calibrated_and_trained_on() {
    let at = folder();
    import(at.path(), "marginal_smoothing_k5", "--out store").ok();
    let mined = ferkd(at.path(), "mine store --write mining.toml --quantiles 0.1,0.5,0.9 --json").ok().json();
    assert_eq!(mined["regions"], 32);
    let line = "train --images photos --store store --config mining.toml --supervision ferkd --arch resnet8 \
                --width 4 --side 16 --epochs 8 --batch 8 --regions-per-step 4 --device flex --run run --json";
    let done = ferkd(at.path(), line).ok().json();
    assert!(done["train_loss"].as_f64().unwrap() > 0.0, "{done}");
    let metrics = fs::read_to_string(at.path().join("run/metrics.jsonl")).unwrap();
    // Discarded, context, important, trivial.
    let kinds = |kind: usize| {
        let of = |line: &str| serde_json::from_str::<Value>(line).unwrap()["kinds"][kind].as_u64();
        metrics.lines().filter_map(of).sum::<u64>()
    };
    assert!(kinds(1) > 0, "nothing was calibrated: {metrics}");
    assert_eq!((kinds(0), kinds(3)), (0, 0), "what mining removes was trained on");
    import(at.path(), "hard", "--out hard").ok();
    ferkd(at.path(), "mine hard").fails(1, &["hard"]);
}

#[test]
fn what_is_missing_or_broken_is_named_and_the_rest_imported() {
    let at = folder();
    let import = |out: &str, more: &str| {
        ferkd(at.path(), &format!("import fkd fkd --images photos --out {out} {more}"))
    };
    labels(at.path(), "marginal_smoothing_k5");
    let label = at.path().join("fkd/train/n02124075/chelsea.tar");
    let whole = fs::read(&label).unwrap();
    let refused_once = |out: &str, words: &[&str]| {
        let one = import(out, "--json");
        assert_eq!(one.code, 1, "{one:?}");
        let json = one.json();
        assert_eq!((json["images"].as_u64(), json["refused_count"].as_u64()), (Some(1), Some(1)));
        let said = json["refused"][0].to_string();
        let text = import(&format!("{out}-skipped"), "--skip-bad").ok().stdout;
        for word in words {
            assert!(said.contains(word) && text.contains(word), "no `{word}` in: {said} {text}");
        }
        ferkd(at.path(), &format!("verify {out}")).ok();
    };
    fs::write(&label, &whole[..whole.len() / 2]).unwrap();
    refused_once("cut", &["chelsea.JPEG.png", "chelsea.tar"]);
    fs::remove_file(&label).unwrap();
    refused_once("missing", &["chelsea.JPEG.png", "chelsea.tar", "No such file"]);
    fs::copy(repository("tests/data/fkd/marginal_smoothing_k10/train/n02124075/chelsea.tar"), &label)
        .unwrap();
    refused_once("other", &["coffee.tar", "top 10", "top 5"]);
    fs::write(&label, &whole).unwrap();
    import("cut", "").fails(1, &["cut", "chelsea.JPEG.png", "good now", "another folder"]);
    let image = at.path().join("photos/train/n02124075/chelsea.JPEG.png");
    let picture = fs::read(&image).unwrap();
    fs::write(&image, &picture[..picture.len() / 2]).unwrap();
    refused_once("broken", &["chelsea.JPEG.png"]);
    fs::remove_file(&image).unwrap();
    refused_once("gone", &["chelsea.tar", "its image is missing"]);
    fs::remove_file(at.path().join("fkd/train/n07920052/coffee.tar")).unwrap();
    import("none", "").fails(1, &["none of 1 images", "coffee.tar"]);
    assert!(!at.path().join("none").exists());
}

/// Images that were refused are left out of training too.
#[test]
fn a_store_with_refused_images_is_trained_on() {
    let at = folder();
    fs::remove_file(labels(at.path(), "smoothing").join("train/n02124075/chelsea.tar")).unwrap();
    let line = "import fkd fkd --images photos --out store --skip-bad --json";
    let first = ferkd(at.path(), line).ok().json();
    assert_eq!(
        ferkd(at.path(), line).ok().json()["refused"],
        first["refused"],
        "not the same when it goes on"
    );
    let line = "train --images photos --store store --supervision fkd --arch resnet8 --width 4 --side 16 \
                --epochs 4 --batch 4 --regions-per-step 4 --device flex --run run --json";
    ferkd(at.path(), line).ok();
}

/// Interrupted while it writes, an import ends in the same bytes as one that was not.
#[cfg(unix)]
#[test]
fn an_interrupted_import_goes_on_to_the_same_store() {
    let at = tempfile::tempdir().unwrap();
    let label = fs::read(repository("tests/data/fkd/hard/train/n02124075/chelsea.tar")).unwrap();
    for folder in ["photos/n02124075", "fkd/n02124075"] {
        fs::create_dir_all(at.path().join(folder)).unwrap();
    }
    for number in 0..600u32 {
        let picture = image::RgbImage::from_pixel(8, 8, image::Rgb([number as u8, 0, 0]));
        picture.save(at.path().join(format!("photos/n02124075/{number:03}.png"))).unwrap();
        fs::write(at.path().join(format!("fkd/n02124075/{number:03}.tar")), &label).unwrap();
    }
    let line = |out: &str| format!("import fkd fkd --images photos --shard-images 4 --out {out} --json");
    ferkd(at.path(), &line("whole")).ok();
    let words = line("part");
    let words: Vec<&str> = words.split_whitespace().collect();
    let quiet = std::process::Stdio::null;
    let mut child = command(at.path(), &words).stdout(quiet()).stderr(quiet()).spawn().unwrap();
    while !at.path().join("part/labels-00003.npy").exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let imported = ferkd(at.path(), &line("part")).ok().json()["imported_images"].as_u64().unwrap();
    assert!((1..600).contains(&imported), "{imported} images");
    assert!(files(&at.path().join("whole")) == files(&at.path().join("part")), "not the same bytes");
}

#[test]
fn two_images_of_one_label_file_are_an_error_that_names_both() {
    let at = folder();
    let folder = at.path().join("photos/train/n02124075");
    fs::copy(folder.join("chelsea.JPEG.png"), folder.join("chelsea.png")).unwrap();
    import(at.path(), "hard", "--out store --skip-bad")
        .fails(1, &["chelsea.JPEG.png", "chelsea.png", "chelsea.tar"]);
}

#[test]
fn other_classes_come_from_a_file() {
    let at = folder();
    labels(at.path(), "marginal_smoothing_k5");
    for root in ["photos/train", "fkd/train"] {
        fs::rename(at.path().join(root).join("n02124075"), at.path().join(root).join("my cat")).unwrap();
    }
    let line = "import fkd fkd --images photos";
    ferkd(at.path(), &format!("{line} --out store")).fails(1, &["my cat", "--classes-file"]);
    let ids: String = (0..1000)
        .map(|class| match class {
            285 => "my cat\tA cat of mine\n".to_owned(),
            967 => "n07920052\n".to_owned(),
            _ => format!("c{class}\n"),
        })
        .collect();
    fs::write(at.path().join("classes.txt"), &ids).unwrap();
    ferkd(at.path(), &format!("{line} --out store --classes-file classes.txt")).ok();
    let store = Store::open(at.path().join("store")).unwrap();
    assert_eq!(store.image(0).unwrap().class, Some(285));
    assert_eq!(store.manifest().label.class_names[285], "A cat of mine");
    // Too few classes for the labels, one twice, and none.
    fs::write(at.path().join("few.txt"), "my cat\nn07920052\n").unwrap();
    ferkd(at.path(), &format!("{line} --out b --classes-file few.txt"))
        .fails(1, &["none of 2 images", "class"]);
    fs::write(at.path().join("twice.txt"), "a\na\n").unwrap();
    ferkd(at.path(), &format!("{line} --out b --classes-file twice.txt")).fails(1, &["twice.txt", "`a`"]);
    fs::write(at.path().join("empty.txt"), "\n").unwrap();
    ferkd(at.path(), &format!("{line} --out b --classes-file empty.txt"))
        .fails(1, &["empty.txt", "invalid number of classes 0"]);
}

#[test]
fn an_import_goes_on_with_the_shards_that_are_missing() {
    let at = folder();
    let again = |out: &str| {
        import(at.path(), "marginal_smoothing_k5", &format!("--out {out} --shard-images 1 --json"))
            .ok()
            .json()
    };
    again("whole");
    let whole = files(&at.path().join("whole"));
    fs::create_dir(at.path().join("part")).unwrap();
    for (name, bytes) in &whole {
        // As a killed import leaves it: the second shard's last file is not there.
        if name != "labels-00001.npy" {
            fs::write(at.path().join("part").join(name), bytes).unwrap();
        }
    }
    assert_eq!(again("part")["imported_images"], 1);
    assert!(files(&at.path().join("part")) == whole, "not the same bytes");
    assert_eq!(again("part")["imported_images"], 0);
    import(at.path(), "marginal_smoothing_k5", "--out part --shard-images 1 --teacher-name other")
        .fails(1, &["teacher.name", "other"]);
}

#[test]
fn an_import_does_not_go_on_with_other_images() {
    let at = folder();
    import(at.path(), "marginal_smoothing_k5", "--out store --shard-images 1").ok();
    fs::remove_file(at.path().join("store/labels-00001.npy")).unwrap();
    let path = at.path().join("photos/train/n02124075/chelsea.JPEG.png");
    let before = fs::read(&path).unwrap();
    image::open(&path).unwrap().crop_imm(0, 0, 100, 80).save(&path).unwrap();
    import(at.path(), "marginal_smoothing_k5", "--out store --shard-images 1")
        .fails(1, &["chelsea.JPEG.png", "100 x 80 pixels, but the image that was labelled had"]);
    fs::write(&path, before).unwrap();
    import(at.path(), "marginal_smoothing_k5", "--out store --shard-images 1").ok();
    ferkd(at.path(), "verify store --images photos").ok();
}

#[test]
fn wrong_requests_are_named() {
    let at = folder();
    import(at.path(), "hard", "--out store --decode marginal-renorm").fails(1, &["--decode", "hard"]);
    import(at.path(), "hard", "--out store --decode full").fails(2, &["decode", "marginal-smoothing"]);
    import(at.path(), "hard", "--out store --temperature 0").fails(2, &["temperature"]);
    assert!(!at.path().join("store").exists(), "something was written");
    ferkd(at.path(), "import fkd nowhere --images photos --out store").fails(1, &["nowhere"]);
    ferkd(at.path(), "import fkd photos --images nowhere --out store").fails(1, &["nowhere"]);
    ferkd(at.path(), "import fkd photos --images photos --out store")
        .fails(1, &["none of 2 images", "chelsea.tar"]);
    ferkd(at.path(), "import").fails(2, &["Usage"]);
}
