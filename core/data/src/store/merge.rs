//! Merges the parts of a store that were labelled apart, into the bytes of a store that was labelled in one go.

use std::fs;
use std::path::{Path, PathBuf};

use super::checksums::Checksums;
use super::file_names::{CHECKSUMS, HELD, LOCK, MANIFEST, SKIPPED, WRITING};
use super::files::{file_len, read_checksums, read_manifest, read_small};
use super::layout::{FileId, Layout};
use super::part::{Part, parts_in};
use super::writer::{is_leftover, names};
use crate::atomic;
use crate::digest::sha256;
use crate::lock::FolderLock;
use ferkd_method::error::{Error, IoContext, Result};

/// One part, its folder, what it has recorded, and whether its files are to stay there.
struct Source {
    part: Part,
    folder: PathBuf,
    sums: Checksums,
    keep: bool,
    _lock: FolderLock,
}

/// Whether a folder holds parts of a store that are to be merged.
///
/// # Errors
/// The folder cannot be read.
pub fn holds_parts(folder: impl AsRef<Path>) -> Result<bool> {
    Ok(!parts_in(folder.as_ref())?.is_empty())
}

/// Merges the parts in the folder `root`, and copies of those in the folders `others`, into a store in `root`.
/// How many parts there were comes back. [`verify`](super::verify) then checks it like any other store.
///
/// Files are moved one by one and recorded when all are there: interrupted at any moment, the same call goes on.
///
/// # Errors
/// A part that is missing, unfinished, or there twice; manifests that differ (each field is named); someone who
/// is still writing ([`ErrorKind::Busy`](ferkd_method::ErrorKind::Busy)); a system that refuses.
pub fn merge(root: impl AsRef<Path>, others: &[PathBuf]) -> Result<u32> {
    let root = root.as_ref();
    let mut found: Vec<(Part, PathBuf, bool)> =
        parts_in(root)?.into_iter().map(|(part, path)| (part, path, false)).collect();
    for other in others {
        let own = other.file_name().and_then(|n| n.to_str()).and_then(Part::of_folder);
        let parts = match own {
            Some(part) => vec![(part, other.clone())],
            None => parts_in(other)?,
        };
        if parts.is_empty() {
            return Err(Error::damaged(other, "it holds no part of a store")
                .remedy("name folders that `ferkd label --part` wrote"));
        }
        found.extend(parts.into_iter().map(|(part, path)| (part, path, true)));
    }
    found.sort();
    fs::create_dir_all(root).at(root)?;
    let _lock = FolderLock::acquire(root, LOCK, WRITING)?;
    check_strangers(root)?;
    // Interrupted while the parts' folders were removed: they hold nothing any more.
    if is_whole(root)? {
        let whole = read_small(root, MANIFEST)?;
        for (_, folder, _) in found.into_iter().filter(|(_, _, keep)| !keep) {
            let is_another = |bytes| Some(bytes) != whole && differs(&folder, root);
            if read_small(&folder, MANIFEST)?.is_some_and(is_another) {
                let problem = "a part of another store than the one that it lies in";
                return Err(
                    Error::mismatch(folder.display().to_string(), problem).remedy("move it elsewhere")
                );
            }
            remove(&folder)?;
        }
        return Ok(0);
    }
    check_complete(&found)?;
    let sources = found.into_iter().map(Source::open).collect::<Result<Vec<_>>>()?;
    let Some(first) = sources.first() else { return Ok(0) };
    let manifest = read_manifest(&first.folder)?;
    let bytes = manifest.to_json()?;
    let layout = Layout::new(&manifest)?;
    let skipped = read_small(&first.folder, SKIPPED)?;
    for other in &sources {
        let differences = manifest.differences(&read_manifest(&other.folder)?);
        if let Some((field, a, b)) = differences.first() {
            let problem = format!(
                "`{field}` is {b}, and {a} in {}: {} fields differ",
                first.folder.display(),
                differences.len()
            );
            return Err(Error::mismatch(other.folder.join(MANIFEST).display().to_string(), problem).remedy(
                "label all parts from the same images, by the same teacher, with the same settings and the same \
                 version of ferkd",
            ));
        }
        if read_small(&other.folder, SKIPPED)? != skipped {
            let problem = format!("it differs from that in {}", first.folder.display());
            return Err(Error::mismatch(other.folder.join(SKIPPED).display().to_string(), problem)
                .remedy("label all parts with --skip-bad or none, from the same images"));
        }
        other.check_shards(root, &layout)?;
    }
    let mut sums = Checksums::default();
    for source in &sources {
        for file in source.files(&layout) {
            let name = file.to_string();
            source.hand_over(root, &name)?;
            // That each one is recorded has been checked above.
            if let Some(sha256) = source.sums.get(&name).map(str::to_owned) {
                sums.insert(name, sha256);
            }
        }
    }
    if let Some(bytes) = skipped {
        sums.insert(SKIPPED.to_owned(), sha256(&bytes));
        atomic::write(root.join(SKIPPED), &bytes)?;
    }
    sums.insert(MANIFEST.to_owned(), sha256(&bytes));
    atomic::write(root.join(MANIFEST), &bytes)?;
    atomic::sync_folder(root)?;
    // From here on it is a store; what is left in the parts' folders is not needed any more.
    atomic::write(root.join(CHECKSUMS), &sums.to_bytes())?;
    let count = sources.len() as u32;
    for Source { folder, keep, _lock, .. } in sources {
        drop(_lock);
        if !keep {
            remove(&folder)?;
        }
    }
    Ok(count)
}

