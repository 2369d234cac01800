//! Blocks of files, shared between who reads them and who fetches them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use ferkd_data::store::ReadAt;
use ferkd_method::{Error, Result};

use super::block_cache::BlockCache;

/// Bytes of a block.
pub const BLOCK: u64 = 256 << 10;

/// Bytes of a growing file that are asked for at once.
pub const TAIL: u64 = 4 << 20;

/// Blocks that are fetched ahead of one who reads a file from end to end.
const AHEAD: u64 = 3;

/// How often something is asked for before its error is told.
pub(super) const TRIES: u32 = 3;

/// Blocks of some files, shared between who reads them and who fetches them.
#[derive(Clone)]
pub struct Blocks(Arc<Mutex<Inner>>);

/// Something to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Want {
    /// Name of the file.
    pub file: String,
    /// First byte.
    pub offset: u64,
    /// Bytes, or fewer where the file ends before.
    pub len: u64,
    /// Whether it is what a file has grown by, which is kept nowhere: the file may end before `offset`.
    pub is_tail: bool,
}

/// What came of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// Bytes from the offset on, none behind the file's end; the length of the whole file in bytes.
    Bytes(Vec<u8>, u64),
    /// The whole file, from who gives no parts of one.
    Whole(Vec<u8>),
    /// There is no such file.
    Missing,
    /// It did not work this time; why.
    Failed(String),
    /// It will never work; why, and what to do.
    Refused(String, String),
}

#[derive(Default)]
struct Inner {
    cache: BlockCache,
    /// Length of each file that is known, in bytes; none where there is no such file.
    sizes: BTreeMap<String, Option<u64>>,
    /// Whether files that are not known may still be there.
    is_open: bool,
    wanted: BTreeSet<Want>,
    under_way: BTreeSet<Want>,
    failed: BTreeMap<Want, (u32, String)>,
    refused: Option<(String, String)>,
    tails: BTreeMap<String, Result<(Vec<u8>, u64)>>,
}

impl Blocks {
    /// Of files whose names and lengths in bytes are known: there are no others.
    pub fn of(files: impl IntoIterator<Item = (String, u64)>) -> Self {
        let sizes = files.into_iter().map(|(name, len)| (name, Some(len))).collect();
        Self(Arc::new(Mutex::new(Inner { sizes, ..Inner::default() })))
    }

    /// Of files that may be there or not: it is asked for them by name.
    pub fn unknown() -> Self {
        Self(Arc::new(Mutex::new(Inner { is_open: true, ..Inner::default() })))
    }

    /// Keeps at most so many bytes.
    pub fn keeping(self, bytes: usize) -> Self {
        self.inner().cache.most = bytes;
        self
    }

    /// Bytes that are kept.
    pub fn held(&self) -> usize {
        self.inner().cache.bytes
    }

