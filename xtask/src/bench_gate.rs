//! Whether the hot kernels do as little work as they did: `cargo xtask bench-gate`.
//!
//! Work is counted in instructions, by valgrind or perf, which other programs on the machine have no say in; where
//! neither is there, it is CPU time over that of a calibrating loop in the same run. Each way has baselines of its own,
//! and so has each instruction set: valgrind has no AVX-512, whatever the processor has.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps::{is_installed, output, run as step};
use crate::web::target_folder;

/// Work of each kernel, by its name.
type Work = BTreeMap<String, f64>;
/// The same by the way that it was counted.
type Baselines = BTreeMap<String, Work>;

/// What was counted when the kernels were last made faster, or new ones came.
const BASELINES: &str = "xtask/bench-gate.json";
/// Share of a baseline that a kernel's work may grow by.
const LOSS: f64 = 0.2;
/// How often a kernel is computed in the longer of two runs: what they differ by is the kernel alone.
const MORE: usize = 4;

/// How work is counted.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// Instructions, by `valgrind --tool=callgrind`.
    Callgrind,
    /// Instructions, by `perf stat`.
    Perf,
    /// CPU time over that of a calibrating loop.
    Clock,
}

/// Counts the work of all kernels and compares it with the baselines: those of `--baselines FILE`, or the committed
/// ones. `--write` keeps what was counted instead; `--by WAY` counts by `callgrind`, `perf` or `clock`.
///
/// # Errors
/// A loss, by the kernel's name; no baseline for this way of counting; a kernel that cannot be run.
pub fn run(arguments: &[&str]) -> Result<(), String> {
    let (mut path, mut way, mut writes) = (PathBuf::from(BASELINES), None, false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match (*argument, rest.as_slice().first()) {
            ("--write", _) => writes = true,
            ("--baselines", Some(file)) => path = PathBuf::from(file),
            ("--by", Some(name)) => way = Some(Way::named(name)?),
            _ => {
                return Err(format!(
                    "unknown argument `{argument}`: take [--write] [--baselines FILE] [--by WAY]"
                ));
            }
        }
        if *argument != "--write" {
            rest.next();
        }
    }
    // The profile of tests, in which kernels are compiled as they are published; of the workspace nothing else is.
    step("cargo build --quiet --locked --package ferkd-kernels --example work", &[])?;
    let program = target_folder()?.join("debug/examples/work");
    let way = way.unwrap_or_else(Way::best);
    let (name, work) = count(way, &program)?;
    let mut baselines = read(&path)?;
    if writes {
        baselines.insert(name, work);
        let text = serde_json::to_string_pretty(&baselines).map_err(|error| error.to_string())?;
        return std::fs::write(&path, text + "\n").map_err(|error| format!("{}: {error}", path.display()));
    }
    let none = || {
        format!(
            "{}: no baselines for `{name}`; write them with `cargo xtask bench-gate --write`",
            path.display()
        )
    };
    let (lines, losses) = compare(baselines.get(&name).ok_or_else(none)?, &work);
    println!("work by {name}, and over its baseline:");
    lines.iter().for_each(|line| println!("{line}"));
    if losses.is_empty() {
        return Ok(());
    }
    Err(format!(
        "more work than {:.0} % above the baseline: {}; if it has to be so, `cargo xtask bench-gate --write` and say why",
        100.0 * LOSS,
        losses.join(", ")
    ))
}

/// A line for each kernel, and the losses.
fn compare(baseline: &Work, work: &Work) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut losses) = (Vec::new(), Vec::new());
    for (name, count) in work {
        let Some(before) = baseline.get(name) else {
            losses.push(format!("{name} (no baseline)"));
            continue;
        };
        let ratio = count / before;
        lines.push(format!("{name:32} {count:14.2} {ratio:6.3}"));
        // What is no number is no gain.
        if ratio.is_nan() || ratio > 1.0 + LOSS {
            losses.push(format!("{name} ({ratio:.2} times as much)"));
        }
    }
    let gone = baseline.keys().filter(|name| !work.contains_key(*name));
    losses.extend(gone.map(|name| format!("{name} (not counted any more)")));
    (lines, losses)
}

fn read(path: &Path) -> Result<Baselines, String> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Baselines::new()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// The work of all kernels, and how it was counted.
fn count(way: Way, program: &Path) -> Result<(String, Work), String> {
    let path = program.to_string_lossy();
    let names = output(&path, &["names"]).ok_or_else(|| format!("{path} names cannot be run"))?;
    let (mut set, mut work) = (String::new(), Work::new());
    for name in names.lines() {
        let (instructions, count) = way.count(program, name)?;
        set = instructions;
        work.insert(name.to_owned(), count);
    }
    Ok((format!("{} {set}", way.name()), work))
}

impl Way {
    const ALL: [Self; 3] = [Self::Callgrind, Self::Perf, Self::Clock];

