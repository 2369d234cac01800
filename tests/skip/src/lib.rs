//! How a test says that it did not run, past the test harness, which counts it as passed.
//!
//! `cargo xtask test` names a file in [`LIST`], to which each skipped test adds a line, and counts them.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Write;

/// The variable that names the file for skipped tests.
pub const LIST: &str = "FERKD_SKIPPED";

/// The variable that turns a skip for lack of what `.ci/run` installs into a failure: `1`.
pub const STRICT: &str = "FERKD_STRICT";

/// Says aloud that the test that calls is skipped for lack of what only some machines have: a CUDA device, data
/// that may not ship.
pub fn skipped(reason: impl fmt::Display) {
    // Not `eprintln!`: the test harness would swallow it.
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
    if let Some(list) = std::env::var_os(LIST) {
        let line = Skipped::here(&reason.to_string()).line();
        let added = OpenOptions::new().create(true).append(true).open(&list);
        added.and_then(|mut file| file.write_all(line.as_bytes())).unwrap_or_else(|error| {
            panic!("{LIST}={}: {error}", list.display());
        });
    }
}

/// Says aloud that the test that calls is skipped for lack of something that `.ci/run` installs.
///
/// # Panics
/// `FERKD_STRICT` is 1: there, it must not be missing.
#[track_caller]
pub fn not_installed(reason: impl fmt::Display) {
    assert!(std::env::var_os(STRICT).is_none_or(|value| value != "1"), "{STRICT}=1, but {reason}");
    skipped(reason);
}

/// A test that did not run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// The file name of the program that holds the test.
    pub program: String,
    /// The test, as the harness calls it.
    pub test: String,
    /// What it lacks.
    pub reason: String,
}

impl Skipped {
    /// The harness names each test's thread after it.
    fn here(reason: &str) -> Self {
        let program = std::env::current_exe().ok().and_then(|path| Some(path.file_stem()?.to_owned()));
        Self {
            program: program.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            test: std::thread::current().name().unwrap_or_default().to_owned(),
            reason: reason.to_owned(),
        }
    }

    /// A line of the list.
    fn line(&self) -> String {
        let reason = self.reason.replace(['\n', '\t'], " ");
        format!("{}\t{}\t{reason}\n", self.program, self.test)
    }

    /// Reads a list; other lines are passed over.
    #[must_use]
    pub fn read(list: &str) -> Vec<Self> {
        let line = |line: &str| {
            let mut parts = line.splitn(3, '\t').map(str::to_owned);
            Some(Self { program: parts.next()?, test: parts.next()?, reason: parts.next()? })
        };
        list.lines().filter_map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let here = Skipped::here("no\tsuch\nthing");
        assert!(here.program.starts_with("ferkd_skip-") && !here.test.is_empty(), "{here:?}");
        let (one, two) = (Skipped { reason: "no such thing".into(), ..here.clone() }, here.line());
        assert_eq!(Skipped::read(&format!("{two}other\n{two}")), [one.clone(), one]);
    }
}
