//! How many bytes a store takes, from its manifest alone.

use super::checksums::Checksums;
use super::file_names::MANIFEST;
use super::layout::Layout;
use super::manifest_types::Manifest;
use crate::digest::sha256;
use ferkd_method::error::Result;

/// Exact length in bytes of all files of a complete store together; `names` is that of the images' relative paths,
/// a newline behind each.
///
/// # Errors
/// A manifest with a value out of range.
pub fn store_len(manifest: &Manifest, names: u64) -> Result<u64> {
    let layout = Layout::new(manifest)?;
    let line = |name: &str| format!("{}  {name}\n", sha256(b"")).len() as u64;
    let empty = Checksums::default().to_bytes().len() as u64;
    let mut bytes = manifest.to_json()?.len() as u64 + line(MANIFEST) + empty + names;
    let digest = line("") - 1;
    for shard in 0..layout.shards() {
        for file in layout.files(shard) {
            bytes += digest + file.to_string().len() as u64 + 1;
            // The length of names, which alone have none in the layout, is `names`.
            bytes += layout.file_len(file).unwrap_or(0);
        }
    }
    Ok(bytes)
}
