//! Helpers of the tests that cross crates: the program, its answer, files, and data that may not ship.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

pub mod browser;
pub mod page;
pub mod seeded;
pub mod simulated;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use ferkd_skip::{not_installed, skipped};
use serde_json::Value;

/// What the program answered.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code; -1 where a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Answer {
    /// The answer, if the program did what it was asked.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self
    }

    /// The answer, if the program left with `code` and its error holds every one of `words`.
    #[track_caller]
    pub fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "no `{word}` in: {}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }

    /// Standard output as the one JSON object that it must be.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "not one line: {}", self.stdout);
        let value: Value = serde_json::from_str(&self.stdout).expect("JSON on standard output");
        assert!(value.is_object(), "{value}");
        value
    }
}

/// The program that cargo built beside these tests.
pub fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let path =
        tests.ancestors().nth(2).unwrap().join("ferkd").with_extension(std::env::consts::EXE_EXTENSION);
    assert!(path.exists(), "there is no {}: run the tests by `cargo xtask test`", path.display());
    path
}

/// The program with `arguments`, in `folder`.
pub fn command<S: AsRef<std::ffi::OsStr>>(folder: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs the program with the words of `line` as arguments, in `folder`.
pub fn ferkd(folder: &Path, line: &str) -> Answer {
    let words: Vec<&str> = line.split_whitespace().collect();
    answer(&mut command(folder, &words))
}

/// Runs a command to its end.
pub fn answer(command: &mut Command) -> Answer {
    let done = command.output().unwrap();
    Answer {
        code: done.status.code().unwrap_or(-1),
        stdout: String::from_utf8(done.stdout).unwrap(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// Whether several processes of the program can be started by `mpirun`; where not, the test that asks says that it is
/// skipped.
pub fn has_mpi() -> bool {
    let works = |program: &str| {
        Command::new(program).arg("--version").output().is_ok_and(|done| done.status.success())
    };
    match (works("mpirun"), cfg!(feature = "mpi")) {
        (true, true) => return true,
        (false, _) => not_installed("mpirun is not here"),
        (true, false) => {
            skipped(
                "the program was built without MPI: `cargo xtask test` builds it with MPI where mpicc is",
            );
        }
    }
    false
}

/// A file or folder of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}

/// Every file below `folder`: its path and bytes.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// Writes files below `folder`: their paths and bytes.
fn write_files<'a>(folder: &Path, files: impl IntoIterator<Item = (&'a String, &'a Vec<u8>)>) {
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// The demo's scenes, as `ferkd demo --scenes 1` writes them: drawn once for all tests of a program.
fn scenes() -> &'static BTreeMap<String, Vec<u8>> {
    static SCENES: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    SCENES.get_or_init(|| {
        let at = tempfile::tempdir().unwrap();
        ferkd(at.path(), "demo --scenes 1 --out all").ok();
        files(&at.path().join("all"))
    })
}

/// All scenes of the demo, in `folder`.
pub fn all_scenes(folder: &Path) {
    write_files(folder, scenes());
}

/// A few scenes of the demo, in `at/scenes`: 40 to train on and 20 to try.
pub fn few_scenes(at: &Path) {
    some_scenes(at, 4, 2);
}

/// Scenes of the demo, in `at/scenes`: so many of each digit to train on and to try.
pub fn some_scenes(at: &Path, train: usize, val: usize) {
    for (half, of_a_class) in [("train", train), ("val", val)] {
        for class in 0..10 {
            let folder = format!("{half}/{class}/");
            let of_class: Vec<_> = scenes().iter().filter(|(name, _)| name.starts_with(&folder)).collect();
            write_files(&at.join("scenes"), of_class[..of_a_class].iter().copied());
        }
    }
}

/// A run's files without what holds times or paths.
pub fn timeless(run: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = files(run);
    for name in ["summary.json", "report.html", "environment.json"] {
        found.remove(name);
    }
    let metrics = String::from_utf8(found.remove("metrics.jsonl").unwrap()).unwrap();
    let lines: String = metrics
        .lines()
        .map(|line| {
            let mut event: serde_json::Map<String, Value> = serde_json::from_str(line).unwrap();
            event.retain(|key, _| !key.ends_with("_s"));
            format!("{event:?}\n")
        })
        .collect();
    found.insert("metrics.jsonl".into(), lines.into_bytes());
    found
}

/// Fails where two folders' files differ, and says which.
#[track_caller]
pub fn same(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in a {
        assert!(b[name] == *bytes, "{name} differs");
    }
}

/// What runs the Python that `FERKD_PYTHON` names (`python3`) with some arguments and gives what it prints; none where
/// it has not all of `modules`, names with commas between them. Then the test is to be skipped, which this says aloud.
pub fn python(modules: &str) -> Option<impl Fn(&[&str]) -> String + use<>> {
    let python = std::env::var("FERKD_PYTHON").unwrap_or_else(|_| "python3".into());
    let found = Command::new(&python).args(["-c", &format!("import {modules}")]).output();
    if !found.is_ok_and(|done| done.status.success()) {
        let reason = format!("there is no {python} with {modules}");
        // PyTorch and what goes with it are large: `.ci/run` does not install them.
        match modules.contains("torch") || modules.contains("timm") {
            true => skipped(reason),
            false => not_installed(reason),
        }
        return None;
    }
    Some(move |arguments: &[&str]| {
        answer(Command::new(&python).args(arguments).stdin(Stdio::null())).ok().stdout
    })
}

/// Image sets that may not ship: `$FERKD_TEST_DATA/<name>`. Without it the test is to be skipped, which this
/// says aloud.
pub fn test_data(name: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("FERKD_TEST_DATA") else {
        skipped(format_args!("{name} needs FERKD_TEST_DATA"));
        return None;
    };
    let path = Path::new(&root).canonicalize().expect("FERKD_TEST_DATA is a folder").join(name);
    if !path.exists() {
        skipped(format_args!("there is no {}", path.display()));
        return None;
    }
    Some(path)
}

/// Settings of the smallest run there is, on a folder of two images: one step.
pub fn smallest_run(images: &Path) -> ferkd_train::TrainConfig {
    use ferkd_nn::models::Arch;
    use ferkd_train::{Supervision, TrainConfig};
    TrainConfig {
        images: images.to_owned(),
        supervision: Supervision::Hard,
        arch: Arch::Resnet8,
        width: Some(4),
        side: 8,
        batch: 2,
        regions_per_step: 1,
        epochs: 1,
        warmup_epochs: Some(0),
        device: "flex".into(),
        ..TrainConfig::default()
    }
}
