//! Work that people have lost elsewhere: a broken validation image after hours, a terminal that closes, a log that
//! cannot be written, images that were moved, a job that may start few threads.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ferkd_skip::skipped;
use ferkd_tests::{
    Answer, all_scenes, answer, command, ferkd, few_scenes, files, program, same, some_scenes, timeless,
};
use serde_json::Value;

const TRAIN: &str = "train --images scenes --supervision hard --arch resnet8 --width 4 --side 16 --epochs 4 --batch 16 \
                     --regions-per-step 2 --regions 4 --eval-every 2 --device flex";

/// Three runs of two steps.
const SWEEP: &str = r#"
epochs = [1]
seeds = [0, 1, 2]

[train]
supervision = "hard"
images-per-class = 2
arch = "resnet8"
width = 4
side = 16
batch = 16
regions-per-step = 1
regions = 4
device = "flex"

[[arm]]
name = "hard"

[[arm]]
name = "smooth"
label-smoothing = 0.1
"#;

fn scenes() -> tempfile::TempDir {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    at
}

/// Waits until `ready`, while the program runs.
#[track_caller]
fn wait(child: &mut Child, ready: impl Fn() -> bool) {
    let begun = Instant::now();
    while !ready() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it came so far");
        assert!(begun.elapsed() < Duration::from_secs(120), "it never came so far");
        sleep(Duration::from_millis(2));
    }
}

fn send(signal: &str, child: &Child) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// A script of `bash`, in which `$FERKD` is the program.
fn bash(at: &Path, script: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", script]).env("FERKD", program()).current_dir(at).stdin(Stdio::null());
    command
}

fn summary(run: &Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("summary.json")).unwrap()).unwrap()
}

/// Everything that can be known of validation images, before the first step and by `--dry-run`.
#[test]
fn what_is_wrong_with_validation_is_said_before_the_first_step() {
    let at = scenes();
    let val = at.path().join("scenes/val");
    let image = files(&val).into_iter().next().unwrap().1;
    let thin = {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::RgbImage::new(1, 5000).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    let flat = at.path().join("flat");
    fs::create_dir(&flat).unwrap();
    fs::write(flat.join("ILSVRC2012_val_00000001.png"), &image).unwrap();
    let both = |more: &str, words: &[&str]| {
        let line = format!("{TRAIN} {more} --run run");
        ferkd(at.path(), &line).fails(1, words);
        ferkd(at.path(), &format!("{line} --dry-run")).fails(1, words);
        assert!(!at.path().join("run").exists(), "a run was begun");
    };
    both("--val flat", &["flat", "its images have no classes", "val_map.txt"]);
    for (name, bytes, problem) in [
        ("3/cut.png", &image[..image.len() / 2], "cut.png"),
        ("3/thin.png", &thin[..], "1 x 5000"),
        ("foreign/a.png", &image[..], "foreign"),
    ] {
        let path = val.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        both("", &[problem]);
        if name.starts_with('3') {
            both("", &["--skip-bad", name.rsplit('/').next().unwrap()]);
            let run = problem.replace(' ', "");
            let done = ferkd(at.path(), &format!("{TRAIN} --skip-bad --run {run}")).ok();
            assert!(done.stderr.contains("1 of 21 validation images are left out"), "{}", done.stderr);
            assert_eq!(summary(&at.path().join(run))["skipped_val_images"], 1);
            fs::remove_file(path).unwrap();
        } else {
            fs::remove_dir_all(path.parent().unwrap()).unwrap();
        }
    }
    let dry = ferkd(at.path(), &format!("{TRAIN} --run run --dry-run --json")).ok().json();
    assert_eq!(dry["validation_images"], 20);
}

/// What a dry run says of a run's folder is what a run finds there, and nothing is changed.
#[test]
fn a_dry_run_looks_into_the_runs_folder() {
    let at = tempfile::tempdir().unwrap();
    some_scenes(at.path(), 20, 2);
    let line = format!("{TRAIN} --run run");
    let dry = |flags: &str| ferkd(at.path(), &format!("{line} --dry-run {flags}"));
    dry("--resume").fails(2, &["run", "there is no run to resume"]);
    assert_eq!(dry("--json").ok().json()["steps_done"], 0);
    assert!(!at.path().join("run").exists());

    let done = ferkd(at.path(), &line).ok();
    let before = files(&at.path().join("run"));
    dry("").fails(2, &["run", "a run is there already", "--resume"]);
    let found = dry("--resume --json").ok().json();
    assert!(found["steps"].as_u64().unwrap() > 0, "{}", done.stderr);
    assert_eq!(found["steps_done"], found["steps"]);
    dry("--resume --lr 0.5").fails(1, &["config.toml", "lr"]);
    assert_eq!(files(&at.path().join("run")), before);

    fs::write(at.path().join("run/checkpoints/last.safetensors"), b"no checkpoint").unwrap();
    dry("--resume").fails(1, &["last.safetensors"]);
    // Killed before the first checkpoint and the first line.
    fs::remove_file(at.path().join("run/checkpoints/last.safetensors")).unwrap();
    fs::remove_file(at.path().join("run/metrics.jsonl")).unwrap();
    assert_eq!(dry("--resume --json").ok().json()["steps_done"], 0);
}

/// An image that breaks while the run goes on: the evaluation fails after the checkpoint, and goes on without it.
#[test]
fn an_evaluation_that_fails_costs_no_step() {
    let at = tempfile::tempdir().unwrap();
    some_scenes(at.path(), 20, 2);
    let run = at.path().join("run");
    let train = TRAIN.replace("--epochs 4", "--epochs 24").replace("--eval-every 2", "--eval-every 12");
    let line = format!("{train} --log-every 1 --run run");
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut child = command(at.path(), &words).stderr(Stdio::piped()).spawn().unwrap();
    wait(&mut child, || fs::metadata(run.join("metrics.jsonl")).is_ok_and(|log| log.len() > 0));
    let broken = files(&at.path().join("scenes/val")).into_keys().next().unwrap();
    fs::write(at.path().join("scenes/val").join(&broken), b"corrupted").unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains(&broken) && said.contains("--resume --skip-bad"), "{said}");
    // All steps up to the evaluation are kept.
    let steps = fs::read_to_string(run.join("metrics.jsonl")).unwrap().lines().count();
    ferkd(at.path(), &line.replace("--run", "--resume --run")).fails(1, &[&broken, "--skip-bad"]);
    let done = ferkd(at.path(), &format!("{line} --resume --skip-bad")).ok();
    assert!(done.stderr.contains(&format!("{steps} of them done before")), "{}", done.stderr);
    assert_eq!(summary(&run)["skipped_val_images"], 1);
    ferkd(at.path(), &format!("{train} --log-every 1 --skip-bad --run whole")).ok();
    same(&timeless(&at.path().join("whole")), &timeless(&run));
}

