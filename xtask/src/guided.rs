//! Fuzzing guided by coverage, on stable Rust: libFuzzer, with counters in the crates that read files.
//!
//! The compiler is called through this program (`RUSTC_WRAPPER`), which adds the flags of counters to some crates alone:
//! what computes would take hours to compile with them, and teach nothing.

mod options;
mod tally;
mod wrapper;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::steps;
use options::Options;
use tally::Tally;

pub use wrapper::{is_wrapper, wrap};

/// What inputs led somewhere new, a folder a target, and the tally: not committed.
const FOUND: &str = "fuzz-corpus";
/// Inputs that everyone tries, a folder a target: committed, and tried by `cargo xtask test`.
const KEPT: &str = "tests/fuzz/corpus";
/// What is kept of a target, in bytes and files.
const KEPT_BYTES: u64 = 32 << 10;
const KEPT_FILES: usize = 64;
/// What libFuzzer's lines of a find hold: what is wrong, where the input lies, and what a signal says.
const TOLD: [&str; 5] = ["find in ", "rror:", "ERROR", "SUMMARY", "Test unit written to"];
/// How libFuzzer ends where it is interrupted: nothing is found then.
const INTERRUPTED: i32 = 72;
/// Time between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(20);

/// Fuzzes with the arguments that follow `--guided`.
///
/// # Errors
/// Unknown arguments, something does not compile, or there was a find.
pub fn run(words: &[&str]) -> Result<(), String> {
    let options = Options::of(words)?;
    let program = build()?;
    let known = names(&program)?;
    if let Some(name) = options.names.iter().find(|name| !known.contains(name)) {
        return Err(format!("no such target: {name} (one of {})", known.join(", ")));
    }
    let mut finds = 0;
    for name in known.iter().filter(|name| options.names.is_empty() || options.names.contains(name)) {
        finds += match options.is_minimising {
            true => minimise(&program, name).map(|()| 0)?,
            false => fuzz(&program, name, &options)?,
        };
    }
    match finds {
        0 => Ok(()),
        _ => Err(format!("{finds} finds; they lie in fuzz-finds/")),
    }
}

/// Builds libFuzzer with all targets, in a target folder of its own, for cargo takes no note of a wrapper's flags.
fn build() -> Result<PathBuf, String> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from).join("guided");
    let wrapper = std::env::current_exe().map_err(|error| format!("this program has no path: {error}"))?;
    let variables = [
        ("RUSTC_WRAPPER", wrapper.to_string_lossy()),
        ("CARGO_TARGET_DIR", target.to_string_lossy()),
        (wrapper::VARIABLE, "1".into()),
    ];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_ref()));
    // All of the workspace, so that the features are those of tests.
    let line = "cargo build --locked --workspace --features ferkd-tests/guided --bin fuzz-guided";
    steps::run(line, &variables)?;
    Ok(target.join("debug/fuzz-guided"))
}

