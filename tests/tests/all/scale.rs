//! Input at scale: tar archives in place of folders, broken images, and a store labelled in parts.

use std::fs;
use std::path::Path;
use std::process::Command;

use ferkd_data::images::{ImageList, Split};
use ferkd_data::pixels::OrientationRule;
use ferkd_skip::not_installed;
use ferkd_tests::{answer, command, ferkd, few_scenes, files, same, test_data, timeless};

const LABEL: &str = "label scenes --teacher digits --regions 4 --shard-images 6 --device flex";

/// Packs `what`, below `folder`, by the system's tar; `None`, said aloud, where there is none.
fn pack(folder: &Path, options: &[&str], archive: &Path, what: &[&str]) -> Option<()> {
    fs::create_dir_all(archive.parent().unwrap()).unwrap();
    let mut tar = Command::new("tar");
    tar.args(options).arg("-cf").arg(archive).arg("-C").arg(folder).args(what);
    match tar.output() {
        Ok(done) => {
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            Some(())
        }
        Err(error) => {
            not_installed(format_args!("tar cannot be started: {error}"));
            None
        }
    }
}

/// Labels, students and evaluations are the same bytes, whichever way the images lie.
#[test]
fn archives_label_and_train_like_the_folder() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let scenes = at.path().join("scenes");
    let tar =
        |options: &[&str], name: &str, what: &[&str]| pack(&scenes, options, &at.path().join(name), what);
    let classes = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    // Each of the formats that GNU's tar writes, and images of one half in several archives, in no order.
    if tar(&["--format=gnu"], "whole/scenes.tar", &["train", "val"]).is_none() {
        return;
    }
    tar(&["--format=pax"], "halves/train.tar", &["./train"]);
    tar(&["--format=ustar"], "halves/val.tar", &["./val"]);
    let split = at.path().join("scenes/train");
    pack(&split, &["--format=v7"], &at.path().join("shards/train/1.tar"), &classes[..4]);
    pack(&split, &["--format=gnu"], &at.path().join("shards/train/0.tar"), &classes[4..]);
    tar(&["--format=gnu"], "shards/val/0.tar", &["val"]);

    let label = |images: &str| {
        let line = LABEL.replace("scenes", images);
        ferkd(at.path(), &format!("{line} --out {}-store", images.replace('/', "-"))).ok();
        files(&at.path().join(format!("{}-store", images.replace('/', "-"))))
    };
    let train = |images: &str| {
        let run = format!("{}-run", images.replace('/', "-"));
        let line = format!(
            "train --images {images} --store scenes-store --arch resnet8 --width 4 --side 16 --epochs 4 \
             --batch 16 --regions-per-step 2 --eval-every 2 --device flex --run {run}"
        );
        ferkd(at.path(), &line).ok();
        let mut found = timeless(&at.path().join(run));
        // The settings hold where the images lie.
        found.remove("config.toml");
        found
    };
    let (store, run) = (label("scenes"), train("scenes"));
    for images in ["whole", "halves", "shards"] {
        same(&store, &label(images));
        same(&run, &train(images));
        let evaluated = |images: &str| {
            let mut found = ferkd(at.path(), &format!("eval scenes-run {images} --json")).ok().json();
            // What is said of the splits names where they lie.
            found["notices"].take();
            found
        };
        assert_eq!(evaluated("scenes"), evaluated(images), "{images}");
    }

    // A cut archive, and one that was compressed.
    let whole = fs::read(at.path().join("whole/scenes.tar")).unwrap();
    fs::write(at.path().join("cut.tar"), &whole[..whole.len() / 2]).unwrap();
    ferkd(at.path(), "label cut.tar --teacher digits --out cut").fails(1, &["cut.tar", "copy it again"]);
    let mut gzipped = vec![0x1F, 0x8B];
    gzipped.extend(&whole[..600]);
    fs::write(at.path().join("z.tar.gz"), gzipped).unwrap();
    ferkd(at.path(), "label z.tar.gz --teacher digits --out z").fails(1, &["z.tar.gz", "gzip", "decompress"]);
}