/// Broken images to train on are found before the first step, so that the order of the others is that of a folder
/// without them.
#[test]
fn broken_images_are_left_out_or_end_a_run_after_a_checkpoint() {
    let at = tempfile::tempdir().unwrap();
    some_scenes(at.path(), 20, 2);
    let line = format!("{TRAIN} --checkpoint-every 1000");
    ferkd(at.path(), &format!("{line} --run clean")).ok();
    for broken in ["scenes/train/0/00-broken.png", "scenes/train/7/zz.png"] {
        fs::write(at.path().join(broken), b"corrupted").unwrap();
    }
    let all = ferkd(at.path(), &format!("{line} --run without")).fails(1, &["scenes/train/", ".png"]);
    let last = at.path().join("without/checkpoints/last.safetensors");
    assert!(last.exists() == all.stderr.contains("a checkpoint is written"), "{}", all.stderr);

    let done = ferkd(at.path(), &format!("{line} --skip-bad --run with")).ok();
    assert!(done.stderr.contains("2 images cannot be decoded"), "{}", done.stderr);
    assert!(done.stdout.contains("2 images cannot be decoded"), "{}", done.stdout);
    let checkpoints = |run: &str| files(&at.path().join(run).join("checkpoints"));
    same(&checkpoints("clean"), &checkpoints("with"));
    let listed = fs::read_to_string(at.path().join("with/skipped.json")).unwrap();
    assert!(listed.contains("7/zz.png") && listed.contains("0/00-broken.png"), "{listed}");
    // What is known already is not looked for again.
    let again = ferkd(at.path(), &format!("{line} --skip-bad --run with --resume")).ok();
    assert!(!again.stderr.contains("looking for broken images"), "{}", again.stderr);
    let dry = ferkd(at.path(), &format!("{line} --skip-bad --run none --dry-run --json")).ok().json();
    assert_eq!((dry["images"].clone(), dry["skipped_images"].clone()), (200.into(), 2.into()));
    // One of them less: the images that are trained on are the same.
    fs::remove_file(at.path().join("scenes/train/7/zz.png")).unwrap();
    let again = ferkd(at.path(), &format!("{line} --run with --resume")).ok();
    assert!(again.stdout.contains("1 images cannot be decoded"), "{}", again.stdout);
    // One more is another run.
    let image = files(&at.path().join("scenes/val")).into_values().next().unwrap();
    fs::write(at.path().join("scenes/train/7/zz.png"), image).unwrap();
    ferkd(at.path(), &format!("{line} --run with --resume")).fails(1, &["images (", "200 ", "201 "]);
}

