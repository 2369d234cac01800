//! Checks a store from end to end: every file against its checksum, every record against its meaning.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::checksums::Checksums;
use super::file_names::{CHECKSUMS, LOCK, MANIFEST, SKIPPED, WRITING};
use super::files::{hash_file, list_sha256, read_small};
use super::layout::{FileId, Layout, Table};
use super::manifest_types::Manifest;
use super::part::Part;
use super::verify_shard::{Checked, WRONG_CHECKSUM, check_shard};
use super::writer::{is_leftover, names};
use crate::digest::sha256;
use crate::lock::FolderLock;
use ferkd_method::error::Result;

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Damage {
    /// Name of the file within the store.
    pub file: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What [`verify`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct VerifyReport {
    /// Number of images, by the manifest.
    pub images: u64,
    /// Number of regions, by the manifest.
    pub regions: u64,
    /// Files that were read.
    pub files: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// All that is wrong.
    pub damages: Vec<Damage>,
    /// Shards that must be labelled again: [`forget_shards`](super::forget_shards) takes them.
    pub redo: Vec<u32>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }

    fn add(&mut self, file: impl ToString, problem: impl Into<String>) {
        self.damages.push(Damage { file: file.to_string(), problem: problem.into() });
    }
}

/// Checks the store in `folder` with `threads` threads; the report does not depend on their number. A folder that
/// is called as a [`Part`] is, holds that part alone.
///
/// # Errors
/// The folder cannot be read, or someone is writing there ([`ErrorKind::Busy`](ferkd_method::ErrorKind::Busy)).
/// Whatever is wrong with the store itself stands in the report.
pub fn verify(folder: impl AsRef<Path>, threads: usize) -> Result<VerifyReport> {
    let folder = folder.as_ref();
    let present = names(folder)?;
    FolderLock::check_free(folder, LOCK, WRITING)?;
    let mut report = VerifyReport::default();
    let sums = checksums(folder, &mut report)?;
    let manifest = manifest(folder, &sums, &mut report)?;
    let Some((manifest, layout)) = manifest.and_then(|m| Layout::new(&m).ok().map(|layout| (m, layout)))
    else {
        // Nothing says what the tables should hold: their checksums are all that can be compared.
        compare_only(folder, &sums, &mut report)?;
        return Ok(report);
    };
    report.images = manifest.images;
    report.regions = manifest.images * u64::from(manifest.regions.per_image);
    check_skipped(folder, &sums, &mut report)?;
    report_strangers(folder, &present, &layout, &sums, &mut report);
    let part = folder.file_name().and_then(|name| name.to_str()).and_then(Part::of_folder);
    let shards = recorded_shards(&layout, part, &sums, &mut report);
    let checked = check_shards(folder, &manifest, &layout, &sums, &shards, threads);
    let mut whole = shards.len() as u64 == u64::from(layout.shards());
    let mut last: Option<String> = None;
    for (&shard, found) in shards.iter().zip(checked) {
        let mut found = found?;
        if let (Some(before), Some((first, _))) = (&last, &found.ends)
            && before >= first
        {
            let problem = format!("its first name {first:?} does not come after {before:?}");
            found.damages.push((FileId { table: Table::Names, shard }, problem));
        }
        report.files += found.files;
        report.bytes += found.bytes;
        if !found.damages.is_empty() {
            whole = false;
            report.redo.push(shard);
        }
        for (file, problem) in found.damages {
            report.add(file, problem);
        }
        last = found.ends.map(|(_, last)| last).or(last);
    }
    if whole && list_sha256(folder, &layout)? != manifest.image_list_sha256 {
        report.add(MANIFEST, "`image_list_sha256` is not the hash of the store's names");
    }
    report.redo.sort_unstable();
    Ok(report)
}

/// The recorded checksums; where their file is damaged, those of its lines that are sound.
fn checksums(folder: &Path, report: &mut VerifyReport) -> Result<Checksums> {
    let Some(bytes) = read_small(folder, CHECKSUMS)? else {
        report.add(CHECKSUMS, "missing");
        return Ok(Checksums::default());
    };
    report.files += 1;
    report.bytes += bytes.len() as u64;
    Ok(Checksums::parse(&bytes, CHECKSUMS).unwrap_or_else(|_| {
        report.add(CHECKSUMS, "its lines do not have the checksum that stands in the last one");
        Checksums::salvage(&bytes)
    }))
}

/// The manifest, where it is readable and has its recorded checksum.
fn manifest(folder: &Path, sums: &Checksums, report: &mut VerifyReport) -> Result<Option<Manifest>> {
    let Some(bytes) = read_small(folder, MANIFEST)? else {
        report.add(MANIFEST, "missing");
        return Ok(None);
    };
    report.files += 1;
    report.bytes += bytes.len() as u64;
    let recorded = sums.get(MANIFEST);
    let read = Manifest::from_json(&bytes, MANIFEST);
    if recorded != Some(&sha256(&bytes)) {
        report.add(MANIFEST, if recorded.is_some() { WRONG_CHECKSUM } else { NOT_RECORDED });
        return Ok(read.ok().filter(|_| recorded.is_none()));
    }
    Ok(read.map_err(|error| report.add(MANIFEST, error.to_string())).ok())
}

/// The list of images that were passed over, where the store has one.
fn check_skipped(folder: &Path, sums: &Checksums, report: &mut VerifyReport) -> Result<()> {
    let Some(recorded) = sums.get(SKIPPED) else { return Ok(()) };
    match read_small(folder, SKIPPED)? {
        None => report.add(SKIPPED, "missing"),
        Some(bytes) => {
            report.files += 1;
            report.bytes += bytes.len() as u64;
            if *recorded != sha256(&bytes) {
                report.add(SKIPPED, WRONG_CHECKSUM);
            }
        }
    }
    Ok(())
}

const NOT_RECORDED: &str = "its checksum is not recorded";

fn compare_only(folder: &Path, sums: &Checksums, report: &mut VerifyReport) -> Result<()> {
    for name in sums.names().filter(|&name| name != MANIFEST) {
        let path = folder.join(name);
        if !path.is_file() {
            report.add(name, "missing");
            continue;
        }
        let mut bytes = 0;
        let sha256 = hash_file(&path, |block| bytes += block.len() as u64)?;
        report.files += 1;
        report.bytes += bytes;
        if Some(&*sha256) != sums.get(name) {
            report.add(name, WRONG_CHECKSUM);
            report.redo.extend(FileId::parse(name).map(|file| file.shard));
        }
    }
    report.redo.sort_unstable();
    report.redo.dedup();
    Ok(())
}

/// Reports whatever does not belong into the folder, or into the list of checksums.
fn report_strangers(
    folder: &Path,
    present: &[String],
    layout: &Layout,
    sums: &Checksums,
    report: &mut VerifyReport,
) {
    let expected = |name: &str| {
        let file = FileId::parse(name);
        name == MANIFEST
            || name == SKIPPED && sums.get(SKIPPED).is_some()
            || file.is_some_and(|f| f.shard < layout.shards() && layout.tables().any(|t| t == f.table))
    };
    for name in present {
        if is_leftover(name) {
            report.add(name, "left over from an interrupted write; `ferkd label` removes it");
        } else if name == LOCK {
            // A killed writer leaves it behind, empty.
            if !folder.join(name).metadata().is_ok_and(|m| m.is_file() && m.len() == 0) {
                report.add(name, "a writer's lock is an empty file");
            }
        } else if name != CHECKSUMS && !expected(name) {
            report.add(name, "it does not belong to the store");
        }
    }
    for name in sums.names().filter(|&name| !expected(name)) {
        report.add(CHECKSUMS, format!("it records {name}, which does not belong to the store"));
    }
}

/// The shards of which at least one file is recorded; the others are reported together.
fn recorded_shards(
    layout: &Layout,
    part: Option<Part>,
    sums: &Checksums,
    report: &mut VerifyReport,
) -> Vec<u32> {
    let ours = |shard: &u32| part.is_none_or(|part| part.owns(*shard));
    let expected = part.map_or(layout.shards(), |part| part.count(layout.shards()));
    let known: BTreeSet<u32> = sums
        .names()
        .filter_map(FileId::parse)
        .map(|file| file.shard)
        .filter(|&shard| shard < layout.shards())
        .collect();
    let missing = expected - known.iter().filter(|shard| ours(shard)).count() as u32;
    if missing > 0 {
        let problem = format!("{missing} of {expected} shards are not recorded");
        report.add(CHECKSUMS, format!("{problem}: labelling was not finished, or the list is damaged"));
        let unknown = (0..layout.shards()).filter(|shard| ours(shard) && !known.contains(shard));
        // A hostile manifest may list four thousand million shards.
        report.redo.extend(unknown.take(MOST_MISSING));
    }
    known.into_iter().collect()
}

/// Most shards without any record that are listed one by one; labelling finds all of them by itself.
const MOST_MISSING: usize = 1 << 20;

/// Checks `shards` with `threads` threads; what was found, in their order.
fn check_shards(
    folder: &Path,
    manifest: &Manifest,
    layout: &Layout,
    sums: &Checksums,
    shards: &[u32],
    threads: usize,
) -> Vec<Result<Checked>> {
    let check = |shard: u32| check_shard(folder, manifest, layout, sums, shard);
    if threads <= 1 || shards.len() <= 1 {
        return shards.iter().map(|&shard| check(shard)).collect();
    }
    let next = AtomicU32::new(0);
    let found = Mutex::new(Vec::with_capacity(shards.len()));
    std::thread::scope(|scope| {
        let work = || {
            while let Some(&shard) = shards.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                let checked = check(shard);
                found.lock().unwrap_or_else(PoisonError::into_inner).push((shard, checked));
            }
        };
        // Where the system allows fewer threads, these do it; this one works too.
        for _ in 1..threads.min(shards.len()) {
            if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                break;
            }
        }
        work();
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_unstable_by_key(|&(shard, _)| shard);
    found.into_iter().map(|(_, checked)| checked).collect()
}
