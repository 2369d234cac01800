//! Installs what tests need beside Rust, where `.ci/run` asks for it by `FERKD_STRICT=1`.

use std::env::var_os;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::steps::{is_installed, output, run, run_in};
use crate::web::target_folder;

/// What the tests of label stores and of ONNX files read them with, and what the Python package is built and tested with.
const PYTHON: [&str; 4] = ["numpy==2.4.6", "onnxruntime==1.32.0", "maturin==1.16.0", "pytest==9.2.0"];

/// Installs what is missing of packages and Python's; the Python that has them, where it is not the system's.
///
/// # Errors
/// Something cannot be installed.
pub fn prepare() -> Result<Option<String>, String> {
    if !installs() {
        return Ok(None);
    }
    packages()?;
    python()
}

/// The library of a Python's ONNX Runtime, for tests that compute by it in their own process; none where the user names
/// one, or there is none.
pub fn onnx_runtime(installed: Option<&str>) -> Option<String> {
    let named = std::env::var("FERKD_PYTHON").ok();
    let python = installed.or(named.as_deref()).unwrap_or("python3");
    if var_os("ORT_DYLIB_PATH").is_some() {
        return None;
    }
    output(python, &["-c", xtask::onnx_runtime::FIND]).map(|found| found.trim().to_owned())
}

/// Builds the Python package's wheel where a Python has maturin, so that its test finds compiled what takes minutes.
///
/// # Errors
/// It does not compile.
pub fn wheel(installed: Option<&str>) -> Result<(), String> {
    let named = std::env::var("FERKD_PYTHON").ok();
    let python = installed.or(named.as_deref()).unwrap_or("python3");
    if output(python, &["-c", "import maturin"]).is_none() {
        return Ok(());
    }
    let begun = Instant::now();
    let programs = target_folder()?.join("debug");
    let wheel =
        xtask::wheel::build(Path::new("."), python, &programs, &programs.join("python-package/wheels"))?;
    println!("{} built after {} s", wheel.display(), begun.elapsed().as_secs());
    Ok(())
}

/// Installs MPI and what its bindings are made with. Before anything is compiled: whether it is there decides what is.
///
/// # Errors
/// It cannot be installed.
pub fn prepare_build() -> Result<(), String> {
    if !installs() || (is_installed("mpicc") && is_installed("mpirun")) {
        return Ok(());
    }
    install(&["libopenmpi-dev", "openmpi-bin", "libclang-dev"])
}

fn installs() -> bool {
    var_os(ferkd_skip::STRICT).is_some_and(|value| value == "1")
}

/// Installs packages of the system, where it has `apt-get`.
fn install(packages: &[&str]) -> Result<(), String> {
    if packages.is_empty() || !is_installed("apt-get") {
        return Ok(());
    }
    let root = if output("id", &["-u"]).is_some_and(|id| id.trim() == "0") { "" } else { "sudo " };
    run(&format!("{root}apt-get update --quiet"), &[])?;
    let install = "apt-get install --quiet --yes --no-install-recommends";
    run(&format!("{root}env DEBIAN_FRONTEND=noninteractive {install} {}", packages.join(" ")), &[])
}

/// The page is tested in Chromium; shaders and pictures are drawn by a software adapter; clang compiles CUDA's kernels
/// for the CPU.
fn packages() -> Result<(), String> {
    let mut missing = Vec::new();
    if !is_installed("chromium") && var_os("FERKD_CHROMIUM").is_none() {
        missing.push("chromium");
    }
    if !is_installed("clang++") {
        missing.push("clang");
    }
    if !is_installed("Xvfb") {
        missing.push("xvfb");
    }
    let drivers = std::fs::read_dir("/usr/share/vulkan/icd.d").into_iter().flatten().flatten();
    if !drivers.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("lvp_icd")) {
        missing.push("mesa-vulkan-drivers");
    }
    install(&missing)
}

/// A virtual environment with numpy, ONNX Runtime, maturin and pytest beside the user's caches.
fn python() -> Result<Option<String>, String> {
    if var_os("FERKD_PYTHON").is_some() {
        return Ok(None);
    }
    let home = || Some(PathBuf::from(var_os("HOME")?).join(".cache"));
    let cache = var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    let cache = cache.ok_or("expected HOME or XDG_CACHE_HOME, for a Python with numpy")?;
    let venv = cache.join("ferkd-ci-python");
    let program = |name: &str| venv.join("bin").join(name).display().to_string();
    let python = program("python");
    if output(&python, &["-c", "import maturin, numpy, onnxruntime, pytest"]).is_none() {
        run_in(Path::new("."), "python3", &[Path::new("-m"), Path::new("venv"), &venv], &[])?;
        let install = ["install", "--quiet"].iter().chain(&PYTHON).collect::<Vec<_>>();
        run_in(Path::new("."), &program("pip"), &install, &[])?;
    }
    Ok(Some(python))
}
