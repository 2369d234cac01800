//! Reading whole small files, and hashing large ones, of a store's folder.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::checksums::Checksums;
use super::file_names::{CHECKSUMS, MANIFEST, MAX_SMALL_FILE};
use super::layout::{FileId, Layout, Table};
use super::manifest_types::Manifest;
use crate::digest::{ListDigest, hex};
use ferkd_method::error::{Error, IoContext, Result};

/// The bytes of the small file `name` in `folder`; `None` where there is none.
pub(super) fn read_small(folder: &Path, name: &str) -> Result<Option<Vec<u8>>> {
    let path = folder.join(name);
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.at(&path)?,
    };
    let len = file.metadata().at(&path)?.len();
    if len > MAX_SMALL_FILE {
        return Err(too_large(&path, len));
    }
    let mut bytes = Vec::new();
    file.take(MAX_SMALL_FILE).read_to_end(&mut bytes).at(&path)?;
    Ok(Some(bytes))
}

fn too_large(path: &Path, len: u64) -> Error {
    let problem = format!("{len} bytes, far more than a store's file of that name ever has");
    Error::damaged(path, problem).remedy("name a folder that `ferkd label` or `ferkd import` wrote")
}

/// The checksums recorded in `folder`; none where the file is missing.
pub(super) fn read_checksums(folder: &Path) -> Result<Checksums> {
    match read_small(folder, CHECKSUMS)? {
        Some(bytes) => Checksums::parse(&bytes, &folder.join(CHECKSUMS).display().to_string()),
        None => Ok(Checksums::default()),
    }
}

/// The manifest in `folder`.
pub(super) fn read_manifest(folder: &Path) -> Result<Manifest> {
    let path = folder.join(MANIFEST);
    match read_small(folder, MANIFEST)? {
        Some(bytes) => Manifest::from_json(&bytes, &path.display().to_string()),
        None => Err(Error::io(&path, ErrorKind::NotFound.into())
            .remedy("name a folder that `ferkd label` or `ferkd import` wrote")),
    }
}

/// Length of a file; `None` where there is none, or something that is no file.
pub(super) fn file_len(path: &Path) -> Result<Option<u64>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path, error)),
    }
}

/// SHA-256 of a file in lower-case hexadecimal; `visit` sees its bytes in blocks on the way.
pub(super) fn hash_file(path: &Path, mut visit: impl FnMut(&[u8])) -> Result<String> {
    let mut file = File::open(path).at(path)?;
    let (mut hash, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(hex(hash)),
            Ok(read) => {
                hash.update(&block[..read]);
                visit(&block[..read]);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io(path, error)),
        }
    }
}

/// The digest of all names of a store, shard by shard, as its manifest carries it.
pub(super) fn list_sha256(folder: &Path, layout: &Layout) -> Result<String> {
    let mut list = ListDigest::default();
    for shard in 0..layout.shards() {
        let names = FileId { table: Table::Names, shard };
        hash_file(&folder.join(names.to_string()), |block| list.lines(block))?;
    }
    Ok(list.finish())
}
