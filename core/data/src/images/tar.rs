//! Headers of a tar archive: what lies where. Nothing is unpacked, and file contents are passed over.
//!
//! Reads the formats that are about: v7, ustar, GNU (long names) and pax (path, size). Every length is held
//! against the archive's own before it is believed.

use std::io::{Read, Seek, SeekFrom};

use ferkd_method::error::{Error, ErrorKind, Result};

/// Bytes of a header, and what contents are padded to.
const BLOCK: u64 = 512;
/// Longest name that is read, in bytes.
const MAX_NAME: u64 = 4096;
/// Longest extended header that is read, in bytes.
const MAX_EXTENDED: u64 = 1 << 20;
/// Blocks behind the end that are looked at for a second archive.
const LOOK_BEHIND: u64 = 128;

/// One thing in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path, as `/`-separated parts without empty ones and `.`.
    pub name: String,
    /// What it is.
    pub kind: TarEntryKind,
    /// Where its contents begin in the archive.
    pub offset: u64,
    /// Length of its contents in bytes.
    pub len: u64,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TarEntryKind {
    /// A file whose contents lie in one piece.
    File,
    /// A folder.
    Folder,
    /// A hard or symbolic link.
    Link,
    /// A file whose holes were left out.
    Sparse,
    /// Something whose name is not UTF-8; its name here is what can be read of it.
    BadName,
    /// A device, a pipe, a label.
    Other,
}

/// Calls `visit` for every entry of an archive of `len` bytes; errors call it `archive`.
///
/// # Errors
/// Not a tar archive (a compressed one is named as such), one that is truncated or followed by another, a broken
/// header, a name that leaves the folder it would be unpacked to, and whatever `visit` returns.
pub fn entries(
    file: &mut (impl Read + Seek),
    len: u64,
    archive: &str,
    visit: &mut dyn FnMut(Entry) -> Result<()>,
) -> Result<()> {
    let mut reader = Reader { file, len, archive, at: 0 };
    let mut extended = Extended::default();
    loop {
        let at = reader.at;
        let header = reader.header()?;
        if header.iter().all(|&b| b == 0) {
            return reader.nothing_follows();
        }
        if !has_checksum(&header) {
            return Err(if at == 0 {
                reader.foreign(&header)
            } else {
                reader.broken(at, "no header of an entry")
            });
        }
        let mut size = number(&header[124..136]).ok_or_else(|| reader.broken(at, "a length that is none"))?;
        let kind = header[156];
        if !matches!(kind, b'L' | b'K' | b'x' | b'g') {
            size = extended.size.unwrap_or(size);
        }
        let offset = at + BLOCK;
        if offset.checked_add(size).is_none_or(|end| end > len) {
            let shown = extended.name.take().unwrap_or_else(|| plain_name(&header));
            let problem = format!(
                "its entry {:?} has {size} bytes from byte {offset} on, but the archive ends at byte {len}",
                shown_name(&shown)
            );
            return Err(reader.damaged(problem).remedy(TRUNCATED));
        }
        match kind {
            b'L' => extended.name = Some(until_nul(&reader.contents(size, MAX_NAME + 1, "a long name")?)),
            b'K' => {
                reader.contents(size, MAX_NAME + 1, "a long link")?;
            }
            b'x' => {
                let records = reader.contents(size, MAX_EXTENDED, "an extended header")?;
                extended.read(&records).map_err(|problem| reader.broken(at, &problem))?;
            }
            b'g' => {
                let mut global = Extended::default();
                let records = reader.contents(size, MAX_EXTENDED, "a global header")?;
                global.read(&records).map_err(|problem| reader.broken(at, &problem))?;
                if global != Extended::default() {
                    return Err(reader.broken(at, "a global header that names or measures files"));
                }
            }
            b'M' => {
                return Err(reader
                    .broken(at, "the rest of a file that begins in another volume")
                    .remedy("pack it again in one volume"));
            }
            _ => {
                let found = std::mem::take(&mut extended);
                let raw = found.name.unwrap_or_else(|| plain_name(&header));
                let kind = match kind {
                    _ if found.sparse => TarEntryKind::Sparse,
                    b'0' | 0 | b'7' if raw.ends_with(b"/") => TarEntryKind::Folder,
                    b'0' | 0 | b'7' => TarEntryKind::File,
                    b'5' | b'D' => TarEntryKind::Folder,
                    b'1' | b'2' => TarEntryKind::Link,
                    b'S' => TarEntryKind::Sparse,
                    _ => TarEntryKind::Other,
                };
                if kind != TarEntryKind::Other && std::str::from_utf8(&raw).is_err() {
                    visit(Entry { name: shown_name(&raw), kind: TarEntryKind::BadName, offset, len: size })?;
                } else if kind != TarEntryKind::Other {
                    let name = normal(&raw).map_err(|problem| {
                        reader.damaged(format!("its entry {:?} {problem}", shown_name(&raw))).remedy(
                            "pack it again with relative names, as `tar -C FOLDER -cf FILE.tar .` does",
                        )
                    })?;
                    visit(Entry { name, kind, offset, len: size })?;
                }
            }
        }
        // The last block may be cut short only at the very end, which the next header then finds.
        reader.at = offset + size.next_multiple_of(BLOCK);
    }
}

