//! Images that are not those that were labelled, teachers that are sure of everything, and labels at a temperature: as
//! the program meets them.

use std::fs;
use std::path::Path;

use ferkd_data::batches::select::Labels;
use ferkd_method::label::SoftLabel;
use ferkd_tests::{ferkd, few_scenes, files, same, smallest_run};
use ferkd_train::{Supervision, TrainConfig, Trainer};

const LABEL: &str = "label scenes --teacher digits --regions 4 --device flex --out store";
const TRAIN: &str = "train --images scenes --supervision ferkd --arch resnet8 --width 4 --side 16 --epochs 4 --batch 16 \
                     --regions-per-step 2 --store store --device flex --run run";

fn scenes() -> tempfile::TempDir {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    at
}

/// The images to train on, by name.
fn images(at: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for class in fs::read_dir(at.join("scenes/train")).unwrap() {
        found.extend(fs::read_dir(class.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
    }
    found.sort();
    found
}

/// Makes an image half as wide and high.
fn halve(path: &Path) {
    let picture = image::open(path).unwrap();
    let (width, height) = (picture.width() / 2, picture.height() / 2);
    picture.resize_exact(width, height, image::imageops::FilterType::Triangle).save(path).unwrap();
}

#[test]
fn labels_of_small_copies_are_not_trained_on_with_the_originals() {
    let at = scenes();
    ferkd(at.path(), LABEL).ok();
    let images = images(at.path());
    images.iter().for_each(|path| halve(path));
    let first = images[0].strip_prefix(at.path().join("scenes/train")).unwrap().to_str().unwrap();
    let said = [first, "pixels, but the image that was labelled had", "ferkd verify STORE --images"];
    ferkd(at.path(), TRAIN).fails(1, &said);
    ferkd(at.path(), &format!("{TRAIN} --dry-run")).fails(1, &said);
    // Boxes of the store serve the ground truth as well.
    ferkd(at.path(), &TRAIN.replace("supervision ferkd", "supervision hard")).fails(1, &said);
    let done = ferkd(at.path(), "verify store --images scenes --json");
    assert_eq!(done.code, 1);
    let found = &done.json()["compared_images"];
    assert_eq!((found["compared"].as_u64(), found["changed"]["count"].as_u64()), (Some(40), Some(40)));
    assert_eq!(found["changed"]["first"][0]["name"], first);
}

#[test]
fn every_image_that_differs_is_named_by_verify_and_before_training() {
    let at = scenes();
    ferkd(at.path(), LABEL).ok();
    let same = ferkd(at.path(), "verify store --images scenes").ok();
    assert!(same.stdout.contains("the 40 images that were labelled, byte by byte"), "{}", same.stdout);
    let images = images(at.path());
    let name =
        |path: &Path| path.strip_prefix(at.path().join("scenes/train")).unwrap().to_str().unwrap().to_owned();
    // One is replaced by another of its size, one moves, one goes, one comes.
    fs::copy(&images[0], &images[1]).unwrap();
    ferkd(at.path(), &format!("{TRAIN} --dry-run")).ok();
    let moved = images[2].with_file_name("moved.png");
    fs::rename(&images[2], &moved).unwrap();
    fs::remove_file(&images[30]).unwrap();
    let added = images[39].with_file_name("zz.png");
    fs::write(&added, [fs::read(&images[39]).unwrap(), b"more".to_vec()].concat()).unwrap();
    let done = ferkd(at.path(), "verify store --images scenes");
    assert_eq!(done.code, 1);
    for line in [
        format!("changed: {}: other bytes", name(&images[1])),
        format!("renamed: {:?} is now {:?}", name(&images[2]), name(&moved)),
        format!("missing: {}", name(&images[30])),
        format!("added: {}", name(&added)),
    ] {
        assert!(done.stdout.contains(&line), "no `{line}` in {}", done.stdout);
    }
    // Training reads no file for this: the one that moved is the first that is missing, and the first that is new.
    let first = [&name(&images[2]), &name(&moved)].map(|name| format!("first {name:?}"));
    ferkd(at.path(), TRAIN)
        .fails(1, &["the store: its images are not those in", "2 of the store", &first[0], &first[1]]);
}

#[test]
fn a_stopped_labelling_does_not_go_on_with_other_images() {
    let at = scenes();
    let label = format!("{LABEL} --shard-images 20");
    ferkd(at.path(), &label.replace("store", "whole")).ok();
    ferkd(at.path(), &label).ok();
    let images = images(at.path());
    let name =
        |path: &Path| path.strip_prefix(at.path().join("scenes/train")).unwrap().to_str().unwrap().to_owned();
    // The second shard was not written when it was stopped.
    let stop = || fs::remove_file(at.path().join("store/labels-00001.npy")).unwrap();
    stop();
    let before = [&images[3], &images[30]].map(|path| fs::read(path).unwrap());
    halve(&images[3]);
    let said =
        [&*name(&images[3]), "pixels, but the image that was labelled had", "label into another folder"];
    ferkd(at.path(), &label).fails(1, &said);
    fs::copy(&images[4], &images[3]).unwrap();
    ferkd(at.path(), &label).fails(1, &[&name(&images[3]), "other bytes", "label into another folder"]);
    fs::write(&images[3], &before[0]).unwrap();
    // A list that differs is told by its first name, not by two checksums.
    let moved = images[2].with_file_name("moved.png");
    fs::rename(&images[2], &moved).unwrap();
    let first = [&images[2], &moved].map(|path| format!("first {:?}", name(path)));
    ferkd(at.path(), &label)
        .fails(1, &["store: it was begun with 40 images, and 40 are there now", &first[0], &first[1]]);
    fs::rename(&moved, &images[2]).unwrap();
    ferkd(at.path(), &format!("{label} --images-per-class 1"))
        .fails(1, &["it was begun with 40 images, and 10 are there now"]);
    // An image that has no labels yet is labelled as it is.
    halve(&images[30]);
    ferkd(at.path(), &label).ok();
    ferkd(at.path(), "verify store --images scenes").ok();
    // A store that is whole is compared as well.
    fs::write(&images[30], &before[1]).unwrap();
    ferkd(at.path(), &label).fails(1, &[&name(&images[30])]);
    stop();
    ferkd(at.path(), &label).ok();
    same(&files(&at.path().join("whole")), &files(&at.path().join("store")));
}

#[test]
fn a_replaced_image_is_a_warning_before_the_first_step() {
    let at = scenes();
    ferkd(at.path(), LABEL).ok();
    let images = images(at.path());
    fs::copy(&images[0], &images[1]).unwrap();
    let done = ferkd(at.path(), &format!("{TRAIN} --json")).ok();
    assert!(
        done.stderr.contains("warning: 1 of 40 images") && done.stderr.contains("other bytes"),
        "{}",
        done.stderr
    );
    assert!(done.json()["warnings"][0].as_str().unwrap().contains("1 of 40 images"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_was_copied_in_another_unicode_form_is_said_to_be_that() {
    let at = scenes();
    let (composed, decomposed) = ("scenes/train/0/\u{e9}.png", "scenes/train/0/e\u{301}.png");
    fs::copy(&images(at.path())[0], at.path().join(composed)).unwrap();
    ferkd(at.path(), LABEL).ok();
    fs::rename(at.path().join(composed), at.path().join(decomposed)).unwrap();
    ferkd(at.path(), TRAIN).fails(1, &["1 have another name", "(NFC)", "(NFD)", "convmv"]);
}

#[test]
fn a_sure_teacher_leaves_kinds_empty_with_a_word() {
    let at = scenes();
    // So cold that every first probability is 1 as a 32-bit float.
    ferkd(at.path(), &format!("{LABEL} --temperature 0.001")).ok();
    let mined = ferkd(at.path(), "mine store --json").ok();
    let warnings = mined.json()["warnings"].as_array().unwrap().clone();
    assert!(
        warnings.iter().any(|text| text.as_str().unwrap().starts_with("no region is trivial")),
        "{warnings:?}"
    );
    assert!(mined.stderr.contains("warning: no region is trivial"), "{}", mined.stderr);
    let trained = ferkd(at.path(), &format!("{TRAIN} --json")).ok();
    assert!(trained.stderr.contains("warning: no region is trivial"), "{}", trained.stderr);
    let said = trained.json()["warnings"].as_array().unwrap().clone();
    assert!(warnings.iter().all(|warning| said.contains(warning)), "{said:?}");
    // What is unfair to any supervision is said, too: few images a step, a loss that ended where it began.
    assert!(said[0].as_str().unwrap().starts_with("a step sees only 8 images"), "{said:?}");
    assert!(said.last().unwrap().as_str().unwrap().starts_with("the loss at the end"), "{said:?}");
}

#[test]
fn thresholds_that_leave_nothing_are_refused_before_the_first_step() {
    let at = scenes();
    ferkd(at.path(), LABEL).ok();
    ferkd(at.path(), &format!("{TRAIN} --low 1.1 --mid 1.2 --high 1.3"))
        .fails(2, &["nothing is left to train on", "160 are discarded", "ferkd mine"]);
    // Where nothing is removed, everything is trained on.
    let calibrated = TRAIN.replace("supervision ferkd", "supervision ferkd-calibrate");
    ferkd(at.path(), &format!("{calibrated} --low 1.1 --mid 1.2 --high 1.3")).ok();
}

#[test]
fn calibrated_labels_have_the_stores_temperature() {
    let at = scenes();
    ferkd(at.path(), &format!("{LABEL} --temperature 2")).ok();
    let config = TrainConfig {
        supervision: Supervision::Ferkd,
        store: Some(at.path().join("store")),
        ..smallest_run(&at.path().join("scenes"))
    };
    let trainer = Trainer::new(config).unwrap();
    let Labels::Adapted { mining, .. } = &trainer.batcher().labels else { panic!("nothing is mined") };
    // 0.9 at temperature 1 is 0.5 at temperature 2, for ten classes.
    let label = mining.softening.label(3, SoftLabel::one_hot(0, 10)).unwrap();
    assert!((label.probability(3) - 0.5).abs() < 1e-6);
}
