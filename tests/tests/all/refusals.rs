//! Full disks, folders that cannot be written, two at one place, and damaged runs: an error that names the file and
//! the remedy, and what was written before stays valid.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ferkd_skip::skipped;
use ferkd_tests::{Answer, answer, command, ferkd, few_scenes, files, program, same, some_scenes, timeless};

const LABEL: &str = "label scenes --teacher digits --regions 4 --shard-images 2 --device flex";
const TRAIN: &str = "train --images scenes --supervision hard --arch resnet8 --width 4 --side 16 --epochs 4 --batch 16 \
                     --regions-per-step 2 --regions 4 --eval-every 2 --checkpoint-every 2 --device flex";

/// Runs the program where no file may grow beyond `blocks` of 512 bytes: a write fails as on a full disk.
fn cramped(at: &Path, blocks: u32, line: &str) -> Answer {
    let script = format!("ulimit -f {blocks}; exec {} {line}", program().display());
    answer(Command::new("sh").args(["-c", &script]).current_dir(at).stdin(Stdio::null()))
}

#[test]
fn a_full_disk_is_named_and_what_was_labelled_stays() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    ferkd(at.path(), &format!("{LABEL} --out whole")).ok();
    let line = format!("{LABEL} --out store");
    // The list of checksums outgrows it after some shards.
    cramped(at.path(), 8, &line)
        .fails(1, &["store", "checksums.sha256", "free some space", "finished work is kept"]);
    let done = ferkd(at.path(), &format!("{line} --json")).ok().json();
    assert!(done["labelled_regions"].as_u64() < done["regions"].as_u64(), "nothing was kept: {done}");
    same(&files(&at.path().join("whole")), &files(&at.path().join("store")));
    ferkd(at.path(), "verify store").ok();
}

#[test]
fn a_full_disk_is_named_and_a_run_goes_on() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    ferkd(at.path(), &format!("{TRAIN} --run whole")).ok();
    // Settings fit, a checkpoint does not.
    cramped(at.path(), 20, &format!("{TRAIN} --run run")).fails(1, &["last.safetensors", "free some space"]);
    ferkd(at.path(), &format!("{TRAIN} --run run --resume")).ok();
    same(&timeless(&at.path().join("whole")), &timeless(&at.path().join("run")));
}

#[test]
fn an_answer_that_cannot_be_printed_is_no_success() {
    let at = tempfile::tempdir().unwrap();
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        return skipped("there is no /dev/full here");
    };
    let words = ["demo", "--scenes", "1", "--out", "all", "--json"];
    let done = answer(command(at.path(), &words).stdout(full));
    done.fails(1, &["standard output"]);
}

#[test]
fn an_image_whose_class_is_needed_and_not_known_is_named_before_training() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    fs::create_dir(at.path().join("flat")).unwrap();
    for (i, bytes) in files(&at.path().join("scenes/train")).values().enumerate() {
        fs::write(at.path().join(format!("flat/{i:03}.png")), bytes).unwrap();
    }
    ferkd(at.path(), &format!("{} --out store", LABEL.replace("scenes", "flat"))).ok();
    let train = |supervision: &str, more: &str| {
        let line = TRAIN.replace("scenes", "flat").replace("hard", supervision);
        ferkd(at.path(), &format!("{line} {more} --run {supervision}"))
    };
    train("hard", "").fails(1, &["000.png", "hard", "class folders", "fkd"]);
    let mined = "--store store --low 0.1 --mid 0.3 --high 0.9";
    train("ferkd", mined).fails(1, &["000.png", "ferkd", "class folders", "fkd"]);
    // FKD looks neither at a class nor at a confidence.
    train("fkd", "--store store --confidence target").ok();
    ferkd(at.path(), "mine store --confidence target").fails(1, &["000.png", "--confidence max"]);
}

/// A file where a folder should be: even the superuser cannot write there.
#[test]
fn a_place_that_cannot_be_written_is_named() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    fs::write(at.path().join("file"), b"x").unwrap();
    for out in ["file", "file/below"] {
        ferkd(at.path(), &format!("{LABEL} --out {out}")).fails(1, &["file", "name another path"]);
        ferkd(at.path(), &format!("{LABEL} --skip-bad --out {out}")).fails(1, &["file", "name another path"]);
        ferkd(at.path(), &format!("{TRAIN} --run {out}")).fails(1, &["file", "name another path"]);
    }
    ferkd(at.path(), &format!("{LABEL} --out store")).ok();
    ferkd(at.path(), "mine store --write file/below.toml")
        .fails(1, &["file/below.toml", "name another path"]);
    ferkd(at.path(), "verify store").ok();
}

#[test]
fn a_folder_that_is_closed_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let at = tempfile::tempdir().unwrap();
    let closed = at.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(closed.join("x"), b"x").is_ok() {
        return skipped("the superuser may write everywhere: no folder can be closed");
    }
    few_scenes(at.path());
    ferkd(at.path(), &format!("{LABEL} --out closed/store")).fails(1, &["closed", "permissions"]);
    ferkd(at.path(), &format!("{TRAIN} --run closed/run")).fails(1, &["closed", "permissions"]);
}