    /// Whether no one reads it any more.
    pub fn is_forgotten(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Whether it is known that there is no such file.
    pub fn is_missing(&self, file: &str) -> bool {
        let inner = self.inner();
        match inner.sizes.get(file) {
            Some(size) => size.is_none(),
            None => !inner.is_open,
        }
    }

    /// What shall be fetched now: at most as much as makes `most` with what is under way.
    pub fn take_wanted(&self, most: usize) -> Vec<Want> {
        let mut inner = self.inner();
        let mut taken = Vec::new();
        while inner.under_way.len() < most
            && let Some(want) = inner.wanted.pop_first()
        {
            inner.under_way.insert(want.clone());
            taken.push(want);
        }
        taken
    }

    /// Takes in what came of a fetch.
    pub fn deliver(&self, want: &Want, fetched: Fetched) {
        let mut inner = self.inner();
        inner.under_way.remove(want);
        match fetched {
            Fetched::Bytes(bytes, size) => {
                if want.is_tail {
                    inner.tails.insert(want.file.clone(), Ok((bytes, size)));
                    return;
                }
                inner.sizes.insert(want.file.clone(), Some(size));
                let expected = size.saturating_sub(want.offset).min(want.len);
                if bytes.len() as u64 == expected {
                    inner.failed.remove(want);
                    inner.cache.insert((want.file.clone(), want.offset), bytes.into());
                } else {
                    let why = format!("{} bytes came of {expected}", bytes.len());
                    inner.fail(want, why);
                }
            }
            Fetched::Whole(bytes) => {
                inner.failed.remove(want);
                let size = bytes.len() as u64;
                if want.is_tail {
                    let rest = bytes.get(want.offset as usize..).unwrap_or_default();
                    let rest = rest[..rest.len().min(want.len as usize)].to_vec();
                    inner.tails.insert(want.file.clone(), Ok((rest, size)));
                    return;
                }
                inner.sizes.insert(want.file.clone(), Some(size));
                // What was asked for comes last: it is kept even where there is no room for all.
                let asked = (want.offset / BLOCK) as usize;
                let blocks = bytes.chunks(BLOCK as usize).enumerate();
                let (this, others): (Vec<_>, Vec<_>) = blocks.partition(|(at, _)| *at == asked);
                for (at, block) in others.into_iter().chain(this) {
                    inner.cache.insert((want.file.clone(), at as u64 * BLOCK), block.into());
                }
            }
            Fetched::Missing => {
                inner.sizes.insert(want.file.clone(), None);
                if want.is_tail {
                    inner.tails.insert(want.file.clone(), Err(lacks(&want.file)));
                }
            }
            Fetched::Failed(why) => inner.fail(want, why),
            Fetched::Refused(why, remedy) => {
                if want.is_tail {
                    let error = Error::damaged(&want.file, why.clone()).remedy(remedy.clone());
                    inner.tails.insert(want.file.clone(), Err(error));
                }
                inner.refused = Some((why, remedy));
            }
        }
    }

    /// Asks for what a file has from byte `from` on; [`take_tail`](Self::take_tail) gives it.
    pub fn ask_tail(&self, file: &str, from: u64) {
        let want = Want { file: file.into(), offset: from, len: TAIL, is_tail: true };
        let mut inner = self.inner();
        if !inner.under_way.contains(&want) {
            inner.wanted.insert(want);
        }
    }

    /// What a file has grown by and how long it is, in bytes, once it is here.
    pub fn take_tail(&self, file: &str) -> Option<Result<(Vec<u8>, u64)>> {
        self.inner().tails.remove(file)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Inner {
    fn fail(&mut self, want: &Want, why: String) {
        if want.is_tail {
            let error = Error::damaged(&want.file, why).remedy("open it again");
            self.tails.insert(want.file.clone(), Err(error));
            return;
        }
        let failed = self.failed.entry(want.clone()).or_default();
        *failed = (failed.0 + 1, why);
    }

    /// Notes what is not here; an error where it cannot be had.
    fn want(&mut self, file: &str, block: u64) -> Result<()> {
        if let Some((why, remedy)) = &self.refused {
            return Err(Error::damaged(file, why.clone()).remedy(remedy.clone()));
        }
        let want = Want { file: file.into(), offset: block * BLOCK, len: BLOCK, is_tail: false };
        if self.failed.get(&want).is_some_and(|(tries, _)| *tries >= TRIES)
            && let Some((_, why)) = self.failed.remove(&want)
        {
            return Err(Error::damaged(file, why).remedy("open it again"));
        }
        if !self.under_way.contains(&want) {
            self.wanted.insert(want);
        }
        Ok(())
    }

    fn size(&mut self, file: &str) -> Result<u64> {
        match self.sizes.get(file) {
            Some(Some(size)) => Ok(*size),
            Some(None) => Err(lacks(file)),
            None if !self.is_open => Err(lacks(file)),
            // The first block comes with the length.
            None => self.want(file, 0).and_then(|()| Err(on_its_way(file))),
        }
    }
}

impl ReadAt for Blocks {
    fn size(&self, file: &str) -> Result<u64> {
        self.inner().size(file)
    }

    fn read_at(&self, file: &str, offset: u64, len: usize) -> Result<Vec<u8>> {
        let mut inner = self.inner();
        let size = inner.size(file)?;
        let end = offset.saturating_add(len as u64);
        if end > size {
            return Err(Error::damaged(file, format!("it ends before byte {end}")));
        }
        if len > inner.cache.most {
            let problem = format!("{len} bytes of it at once; {} are kept at the most", inner.cache.most);
            return Err(Error::usage(file, problem).remedy("open the store with the desktop program"));
        }
        let (mut bytes, mut is_whole) = (Vec::with_capacity(len), true);
        for block in offset / BLOCK..end.div_ceil(BLOCK) {
            let first = block * BLOCK;
            match inner.cache.get(&(file.to_owned(), first)) {
                Some(held) if is_whole => {
                    let from = offset.max(first) - first;
                    let to = (end.min(first + BLOCK) - first).min(held.len() as u64);
                    bytes.extend_from_slice(held.get(from as usize..to as usize).unwrap_or_default());
                }
                // Looked up all the same: what this read needs is not let go of for the rest of it.
                Some(_) => {}
                None => {
                    inner.want(file, block)?;
                    is_whole = false;
                    // Who has read the block before reads from end to end.
                    if block > 0 && inner.cache.has(&(file.to_owned(), first - BLOCK)) {
                        for next in (block + 1..=block + AHEAD).take_while(|next| next * BLOCK < size) {
                            if !inner.cache.has(&(file.to_owned(), next * BLOCK)) {
                                inner.want(file, next)?;
                            }
                        }
                    }
                }
            }
        }
        if is_whole { Ok(bytes) } else { Err(on_its_way(file)) }
    }
}

fn lacks(file: &str) -> Error {
    Error::damaged(file, "there is no such file").remedy("take all files of the folder")
}

fn on_its_way(file: &str) -> Error {
    Error::pending(file, "it is on its way")
}
