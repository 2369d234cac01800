//! The page as it is published: built by trunk, with pinned tools, and weighed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::module;
use crate::steps::{output, run, run_in};

/// The newest trunk that builds with the workspace's Rust.
const TRUNK: &str = "0.21.14";

/// What is weighed, and the bytes that it may have, compressed by `gzip -9`.
struct Scale {
    what: &'static str,
    aim: u64,
    limit: u64,
}

/// The page's own program.
const PROGRAM: Scale = Scale { what: "program", aim: 4_000_000, limit: 5_000_000 };

/// What computes ONNX files.
const MODULE: Scale = Scale { what: "module for ONNX files", aim: 500_000, limit: 700_000 };

/// The profile of both.
const PROFILE: &str = "web";

/// Builds the page into a folder; an error where its program is larger than it may be.
pub fn page(dist: &Path) -> Result<(), String> {
    tools()?;
    trunk(dist)?;
    weigh(program(dist), &PROGRAM)
}

/// Builds the module that computes ONNX files into a page's folder; an error where it is larger than it may be.
pub fn module(web: &Path, dist: &Path) -> Result<(), String> {
    let compiled = module::compile(PROFILE)?;
    let arguments = [
        "--target",
        "web",
        "--no-typescript",
        "--remove-name-section",
        "--out-name",
        module::NAME,
        "--out-dir",
    ];
    let paths = [dist.as_os_str(), compiled.as_os_str()];
    run_in(Path::new("."), "wasm-bindgen", &[&arguments.map(OsStr::new)[..], &paths].concat(), &[])?;
    module::place(web, dist)?;
    weigh(module::program(dist), &MODULE)
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

/// Says how large a program is; an error where it is not there, or larger than it may be.
fn weigh(program: Option<PathBuf>, Scale { what, aim, limit }: &Scale) -> Result<(), String> {
    let program = program.ok_or_else(|| format!("{what}: no .wasm file was built"))?;
    let bytes = std::fs::metadata(&program).map_err(|error| format!("{}: {error}", program.display()))?.len();
    let packed = Command::new("gzip").args(["-9", "-c"]).arg(&program).stderr(Stdio::inherit()).output();
    let packed = packed.map_err(|error| format!("gzip cannot be started: {error}"))?.stdout.len() as u64;
    println!("{what}: {bytes} bytes, {packed} by gzip -9 (aim {aim}, limit {limit})");
    if packed > *limit {
        return Err(format!("the {what} is {} bytes above its limit", packed - limit));
    }
    Ok(())
}

fn program(dist: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dist).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| path.extension() == Some(OsStr::new("wasm")))
}
