//! Interrupted work goes on and ends in the same bytes; damage is found and named.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ferkd_tests::{all_scenes, answer, command, ferkd, files, same, timeless};

const LABEL: &str =
    "label all/train --teacher digits --regions 4 --shard-images 64 --batch 32 --out store --device flex";
const TRAIN: &str = "train --images all/train --val all/val --supervision hard --arch resnet8 --width 4 --side 16 \
                     --epochs 4 --batch 64 --regions-per-step 2 --regions 4 --eval-every 2 \
                     --checkpoint-every 5 --device flex --ema 0.99 --run run";

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn scenes() -> tempfile::TempDir {
    let at = tempfile::tempdir().unwrap();
    all_scenes(&at.path().join("all"));
    at
}

/// Starts `line`, waits until `ready`, sends a signal, and says how the program left.
#[cfg(unix)]
fn stopped(at: &Path, line: &str, signal: &str, ready: impl Fn() -> bool) -> Option<i32> {
    let mut child = command(at, &words(line)).stderr(std::process::Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !ready() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
        assert!(begun.elapsed() < Duration::from_secs(120), "it never came so far");
        sleep(Duration::from_millis(5));
    }
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap().code()
}

/// Ctrl-C, twice: each time 130, and the next sitting goes on.
#[cfg(unix)]
#[test]
fn an_interrupted_teacher_pass_leaves_with_130_and_goes_on() {
    let at = scenes();
    ferkd(at.path(), &LABEL.replace("--out store", "--out whole")).ok();
    let store = at.path().join("store");
    for shard in ["labels-00000.npy", "labels-00009.npy"] {
        assert_eq!(stopped(at.path(), LABEL, "-INT", || store.join(shard).exists()), Some(130));
    }
    let done = ferkd(at.path(), &format!("{LABEL} --json")).ok().json();
    assert!(done["labelled_regions"].as_u64() < done["regions"].as_u64(), "it began again: {done}");
    same(&files(&at.path().join("whole")), &files(&store));
    ferkd(at.path(), "verify store").ok();
}

/// Optimiser, moving average, order of data and metrics all go on exactly.
#[cfg(unix)]
#[test]
fn an_interrupted_run_leaves_with_130_and_goes_on() {
    let at = scenes();
    ferkd(at.path(), &TRAIN.replace("--run run", "--run whole")).ok();
    let run = at.path().join("run");
    let last = run.join("checkpoints/last.safetensors");
    let best = run.join("checkpoints/best.safetensors");
    assert_eq!(stopped(at.path(), TRAIN, "-INT", || last.exists()), Some(130));
    let resume = format!("{TRAIN} --resume");
    assert_eq!(stopped(at.path(), &resume, "-INT", || best.exists()), Some(130));
    ferkd(at.path(), &resume.replace("--epochs 4", "--epochs 6")).fails(1, &["epochs"]);
    ferkd(at.path(), &resume).ok();
    same(&timeless(&at.path().join("whole")), &timeless(&run));
}

/// Boxes, labels and mining depend on the seed alone.
#[test]
fn the_number_of_threads_changes_nothing() {
    let at = scenes();
    let with = |threads: &str, line: &str| {
        answer(command(at.path(), &words(line)).env("RAYON_NUM_THREADS", threads)).ok()
    };
    with("1", &LABEL.replace("--out store", "--out one"));
    with("3", &LABEL.replace("--out store", "--out three"));
    same(&files(&at.path().join("one")), &files(&at.path().join("three")));
    let mined = with("1", "mine one --by-class --json").json();
    assert_eq!(mined, with("3", "mine three --by-class --json").json());
}

#[test]
fn verify_names_a_flipped_byte_and_label_redoes_that_shard() {
    let at = scenes();
    ferkd(at.path(), LABEL).ok();
    let whole = files(&at.path().join("store"));
    for name in whole.keys().filter(|name| !name.contains("-000") || name.contains("00003")) {
        let path = at.path().join("store").join(name);
        let mut bytes = whole[name].clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        fs::write(&path, &bytes).unwrap();
        let answer = ferkd(at.path(), "verify store");
        assert_eq!(answer.code, 1, "{name}: {answer:?}");
        let said = format!("{}{}", answer.stdout, answer.stderr);
        assert!(said.contains(name.as_str()), "{name} is not named: {said}");
        fs::write(&path, &whole[name]).unwrap();
    }
    ferkd(at.path(), "verify store").ok();

    let path = at.path().join("store/labels-00003.npy");
    fs::write(&path, &whole["labels-00003.npy"][..100]).unwrap();
    ferkd(at.path(), "verify store --forget");
    let done = ferkd(at.path(), &format!("{LABEL} --json")).ok().json();
    assert_eq!(done["labelled_regions"], 256, "one shard of 64 images with 4 regions each");
    same(&whole, &files(&at.path().join("store")));
}

/// Empty, cut, foreign and huge pictures: an error that names the file, and no store that claims to be whole.
#[test]
fn a_bad_picture_is_named() {
    let at = tempfile::tempdir().unwrap();
    let photo = fs::read(ferkd_tests::repository("assets/photos/coffee.png")).unwrap();
    let huge = {
        // A header that promises 2 000 000 x 2 000 000 pixels.
        let mut bytes = photo[..64].to_vec();
        bytes[16..24].copy_from_slice(&[0, 0x1E, 0x84, 0x80, 0, 0x1E, 0x84, 0x80]);
        bytes
    };
    let cases = [
        ("empty.png", Vec::new()),
        ("cut.png", photo[..photo.len() / 2].to_vec()),
        ("text.jpg", b"not a picture at all".to_vec()),
        ("huge.png", huge),
    ];
    for (name, bytes) in cases {
        let folder = at.path().join("images");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
        let line = "label images --teacher efficientnet-lite0 --regions 2 --out store --device flex";
        ferkd(at.path(), line).fails(1, &[name]);
        ferkd(at.path(), "mine store").fails(1, &["store"]);
        fs::remove_file(folder.join(name)).unwrap();
        let _ = fs::remove_dir_all(at.path().join("store"));
    }
}

#[test]
fn bad_weights_and_settings_are_named() {
    let at = scenes();
    let shipped =
        fs::read(ferkd_tests::repository("assets/teachers/efficientnet-lite0/weights-f16.safetensors"))
            .unwrap();
    let mut long = shipped.clone();
    long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let cases: [(&str, &[u8]); 4] =
        [("empty", b""), ("cut", &shipped[..5000]), ("foreign", b"GIF89a, this is not"), ("long", &long)];
    for (name, bytes) in cases {
        let file = format!("{name}.safetensors");
        fs::write(at.path().join(&file), bytes).unwrap();
        ferkd(at.path(), &format!("eval {file} all")).fails(1, &[&file]);
    }
    ferkd(at.path(), "eval efficientnet-lite0 all").fails(1, &["efficientnet-lite0"]);
}
