//! Runs the test runner, shows what it prints, and adds up its counts.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use ferkd_skip::{LIST, Skipped};

/// What all test programs counted together.
#[derive(Debug, Default, PartialEq)]
pub struct Counts {
    passed: u64,
    failed: u64,
    /// Those that the harness does not run, and those that did not run and said so.
    skipped: u64,
    /// Names of those that failed.
    names: BTreeSet<String>,
}

impl Counts {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; ...`, and keeps names of failed tests;
    /// other lines count nothing.
    fn add(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|line| line.strip_suffix(" ... FAILED")) {
            self.names.insert(name.to_owned());
        }
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            if let Some((number, name)) = part.split_once(' ')
                && let Ok(number) = number.parse::<u64>()
            {
                match name {
                    "passed" => self.passed += number,
                    "failed" => self.failed += number,
                    "ignored" => self.skipped += number,
                    _ => {}
                }
            }
        }
    }

    /// Counts as skipped what passed because it did not run.
    fn subtract(&mut self, skipped: &[Skipped]) {
        let tests: BTreeSet<_> = skipped
            .iter()
            .filter(|skip| !self.names.contains(&skip.test))
            .map(|skip| (&skip.program, &skip.test))
            .collect();
        let count = self.passed.min(tests.len() as u64);
        self.passed -= count;
        self.skipped += count;
    }

    /// Whether tests ran, and none failed.
    pub fn is_good(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped, .. } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// Runs a test command line with variables of its own, passes its output on, and counts; says at the end what was
/// skipped.
///
/// # Errors
/// It cannot be started, a test failed, or something did not compile.
pub fn run(line: &str, variables: &[(&str, &str)], counts: &mut Counts) -> Result<(), String> {
    println!("$ {line}");
    let list = std::env::temp_dir().join(format!("ferkd-skipped-{}.txt", std::process::id()));
    let done = run_with(line, variables, counts, &list);
    let skipped = Skipped::read(&std::fs::read_to_string(&list).unwrap_or_default());
    // It is there only where something was skipped.
    let _ = std::fs::remove_file(&list);
    for Skipped { test, reason, .. } in &skipped {
        println!("skipped: {test}: {reason}");
    }
    counts.subtract(&skipped);
    done
}

fn run_with(line: &str, variables: &[(&str, &str)], counts: &mut Counts, list: &Path) -> Result<(), String> {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let mut command = Command::new(program);
    command.args(words).envs(variables.iter().copied()).env(LIST, list).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("{program} cannot be started: {error}"))?;
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            counts.add(&line);
            println!("{line}");
        }
    }
    let status = child.wait().map_err(|error| format!("{program}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("failed ({status}): {line}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(program: &str, test: &str) -> Skipped {
        Skipped { program: program.into(), test: test.into(), reason: "none here".into() }
    }

    #[test]
    fn counts_add_up() {
        let mut counts = Counts::default();
        counts.add(
            "test result: ok. 178 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 9.11s",
        );
        counts.add("test page::it_opens ... FAILED");
        counts.add("test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out");
        counts.add("test pillow ... ok");
        assert_eq!(counts.to_string(), "181 passed, 1 failed, 2 skipped");
        assert!(!counts.is_good() && !Counts::default().is_good());
    }

    #[test]
    fn a_skipped_test_is_counted_once_and_not_as_passed() {
        let mut counts = Counts::default();
        counts.add("test cuda ... ok");
        counts.add("test halfway ... FAILED");
        counts.add("test result: FAILED. 5 passed; 1 failed; 0 ignored");
        let skipped = [skip("a", "cuda"), skip("a", "cuda"), skip("b", "cuda"), skip("a", "halfway")];
        counts.subtract(&skipped);
        assert_eq!(counts.to_string(), "3 passed, 1 failed, 2 skipped");
    }
}
