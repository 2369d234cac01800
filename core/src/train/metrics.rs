//! The lines of `metrics.jsonl` that a checkpoint remembers: how many, and what they say but for times.

use std::fs;
use std::path::Path;

use crate::error::{Error, IoContext, Result};
use crate::events::Event;

/// Bytes of the lines of `metrics.jsonl` that were written before the checkpoint: they are what it remembers, but
/// for times.
pub(super) fn kept(path: &Path, expected: u64, checksum: u64) -> Result<u64> {
    const REMEDY: &str = "copy the run's folder anew, or begin another run with --run";
    let text = fs::read(path).at(path)?;
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
pub(super) fn chained(hash: u64, event: &Event) -> u64 {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|key, _| !key.ends_with("_s"));
    }
    xxhash_rust::xxh3::xxh3_64_with_seed(value.to_string().as_bytes(), hash)
}
