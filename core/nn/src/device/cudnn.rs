//! Whether cuDNN is installed, and wanted: it is opened when it is first asked for, as the driver is.

use std::fmt;
use std::sync::OnceLock;

use cudarc::cudnn::sys;

use ferkd_method::error::{Error, Result};

/// The environment variable that chooses the convolution backend: `auto`, `cudnn`, `measured` or `burn`.
const CHOICE: &str = "FERKD_CONVOLUTIONS";

/// The versions whose graph API is used here as it is: those of cuDNN 9.
const VERSIONS: std::ops::Range<usize> = 90_000..100_000;

/// What computes convolutions on CUDA devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// cuDNN, of this version.
    Open {
        /// As `9.13.0`.
        version: String,
        /// Whether its kernels are timed when they are first wanted; else its heuristics choose, the same in every run.
        measured: bool,
    },
    /// burn: cuDNN is not wanted.
    Unwanted,
    /// burn: cuDNN is not to be had, and why.
    Absent(String),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { version, measured: false } => write!(f, "cuDNN {version}"),
            Self::Open { version, measured: true } => write!(f, "cuDNN {version}, by the fastest kernels"),
            Self::Unwanted => f.write_str("burn"),
            Self::Absent(why) => write!(f, "burn: {why}"),
        }
    }
}

/// What computes convolutions on CUDA devices, by what is installed and what the environment asks for.
///
/// # Errors
/// A choice that is none; cuDNN asked for where it is not found.
pub(crate) fn state() -> Result<State> {
    static FOUND: OnceLock<std::result::Result<String, String>> = OnceLock::new();
    let choice = std::env::var(CHOICE).unwrap_or_default();
    let found = || FOUND.get_or_init(open).clone();
    let measured = choice == "measured";
    let opened = |version| State::Open { version, measured };
    match choice.as_str() {
        "" | "auto" => Ok(found().map_or_else(State::Absent, opened)),
        "burn" => Ok(State::Unwanted),
        "cudnn" | "measured" => found().map(opened).map_err(|problem| {
            Error::usage(CHOICE, problem)
                .remedy("put the folder of libcudnn.so.9 in LD_LIBRARY_PATH, or leave the choice out")
        }),
        other => Err(Error::usage(CHOICE, format!("invalid choice `{other}`"))
            .remedy("expected auto, cudnn, measured or burn")),
    }
}

/// Opens the library, and says its version.
fn open() -> std::result::Result<String, String> {
    // SAFETY: it looks for a library by its usual names, and loads it as the first call would.
    if !unsafe { sys::is_culib_present() } {
        return Err("cuDNN (libcudnn.so.9) is not found".into());
    }
    // SAFETY: the library is there, and this takes nothing.
    let version = unsafe { sys::cudnnGetVersion() };
    // 9.13.0 is 91300; before 9, 8.9.7 was 8907.
    let major = if version < VERSIONS.start { 1000 } else { 10_000 };
    let words = format!("{}.{}.{}", version / major, version % major / 100, version % 100);
    if !VERSIONS.contains(&version) {
        return Err(format!("cuDNN is of version {words}, not 9"));
    }
    Ok(words)
}
