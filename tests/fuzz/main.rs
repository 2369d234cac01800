//! Fuzzing of every reader: `cargo xtask fuzz [TARGET...] [--inputs N] [--seed S]`.
//!
//! Valid files are corrupted at random, by a counter, so that an input is found again by its number. A find is a
//! panic, an answer that takes longer than five seconds, more memory than the file explains, or an error that names
//! no file or no remedy. Finds are written to `fuzz-finds/`, and become tests.

mod memory;
mod mutate;
mod run_folder;
mod targets;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ferkd_method::rng::{Purpose, Stream};
use ferkd_method::{Error, Result};

use targets::{NAME, Target};

/// Longer than any answer takes, the largest picture on a busy machine included.
const PATIENCE: Duration = Duration::from_secs(5);
/// Finds of a target that are shown and kept.
const SHOWN: usize = 5;

struct Options {
    names: Vec<String>,
    inputs: u64,
    seed: u64,
}

fn options() -> Result<Options> {
    let mut found = Options { names: Vec::new(), inputs: 10_000, seed: 0 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().and_then(|value| value.parse().ok());
            value.ok_or_else(|| Error::usage(word.clone(), "a number must follow"))
        };
        match word.as_str() {
            "--inputs" => found.inputs = number()?,
            "--seed" => found.seed = number()?,
            _ => found.names.push(word),
        }
    }
    Ok(found)
}

fn main() -> ExitCode {
    match run() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(finds) => {
            eprintln!("{finds} finds; they lie in fuzz-finds/");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<usize> {
    let options = options()?;
    // In memory where the system has such a folder: some readers take a path, a million times.
    let memory = std::path::Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let scratch = tempfile::tempdir_in(&parent).map_err(|e| Error::io(parent, e))?;
    let all = targets::all(scratch.path())?;
    if let Some(name) = options.names.iter().find(|name| all.iter().all(|target| target.name != **name)) {
        let known: Vec<&str> = all.iter().map(|target| target.name).collect();
        return Err(
            Error::usage(name.clone(), "no such target").remedy(format!("one of {}", known.join(", ")))
        );
    }
    // Panics are counted, not printed a million times.
    std::panic::set_hook(Box::new(|_| ()));
    println!(
        "{:<12} {:>9} {:>9} {:>9} {:>7} {:>9} {:>6}",
        "target", "inputs", "accepted", "refused", "finds", "inputs/s", "MiB"
    );
    let mut finds = 0;
    for mut target in all {
        if options.names.is_empty() || options.names.iter().any(|name| name == target.name) {
            finds += fuzz(&mut target, &options);
        }
    }
    Ok(finds)
}

/// Tries `inputs` corrupted files on a target; the number of finds.
fn fuzz(target: &mut Target, options: &Options) -> usize {
    for (i, seed) in target.seeds.iter().enumerate() {
        if let Err(error) = (target.read)(seed) {
            println!("{}: sound file {i} is refused: {error}", target.name);
        }
    }
    let begun = Instant::now();
    let (mut accepted, mut refused, mut finds, mut most) = (0u64, 0u64, 0, 0);
    for number in 0..options.inputs {
        let mut draw = Stream::new(options.seed, Purpose::Fuzz, number, 0);
        let pick = |draw: &mut Stream| draw.below(target.seeds.len() as u32) as usize;
        let mut bytes = target.seeds[pick(&mut draw)].clone();
        let other = target.seeds[pick(&mut draw)].clone();
        mutate::corrupt(&mut bytes, &other, &mut draw);
        let asked = Instant::now();
        let read = AssertUnwindSafe(|| (target.read)(&bytes));
        let (answer, memory) = memory::most_during(|| catch_unwind(read));
        most = most.max(memory);
        let wrong = match &answer {
            Err(panic) => Some(format!("panic: {}", said(panic.as_ref()))),
            Ok(Err(error)) if !helps(error) => Some(format!("it does not name a file or a remedy: {error}")),
            _ if asked.elapsed() > PATIENCE => Some(format!("it took {:?}", asked.elapsed())),
            _ if memory > target.base + target.factor * bytes.len() => {
                Some(format!("{memory} bytes of memory for {} of file", bytes.len()))
            }
            _ => None,
        };
        match answer {
            Ok(Ok(())) => accepted += 1,
            _ => refused += 1,
        }
        if let Some(wrong) = wrong {
            finds += 1;
            if finds <= SHOWN {
                println!("{} input {number}: {wrong}", target.name);
                keep(target.name, number, &bytes);
            }
        }
    }
    let rate = options.inputs as f64 / begun.elapsed().as_secs_f64();
    println!(
        "{:<12} {:>9} {accepted:>9} {refused:>9} {finds:>7} {rate:>9.0} {:>6.1}",
        target.name,
        options.inputs,
        most as f64 / f64::from(1 << 20)
    );
    finds
}

/// Whether an error says which file it is about and what to do.
fn helps(error: &Error) -> bool {
    let text = error.to_string();
    let of_a_store =
        [".npy", ".txt", ".json", ".sha256", "of the store"].iter().any(|ending| text.contains(ending));
    (text.contains(NAME) || of_a_store) && text.ends_with(')')
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

fn keep(target: &str, number: u64, bytes: &[u8]) {
    let folder = std::path::Path::new("fuzz-finds");
    let done = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(folder.join(format!("{target}-{number}")), bytes));
    if let Err(error) = done {
        eprintln!("the find cannot be kept: {error}");
    }
}
