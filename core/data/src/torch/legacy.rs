//! What `torch.save` wrote before version 1.6: five pickles one after the other (a magic number, a version, the
//! system's sizes, the object, the list of keys), then the numbers of each key behind their count.

use std::collections::BTreeMap;

use super::file::{MAX_PICKLE_BYTES, TorchFile, damaged};
use super::tensors::StorageRef;
use crate::pickle::{self, Allowed, Node, Pickle};
use ferkd_method::error::Result;

/// The magic number, the lowest byte first.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Whether the first pickle holds the magic number.
pub(super) fn is_legacy(bytes: &[u8]) -> bool {
    bytes.first() == Some(&0x80)
        && bytes[..bytes.len().min(64)].windows(MAGIC.len()).any(|window| window == MAGIC)
}

pub(super) fn read<'a>(bytes: &'a [u8], origin: &str, allowed: Allowed) -> Result<TorchFile<'a>> {
    let bad = |problem: String| damaged(origin, allowed, problem);
    let mut rest = bytes;
    let mut next = || -> Result<Pickle<'a>> {
        let window = &rest[..rest.len().min(MAX_PICKLE_BYTES)];
        let (pickle, len) = pickle::read(window, origin, allowed)?;
        rest = &rest[len..];
        Ok(pickle)
    };
    let (magic, _version, system, pickle, keys) = (next()?, next()?, next()?, next()?, next()?);
    if *magic.node(magic.root()) != Node::Long(MAGIC[..].into()) {
        return Err(bad("no file that torch.save wrote".into()));
    }
    let little = system.get(system.root(), "little_endian").map(|id| system.node(id));
    if little == Some(&Node::Bool(false)) {
        return Err(bad("its numbers have their highest byte first".into()));
    }
    // Only the object says how large the numbers of a key are.
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for node in pickle.nodes() {
        if let Node::Persistent(id) = node {
            let storage = StorageRef::of(&pickle, *id).map_err(bad)?;
            if *sizes.entry(storage.key).or_insert(storage.kind.size()) != storage.kind.size() {
                return Err(bad("two types of numbers under one key".into()));
            }
        }
    }
    let mut storages = BTreeMap::new();
    for &key in keys.sequence(keys.root()).ok_or_else(|| bad("invalid keys: expected a list".into()))? {
        let key = keys.str(key).ok_or_else(|| bad("invalid key: expected text".into()))?;
        let size = *sizes.get(key).ok_or_else(|| bad("a key that nothing refers to".into()))?;
        let numbers = take(&mut rest, size).ok_or_else(|| bad("it ends within its numbers".into()))?;
        if storages.insert(key.to_owned(), numbers).is_some() {
            return Err(bad("a key that stands there twice".into()));
        }
    }
    Ok(TorchFile { pickle, storages })
}

/// The next numbers, of `size` bytes each, behind their count.
fn take<'a>(rest: &mut &'a [u8], size: usize) -> Option<&'a [u8]> {
    let (count, numbers) = rest.split_first_chunk()?;
    let count = usize::try_from(u64::from_le_bytes(*count)).ok()?;
    let len = count.checked_mul(size)?;
    let taken = numbers.get(..len)?;
    *rest = &numbers[len..];
    Some(taken)
}
