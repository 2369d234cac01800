//! Builds the page: as its tests want it, in minutes, or as it is published, small.

mod assemble;
mod module;
mod offline;
mod release;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::steps::{output, run, run_in};

/// Where the page is put.
pub const PAGE: &str = "dist";

/// Where the page's sources are.
const WEB: &str = "web";

/// What a browser runs.
const TARGET: &str = "wasm32-unknown-unknown";

/// The profile of a page that tests open: what compiles fastest.
const PROFILE: &str = "web-dev";

/// Builds the page into `dist`.
///
/// # Errors
/// The browser's target cannot be installed, the program does not compile, or `web/index.html` asks for what is
/// not there.
pub fn build() -> Result<(), String> {
    target()?;
    run(&format!("cargo build --locked --package ferkd-web --target {TARGET} --profile {PROFILE}"), &[])?;
    let program = target_folder()?.join(TARGET).join(PROFILE).join("ferkd-web.wasm");
    let module = module::compile(PROFILE)?;
    // Compiled here rather than before everything else, and in the folder whose lock no test wants.
    let xtask =
        ["run", "--quiet", "--locked", "--package", "xtask", "--features", "page", "--profile", PROFILE];
    let programs = [program.as_os_str(), module.as_os_str()];
    let arguments = xtask.into_iter().chain(["--", "assemble"]).map(OsStr::new).chain(programs);
    run_in(Path::new("."), "cargo", &arguments.collect::<Vec<_>>(), &[])
}

/// Lays out the page around its compiled program, with the module that computes ONNX files; the second half of [`build`], in
/// a program that has wasm-bindgen.
///
/// # Errors
/// wasm-bindgen is missing or does not understand one of them, or `web/index.html` asks for what is not there.
pub fn assemble(program: &str, module: &str) -> Result<(), String> {
    assemble::page(Path::new(WEB), Path::new(program), Path::new(PAGE))?;
    assemble::bindgen(Path::new(module), module::NAME, Path::new(PAGE))?;
    module::place(Path::new(WEB), Path::new(PAGE))?;
    offline::complete(Path::new(WEB), Path::new(PAGE))
}

/// Builds the page that is published into `dist`: the page itself by trunk, and beside it the module that computes ONNX
/// files.
///
/// # Errors
/// Tools cannot be installed, a program does not compile, or is larger than it may be.
pub fn build_release() -> Result<(), String> {
    target()?;
    release::page(Path::new(PAGE))?;
    release::module(Path::new(WEB), Path::new(PAGE))?;
    offline::complete(Path::new(WEB), Path::new(PAGE))
}

/// A text in which constants are filled in, each where it stands once; `name` is what errors call it.
fn fill(text: &str, name: &str, constants: &[(&str, String)]) -> Result<String, String> {
    let mut filled = text.to_owned();
    for (place, value) in constants {
        if filled.matches(place).count() != 1 {
            return Err(format!("{name}: expected {place} once"));
        }
        filled = filled.replace(place, value);
    }
    Ok(filled)
}

/// Installs what compiles for a browser, where it is missing.
fn target() -> Result<(), String> {
    let installed = output("rustc", &["--print", "target-libdir", "--target", TARGET]);
    if installed.is_some_and(|folder| Path::new(folder.trim()).exists()) {
        return Ok(());
    }
    run(&format!("rustup target add {TARGET}"), &[])
}

/// Where cargo puts what it compiles.
pub fn target_folder() -> Result<PathBuf, String> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1", "--locked"];
    let metadata = output("cargo", &arguments).ok_or("cargo metadata failed")?;
    let metadata: serde_json::Value =
        serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let folder = metadata["target_directory"].as_str().ok_or("cargo metadata names no target folder")?;
    Ok(folder.into())
}