/// A long run, so that a signal comes in the middle of it.
fn long(run: &str) -> String {
    format!("{} --log-every 1 --checkpoint-every 5 --run {run}", TRAIN.replace("--epochs 4", "--epochs 4000"))
}

#[test]
fn a_student_that_has_diverged_is_no_fault_of_a_teacher() {
    let at = scenes();
    let line = "train --images scenes --supervision hard --arch resnet8 --width 4 --side 16 --epochs 2 --batch 16 \
                --regions-per-step 2 --regions 4 --device flex --lr 1e9 --run run";
    let done = ferkd(at.path(), line).fails(1, &["the model's logits", "NaN", "lower --lr"]);
    assert!(!done.stderr.contains("teacher"), "{}", done.stderr);
}

#[test]
fn an_export_replaces_no_checkpoint_and_is_called_what_it_is() {
    let at = scenes();
    ferkd(at.path(), &format!("{TRAIN} --run run")).ok();
    let last = at.path().join("run/checkpoints/last.safetensors");
    let before = fs::read(&last).unwrap();
    for line in [
        "export run --out run/checkpoints/last.safetensors",
        "export run --out ./run/../run/checkpoints/last.safetensors",
        "export run/checkpoints/last.safetensors --out ./run/checkpoints/last.safetensors",
    ] {
        ferkd(at.path(), line).fails(2, &["would replace what it is made from", "--out"]);
    }
    ferkd(at.path(), "export run --out student.pth").fails(2, &["student.pth", ".safetensors"]);
    assert!(!at.path().join("student.pth").exists() && fs::read(&last).unwrap() == before);
    ferkd(at.path(), "export run --out student.safetensors").ok();
    ferkd(at.path(), "export run --out student.safetensors").ok();
}

