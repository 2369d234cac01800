//! A store whose files lie in memory: embedded in a program, or dropped onto a page in one piece.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

use super::source::ReadAt;
use crate::images::tar::{TarEntryKind, entries};
use ferkd_method::error::{Error, Result};

/// Files by name, whole, in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryFiles(BTreeMap<String, Arc<[u8]>>);

impl MemoryFiles {
    /// The files of a tar archive, by the last part of their names: a store is one flat folder. Errors call the
    /// archive `origin`.
    ///
    /// # Errors
    /// No tar archive, or a damaged one.
    pub fn from_tar(bytes: &[u8], origin: &str) -> Result<Self> {
        let mut files = BTreeMap::new();
        entries(&mut Cursor::new(bytes), bytes.len() as u64, origin, &mut |entry| {
            if entry.kind == TarEntryKind::File {
                let name = entry.name.rsplit('/').next().unwrap_or_default().to_owned();
                let at = entry.offset as usize;
                files.insert(name, bytes[at..at + entry.len as usize].into());
            }
            Ok(())
        })?;
        Ok(Self(files))
    }

    fn file(&self, file: &str) -> Result<&Arc<[u8]>> {
        self.0.get(file).ok_or_else(|| {
            Error::damaged(file, "the store lacks it").remedy("take all files of the store's folder")
        })
    }
}

impl FromIterator<(String, Arc<[u8]>)> for MemoryFiles {
    fn from_iter<T: IntoIterator<Item = (String, Arc<[u8]>)>>(files: T) -> Self {
        Self(files.into_iter().collect())
    }
}

impl ReadAt for MemoryFiles {
    fn size(&self, file: &str) -> Result<u64> {
        Ok(self.file(file)?.len() as u64)
    }

    fn read_at(&self, file: &str, offset: u64, len: usize) -> Result<Vec<u8>> {
        let bytes = self.file(file)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let wanted = bytes.get(start..start.saturating_add(len));
        wanted.map(<[u8]>::to_vec).ok_or_else(|| {
            Error::damaged(file, format!("it ends before byte {}", offset.saturating_add(len as u64)))
        })
    }
}
