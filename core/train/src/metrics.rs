//! The lines of `metrics.jsonl` that a checkpoint remembers: how many, and what they say but for times.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::progress::{OLD_PROGRESS, old_text};
use ferkd_data::events::Event;
use ferkd_method::error::{Error, IoContext, Result};
use ferkd_nn::weights::StateDict;

/// How far `metrics.jsonl` was written: in lines, since bytes, which hold times, would differ from run to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Written {
    #[serde(alias = "metrics_lines")]
    lines: u64,
    /// Checksum of these lines without their times.
    #[serde(alias = "metrics_xxh3")]
    xxh3: u64,
}

/// Key of a checkpoint's metadata that says how far the metrics were written.
const METRICS: &str = "ferkd.metrics";

impl Written {
    /// Takes note of one more line.
    pub fn note(&mut self, event: &Event) {
        self.lines += 1;
        self.xxh3 = chained(self.xxh3, event);
    }

    /// Writes it into a checkpoint.
    pub fn put(self, dict: &mut StateDict) -> Result<()> {
        let text = serde_json::to_string(&self).map_err(|e| Error::mismatch("metrics", e.to_string()))?;
        dict.metadata.insert(METRICS.into(), text);
        Ok(())
    }

    /// Takes it out of a checkpoint; version 0.1 kept it with the rest of the progress.
    pub fn take(dict: &mut StateDict, path: &Path) -> Result<Self> {
        let old = || dict.tensors.get(OLD_PROGRESS).and_then(|tensor| old_text(&tensor.values));
        let text = dict.metadata.remove(METRICS).or_else(old).unwrap_or_default();
        serde_json::from_str(&text).map_err(|e| {
            Error::damaged(path, format!("not a checkpoint of a run: {e}"))
                .remedy("delete it to begin the run again")
        })
    }
}

/// Bytes of the lines of `metrics.jsonl` that were written before the checkpoint: they are what it remembers, but
/// for times.
pub(super) fn kept(path: &Path, written: Written) -> Result<u64> {
    let Written { lines: expected, xxh3: checksum } = written;
    const REMEDY: &str = "copy the run's folder again, or begin another run with --run";
    // Before the first line there is none.
    let text = if expected == 0 && !path.exists() { Vec::new() } else { fs::read(path).at(path)? };
    let (mut bytes, mut lines, mut hash) = (0, 0, 0);
    for line in text.split_inclusive(|&byte| byte == b'\n').take(expected as usize) {
        let event = serde_json::from_slice(line)
            .map_err(|e| Error::damaged(path, format!("line {}: {e}", lines + 1)).remedy(REMEDY))?;
        (bytes, lines, hash) = (bytes + line.len() as u64, lines + 1, chained(hash, &event));
    }
    if lines < expected || !text[..bytes as usize].ends_with(b"\n") && lines > 0 {
        let problem =
            format!("it has {lines} lines, and the last checkpoint was written after line {expected}");
        return Err(Error::damaged(path, problem).remedy(REMEDY));
    }
    if hash != checksum {
        return Err(
            Error::damaged(path, "its lines are not those that the last checkpoint remembers").remedy(REMEDY)
        );
    }
    Ok(bytes)
}

/// A checksum that goes on over one more event, times left out.
fn chained(hash: u64, event: &Event) -> u64 {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|key, _| !key.ends_with("_s"));
    }
    xxhash_rust::xxh3::xxh3_64_with_seed(value.to_string().as_bytes(), hash)
}
