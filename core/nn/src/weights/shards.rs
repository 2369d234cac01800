//! Weights in several files, and the index that says which tensor is in which: `model.safetensors.index.json` and
//! `pytorch_model.bin.index.json`, as transformers writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use ferkd_method::error::{Error, IoContext, Result};

/// Ending of an index.
const ENDING: &str = ".index.json";
/// An index names some thousand tensors.
const MAX_BYTES: u64 = 64 << 20;

/// An index.
#[derive(Deserialize)]
struct Index {
    /// The file that each tensor is in.
    weight_map: BTreeMap<String, String>,
}

/// Whether a file is called an index.
pub(super) fn is_index(path: &Path) -> bool {
    path.to_string_lossy().ends_with(ENDING)
}

/// The files that an index names, in the order of their names, and the tensors that they hold together.
///
/// # Errors
/// An index that is not one, or names a file that does not lie beside it.
pub(super) fn shards(index: &Path) -> Result<(Vec<PathBuf>, BTreeSet<String>)> {
    let size = std::fs::metadata(index).at(index)?.len();
    let bad = |problem: String| {
        Error::damaged(index, problem).remedy("copy the folder again, with all files that its index names")
    };
    if size > MAX_BYTES {
        return Err(bad(format!("{size} bytes are too many for an index")));
    }
    let Index { weight_map } = serde_json::from_slice(&std::fs::read(index).at(index)?)
        .map_err(|e| bad(format!("not an index of weights: {e}")))?;
    let names: BTreeSet<&String> = weight_map.values().collect();
    let mut files = Vec::new();
    for name in names {
        let beside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        let path = index.with_file_name(name);
        if !beside || !path.is_file() {
            return Err(bad(format!("it names `{name}`, which does not lie beside it")));
        }
        files.push(path);
    }
    match files.is_empty() {
        true => Err(bad("it names no file".into())),
        false => Ok((files, weight_map.into_keys().collect())),
    }
}
