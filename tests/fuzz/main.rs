//! Fuzzing of every reader: `cargo xtask fuzz [TARGET...] [--inputs N] [--seed S]`.
//!
//! First every file of `tests/fuzz/corpus/TARGET`, which were found with coverage as a guide; then valid files, corrupted
//! at random, by a counter, so that an input is found again by its number. `verdict` says what a find is. Finds are
//! written to `fuzz-finds/`, and become tests.

mod memory;
mod mutate;
mod packed;
mod run_folder;
mod seeds;
mod small_store;
mod targets;
mod teacher_files;
mod verdict;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use ferkd_method::rng::{Purpose, Stream};
use ferkd_method::{Error, Result};
use ferkd_tests::{files, repository};
use targets::Target;

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
    if found.names.is_empty() {
        found.names = targets::NAMES.map(str::to_owned).to_vec();
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
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let scratch = tempfile::tempdir_in(&parent).map_err(|e| Error::io(parent, e))?;
    // Panics are counted, not printed a million times.
    std::panic::set_hook(Box::new(|_| ()));
    println!(
        "{:<14} {:>6} {:>9} {:>9} {:>9} {:>7} {:>9} {:>6}",
        "target", "corpus", "inputs", "accepted", "refused", "finds", "inputs/s", "MiB"
    );
    let mut finds = 0;
    for name in &options.names {
        let own = scratch.path().join(name);
        std::fs::create_dir_all(&own).map_err(|e| Error::io(&own, e))?;
        finds += fuzz(&mut targets::target(name, &own)?, &options);
    }
    Ok(finds)
}

/// What came of a target's inputs.
#[derive(Default)]
struct Tally {
    accepted: u64,
    refused: u64,
    finds: usize,
    most_memory: usize,
}

impl Tally {
    /// Tries an input, which is called `name`.
    fn try_input(&mut self, target: &mut Target, name: &str, bytes: &[u8]) {
        let verdict = verdict::judge(target, bytes);
        self.most_memory = self.most_memory.max(verdict.memory);
        match verdict.accepted {
            true => self.accepted += 1,
            false => self.refused += 1,
        }
        if let Some(wrong) = verdict.wrong {
            self.finds += 1;
            if self.finds <= SHOWN {
                println!("{} input {name}: {wrong}", target.name);
                keep(target.name, name, bytes);
            }
        }
    }
}

/// Tries the corpus of a target and `inputs` corrupted files on it; the number of finds.
fn fuzz(target: &mut Target, options: &Options) -> usize {
    for (i, seed) in target.seeds.iter().enumerate() {
        if let Err(error) = (target.read)(seed) {
            println!("{}: sound file {i} is refused: {error}", target.name);
        }
    }
    let begun = Instant::now();
    let mut tally = Tally::default();
    let corpus = corpus(target.name);
    for (name, bytes) in &corpus {
        tally.try_input(target, name, bytes);
    }
    for number in 0..options.inputs {
        let mut draw = Stream::new(options.seed, Purpose::Fuzz, number, 0);
        let pick = |draw: &mut Stream| draw.below(target.seeds.len() as u32) as usize;
        let mut bytes = target.seeds[pick(&mut draw)].clone();
        let other = target.seeds[pick(&mut draw)].clone();
        mutate::corrupt(&mut bytes, &other, &mut draw);
        tally.try_input(target, &number.to_string(), &bytes);
    }
    let inputs = corpus.len() as u64 + options.inputs;
    let rate = inputs as f64 / begun.elapsed().as_secs_f64();
    let Tally { accepted, refused, finds, most_memory } = tally;
    println!(
        "{:<14} {:>6} {:>9} {accepted:>9} {refused:>9} {finds:>7} {rate:>9.0} {:>6.1}",
        target.name,
        corpus.len(),
        options.inputs,
        most_memory as f64 / f64::from(1 << 20)
    );
    finds
}

/// The files that are kept for a target.
fn corpus(target: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = repository("tests/fuzz/corpus").join(target);
    if folder.is_dir() { files(&folder) } else { BTreeMap::new() }
}

fn keep(target: &str, name: &str, bytes: &[u8]) {
    let folder = Path::new("fuzz-finds");
    let done = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(folder.join(format!("{target}-{name}")), bytes));
    if let Err(error) = done {
        eprintln!("the find cannot be kept: {error}");
    }
}
