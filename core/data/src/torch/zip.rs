//! The ZIP container of `torch.save`: `<name>/data.pkl`, `<name>/data/<key>` and a few small entries, all stored
//! without compression. Only the central directory is believed; sizes in local headers may be left out.

use std::collections::BTreeMap;

use super::file::{MAX_PICKLE_BYTES, TorchFile, damaged};
use crate::pickle::{self, Allowed};
use ferkd_method::error::Result;

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const END_64_LOCATOR: &[u8] = b"PK\x06\x07";

pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(LOCAL)
}

pub(super) fn read<'a>(bytes: &'a [u8], origin: &str, allowed: Allowed) -> Result<TorchFile<'a>> {
    let bad = |problem: String| damaged(origin, allowed, problem);
    let entries = entries(bytes).map_err(bad)?;
    let mut objects =
        entries.iter().filter_map(|(name, entry)| Some((name.strip_suffix("data.pkl")?, entry)));
    let (prefix, object) = match (objects.next(), objects.next()) {
        (Some((prefix, object)), None) if prefix.is_empty() || prefix.ends_with('/') => (prefix, *object),
        _ if entries.keys().any(|name| name.ends_with(".npy")) => {
            return Err(bad("it is a NumPy archive (npz), which torch.save did not write".into()));
        }
        _ => return Err(bad("a ZIP file without one data.pkl: torch.save did not write it".into())),
    };
    if entries.contains_key(&format!("{prefix}constants.pkl")[..]) {
        return Err(bad("it is a TorchScript program, not weights alone".into()));
    }
    if let Some(order) = entries.get(&format!("{prefix}byteorder")[..])
        && *order != b"little"
    {
        return Err(bad("its numbers have their highest byte first".into()));
    }
    if object.len() > MAX_PICKLE_BYTES {
        return Err(bad(format!("an object of {} bytes without its numbers", object.len())));
    }
    let (pickle, _) = pickle::read(object, origin, allowed)?;
    let folder = format!("{prefix}data/");
    let storages =
        entries.iter().filter_map(|(name, bytes)| Some((name.strip_prefix(&folder[..])?.to_owned(), *bytes)));
    Ok(TorchFile { pickle, storages: storages.collect() })
}

/// The entries by name.
fn entries(bytes: &[u8]) -> Result<BTreeMap<&str, &[u8]>, String> {
    let (start, count) = directory(bytes).ok_or("a ZIP file without its directory: it is cut short")?;
    let mut rest =
        slice(bytes, start, bytes.len() as u64 - start.min(bytes.len() as u64)).unwrap_or_default();
    let (mut entries, mut total) = (BTreeMap::new(), 0);
    for _ in 0..count {
        let (entry, len) = Central::parse(rest).ok_or("a ZIP file whose directory is broken")?;
        rest = &rest[len..];
        let name = std::str::from_utf8(entry.name).map_err(|_| "an entry whose name is not UTF-8")?;
        let shown = || name.chars().take(100).flat_map(char::escape_debug).collect::<String>();
        if entry.method != 0 || entry.packed != entry.size {
            return Err(format!("entry `{}` is compressed, which torch.save never does", shown()));
        }
        let content =
            entry.content(bytes).ok_or_else(|| format!("entry `{}` lies outside of the file", shown()))?;
        // Entries that overlap would be summed up again and again.
        total += content.len();
        if total > bytes.len() {
            return Err("a ZIP file whose entries overlap".into());
        }
        let mut sum = flate2::Crc::new();
        sum.update(content);
        if sum.sum() != entry.crc {
            return Err(format!("entry `{}` is damaged: its checksum differs", shown()));
        }
        if entries.insert(name, content).is_some() {
            return Err(format!("entry `{}` stands there twice", shown()));
        }
    }
    Ok(entries)
}

/// Where the central directory begins, and its number of entries.
fn directory(bytes: &[u8]) -> Option<(u64, u64)> {
    // The end record is 22 bytes and a comment of at most 65,535.
    let first = bytes.len().saturating_sub(22 + 0xFFFF);
    let at = (first..bytes.len().checked_sub(21)?).rev().find(|&at| bytes[at..].starts_with(END))?;
    let (count, start) = (u16_at(bytes, at + 10)?, u32_at(bytes, at + 16)?);
    let locator = at.checked_sub(20).filter(|&at| bytes[at..].starts_with(END_64_LOCATOR));
    let Some(locator) = locator else { return Some((u64::from(start), u64::from(count))) };
    let end = slice(bytes, u64_at(bytes, locator + 8)?, 56)?;
    if !end.starts_with(END_64) {
        return None;
    }
    Some((u64_at(end, 48)?, u64_at(end, 32)?))
}

/// An entry of the central directory.
struct Central<'a> {
    method: u16,
    crc: u32,
    packed: u64,
    size: u64,
    offset: u64,
    name: &'a [u8],
}

impl<'a> Central<'a> {
    /// The entry at the front of `bytes`, and its length.
    fn parse(bytes: &'a [u8]) -> Option<(Self, usize)> {
        if !bytes.starts_with(CENTRAL) {
            return None;
        }
        let lengths = [28, 30, 32].map(|at| u16_at(bytes, at).map(usize::from));
        let [name, extra, comment] = [lengths[0]?, lengths[1]?, lengths[2]?];
        let mut entry = Self {
            method: u16_at(bytes, 10)?,
            crc: u32_at(bytes, 16)?,
            packed: u64::from(u32_at(bytes, 20)?),
            size: u64::from(u32_at(bytes, 24)?),
            offset: u64::from(u32_at(bytes, 42)?),
            name: bytes.get(46..46 + name)?,
        };
        entry.widen(bytes.get(46 + name..46 + name + extra)?)?;
        let len = 46 + name + extra + comment;
        (bytes.len() >= len).then_some((entry, len))
    }

    /// Takes what did not fit into 32 bits from the extra field of ZIP64.
    fn widen(&mut self, mut extra: &[u8]) -> Option<()> {
        const FULL: u64 = 0xFFFF_FFFF;
        while extra.len() >= 4 {
            let (id, len) = (u16_at(extra, 0)?, usize::from(u16_at(extra, 2)?));
            let field = extra.get(4..4 + len)?;
            if id == 1 {
                let mut at = 0;
                for value in [&mut self.size, &mut self.packed, &mut self.offset] {
                    if *value == FULL {
                        *value = u64_at(field, at)?;
                        at += 8;
                    }
                }
            }
            extra = &extra[4 + len..];
        }
        Some(())
    }

    fn content<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let local = slice(bytes, self.offset, 30)?;
        if !local.starts_with(LOCAL) {
            return None;
        }
        let start = 30 + u64::from(u16_at(local, 26)?) + u64::from(u16_at(local, 28)?);
        slice(bytes, self.offset.checked_add(start)?, self.size)
    }
}

fn slice(bytes: &[u8], start: u64, len: u64) -> Option<&[u8]> {
    let end = usize::try_from(start.checked_add(len)?).ok()?;
    bytes.get(usize::try_from(start).ok()?..end)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}
