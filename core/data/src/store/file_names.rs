//! What the files of a store are called, and what to do about one that is not what it should be.

/// Name of the manifest's file.
pub const MANIFEST: &str = "manifest.json";
/// Name of the file with every other file's checksum.
pub const CHECKSUMS: &str = "checksums.sha256";
/// Name of the file with the images that were passed over; only where such were looked for.
pub const SKIPPED: &str = "skipped.json";
/// Name of the file that a writer locks.
pub const LOCK: &str = "writer.lock";

/// Name of the file that says who writes, where the file system knows no locks.
#[cfg(not(target_family = "wasm"))]
pub(super) const HELD: &str = "writer.lock.held";

/// What a store's lock keeps others from.
#[cfg(not(target_family = "wasm"))]
pub(super) const WRITING: &str = "writing this store";
/// What to do about a file that is not what it should be.
pub(super) const REDO: &str =
    "run `ferkd verify` on the store, then `ferkd label` again: it redoes only what is damaged";
/// Largest manifest or list of checksums that is read, in bytes: ten times what the largest store needs.
pub(super) const MAX_SMALL_FILE: u64 = 1 << 28;
