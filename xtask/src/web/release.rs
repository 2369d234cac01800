//! The page as it is published: built by trunk, with pinned tools, and weighed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::steps::{output, run, run_in};

/// The newest trunk that builds with the workspace's Rust.
const TRUNK: &str = "0.21.14";

/// Bytes of the program, compressed by `gzip -9`, at the most.
const LIMIT: u64 = 6_000_000;

/// Bytes that are aimed at.
const AIM: u64 = 5_000_000;

/// Builds the page into a folder; an error where its program is larger than it may be.
pub fn page(dist: &Path) -> Result<(), String> {
    tools()?;
    trunk(dist)?;
    weigh(dist)
}

/// Installs what is missing of trunk and wasm-bindgen.
fn tools() -> Result<(), String> {
    let bindgen = locked("wasm-bindgen")?;
    if !is_version("wasm-bindgen", &bindgen) {
        // Its own lock file asks for a crate that was withdrawn.
        install(&format!("wasm-bindgen-cli --version {bindgen}"))?;
    }
    if !is_version("trunk", TRUNK) {
        install(&format!("trunk --version {TRUNK} --locked"))?;
    }
    Ok(())
}

/// Without optimising: the tools run for seconds, and build in a third of the time.
fn install(what: &str) -> Result<(), String> {
    // In a folder of their own: the tests are compiled at the same time.
    run(&format!("cargo install --debug --force {what}"), &[("CARGO_TARGET_DIR", "target/tools")])
}

fn is_version(program: &str, version: &str) -> bool {
    output(program, &["--version"])
        .is_some_and(|said| said.split_whitespace().nth(1).is_some_and(|found| found == version))
}

/// The version of a crate in Cargo.lock: wasm-bindgen's tool and library must be one.
fn locked(name: &str) -> Result<String, String> {
    let lock = std::fs::read_to_string("Cargo.lock").map_err(|error| format!("Cargo.lock: {error}"))?;
    let named = format!("name = \"{name}\"");
    let mut lines = lock.lines().skip_while(|line| *line != named);
    let version = lines.nth(1).and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    version.map(str::to_owned).ok_or_else(|| format!("Cargo.lock: it names no {name}"))
}

fn trunk(dist: &Path) -> Result<(), String> {
    if dist.exists() {
        std::fs::remove_dir_all(dist).map_err(|error| format!("{}: {error}", dist.display()))?;
    }
    let dist = std::path::absolute(dist).map_err(|error| format!("{}: {error}", dist.display()))?;
    // Offline: trunk takes the tools that are installed instead of bringing its own.
    let arguments = ["build", "--offline", "--locked", "--skip-version-check", "--dist"].map(OsStr::new);
    run_in(Path::new("web"), "trunk", &[&arguments[..], &[dist.as_os_str()]].concat(), &[])
}

/// Says how large the page is; an error where the program is larger than it may be.
fn weigh(dist: &Path) -> Result<(), String> {
    let program = program(dist).ok_or_else(|| format!("{} holds no .wasm file", dist.display()))?;
    let bytes = std::fs::metadata(&program).map_err(|error| format!("{}: {error}", program.display()))?.len();
    let packed = Command::new("gzip").args(["-9", "-c"]).arg(&program).stderr(Stdio::inherit()).output();
    let packed = packed.map_err(|error| format!("gzip cannot be started: {error}"))?.stdout.len() as u64;
    println!("program: {bytes} bytes, {packed} by gzip -9 (aim {AIM}, limit {LIMIT})");
    if packed > LIMIT {
        return Err(format!("the program is {} bytes above its limit", packed - LIMIT));
    }
    Ok(())
}

fn program(dist: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dist).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| path.extension() == Some(OsStr::new("wasm")))
}
