//! Other people's software, run beside ours.

use std::process::Command;

use ferkd_method::error::{Error, ErrorKind, Result};

/// A command that measures itself and prints a rate, such as `77.4 images/s`.
#[derive(Debug, Clone)]
pub struct Yardstick {
    /// The command line.
    pub line: String,
}

impl Yardstick {
    /// Runs the command once; its rate is the number that stands before `unit` in what it prints last.
    ///
    /// The line is split at spaces; no shell looks at it.
    ///
    /// # Errors
    /// A command that is empty, cannot be started, fails, or names no rate in this unit.
    pub fn rate(&self, unit: &str) -> Result<f64> {
        let mut words = self.line.split_whitespace();
        let Some(program) = words.next() else {
            return Err(Error::usage("yardstick", "the command is empty")
                .remedy("give one that measures itself and prints a rate"));
        };
        let done = Command::new(program).args(words).output().map_err(|e| Error::io(program, e))?;
        let fail = |problem: String| Error::new(ErrorKind::Io, format!("yardstick `{}`", self.line), problem);
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            let last = said.lines().last().unwrap_or_default();
            return Err(fail(format!("{}: {last}", done.status)).remedy("run the command by itself"));
        }
        let said = String::from_utf8_lossy(&done.stdout);
        rate_in(&said, unit).ok_or_else(|| {
            fail(format!("it printed no rate in {unit}")).remedy(format!("let it print `N {unit}`"))
        })
    }
}

/// The last positive number that stands before `unit`.
fn rate_in(text: &str, unit: &str) -> Option<f64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let rates = words.windows(2).filter(|pair| pair[1].trim_end_matches([',', ';', '.']) == unit);
    rates.filter_map(|pair| pair[0].parse().ok()).rfind(|rate: &f64| rate.is_finite() && *rate > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_stands_before_its_unit() {
        let said = "pillow: 77.4 images/s, 309.8 crops/s (4 crops/image, 1 thread)";
        assert_eq!(rate_in(said, "images/s"), Some(77.4));
        assert_eq!(rate_in(said, "crops/s"), Some(309.8));
        assert_eq!(rate_in(said, "labels/s"), None);
        assert_eq!(rate_in("nan images/s, -1 images/s", "images/s"), None);
    }

    #[test]
    fn what_cannot_be_run_is_named() {
        let rate = |line: &str| Yardstick { line: line.into() }.rate("images/s").unwrap_err().to_string();
        assert!(rate("no-such-program-here 1").contains("no-such-program-here"));
        assert!(rate(" ").contains("yardstick: the command is empty"), "{}", rate(" "));
    }
}