const TRUNCATED: &str = "it is truncated: copy it again";

/// What extended headers say of the entry behind them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Extended {
    name: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl Extended {
    /// Takes up pax records: `length key=value\n`.
    fn read(&mut self, mut records: &[u8]) -> Result<(), String> {
        // Some writers pad the last record with NULs.
        while records.first().is_some_and(|&b| b != 0) {
            let bad = || "an extended header with a broken record".to_owned();
            let space = records.iter().position(|&b| b == b' ').ok_or_else(bad)?;
            let length = std::str::from_utf8(&records[..space]).ok().and_then(|t| t.parse::<usize>().ok());
            let length = length.filter(|&l| l > space + 1 && l <= records.len()).ok_or_else(bad)?;
            let (record, rest) = records.split_at(length);
            let record = record[space + 1..].strip_suffix(b"\n").ok_or_else(bad)?;
            let equals = record.iter().position(|&b| b == b'=').ok_or_else(bad)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" if value.len() as u64 > MAX_NAME => return Err("a name that is too long".into()),
                b"path" => self.name = Some(value.to_vec()),
                b"size" => {
                    let text = std::str::from_utf8(value).ok();
                    self.size = Some(text.and_then(|t| t.parse().ok()).ok_or_else(bad)?);
                }
                _ if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
            records = rest;
        }
        Ok(())
    }
}

struct Reader<'a, F> {
    file: &'a mut F,
    len: u64,
    archive: &'a str,
    at: u64,
}

