//! What is compiled for, and where it is put.

use std::path::PathBuf;

use crate::steps::output;

/// What a browser runs.
pub const TARGET: &str = "wasm32-unknown-unknown";

/// Where cargo puts what it compiles.
pub fn target_folder() -> Result<PathBuf, String> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1", "--locked"];
    let metadata = output("cargo", &arguments).ok_or("cargo metadata failed")?;
    let metadata: serde_json::Value =
        serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let folder = metadata["target_directory"].as_str().ok_or("cargo metadata names no target folder")?;
    Ok(folder.into())
}
