//! A checksum within a safetensors file's metadata, so that a flipped bit is found: a weight that is a little
//! different would go unnoticed otherwise.
//!
//! It is the XXH3 (64 bits) of the whole file, taken while its own 16 digits are zeros. Other programs see an
//! entry `xxh3` of the metadata and need not know what it is.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use ferkd_method::error::{Error, Result};

/// Key of the metadata that holds the checksum.
pub(crate) const KEY: &str = "xxh3";
const ZEROS: &str = "0000000000000000";

/// A safetensors file with `metadata`, in a fixed order, and its checksum; `plain` is the file without any.
pub(crate) fn seal(plain: &[u8], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let broken = || Error::mismatch("weights", "no safetensors to seal");
    let (header, data) = split(plain).ok_or_else(broken)?;
    let rest = header.trim_ascii_end().strip_prefix(b"{").ok_or_else(broken)?;
    let mut metadata = metadata.clone();
    metadata.insert(KEY.to_owned(), ZEROS.to_owned());
    let text = serde_json::to_string(&metadata).map_err(|e| Error::mismatch("weights", e.to_string()))?;
    let mut header = format!("{{\"__metadata__\":{text}").into_bytes();
    if rest != b"}" {
        header.push(b',');
    }
    header.extend(rest);
    // Tensors begin at a multiple of eight bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header);
    bytes.extend(data);
    let at = place(&bytes).ok_or_else(broken)?;
    let checksum = format!("{:016x}", xxh3_64(&bytes));
    bytes[at..at + ZEROS.len()].copy_from_slice(checksum.as_bytes());
    Ok(bytes)
}

/// Whether a file has the checksum `recorded` that its metadata carry.
pub(crate) fn is_sound(bytes: &[u8], recorded: &str) -> bool {
    let Some(at) = place(bytes) else { return false };
    let Some((before, behind)) = bytes.get(..at).zip(bytes.get(at + ZEROS.len()..)) else { return false };
    let mut hash = Xxh3::new();
    hash.update(before);
    hash.update(ZEROS.as_bytes());
    hash.update(behind);
    format!("{:016x}", hash.digest()) == recorded
}

/// Header and data of a safetensors file.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

/// Where the checksum's digits begin. Within another entry's text the quotes would be escaped.
fn place(bytes: &[u8]) -> Option<usize> {
    let (header, _) = split(bytes)?;
    let mark = format!("\"{KEY}\":\"");
    header.windows(mark.len()).position(|w| w == mark.as_bytes()).map(|at| 8 + at + mark.len())
}