impl<F: Read + Seek> Reader<'_, F> {
    fn damaged(&self, problem: impl Into<String>) -> Error {
        Error::damaged(self.archive, problem).remedy("pack or copy it again")
    }

    fn broken(&self, at: u64, problem: &str) -> Error {
        self.damaged(format!("at byte {at}: {problem}"))
    }

    fn read(&mut self, at: u64, bytes: &mut [u8]) -> Result<()> {
        let done = self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(bytes));
        done.map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.damaged("it became shorter while it was read"),
            _ => Error::new(ErrorKind::Io, self.archive, error.to_string()),
        })
    }

    fn header(&mut self) -> Result<[u8; BLOCK as usize]> {
        if self.at.checked_add(BLOCK).is_none_or(|end| end > self.len) {
            if self.len == 0 {
                return Err(self.damaged("it is empty"));
            }
            if self.at == 0 {
                return Err(self.damaged("invalid archive: expected tar").remedy(NAME_TAR));
            }
            return Err(self.damaged("it ends without the mark of an archive's end").remedy(TRUNCATED));
        }
        let mut header = [0; BLOCK as usize];
        self.read(self.at, &mut header)?;
        Ok(header)
    }

    /// The contents of an entry about the next one, which lie within the archive.
    fn contents(&mut self, size: u64, most: u64, what: &str) -> Result<Vec<u8>> {
        if size > most {
            return Err(self.damaged(format!("at byte {}: {what} of {size} bytes", self.at)));
        }
        let mut bytes = vec![0; size as usize];
        self.read(self.at + BLOCK, &mut bytes)?;
        Ok(bytes)
    }

    /// Behind the end there is padding at most: files of a second archive would be lost in silence.
    fn nothing_follows(&mut self) -> Result<()> {
        for _ in 0..LOOK_BEHIND {
            self.at += BLOCK;
            if self.at.checked_add(BLOCK).is_none_or(|end| end > self.len) {
                return Ok(());
            }
            let mut block = [0; BLOCK as usize];
            self.read(self.at, &mut block)?;
            if block.iter().any(|&b| b != 0) {
                let problem = format!("something follows its end, at byte {}", self.at);
                return Err(self.damaged(problem).remedy("give each archive a file of its own"));
            }
        }
        Ok(())
    }

    /// What to say of a file whose first block is no header.
    fn foreign(&self, block: &[u8]) -> Error {
        let what = match block {
            [0x1F, 0x8B, ..] => "gzip",
            [0x28, 0xB5, 0x2F, 0xFD, ..] => "zstd",
            [0xFD, b'7', b'z', b'X', b'Z', ..] => "xz",
            [b'B', b'Z', b'h', ..] => "bzip2",
            [b'P', b'K', ..] => "zip",
            _ => return self.damaged("invalid archive: expected tar").remedy(NAME_TAR),
        };
        // In a compressed archive no image can be reached without unpacking those before it.
        self.damaged(format!("it is compressed by {what}, so that no image can be read by its place"))
            .remedy("decompress it: images are compressed as they are")
    }
}

const NAME_TAR: &str = "name a folder of images, or tar archives of one";

/// Whether a header's checksum is right: unsigned as the standard has it, or signed as some old writers do.
fn has_checksum(header: &[u8]) -> bool {
    let Some(recorded) = number(&header[148..156]) else { return false };
    let sum = |value: fn(u8) -> i64| {
        header.iter().enumerate().map(|(i, &b)| value(if (148..156).contains(&i) { b' ' } else { b })).sum()
    };
    let (unsigned, signed): (i64, i64) = (sum(i64::from), sum(|b| i64::from(b as i8)));
    i64::try_from(recorded).is_ok_and(|r| r == unsigned || r == signed)
}

/// A number of a header: octal digits, or big-endian bytes behind a set bit.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        // A set second bit is a negative number.
        let start = (field[0] & 0x7F).into();
        return field[1..]
            .iter()
            .try_fold(start, |n: u64, &b| n.checked_mul(256).and_then(|n| n.checked_add(b.into())));
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

fn until_nul(field: &[u8]) -> Vec<u8> {
    field.split(|&b| b == 0).next().unwrap_or_default().to_vec()
}

/// The name in a header; ustar splits long ones in two.
fn plain_name(header: &[u8]) -> Vec<u8> {
    let name = until_nul(&header[..100]);
    // GNU's magic ends in spaces, and keeps other things where ustar has the first part.
    let first = if &header[257..263] == b"ustar\0" { until_nul(&header[345..500]) } else { Vec::new() };
    if first.is_empty() { name } else { [&first[..], b"/", &name].concat() }
}

/// A name for messages.
fn shown_name(name: &[u8]) -> String {
    String::from_utf8_lossy(&name[..name.len().min(200)]).into_owned()
}

/// A name without `.` and empty parts, if it stays within the folder that it is unpacked to.
fn normal(raw: &[u8]) -> Result<String, &'static str> {
    let text = std::str::from_utf8(raw).map_err(|_| "has a name that is not Unicode")?;
    if text.starts_with('/') {
        return Err("has an absolute name");
    }
    if text.contains('\n') {
        return Err("has a line break in its name");
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err("has `..` in its name");
    }
    if text.len() as u64 > MAX_NAME {
        return Err("has a name of more than 4096 bytes");
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
pub(super) mod tests;