impl Source {
    fn open((part, folder, keep): (Part, PathBuf, bool)) -> Result<Self> {
        let lock = FolderLock::acquire(&folder, LOCK, WRITING)?;
        let sums = read_checksums(&folder)?;
        Ok(Self { part, folder, sums, keep, _lock: lock })
    }

    fn files<'a>(&'a self, layout: &'a Layout) -> impl Iterator<Item = FileId> + 'a {
        (0..layout.shards()).filter(|&shard| self.part.owns(shard)).flat_map(|shard| layout.files(shard))
    }

    /// Checks that the part is finished: every file recorded, and there, or in the store already.
    fn check_shards(&self, root: &Path, layout: &Layout) -> Result<()> {
        for file in self.files(layout) {
            let name = file.to_string();
            let there = match file_len(&self.folder.join(&name))? {
                None => file_len(&root.join(&name))?,
                len => len,
            };
            let right = layout.file_len(file).is_none_or(|expected| there == Some(expected));
            if self.sums.get(&name).is_none() || there.is_none() || !right {
                let problem = format!("part {} is not finished: {name} is missing", self.part);
                return Err(Error::damaged(&self.folder, problem).remedy(format!(
                    "run `ferkd label --part {}` again: it goes on where it stopped",
                    self.part
                )));
            }
        }
        let foreign = self.sums.names().filter_map(FileId::parse).find(|file| !self.part.owns(file.shard));
        if let Some(file) = foreign {
            let problem = format!("it records {file}, which belongs to another part than {}", self.part);
            return Err(Error::damaged(self.folder.join(CHECKSUMS), problem)
                .remedy("label this part into a folder of its own again"));
        }
        Ok(())
    }

    /// Moves or copies a file into the store; one that is there already was moved before an interruption.
    fn hand_over(&self, root: &Path, name: &str) -> Result<()> {
        let (from, to) = (self.folder.join(name), root.join(name));
        if !self.keep {
            match fs::rename(&from, &to) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound && to.is_file() => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {}
                done => return done.at(&from),
            }
        }
        let temporary = atomic::temporary(&to);
        fs::copy(&from, &temporary).at(&temporary)?;
        fs::File::open(&temporary).and_then(|file| file.sync_all()).at(&temporary)?;
        fs::rename(&temporary, &to).at(&to)
    }
}

/// Whether the manifests of two folders say different things, or cannot be read.
fn differs(a: &Path, b: &Path) -> bool {
    match (read_manifest(a), read_manifest(b)) {
        (Ok(a), Ok(b)) => !a.differences(&b).is_empty(),
        _ => true,
    }
}

/// Checks that every part is there, and once.
fn check_complete(found: &[(Part, PathBuf, bool)]) -> Result<()> {
    let Some((first, first_path, _)) = found.first() else { return Ok(()) };
    if let Some((other, path, _)) = found.iter().find(|(part, ..)| part.of() != first.of()) {
        let problem = format!("part {other} beside part {first} in {}", first_path.display());
        return Err(Error::mismatch(path.display().to_string(), problem)
            .remedy("merge the parts of one division only; remove the others"));
    }
    for pair in found.windows(2) {
        if pair[0].0 == pair[1].0 {
            let problem = format!("part {} lies in {} as well", pair[1].0, pair[0].1.display());
            return Err(
                Error::mismatch(pair[1].1.display().to_string(), problem).remedy("remove one of them")
            );
        }
    }
    let there = |number: u32| found.iter().any(|(part, ..)| part.number() == number);
    let missing: Vec<String> =
        (1..=first.of()).filter(|&n| !there(n)).take(20).map(|n| format!("{n}/{}", first.of())).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let folder = first_path.parent().unwrap_or(first_path);
    let problem = format!(
        "{} of {} parts are missing: {}",
        first.of() as usize - found.len(),
        first.of(),
        missing.join(", ")
    );
    Err(Error::damaged(folder, problem)
        .remedy("label these with `ferkd label --part`, or bring their folders here"))
}

/// Refuses a folder that holds anything but a store and its parts.
fn check_strangers(root: &Path) -> Result<()> {
    let ours = |name: &str| {
        [MANIFEST, CHECKSUMS, LOCK, HELD, SKIPPED].contains(&name)
            || is_leftover(name)
            || FileId::parse(name).is_some()
            || Part::of_folder(name).is_some()
    };
    match names(root)?.into_iter().find(|name| !ours(name)) {
        None => Ok(()),
        Some(name) => Err(Error::usage(
            root.display().to_string(),
            format!("it holds {name:?}, which does not belong to a store"),
        )
        .remedy("name a new or an empty folder, or one with nothing but parts in it")),
    }
}

fn is_whole(root: &Path) -> Result<bool> {
    let sums = read_checksums(root)?;
    if read_small(root, MANIFEST)?.is_none() || sums.get(MANIFEST).is_none() {
        return Ok(false);
    }
    let layout = Layout::new(&read_manifest(root)?)?;
    Ok((0..layout.shards())
        .flat_map(|shard| layout.files(shard))
        .all(|file| sums.get(&file.to_string()).is_some()))
}

/// Removes a part's folder, whose files have been handed over.
fn remove(folder: &Path) -> Result<()> {
    for name in names(folder)? {
        let ours = [MANIFEST, CHECKSUMS, LOCK, HELD, SKIPPED].contains(&&*name)
            || is_leftover(&name)
            || FileId::parse(&name).is_some();
        if ours {
            let path = folder.join(name);
            fs::remove_file(&path).at(&path)?;
        }
    }
    fs::remove_dir(folder).at(folder)
}