/// The archive that Tiny-ImageNet's 40 classes come in, against what the system's tar unpacks.
#[test]
fn a_real_archive_is_the_folder_that_it_unpacks_to() {
    let Some(archive) = test_data("tiny-imagenet-40.tar") else { return };
    let list = ImageList::open(&archive, Split::Train).unwrap();
    assert_eq!((list.len(), list.folders().len()), (16_000, 40));
    assert_eq!(ImageList::open(&archive, Split::Val).unwrap().len(), 2_000);
    let at = tempfile::tempdir().unwrap();
    let class = &list.folders()[7];
    let inner = format!("tiny-imagenet-40/train/{class}");
    let done = Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(at.path()).arg(&inner).status();
    let Ok(true) = done.map(|status| status.success()) else {
        return not_installed("tar cannot be started");
    };
    let unpacked = ImageList::open(&at.path().join("tiny-imagenet-40"), Split::Train).unwrap();
    let first = (0..list.len()).find(|&i| list.folder(i) == Some(7)).unwrap();
    assert_eq!(unpacked.len(), 400);
    for i in 0..unpacked.len() {
        assert_eq!(unpacked.name(i), list.name(first + i));
        assert_eq!(unpacked.read(i).unwrap(), list.read(first + i).unwrap());
    }
    assert_eq!(list.decode(first, OrientationRule::Apply).unwrap().image.dimensions(), (64, 64));
}

#[test]
fn broken_images_are_an_error_or_are_passed_over_and_listed() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    ferkd(at.path(), &format!("{LABEL} --out clean")).ok();
    let clean = files(&at.path().join("clean"));
    let good = fs::read_dir(at.path().join("scenes/train/2")).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(good).unwrap();
    let bad = [("2/cut.png", &bytes[..bytes.len() / 2]), ("0/a.png", b""), ("9/z.jpg", b"no picture")];
    for (name, bytes) in bad {
        fs::write(at.path().join("scenes/train").join(name), bytes).unwrap();
    }
    ferkd(at.path(), &format!("{LABEL} --out store")).fails(1, &["0/a.png", "--skip-bad"]);
    fs::remove_dir_all(at.path().join("store")).unwrap();

    let line = format!("{LABEL} --skip-bad --out store");
    let text = ferkd(at.path(), &line).ok().stdout;
    assert!(
        text.contains("3 images") && text.contains("2/cut.png") && text.contains("skipped.json"),
        "{text}"
    );
    let done = ferkd(at.path(), &format!("{line} --json")).ok().json();
    assert_eq!(
        (&done["images"], &done["skipped_images"], &done["labelled_regions"]),
        (&40.into(), &3.into(), &0.into())
    );
    assert_eq!(done["skipped"][0]["name"], "0/a.png");
    let mut store = files(&at.path().join("store"));
    let listed: serde_json::Value = serde_json::from_slice(&store.remove("skipped.json").unwrap()).unwrap();
    assert_eq!((&listed["checked"], &listed["images"],), (&43.into(), &done["skipped"]));
    let mut expected = clean;
    expected.remove("checksums.sha256");
    store.remove("checksums.sha256");
    same(&expected, &store);

    ferkd(at.path(), "verify store").ok();
    ferkd(at.path(), &format!("{LABEL} --out store")).fails(2, &["store", "--skip-bad"]);
    // Every supervision trains on the store's images; one without the store meets the broken ones.
    let train = "train --images scenes --arch resnet8 --width 4 --side 16 --epochs 4 --batch 16 --regions-per-step 2 \
                 --regions 4 --device flex";
    ferkd(at.path(), &format!("{train} --store store --run r1")).ok();
    ferkd(at.path(), &format!("{train} --store store --supervision hard --run r2")).ok();
    ferkd(at.path(), &format!("{train} --supervision hard --run r3"))
        .fails(1, &["scenes/train/", "--skip-bad"]);
    // What is broken may as well be gone.
    fs::remove_file(at.path().join("scenes/train/2/cut.png")).unwrap();
    ferkd(at.path(), &format!("{train} --store store --run r4")).ok();
    // Another list is not searched through by half.
    ferkd(at.path(), &line).fails(1, &["skipped.json", "other images"]);

    fs::write(at.path().join("scenes/val/5/bad.png"), b"no picture").unwrap();
    ferkd(at.path(), "eval digits scenes").fails(1, &["val/5/bad.png"]);
    let evaluated = ferkd(at.path(), "eval digits scenes --skip-bad --json").ok().json();
    assert_eq!((&evaluated["images"], &evaluated["skipped_images"]), (&20.into(), &1.into()));
    assert_eq!(evaluated["skipped"][0]["name"], "5/bad.png");
}

