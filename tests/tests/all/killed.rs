//! Kills at random moments, for the teacher pass and for training: what is resumed after them ends in the bytes of what
//! was never disturbed. With `FERKD_NIGHTLY` a thousand of them, `FERKD_KILLS` says another number for each of the two,
//! and without either there are enough to meet every kind of moment twice.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ferkd_method::rng::{Purpose, Stream};
use ferkd_tests::{command, ferkd, few_scenes, files, same, some_scenes, timeless};

/// How often each is killed.
fn rounds() -> u32 {
    match std::env::var("FERKD_KILLS") {
        Ok(number) => number.parse().expect("FERKD_KILLS is a number"),
        Err(_) if std::env::var_os("FERKD_NIGHTLY").is_some() => 500,
        Err(_) => 8,
    }
}

/// When to kill.
#[derive(Debug)]
enum Moment {
    /// After some milliseconds, wherever that is; 0 is before the program has begun.
    Time(u64),
    /// While some file is being written.
    Writing,
    /// When there is more in the folder than when the program began, and so much more.
    Progress(u64),
}

/// What a folder shows of a program's progress: files, lines of its metrics, and whether one is being written.
fn state(folder: &Path) -> (u64, bool) {
    let (mut count, mut writing) = (0, false);
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            writing |= path.extension().is_some_and(|e| e == "part");
            count += 1;
            if path.ends_with("metrics.jsonl") {
                count += fs::read(path).map_or(0, |text| text.iter().filter(|&&b| b == b'\n').count() as u64);
            }
        }
    }
    (count, writing)
}

/// Waits for a moment; whether the program still ran then. A moment that never comes is over after two seconds.
fn wait(child: &mut Child, folder: &Path, moment: &Moment) -> bool {
    let (begun, before) = (Instant::now(), state(folder).0);
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        let now = state(folder);
        let come = match moment {
            Moment::Time(ms) => begun.elapsed() >= Duration::from_millis(*ms),
            Moment::Writing => now.1,
            Moment::Progress(by) => now.0 >= before + by,
        };
        if come || begun.elapsed() > Duration::from_secs(2) {
            return true;
        }
        sleep(Duration::from_micros(500));
    }
}

/// What is killed.
struct Work<'a> {
    /// Where it works, within a folder of its own.
    folder: &'a str,
    /// The command line that begins it.
    first: &'a str,
    /// The command line that goes on with it.
    resume: &'a str,
    /// Whether it is to go on rather than to begin.
    begun: fn(&Path) -> bool,
    /// Fails where the files of what has finished are not those of what was never disturbed.
    compare: &'a dyn Fn(),
}

/// Kills the program again and again, and then lets it finish. Where it finishes before, its files are compared and it
/// begins again.
fn hammer(at: &Path, seed: u64, work: &Work) {
    let Work { first, resume, begun, .. } = work;
    let folder = at.join(work.folder);
    let mut draw = Stream::new(seed, Purpose::Scene, 0, 0);
    let (mut states, mut in_writes) = (BTreeSet::new(), 0);
    let (mut kills, mut finished, rounds) = (0, 1, rounds());
    while kills < rounds {
        let line = if begun(&folder) { resume } else { first };
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut child = command(at, &words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let moment = match kills % 4 {
            0 => Moment::Time(if kills == 0 { 0 } else { u64::from(draw.below(400)) }),
            1 => Moment::Writing,
            _ => Moment::Progress(1 + u64::from(draw.below(5))),
        };
        if wait(&mut child, &folder, &moment) {
            child.kill().unwrap();
            child.wait().unwrap();
            let (count, writing) = state(&folder);
            states.insert(count);
            in_writes += u32::from(writing);
            kills += 1;
        } else {
            assert!(child.wait().unwrap().success(), "`{line}` failed after {kills} kills");
            (work.compare)();
            finished += 1;
            fs::remove_dir_all(&folder).unwrap();
        }
    }
    assert!(states.len() >= 4 && states.contains(&0), "the kills met the same few moments: {states:?}");
    ferkd(at, if begun(&folder) { resume } else { first }).ok();
    (work.compare)();
    eprintln!(
        "{rounds} kills at {} states of `{}`, {in_writes} within a write; finished and compared {finished} times",
        states.len(),
        work.folder
    );
}

#[test]
fn a_teacher_pass_survives_kills() {
    let at = tempfile::tempdir().unwrap();
    some_scenes(at.path(), 30, 1);
    fs::write(at.path().join("scenes/train/3/broken.png"), b"not a picture").unwrap();
    let line =
        "label scenes --teacher digits --regions 4 --shard-images 16 --batch 16 --skip-bad --device flex";
    ferkd(at.path(), &format!("{line} --out whole")).ok();
    let into = format!("{line} --out store");
    let compare = || same(&files(&at.path().join("whole")), &files(&at.path().join("store")));
    let work = Work { folder: "store", first: &into, resume: &into, begun: |_| true, compare: &compare };
    hammer(at.path(), 1, &work);
    ferkd(at.path(), "verify store").ok();
}

#[test]
fn training_survives_kills() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    ferkd(at.path(), "label scenes --teacher digits --regions 4 --out store --device flex").ok();
    let line = "train --images scenes --store store --supervision ferkd+selfmix --arch resnet8 --width 4 --side 16 \
                --epochs 12 --batch 16 --regions-per-step 2 --eval-every 4 --keep-every 4 --log-every 2 \
                --checkpoint-every 3 --ema 0.9 --optimizer adamw --device flex";
    ferkd(at.path(), &format!("{line} --run whole")).ok();
    let into = format!("{line} --run run");
    let resume = format!("{into} --resume");
    let begun = |run: &Path| run.join("config.toml").exists();
    let compare = || same(&timeless(&at.path().join("whole")), &timeless(&at.path().join("run")));
    let work = Work { folder: "run", first: &into, resume: &resume, begun, compare: &compare };
    hammer(at.path(), 2, &work);
}