/// `nohup`, and a shell that starts it in the background.
#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let at = scenes();
    let last = at.path().join("run/checkpoints/last.safetensors");
    let script = format!("trap '' HUP INT; exec \"$FERKD\" {}", long("run"));
    let mut child = bash(at.path(), &script).stderr(Stdio::null()).spawn().unwrap();
    wait(&mut child, || last.exists());
    send("-HUP", &child);
    send("-INT", &child);
    let metrics = at.path().join("run/metrics.jsonl");
    let lines = || fs::read_to_string(&metrics).unwrap().lines().count();
    let before = lines();
    wait(&mut child, || lines() > before + 20);
    // What was not ignored asks for a stop.
    send("-TERM", &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut child = bash(at.path(), &format!("exec \"$FERKD\" {} --resume", long("run")));
    let mut child = child.stderr(Stdio::null()).spawn().unwrap();
    let before = lines();
    wait(&mut child, || lines() > before + 5);
    send("-HUP", &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// `2>&1 | tee log` whose `tee` dies first, a log on a full disk, `| head`.
#[test]
fn a_message_that_cannot_be_written_ends_nothing() {
    let at = scenes();
    ferkd(at.path(), &format!("{TRAIN} --run whole")).ok();
    let whole = timeless(&at.path().join("whole"));
    // `exec` alone: the exit code is the program's.
    let closed = |line: &str| {
        let script = format!("{{ \"$FERKD\" {line} 2>&1; echo $? >&3; }} 3>code | true");
        assert!(bash(at.path(), &script).status().unwrap().success());
        fs::read_to_string(at.path().join("code")).unwrap().trim().to_owned()
    };
    assert_eq!(closed(&format!("{TRAIN} --log-every 1 --run closed")), "0");
    let found = timeless(&at.path().join("closed"));
    assert!(found["checkpoints/best.safetensors"] == whole["checkpoints/best.safetensors"]);
    // Half a JSON object is none; a reader of a table has read enough.
    assert_eq!(closed("mine nowhere"), "1");
    assert_eq!(closed("demo --scenes 1 --out all"), "0");
    assert_eq!(closed("demo --scenes 1 --out all --json"), "1");

    let full = || fs::OpenOptions::new().write(true).open("/dev/full");
    if full().is_ok() {
        let words = format!("{TRAIN} --run full");
        let words: Vec<&str> = words.split_whitespace().collect();
        let done = answer(command(at.path(), &words).stderr(full().unwrap())).ok();
        assert!(done.stdout.contains("top-1"), "{done:?}");
        same(&timeless(&at.path().join("full")), &whole);
        let words: Vec<&str> = "mine nowhere".split_whitespace().collect();
        assert_eq!(answer(command(at.path(), &words).stderr(full().unwrap())).code, 1);
    } else {
        println!("skipped: there is no /dev/full here");
    }

    // Ctrl-C reaches both ends of the pipe: the reader is gone first.
    let line = long("stopped");
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut child = command(at.path(), &words).stderr(Stdio::piped()).spawn().unwrap();
    wait(&mut child, || at.path().join("stopped/checkpoints/last.safetensors").exists());
    drop(child.stderr.take());
    sleep(Duration::from_millis(50));
    send("-INT", &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let metrics = fs::read_to_string(at.path().join("stopped/metrics.jsonl")).unwrap();
    let last = metrics.lines().filter(|line| line.contains("\"metric\"")).count();
    // The checkpoint is of the step of the signal, not of the fifth before it.
    let mut child = command(at.path(), &[&words[..], &["--resume"]].concat());
    let mut child = child.stderr(Stdio::piped()).spawn().unwrap();
    wait(&mut child, || {
        fs::read_to_string(at.path().join("stopped/metrics.jsonl")).unwrap().len() > metrics.len()
    });
    send("-INT", &child);
    let said = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains(&format!("{last} of them done before")), "{last} steps: {said}");
}

/// The same images, labels and weights at another place, by another spelling, and another rhythm of the log.
#[test]
fn a_run_goes_on_where_its_inputs_were_moved() {
    let at = tempfile::tempdir().unwrap();
    let (one, two) = (at.path().join("job1"), at.path().join("job2"));
    fs::create_dir(&one).unwrap();
    few_scenes(&one);
    ferkd(&one, "label scenes --teacher digits --regions 4 --out store --device flex").ok();
    let small = TRAIN.replace("--images scenes", "--images job1/scenes");
    let short = small.replace("--epochs 4", "--epochs 2");
    ferkd(at.path(), &format!("{short} --run job1/before")).ok();
    fs::copy(one.join("before/checkpoints/best.safetensors"), one.join("begin.safetensors")).unwrap();
    let line = format!(
        "{} --store job1/store --weights job1/begin.safetensors --log-every 5 --run",
        small.replace("hard", "ferkd")
    );
    ferkd(at.path(), &format!("{line} whole")).ok();
    let whole = files(&at.path().join("whole/checkpoints"));
    // A run that was stopped after its first checkpoint.
    let stopped = |run: &str| {
        let line = format!("{} {run} --checkpoint-every 1", line.replace("--log-every 5", "--log-every 1"));
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut child = command(at.path(), &words).stderr(Stdio::null()).spawn().unwrap();
        wait(&mut child, || at.path().join(run).join("checkpoints/last.safetensors").exists());
        send("-INT", &child);
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(0 | 130)), "{code:?}");
    };
    let resume = |run: &str, from: &str, more: &str| -> Answer {
        ferkd(at.path(), &format!("{} {run} {more} --resume", line.replace("job1/", from)))
    };
    let absolute = format!("{}/", two.display());
    for (run, from) in [("a", "job2/"), ("b", "./job2//"), ("c", absolute.as_str()), ("d", "job1/../job1/./")]
    {
        if !one.exists() {
            fs::rename(&two, &one).unwrap();
        }
        stopped(run);
        if run != "d" {
            fs::rename(&one, &two).unwrap();
        }
        resume(run, from, "--checkpoint-every 3 --cache-mb 1").ok();
        let found = files(&at.path().join(run).join("checkpoints"));
        assert!(found["best.safetensors"] == whole["best.safetensors"], "{run}");
    }
    // What is left out is what the run was begun with.
    stopped("e");
    fs::rename(&one, &two).unwrap();
    let moved = "--images job2/scenes --store job2/store --weights job2/begin.safetensors";
    ferkd(at.path(), &format!("train {moved} --run e --resume")).ok();
    let found = files(&at.path().join("e/checkpoints"));
    assert!(found["best.safetensors"] == whole["best.safetensors"]);
    fs::rename(&two, &one).unwrap();
    // Other inputs, though they lie where the first ones lay.
    ferkd(&one, "label scenes --teacher digits --regions 4 --seed 1 --out store2 --device flex").ok();
    ferkd(at.path(), &format!("{short} --seed 5 --run job1/other")).ok();
    let refused = |change: &dyn Fn(), undo: &dyn Fn(), word: &str| {
        change();
        resume("a", "job1/", "").fails(1, &[word, "there", "now"]);
        undo();
    };
    let swap = |a: &str, b: &str| {
        let (a, b, c) = (one.join(a), one.join(b), one.join("swapped"));
        fs::rename(&a, &c).unwrap();
        fs::rename(&b, &a).unwrap();
        fs::rename(&c, &b).unwrap();
    };
    let store = || swap("store", "store2");
    refused(&store, &store, "store (");
    let weights = || swap("begin.safetensors", "other/checkpoints/best.safetensors");
    refused(&weights, &weights, "weights (");
    let extra = one.join("scenes/val/0/extra.png");
    let image = files(&one.join("scenes/val")).into_values().next().unwrap();
    refused(&|| fs::write(&extra, &image).unwrap(), &|| fs::remove_file(&extra).unwrap(), "val (");
    resume("a", "job1/", "--seed 7").fails(1, &["seed: 0 there, 7 now"]);
    // A run of an older version says nothing of what lay there: the places count, which are those of its last resume.
    fs::remove_file(at.path().join("a/inputs.toml")).unwrap();
    resume("a", "job1/", "").fails(1, &["images: ", "store: ", "weights: "]);
    fs::rename(&one, &two).unwrap();
    resume("a", "job2/", "").ok();
}