/// Starts `line` and waits until `ready`.
fn busy(at: &Path, line: &str, ready: impl Fn() -> bool) -> std::process::Child {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut child = command(at, &words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !ready() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before another could come");
        assert!(begun.elapsed() < Duration::from_secs(120), "it never came so far");
        sleep(Duration::from_millis(2));
    }
    child
}

#[test]
fn a_second_writer_and_a_second_trainer_are_turned_away() {
    let at = tempfile::tempdir().unwrap();
    some_scenes(at.path(), 60, 2);
    let line = format!("{LABEL} --out store");
    let store = at.path().join("store");
    let mut first = busy(at.path(), &line, || store.join("labels-00000.npy").exists());
    ferkd(at.path(), &line).fails(1, &["writer.lock", "someone else", "wait until they are done"]);
    ferkd(at.path(), "verify store").fails(1, &["writer.lock", "someone else"]);
    first.kill().unwrap();
    first.wait().unwrap();
    ferkd(at.path(), &line).ok();
    ferkd(at.path(), "verify store").ok();

    let line = format!("{} --run run", TRAIN.replace("--epochs 4", "--epochs 400"));
    let last = at.path().join("run/checkpoints/last.safetensors");
    let mut first = busy(at.path(), &line, || last.exists());
    for resume in ["", " --resume"] {
        ferkd(at.path(), &format!("{line}{resume}"))
            .fails(1, &["trainer.lock", "someone else is training", "wait until they are done"]);
    }
    first.kill().unwrap();
    first.wait().unwrap();
    // The lock of a process that was killed blocks no other.
    let words: Vec<String> = format!("{line} --resume").split_whitespace().map(str::to_owned).collect();
    let metrics = at.path().join("run/metrics.jsonl");
    let before = fs::read(&metrics).unwrap().len();
    let mut second = command(at.path(), &words).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while fs::read(&metrics).unwrap().len() <= before {
        assert!(second.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(120));
        sleep(Duration::from_millis(5));
    }
    second.kill().unwrap();
    second.wait().unwrap();
}

#[test]
fn damaged_runs_are_named_and_never_used() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    ferkd(at.path(), &format!("{TRAIN} --run run")).ok();
    ferkd(at.path(), &format!("{} --run other", TRAIN.replace("--width 4", "--width 8"))).ok();
    let run = at.path().join("run");
    let resume = format!("{TRAIN} --run run --resume");
    let kept = files(&run);
    let restore = || kept.iter().for_each(|(name, bytes)| fs::write(run.join(name), bytes).unwrap());
    let flipped = |name: &str, at: usize| {
        let mut bytes = kept[name].clone();
        bytes[at] ^= 0x10;
        bytes
    };

    let last = "checkpoints/last.safetensors";
    let length = kept[last].len();
    let foreign = files(&at.path().join("other"))[last].clone();
    for bytes in [
        kept[last][..length / 2].to_vec(),
        kept[last][..5].to_vec(),
        Vec::new(),
        b"GIF89a, this is no checkpoint".to_vec(),
        flipped(last, length / 2),
        flipped(last, length - 1),
        flipped(last, 9),
        foreign.clone(),
        // An exported student: sound, but no checkpoint of a run.
        kept["checkpoints/best.safetensors"].clone(),
    ] {
        fs::write(run.join(last), bytes).unwrap();
        let said = ferkd(at.path(), &resume).fails(1, &["last.safetensors"]).stderr;
        assert!(said.contains('('), "no remedy: {said}");
    }
    restore();

    let best = "checkpoints/best.safetensors";
    let length = kept[best].len();
    for bytes in [kept[best][..length / 2].to_vec(), Vec::new(), flipped(best, length / 2), flipped(best, 20)]
    {
        fs::write(run.join(best), bytes).unwrap();
        ferkd(at.path(), "eval run scenes").fails(1, &["best.safetensors"]);
        ferkd(at.path(), "export run").fails(1, &["best.safetensors"]);
    }
    restore();

    for bytes in
        [Vec::new(), b"epochs = ".to_vec(), b"\xFF\xFE".to_vec(), b"wings = 2".to_vec(), vec![b'#'; 2 << 20]]
    {
        fs::write(run.join("config.toml"), bytes).unwrap();
        let said = ferkd(at.path(), &resume);
        assert!([1, 2].contains(&said.code) && said.stderr.contains("config.toml"), "{said:?}");
    }
    restore();

    let metrics = "metrics.jsonl";
    let text = String::from_utf8(kept[metrics].clone()).unwrap();
    let loss = text.find("\"loss\":").unwrap() + 9;
    let mut digit = kept[metrics].clone();
    digit[loss] = if digit[loss] == b'3' { b'4' } else { b'3' };
    for bytes in [Vec::new(), kept[metrics][..40].to_vec(), flipped(metrics, 3), digit, b"\0\n".to_vec()] {
        fs::write(run.join(metrics), bytes).unwrap();
        ferkd(at.path(), &resume).fails(1, &["metrics.jsonl", "--run"]);
    }
    restore();

    // As it was, it goes on: there is nothing left to do but the summary.
    ferkd(at.path(), &resume).ok();
    fs::remove_dir_all(run.join("checkpoints")).unwrap();
    ferkd(at.path(), "eval run scenes").fails(1, &["run", "no checkpoint"]);
    ferkd(at.path(), "export run").fails(1, &["run", "no checkpoint"]);
}