#[test]
fn parts_merge_into_the_bytes_of_one_store() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    fs::write(at.path().join("scenes/train/4/bad.png"), b"no picture").unwrap();
    let label = format!("{LABEL} --skip-bad");
    ferkd(at.path(), &format!("{label} --out whole")).ok();
    let whole = files(&at.path().join("whole"));

    // In one shared folder.
    let part =
        |i: u32, out: &str| ferkd(at.path(), &format!("{label} --part {i}/3 --out {out} --json")).ok().json();
    let mut labelled = 0;
    for i in [3, 1] {
        labelled += part(i, "shared")["labelled_regions"].as_u64().unwrap();
    }
    ferkd(at.path(), "verify shared").fails(1, &["2/3", "--part"]);
    ferkd(at.path(), "mine shared").fails(1, &["shared", "ferkd verify"]);
    ferkd(at.path(), &format!("{label} --out shared")).fails(2, &["shared", "parts", "ferkd verify"]);
    labelled += part(2, "shared")["labelled_regions"].as_u64().unwrap();
    assert_eq!(labelled, 160);
    let unfinished = at.path().join("shared/part-2-of-3/labels-00001.npy");
    let kept = fs::read(&unfinished).unwrap();
    fs::remove_file(&unfinished).unwrap();
    ferkd(at.path(), "verify shared").fails(1, &["part-2-of-3", "labels-00001.npy", "--part 2/3"]);
    // What an interrupted merge has moved already.
    fs::write(at.path().join("shared/labels-00001.npy"), kept).unwrap();
    let merged = ferkd(at.path(), "verify shared --json").ok().json();
    assert_eq!(merged["merged_parts"], 3);
    same(&whole, &files(&at.path().join("shared")));
    assert_eq!(ferkd(at.path(), "verify shared --json").ok().json()["merged_parts"], 0);
    ferkd(at.path(), &format!("{label} --part 1/3 --out shared")).fails(2, &["shared", "--part"]);

    // In folders of their own, which stay.
    (1..=3).for_each(|i| drop(part(i, &format!("own{i}"))));
    ferkd(at.path(), "verify own1 own2 own3").fails(2, &["--merge"]);
    ferkd(at.path(), "verify own1 own2 --merge other").fails(1, &["3/3"]);
    ferkd(at.path(), "verify own1 own2 own3/part-3-of-3 --merge other").ok();
    same(&whole, &files(&at.path().join("other")));
    ferkd(at.path(), "verify own1 own2 own3 --merge again").ok();

    // Twice, of another division, and with other settings.
    ferkd(at.path(), "verify own1 own1 own2 own3 --merge x1").fails(1, &["1/3", "own1"]);
    ferkd(at.path(), &format!("{label} --part 1/2 --out half")).ok();
    ferkd(at.path(), "verify own1 own2 own3 half --merge x2").fails(1, &["1/2", "division"]);
    ferkd(at.path(), &format!("{label} --seed 5 --part 2/3 --out seed")).ok();
    ferkd(at.path(), "verify own1 seed own3 --merge x3").fails(1, &["manifest.json", "seed"]);
    ferkd(at.path(), &format!("{LABEL} --part 4/3 --out y")).fails(2, &["4/3", "2/4"]);
}

/// Damage of a part is found when its store is checked, and redone there alone.
#[test]
fn damage_of_a_part_is_named_after_merging() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    ferkd(at.path(), &format!("{LABEL} --out whole")).ok();
    for i in [1, 2] {
        ferkd(at.path(), &format!("{LABEL} --part {i}/2 --out store")).ok();
    }
    let path = at.path().join("store/part-1-of-2/labels-00002.npy");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() - 9;
    bytes[middle] ^= 4;
    fs::write(&path, bytes).unwrap();
    let found = ferkd(at.path(), "verify store --forget");
    assert!(found.code == 1 && found.stdout.contains("labels-00002.npy"), "{found:?}");
    let done = ferkd(at.path(), &format!("{LABEL} --out store --json")).ok().json();
    assert_eq!(done["labelled_regions"], 24);
    same(&files(&at.path().join("whole")), &files(&at.path().join("store")));
}

/// Both machines at once, in one folder.
#[test]
fn parts_are_labelled_at_the_same_time() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    ferkd(at.path(), &format!("{LABEL} --out whole")).ok();
    let (first, second) = std::thread::scope(|scope| {
        let run = |i: u32| {
            let line = format!("{LABEL} --part {i}/2 --out store");
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            answer(&mut command(at.path(), &words))
        };
        let other = scope.spawn(move || run(1));
        (run(2), other.join().unwrap())
    });
    first.ok();
    second.ok();
    ferkd(at.path(), "verify store").ok();
    same(&files(&at.path().join("whole")), &files(&at.path().join("store")));
}
