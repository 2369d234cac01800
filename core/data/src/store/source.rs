//! Where a store's bytes come from: memory-mapped files, files that cannot be mapped, or slices through [`ReadAt`].

use std::borrow::Cow;
#[cfg(not(target_family = "wasm"))]
use std::path::PathBuf;

use super::file_names::{MAX_SMALL_FILE, REDO};
use super::layout::{FileId, Layout, Slice};
use ferkd_method::error::{Error, Result};

/// Reads slices of a store's files, wherever they are: dropped files, a picked folder, HTTP ranges.
pub trait ReadAt: Send + Sync {
    /// Length of `file` in bytes.
    ///
    /// # Errors
    /// There is no such file, or it cannot be reached.
    fn size(&self, file: &str) -> Result<u64>;

    /// Exactly `len` bytes of `file` from `offset` on.
    ///
    /// # Errors
    /// The file ends before, or it cannot be reached.
    fn read_at(&self, file: &str, offset: u64, len: usize) -> Result<Vec<u8>>;
}

pub(super) enum Source {
    #[cfg(not(target_family = "wasm"))]
    Folder(PathBuf),
    Slices(Box<dyn ReadAt>),
}

/// A file that has been opened and found to have the length and the header that its layout asks for.
pub(super) struct Opened {
    len: u64,
    /// None for slices, and where the system refuses to map the file: it is read then.
    #[cfg(not(target_family = "wasm"))]
    map: Option<memmap2::Mmap>,
}

impl Opened {
    /// Takes the pages of a memory-mapped file out of this process; they come back when they are read again.
    pub(super) fn release(&self) {
        #[cfg(unix)]
        if let Some(map) = &self.map {
            // SAFETY: the map is a shared, read-only one of a file, so that dropped pages are read from it again.
            // Whether the system heeds the advice is of no consequence.
            let _ = unsafe { map.unchecked_advise(memmap2::UncheckedAdvice::DontNeed) };
        }
    }
}

impl Source {
    /// What errors call a file.
    pub(super) fn name(&self, file: impl ToString) -> String {
        match self {
            #[cfg(not(target_family = "wasm"))]
            Self::Folder(folder) => folder.join(file.to_string()).display().to_string(),
            Self::Slices(_) => file.to_string(),
        }
    }

    /// The whole of a small file, whose length is known to be bearable.
    pub(super) fn small(&self, name: &str) -> Result<Vec<u8>> {
        match self {
            #[cfg(not(target_family = "wasm"))]
            Self::Folder(folder) => match super::files::read_small(folder, name)? {
                Some(bytes) => Ok(bytes),
                None => Err(Error::io(folder.join(name), std::io::ErrorKind::NotFound.into())
                    .remedy("name a folder that `ferkd label` or `ferkd import` wrote")),
            },
            Self::Slices(slices) => {
                let len = slices.size(name)?;
                if len > MAX_SMALL_FILE {
                    return Err(Error::damaged(
                        name,
                        format!("{len} bytes, far more than a store's ever has"),
                    ));
                }
                slices.read_at(name, 0, len as usize)
            }
        }
    }

    /// Opens a file and compares its length and header with those that `layout` asks for.
    pub(super) fn open(&self, layout: &Layout, file: FileId) -> Result<Opened> {
        let opened = match self {
            #[cfg(not(target_family = "wasm"))]
            Self::Folder(folder) => map(&folder.join(file.to_string()))?,
            Self::Slices(slices) => Opened {
                len: slices.size(&file.to_string())?,
                #[cfg(not(target_family = "wasm"))]
                map: None,
            },
        };
        if let Some(expected) = layout.file_len(file)
            && opened.len != expected
        {
            let problem = format!("{} bytes long, but the manifest makes it {expected}", opened.len);
            return Err(Error::damaged(self.name(file), problem).remedy(REDO));
        }
        let header = layout.header(file);
        if *self.bytes(&opened, Slice { file, offset: 0, len: header.len() })? != *header {
            let problem = "its header is not the one that the manifest asks for";
            return Err(Error::damaged(self.name(file), problem).remedy(REDO));
        }
        Ok(opened)
    }

    /// Some bytes of an opened file.
    pub(super) fn bytes<'a>(&self, opened: &'a Opened, slice: Slice) -> Result<Cow<'a, [u8]>> {
        let Slice { file, offset, len } = slice;
        let beyond = || {
            let problem = format!("it ends before byte {}", offset.saturating_add(len as u64));
            Error::damaged(self.name(file), problem).remedy(REDO)
        };
        if offset.checked_add(len as u64).is_none_or(|end| end > opened.len) {
            return Err(beyond());
        }
        match self {
            #[cfg(not(target_family = "wasm"))]
            Self::Folder(folder) => match opened.map.as_deref() {
                Some(whole) => {
                    let at = offset as usize;
                    whole.get(at..at + len).map(Cow::Borrowed).ok_or_else(beyond)
                }
                None => read(&folder.join(file.to_string()), offset, len).map(Cow::Owned),
            },
            Self::Slices(slices) => {
                let bytes = slices.read_at(&file.to_string(), offset, len)?;
                if bytes.len() == len { Ok(Cow::Owned(bytes)) } else { Err(beyond()) }
            }
        }
    }
}

#[cfg(not(target_family = "wasm"))]
fn map(path: &std::path::Path) -> Result<Opened> {
    use ferkd_method::error::IoContext;
    let file = std::fs::File::open(path).at(path)?;
    let len = file.metadata().at(path)?.len();
    if refuses_maps() {
        return Ok(Opened { len, map: None });
    }
    // SAFETY: the bytes behind a map must not change while it lives. This crate never writes a store's file in
    // place: it renames a whole one over it, which leaves the mapped one as it was. No one else has a reason to
    // write there; who does so all the same gets wrong labels or a signal, as with any mapped file.
    let map = unsafe { memmap2::Mmap::map(&file) };
    // Some file systems refuse it, and so does a limit on address space.
    Ok(match map {
        Ok(map) => Opened { len: len.min(map.len() as u64), map: Some(map) },
        Err(_) => Opened { len, map: None },
    })
}

/// Some bytes of a file that cannot be mapped. It is opened for each read: a large store has more files than a process
/// may keep open.
#[cfg(not(target_family = "wasm"))]
fn read(path: &std::path::Path, offset: u64, len: usize) -> Result<Vec<u8>> {
    use ferkd_method::error::IoContext;
    use std::io::{Read, Seek, SeekFrom};
    let mut file = std::fs::File::open(path).at(path)?;
    let mut bytes = vec![0; len];
    file.seek(SeekFrom::Start(offset)).at(path)?;
    file.read_exact(&mut bytes).at(path)?;
    Ok(bytes)
}

/// Whether no file is mapped, as where the system refuses it: tests ask for it.
#[cfg(not(target_family = "wasm"))]
fn refuses_maps() -> bool {
    #[cfg(test)]
    return REFUSES_MAPS.get();
    #[cfg(not(test))]
    false
}

#[cfg(test)]
thread_local! {
    pub(super) static REFUSES_MAPS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}
