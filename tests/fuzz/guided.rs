//! Fuzzing of every reader, guided by coverage: `cargo xtask fuzz --guided`, which builds this with the feature `guided`
//! and with counters in what reads files, and starts it once a target.
//!
//! It is libFuzzer with the targets and the verdicts of `main.rs`: what is a find there is one here. The arguments are
//! libFuzzer's, the target is named by `FERKD_FUZZ_TARGET`; without one the names of all are printed.
#![no_main]

mod memory;
mod packed;
mod run_folder;
mod seeds;
mod small_store;
mod targets;
mod teacher_files;
#[allow(dead_code, reason = "what corrupts at random counts more than finds")]
mod verdict;

use std::cell::RefCell;
use std::path::PathBuf;

use ferkd_method::{Error, Result};
// What calls the functions below.
use libfuzzer_sys as _;
use targets::Target;

thread_local! {
    /// The one target; libFuzzer has one thread.
    static TARGET: RefCell<Option<Target>> = const { RefCell::new(None) };
}

fn folder(variable: &str) -> Result<PathBuf> {
    let missing = || Error::usage(variable, "not set").remedy("start it by `cargo xtask fuzz --guided`");
    std::env::var_os(variable).map(PathBuf::from).ok_or_else(missing)
}

/// Makes the target, and writes its sound files to where libFuzzer looks for inputs.
fn prepare(name: &str) -> Result<Target> {
    let scratch = folder("FERKD_FUZZ_SCRATCH")?;
    let target = targets::target(name, &scratch)?;
    let inputs = folder("FERKD_FUZZ_SEEDS")?;
    for (i, seed) in target.seeds.iter().enumerate() {
        seeds::put(&inputs.join(format!("sound-{i:03}")), seed)?;
    }
    Ok(target)
}

/// Called by libFuzzer before anything else.
#[unsafe(export_name = "LLVMFuzzerInitialize")]
extern "C" fn initialize(_argc: *const isize, _argv: *const *const *const u8) -> isize {
    let Ok(name) = std::env::var("FERKD_FUZZ_TARGET") else {
        println!("{}", targets::NAMES.join("\n"));
        std::process::exit(0);
    };
    match prepare(&name) {
        Ok(target) => TARGET.set(Some(target)),
        Err(error) => {
            eprintln!("error: {error}");
            std::process::exit(2);
        }
    }
    // A panic is told with the verdict.
    std::panic::set_hook(Box::new(|_| ()));
    0
}

/// Called by libFuzzer with each input; it keeps the input where this aborts.
#[unsafe(no_mangle)]
#[allow(improper_ctypes_definitions, reason = "the other side is Rust: libfuzzer-sys declares it so")]
extern "C" fn rust_fuzzer_test_input(bytes: &[u8]) -> i32 {
    TARGET.with_borrow_mut(|target| {
        let Some(target) = target else { return };
        if let Some(wrong) = verdict::judge(target, bytes).wrong {
            eprintln!("find in {}: {wrong}", target.name);
            std::process::abort();
        }
    });
    0
}