    fn name(self) -> &'static str {
        match self {
            Self::Callgrind => "callgrind",
            Self::Perf => "perf",
            Self::Clock => "clock",
        }
    }

    fn named(name: &str) -> Result<Self, String> {
        let unknown = || format!("--by {name}: take callgrind, perf or clock");
        Self::ALL.into_iter().find(|way| way.name() == name).ok_or_else(unknown)
    }

    /// The best that this machine has.
    fn best() -> Self {
        let counts = || instructions_of_perf(Path::new("true"), &[]).is_ok();
        match is_installed("valgrind") {
            true => Self::Callgrind,
            false if is_installed("perf") && counts() => Self::Perf,
            false => Self::Clock,
        }
    }

    /// The instruction set that a kernel ran with, and its work.
    fn count(self, program: &Path, kernel: &str) -> Result<(String, f64), String> {
        let run = match self {
            Self::Callgrind => instructions_of_callgrind,
            Self::Perf => instructions_of_perf,
            Self::Clock => {
                let said = captured(Command::new(program).args(["clock", kernel]))?.0;
                let (set, ratio) = said.trim().split_once(' ').ok_or("work clock: no ratio")?;
                return Ok((set.into(), ratio.parse().map_err(|error| format!("work clock: {error}"))?));
            }
        };
        let (set, more) = run(program, &[kernel, &(1 + MORE).to_string()])?;
        let (_, one) = run(program, &[kernel, "1"])?;
        Ok((set, (more - one) / MORE as f64))
    }
}

/// What a program prints, and the instructions of it and what starts it.
fn instructions_of_callgrind(program: &Path, arguments: &[&str]) -> Result<(String, f64), String> {
    let profile = std::env::temp_dir().join(format!("ferkd-callgrind-{}", std::process::id()));
    let tool = ["--tool=callgrind".to_owned(), format!("--callgrind-out-file={}", profile.display())];
    let said = captured(Command::new("valgrind").args(tool).arg(program).args(arguments));
    // It may not be there.
    let _ = std::fs::remove_file(&profile);
    let (out, err) = said?;
    Ok((out.trim().into(), collected(&err).ok_or("valgrind does not say what it collected")?))
}

/// The count in callgrind's last lines: `==1234== Collected : 5678`.
fn collected(text: &str) -> Option<f64> {
    text.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
}

fn instructions_of_perf(program: &Path, arguments: &[&str]) -> Result<(String, f64), String> {
    let perf = ["stat", "-x,", "-e", "instructions:u"];
    let (out, err) = captured(Command::new("perf").args(perf).arg(program).args(arguments))?;
    let count = || err.lines().find_map(|line| line.split(',').next()?.parse().ok());
    Ok((out.trim().into(), count().ok_or("perf does not count instructions here")?))
}

/// What a program writes to standard output and to standard error.
fn captured(command: &mut Command) -> Result<(String, String), String> {
    let done = command.output().map_err(|error| format!("{command:?} cannot be started: {error}"))?;
    let [out, err] = [&done.stdout, &done.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    if done.status.success() {
        Ok((out, err))
    } else {
        Err(format!("failed ({}): {command:?}: {err}", done.status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(counts: [(&str, f64); 2]) -> Work {
        counts.map(|(name, count)| (name.to_owned(), count)).into()
    }

    #[test]
    fn a_loss_of_more_than_a_fifth_is_named() {
        let baseline = work([("a", 1000.0), ("b", 2.0)]);
        assert_eq!(compare(&baseline, &work([("a", 1199.0), ("b", 1.0)])).1, [""; 0]);
        assert_eq!(compare(&baseline, &work([("a", 1201.0), ("b", 2.0)])).1, ["a (1.20 times as much)"]);
        assert_eq!(compare(&baseline, &work([("a", 1000.0), ("b", f64::NAN)])).1.len(), 1);
        // A kernel that is new, and one that is gone: neither goes unguarded.
        let other = compare(&baseline, &work([("a", 1000.0), ("c", 1.0)])).1;
        assert_eq!(other, ["c (no baseline)", "b (not counted any more)"]);
    }

    /// Every way of counting has baselines of the same kernels, wherever they were written.
    #[test]
    fn committed_baselines_are_of_the_same_kernels() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench-gate.json");
        let baselines = read(&path).unwrap();
        let kernels: Vec<Vec<&String>> = baselines.values().map(|work| work.keys().collect()).collect();
        assert!(kernels.windows(2).all(|two| two[0] == two[1]), "{kernels:?}");
        assert!(baselines.values().flat_map(BTreeMap::values).all(|count| *count > 0.0));
    }

    #[test]
    fn counts_are_read() {
        let text = "==12== \n==12== Events    : Ir\n==12== Collected : 4567890\n==12== \n";
        assert_eq!(collected(text), Some(4_567_890.0));
        assert_eq!(collected("==12== error\n"), None);
    }
}
