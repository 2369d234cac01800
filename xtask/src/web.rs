//! Builds the page: as its tests want it, in minutes, or as it is published, small.

mod assemble;
mod constants;
mod module;
mod offline;
mod release;
mod target;

use std::ffi::OsStr;
use std::path::Path;

use target::TARGET;

use crate::steps::{output, run, run_in};

pub use target::target_folder;

/// Where the page is put.
pub const PAGE: &str = "dist";

/// Where the page's sources are.
const WEB: &str = "web";

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

/// Installs what compiles for a browser, where it is missing.
fn target() -> Result<(), String> {
    let installed = output("rustc", &["--print", "target-libdir", "--target", TARGET]);
    if installed.is_some_and(|folder| Path::new(folder.trim()).exists()) {
        return Ok(());
    }
    run(&format!("rustup target add {TARGET}"), &[])
}
