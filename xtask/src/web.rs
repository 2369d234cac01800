//! Builds the page by trunk, with pinned tools, and weighs it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the page is put.
pub const PAGE: &str = "dist";

/// The newest trunk that builds with the workspace's Rust.
const TRUNK: &str = "0.21.14";

/// Bytes of the program, compressed by `gzip -9`, at the most.
const LIMIT: u64 = 6_000_000;

/// Bytes that are aimed at.
const AIM: u64 = 5_000_000;

/// Builds the page into `dist`; whether it went well, and the program is small enough.
pub fn build() -> bool {
    match tools().and_then(|()| trunk()).and_then(|()| weigh()) {
        Ok(()) => true,
        Err(error) => {
            eprintln!("error: {error}");
            false
        }
    }
}

/// Installs what is missing of target, trunk and wasm-bindgen.
fn tools() -> Result<(), String> {
    let targets = output("rustup", &["target", "list", "--installed"]).unwrap_or_default();
    if !targets.lines().any(|line| line == "wasm32-unknown-unknown") {
        run_in(".", "rustup", &["target", "add", "wasm32-unknown-unknown"])?;
    }
    let bindgen = locked("wasm-bindgen")?;
    if !is_version("wasm-bindgen", &bindgen) {
        // Its own lock file asks for a crate that was withdrawn.
        install(&["wasm-bindgen-cli", "--version", &bindgen])?;
    }
    if !is_version("trunk", TRUNK) {
        install(&["trunk", "--version", TRUNK, "--locked"])?;
    }
    Ok(())
}

/// Without optimising: the tools run for seconds, and build in a third of the time.
fn install(what: &[&str]) -> Result<(), String> {
    run_in(".", "cargo", &[&["install", "--debug", "--force"], what].concat())
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

fn trunk() -> Result<(), String> {
    let dist = std::path::absolute(PAGE).map_err(|error| error.to_string())?;
    let old = Path::new(PAGE);
    if old.exists() {
        std::fs::remove_dir_all(old).map_err(|error| format!("{PAGE}: {error}"))?;
    }
    let dist = dist.display().to_string();
    // Offline: trunk takes the tools that are installed instead of bringing its own.
    let arguments = ["build", "--offline", "--locked", "--skip-version-check", "--dist", &dist];
    run_in("web", "trunk", &arguments)
}

/// Says how large the page is; an error where the program is larger than it may be.
fn weigh() -> Result<(), String> {
    let program = program().ok_or_else(|| format!("{PAGE} holds no .wasm file"))?;
    let bytes = std::fs::metadata(&program).map_err(|error| format!("{}: {error}", program.display()))?.len();
    let packed = Command::new("gzip").args(["-9", "-c"]).arg(&program).stderr(Stdio::inherit()).output();
    let packed = packed.map_err(|error| format!("gzip cannot be started: {error}"))?.stdout.len() as u64;
    println!("program: {bytes} bytes, {packed} by gzip -9 (aim {AIM}, limit {LIMIT})");
    if packed > LIMIT {
        return Err(format!("the program is {} bytes above its limit", packed - LIMIT));
    }
    Ok(())
}

fn program() -> Option<PathBuf> {
    let entries = std::fs::read_dir(PAGE).ok()?;
    entries.flatten().map(|entry| entry.path()).find(|path| path.extension() == Some(OsStr::new("wasm")))
}

fn run_in(folder: &str, program: &str, arguments: &[&str]) -> Result<(), String> {
    let line = format!("{program} {}", arguments.join(" "));
    println!("$ {line}");
    match Command::new(program).args(arguments).current_dir(folder).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("failed ({status}): {line}")),
        Err(error) => Err(format!("{program} cannot be started: {error}")),
    }
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let done = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    done.status.success().then(|| String::from_utf8_lossy(&done.stdout).into_owned())
}
