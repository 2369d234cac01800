//! Step 2, on disk: the label store. One flat folder that opens at once, however many images it holds.
//!
//! `manifest.json` says what the store is; every shard of `shard_images` images has an image table, a heap of
//! names and a table of labels (plus boxes, where they were imported), each a NumPy file of fixed-width
//! records; `checksums.sha256` covers all of them. The format is documented in `docs/label-store.md`.

mod checksums;
mod layout;
mod manifest;
mod reader;
mod record;
mod verify;
mod writer;

pub(crate) use checksums::sha256;
pub use layout::Layout;
pub use manifest::{BoxSource, LabelInfo, LabelSpace, Manifest, RegionInfo, TeacherInfo};
pub use reader::{ImageEntry, Store};
pub use record::{LabelCodec, decode_box, encode_box};
pub use verify::{Damage, VerifyReport, forget_shards, verify};
pub use writer::{ShardData, StoreWriter};

/// Name of the file that says what a store is.
pub const MANIFEST: &str = "manifest.json";
/// Name of the file that holds the checksum of every other one.
pub const CHECKSUMS: &str = "checksums.sha256";
/// Name of the file that keeps a second writer out.
const LOCK: &str = "writer.lock";
