//! The compiler with counters of coverage in some crates.

use std::ffi::{OsStr, OsString};
use std::process::{Command, ExitCode};

/// Set where this program is called in place of the compiler.
pub const VARIABLE: &str = "FERKD_FUZZ_WRAPPER";

/// What reads files: ours, and the libraries that decode. `serde_json`, `toml` and `miniz_oxide` lie below what computes,
/// which would be compiled again for them; the generic half of the first two is compiled into the crates that call it.
const COUNTED: [&str; 21] = [
    "ferkd_method",
    "ferkd_data",
    "ferkd_nn",
    "ferkd_train",
    "ferkd_app",
    "fuzz_guided",
    "image",
    "image_webp",
    "png",
    "fdeflate",
    "flate2",
    "zune_core",
    "zune_jpeg",
    "jpeg_decoder",
    "gif",
    "weezl",
    "tiff",
    "safetensors",
    "base64",
    "quick_error",
    "color_quant",
];

/// As `cargo fuzz --sanitizer none` has them: a counter an edge, and what is compared, for libFuzzer to aim at. Optimised
/// where tests are not, for ten million inputs take hours.
const FLAGS: [&str; 8] = [
    "-Copt-level=3",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    // Decoders leave out checksums then, which no fuzzer guesses.
    "--cfg=fuzzing",
];

/// Whether this process is called in place of the compiler.
pub fn is_wrapper() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Calls the compiler, whose path and arguments follow this program's name, with the flags where its crate is one of
/// those.
pub fn wrap() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(compiler) = words.next() else { return ExitCode::from(2) };
    let words: Vec<OsString> = words.collect();
    let mut command = Command::new(compiler);
    command.args(&words);
    if is_counted(&words) {
        command.args(FLAGS);
    }
    match command.status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("error: the compiler cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether a crate gets counters. What runs while others are compiled is not optimised, and cannot be linked with them.
fn is_counted(words: &[OsString]) -> bool {
    let follows = |flag: &str| words.iter().skip_while(|word| *word != flag).nth(1);
    let name = follows("--crate-name").and_then(|name| name.to_str());
    name.is_some_and(|name| COUNTED.contains(&name))
        && words.iter().any(|word| is_level(word))
        && follows("--crate-type").is_none_or(|kind| kind != "proc-macro")
}

fn is_level(word: &OsStr) -> bool {
    word.to_str().is_some_and(|word| word.strip_prefix("opt-level=").is_some_and(|level| level != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_are_counted_and_what_compiles_or_computes_is_not() {
        let counted = |line: &str| is_counted(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(counted("--crate-name png --edition=2021 lib.rs --crate-type lib -C opt-level=3"));
        assert!(counted("--crate-name ferkd_data --crate-type lib -C opt-level=1"));
        assert!(!counted("--crate-name png --crate-type lib -C embed-bitcode=no"));
        assert!(!counted("--crate-name build_script_build --crate-type bin -C opt-level=1"));
        assert!(!counted("--crate-name burn_flex --crate-type lib -C opt-level=3"));
        assert!(!counted("-vV"));
    }
}