/// Names of all targets.
fn names(program: &Path) -> Result<Vec<String>, String> {
    let text = steps::output(&program.to_string_lossy(), &[]);
    let text = text.ok_or_else(|| format!("{} does not start", program.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// A folder that is there.
fn folder(path: PathBuf) -> Result<PathBuf, String> {
    std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// libFuzzer on a target, which works in a folder of its own below `scratch`.
fn command(program: &Path, name: &str, scratch: &Path) -> Result<Command, String> {
    let found = folder(Path::new(FOUND).join(name))?;
    let mut command = Command::new(program);
    command
        .env("FERKD_FUZZ_TARGET", name)
        .env("FERKD_FUZZ_SCRATCH", folder(scratch.join("target"))?)
        .env("FERKD_FUZZ_SEEDS", folder(found.join("sound"))?)
        .arg("-rss_limit_mb=3072")
        .arg("-timeout=20")
        .arg(format!("-artifact_prefix={}/{name}-", folder("fuzz-finds".into())?.display()));
    Ok(command)
}

/// A folder for files that readers take by path, in memory where the system has such a one; removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Result<Self, String> {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        folder(parent.join(format!("ferkd-fuzz-{name}-{}", std::process::id()))).map(Self)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is a few small files, which the system removes in time.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Fuzzes a target until enough inputs or seconds have gone by, or something is found; the number of finds.
fn fuzz(program: &Path, name: &str, options: &Options) -> Result<usize, String> {
    let before = Tally::read(FOUND)?;
    let inputs = options.inputs.saturating_sub(if options.is_in_total { before.inputs(name) } else { 0 });
    if inputs == 0 {
        println!("{name}: {} inputs were tried before", before.inputs(name));
        return Ok(0);
    }
    let scratch = Scratch::new(name)?;
    let found = Path::new(FOUND).join(name);
    let kept = Path::new(KEPT).join(name);
    let mut command = command(program, name, &scratch.0)?;
    command.arg("-print_final_stats=1").arg("-reload=0");
    command.arg(format!("-runs={inputs}"));
    if let Some(seconds) = options.seconds {
        command.arg(format!("-max_total_time={seconds}"));
    }
    // The first folder is where libFuzzer writes.
    command.arg(&found).arg(found.join("sound"));
    if kept.is_dir() {
        command.arg(kept);
    }
    let begun = Instant::now();
    let (tried, is_sound) = watch(name, &mut command)?;
    let finds = usize::from(!is_sound);
    let line = before.add(FOUND, name, tried, begun.elapsed(), finds)?;
    println!("{name}: {line}");
    Ok(finds)
}

/// Runs libFuzzer and shows a line of its progress now and then; how many inputs it tried, and whether it found nothing.
fn watch(name: &str, command: &mut Command) -> Result<(u64, bool), String> {
    let failed = |error: std::io::Error| format!("the fuzzer of {name} does not run: {error}");
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(failed)?;
    let (mut tried, mut shown) = (0, Instant::now());
    if let Some(errors) = child.stderr.take() {
        for line in BufReader::new(errors).lines() {
            let line = line.map_err(failed)?;
            if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
                tried = number.trim().parse().unwrap_or(0);
            }
            // A line an input that led somewhere new: thousands.
            let is_due = line.starts_with('#') && shown.elapsed() > PROGRESS;
            if is_due || TOLD.iter().any(|words| line.contains(words)) {
                eprintln!("{name}: {line}");
                shown = Instant::now();
            }
        }
    }
    let status = child.wait().map_err(failed)?;
    Ok((tried, status.success() || status.code() == Some(INTERRUPTED)))
}

/// Keeps for everyone the few inputs of a target that reach the most, the small ones first.
fn minimise(program: &Path, name: &str) -> Result<(), String> {
    let scratch = Scratch::new(name)?;
    let merged = folder(scratch.0.join("merged"))?;
    let found = Path::new(FOUND).join(name);
    let kept = folder(Path::new(KEPT).join(name))?;
    let mut command = command(program, name, &scratch.0)?;
    let done =
        command.arg("-set_cover_merge=1").args([&merged, &kept, &found]).stderr(Stdio::null()).status();
    if !done.is_ok_and(|status| status.success()) {
        return Err(format!("the inputs of {name} cannot be merged"));
    }
    let failed = |error: std::io::Error| format!("{}: {error}", kept.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&merged).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        files.push((entry.metadata().map_err(failed)?.len(), entry.file_name()));
    }
    files.sort();
    let mut bytes = 0;
    let few = files.iter().take(KEPT_FILES).take_while(|(len, _)| {
        bytes += len;
        bytes <= KEPT_BYTES
    });
    let few: Vec<_> = few.map(|(_, file)| file).collect();
    // Finds have names; what was merged before is called by its hash, and goes.
    for entry in std::fs::read_dir(&kept).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with("find-") {
            std::fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    for file in &few {
        std::fs::copy(merged.join(file), kept.join(file)).map_err(failed)?;
    }
    println!("{name}: {} of {} inputs kept", few.len(), files.len());
    Ok(())
}
