//! Runs the test runner, shows what it prints, and adds up its counts.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// What all test programs counted together.
#[derive(Debug, Default, PartialEq)]
pub struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Counts {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; ...`; other lines count nothing.
    fn add(&mut self, line: &str) {
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
                    "ignored" => self.ignored += number,
                    _ => {}
                }
            }
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.failed == 0 && self.passed > 0 { "ok" } else { "FAILED" };
        let Self { passed, failed, ignored } = self;
        write!(f, "test result: {word}. {passed} passed; {failed} failed; {ignored} ignored")
    }
}

/// Runs a command line, passes its output on, and counts; whether it went well.
pub fn run(line: &str, counts: &mut Counts) -> bool {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let started = Command::new(program).args(words).stdout(Stdio::piped()).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => {
            eprintln!("{program} cannot be started: {error}");
            return false;
        }
    };
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            counts.add(&line);
            println!("{line}");
        }
    }
    child.wait().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up() {
        let mut counts = Counts::default();
        counts.add(
            "test result: ok. 178 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 9.11s",
        );
        counts.add("test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out");
        counts.add("test pillow ... ok");
        assert_eq!(counts, Counts { passed: 181, failed: 1, ignored: 2 });
        assert_eq!(counts.to_string(), "test result: FAILED. 181 passed; 1 failed; 2 ignored");
    }
}
