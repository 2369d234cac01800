//! The module that computes ONNX files: a second program, which the page loads when the reader opens such a file.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use super::constants::fill;
use super::target::{TARGET, target_folder};
use crate::steps::run;

/// What its files' names begin with.
pub const NAME: &str = "ferkd-onnx";

/// The worker that loads it, with its constants still open.
const WORKER: &str = "onnx-worker.js";

/// What every browser that runs WebAssembly has had for years, and the module computes with.
const VECTORS: (&str, &str) = ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-C target-feature=+simd128");

/// Compiles it; its file.
///
/// # Errors
/// It does not compile.
pub fn compile(profile: &str) -> Result<PathBuf, String> {
    let target = format!("--target {TARGET} --profile {profile}");
    run(&format!("cargo build --locked --package {NAME} --bin {NAME} {target}"), &[VECTORS])?;
    Ok(target_folder()?.join(TARGET).join(profile).join(format!("{NAME}.wasm")))
}

/// Gives what wasm-bindgen has written into a page's folder names with a checksum, and puts the worker beside it.
///
/// # Errors
/// Files that are not there, or cannot be written.
pub fn place(web: &Path, dist: &Path) -> Result<(), String> {
    let [script, program] = [format!("{NAME}.js"), format!("{NAME}_bg.wasm")];
    let mut sum = DefaultHasher::new();
    for file in [&script, &program] {
        let path = dist.join(file);
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        sum.write_u64(bytes.len() as u64);
        sum.write(&bytes);
    }
    let sum = format!("{:016x}", sum.finish());
    let named = |ending: &str| format!("{NAME}-{sum}{ending}");
    let [new_script, new_program] = [named(".js"), named("_bg.wasm")];
    for (from, to) in [(&script, &new_script), (&program, &new_program)] {
        fs::rename(dist.join(from), dist.join(to)).map_err(|error| format!("{from}: {error}"))?;
    }
    let quoted = |name: &str| format!("\"{name}\"");
    let constants = [("\"{script}\"", quoted(&new_script)), ("\"{program}\"", quoted(&new_program))];
    let path = web.join(WORKER);
    let worker = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let to = dist.join(WORKER);
    fs::write(&to, fill(&worker, WORKER, &constants)?).map_err(|error| format!("{}: {error}", to.display()))
}

/// Whether a file of the page is the module's, by its path below the page.
pub fn is_part(file: &str) -> bool {
    file.strip_prefix(NAME).is_some_and(|rest| rest.starts_with('-'))
}

/// Its program in a page's folder.
pub fn program(dist: &Path) -> Option<PathBuf> {
    let paths = fs::read_dir(dist).ok()?.flatten().map(|entry| entry.path());
    let is_it = |path: &PathBuf| {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        is_part(name) && path.extension() == Some(OsStr::new("wasm"))
    };
    paths.into_iter().find(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_files_get_names_by_their_bytes_which_the_worker_knows() {
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
        let dist = std::env::temp_dir().join(format!("ferkd-module-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dist);
        let laid_out = |program: &str| {
            fs::create_dir_all(&dist).unwrap();
            fs::write(dist.join("ferkd-onnx.js"), "script").unwrap();
            fs::write(dist.join("ferkd-onnx_bg.wasm"), program).unwrap();
            place(&web, &dist).unwrap();
            let found = super::program(&dist).unwrap().file_name().unwrap().to_str().unwrap().to_owned();
            let worker = fs::read_to_string(dist.join(WORKER)).unwrap();
            assert!(worker.contains(&format!("const PROGRAM = \"{found}\";")), "{worker}");
            let script = found.replace("_bg.wasm", ".js");
            assert!(worker.contains(&format!("const SCRIPT = \"{script}\";")), "{worker}");
            assert_eq!(fs::read_to_string(dist.join(script)).unwrap(), "script");
            fs::remove_dir_all(&dist).unwrap();
            found
        };
        assert_eq!(laid_out("a"), laid_out("a"));
        assert_ne!(laid_out("a"), laid_out("b"));
        assert!(is_part("ferkd-onnx-0123.js") && !is_part("ferkd-web-0123.js") && !is_part(WORKER));
    }
}
