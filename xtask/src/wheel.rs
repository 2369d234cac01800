//! The Python package's wheel, as it is tested: by maturin, in the profile of tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Builds the wheel for the interpreter `python` into `out`, and returns its path.
///
/// `repository` is the clone's root. What is compiled is kept beside the tests' programs in `programs`, in a folder of
/// its own: features and lock file are the package's. Built before, it takes a second or two. No headers of Python are
/// needed: it is linked to nothing of the interpreter's (abi3).
///
/// # Errors
/// There is no maturin, or it fails: the error has what it said.
pub fn build(repository: &Path, python: &str, programs: &Path, out: &Path) -> Result<PathBuf, String> {
    let mut maturin = Command::new(python);
    maturin
        .args(["-m", "maturin", "build", "--profile", "dev", "--locked", "--interpreter", python, "--out"])
        .arg(out)
        .current_dir(repository.join("python"))
        .env("CARGO_TARGET_DIR", programs.join("python-package"))
        .stdin(Stdio::null());
    let done = maturin.output().map_err(|error| format!("{python} cannot be started: {error}"))?;
    if !done.status.success() {
        let said = [done.stdout, done.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        return Err(format!("failed ({}): {maturin:?}\n{}", done.status, said.concat()));
    }
    let unread = |error: std::io::Error| format!("{}: {error}", out.display());
    for entry in std::fs::read_dir(out).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        if path.extension().is_some_and(|ending| ending == "whl") {
            return Ok(path);
        }
    }
    Err(format!("{}: maturin left no wheel", out.display()))
}