/// Where the system allows few threads: an error that says what to do, at whichever of them it happens.
#[test]
fn few_threads_are_an_error_and_no_panic() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let at = tempfile::tempdir().unwrap();
    all_scenes(&at.path().join("all"));
    fs::create_dir(at.path().join("runs")).unwrap();
    for folder in [at.path().to_owned(), at.path().join("runs")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    // The limit counts a user's threads and does not hold for root: a user of its own has none.
    let user = 400_000 + std::process::id();
    let limited = |limit: u32, line: &str| -> Option<Answer> {
        let mut command = bash(at.path(), &format!("ulimit -u {limit} && exec \"$FERKD\" {line}"));
        if root {
            command.uid(user);
        }
        let done = command.output().ok()?;
        Some(Answer {
            code: done.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        })
    };
    let train = |run: &str| {
        "train --images all --supervision hard --arch resnet8 --width 4 --side 16 --epochs 1 --batch 64 \
         --regions-per-step 1 --regions 4 --device flex --run runs/"
            .to_owned()
            + run
    };
    let works = limited(4000, &format!("{} --threads 2", train("works")));
    let Some(works) = works.filter(|works| works.code == 0 || !root) else {
        return skipped("no user of its own can be had here");
    };
    if root {
        works.ok();
        limited(16, &format!("{} --threads 1", train("few"))).unwrap().ok();
    }
    let limits: &[u32] = if root { &[1, 2, 3, 4, 5, 6, 8, 10] } else { &[1] };
    for limit in limits {
        for line in [train(&format!("none{limit}")), "demo --out runs/demo".to_owned()] {
            let done = limited(*limit, &format!("{line} --threads 4 --json")).unwrap();
            let done = done.fails(1, &["could not start a thread", "ulimit -u", "--threads N"]);
            assert!(done.json()["error"].as_str().unwrap().contains("ulimit"), "{done:?}");
        }
    }
    // Runs at a time have threads of their own: too few for some of them are the end of all, in order.
    fs::write(at.path().join("sweep.toml"), SWEEP).unwrap();
    for limit in if root { 14..20 } else { 0..0 } {
        let line =
            format!("sweep --config sweep.toml --images all --jobs 6 --threads 2 --out runs/sweep{limit}");
        let done = limited(limit, &line).unwrap();
        if done.code != 0 {
            done.fails(1, &["could not start a thread", "ulimit -u", "--threads N"]);
        }
    }
    ferkd(at.path(), "mine nowhere --threads 0").fails(2, &["threads", "at least one"]);
}
