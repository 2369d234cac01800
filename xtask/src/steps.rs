//! Runs programs, and says which.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a command line, split at spaces, with variables of its own; an error says what failed.
pub fn run(line: &str, variables: &[(&str, &str)]) -> Result<(), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (program, arguments) = words.split_first().ok_or("an empty command line")?;
    run_in(Path::new("."), program, arguments, variables)
}

/// Runs a program in a folder; an error says what failed.
pub fn run_in<S: AsRef<OsStr>>(
    folder: &Path,
    program: &str,
    arguments: &[S],
    variables: &[(&str, &str)],
) -> Result<(), String> {
    let words: Vec<_> = arguments.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    let line = format!("{program} {}", words.join(" "));
    println!("$ {line}");
    let mut command = Command::new(program);
    match command.args(arguments).envs(variables.iter().copied()).current_dir(folder).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("failed ({status}): {line}")),
        Err(error) => Err(format!("{program} cannot be started: {error}")),
    }
}

/// Whether it went well; an error is told.
pub fn is_ok<T>(done: Result<T, String>) -> bool {
    done.inspect_err(|error| eprintln!("error: {error}")).is_ok()
}

/// What a program writes to standard output; none where it is missing or fails.
pub fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let done =
        Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Whether a program is found in `PATH`.
pub fn is_installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}
