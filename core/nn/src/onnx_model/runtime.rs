//! ONNX Runtime's library: where it is, and what it computes on. Nothing is downloaded.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;

use ferkd_method::error::{Error, ErrorKind, Result};

/// The variable that names the library.
const VARIABLE: &str = "ORT_DYLIB_PATH";

/// How to get it.
const REMEDY: &str = "`pip install onnxruntime` (or onnxruntime-gpu), where `python3` finds it, or name the library in \
                      ORT_DYLIB_PATH";

/// What ONNX Runtime computes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    /// CUDA where it is there, else the CPU.
    Auto,
    Cpu,
    /// The number of the device.
    Cuda(i32),
    TensorRt(i32),
}

impl FromStr for Provider {
    type Err = Error;

    /// The provider of a device's name; of several devices the first one's.
    fn from_str(text: &str) -> Result<Self> {
        let first = text.split(',').next().unwrap_or_default().trim();
        let (kind, number) = first.split_once(':').unwrap_or((first, "0"));
        let number = number.split('-').next().unwrap_or_default().parse();
        let wrong = || {
            Error::usage("device", format!("`{text}`: ONNX Runtime does not compute on it"))
                .remedy("expected auto, cpu, cuda, cuda:N, tensorrt or tensorrt:N")
        };
        match (kind, number) {
            ("auto", Ok(0)) => Ok(Self::Auto),
            ("cpu" | "flex", Ok(0)) => Ok(Self::Cpu),
            ("cuda", Ok(number)) => Ok(Self::Cuda(number)),
            ("tensorrt", Ok(number)) => Ok(Self::TensorRt(number)),
            _ => Err(wrong()),
        }
    }
}

/// The one environment that a process may have, made when it is first asked for.
///
/// # Errors
/// A library that is not there, or is too old.
pub(super) fn environment() -> Result<Environment> {
    static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);
    let mut environment = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*environment {
        return Ok(environment.clone());
    }
    let library = library()?;
    let failed = |problem: String| {
        Error::new(ErrorKind::Io, "ONNX Runtime", format!("it cannot be used: {problem}")).remedy(REMEDY)
    };
    let builder = ort::init_from(&library).map_err(|error| failed(error.to_string()))?;
    let made = builder.with_telemetry(false).build().map_err(|error| failed(error.to_string()))?;
    Ok(environment.insert(made).clone())
}

/// The library: what the variable names, that of Python's package, or the system's.
fn library() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        if !path.is_file() {
            let problem = format!("{VARIABLE} names {}, which is not a file", path.display());
            return Err(Error::new(ErrorKind::Io, "ONNX Runtime", problem).remedy(REMEDY));
        }
        return Ok(path);
    }
    let package = ["python3", "python"].into_iter().find_map(packaged);
    // The loader looks for a name without a folder where the system keeps its libraries.
    let system = format!("{}onnxruntime{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    Ok(package.unwrap_or_else(|| system.into()))
}

/// The library within the package `onnxruntime` of a Python.
fn packaged(python: &str) -> Option<PathBuf> {
    const FIND: &str =
        "import importlib.util as u; print(u.find_spec('onnxruntime').submodule_search_locations[0])";
    let found = Command::new(python).args(["-c", FIND]).stdin(Stdio::null()).output().ok()?;
    let folder = String::from_utf8(found.stdout).ok().filter(|_| found.status.success())?;
    let folder = Path::new(folder.trim()).join("capi");
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libonnxruntime.") && (name.contains(".so") || name.ends_with(".dylib"))
            || name == "onnxruntime.dll"
    };
    let mut files: Vec<PathBuf> = folder.read_dir().ok()?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.into_iter().find(is_library)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_device_of_several_is_the_first() {
        for (text, provider) in [
            ("auto", Provider::Auto),
            ("flex", Provider::Cpu),
            ("cpu", Provider::Cpu),
            ("cuda", Provider::Cuda(0)),
            ("cuda:1", Provider::Cuda(1)),
            ("cuda:2-3", Provider::Cuda(2)),
            ("cuda:1,cuda:0", Provider::Cuda(1)),
            ("tensorrt:1", Provider::TensorRt(1)),
        ] {
            assert_eq!(text.parse::<Provider>().unwrap(), provider, "{text}");
        }
        for text in ["wgpu", "cuda:x", "", "npu"] {
            let error = text.parse::<Provider>().unwrap_err().to_string();
            assert!(error.contains("expected auto, cpu"), "{error}");
        }
    }
}
