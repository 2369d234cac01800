//! Checking a store: every file, every record.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::{IoContext, Result};
use crate::store::checksums;
use crate::store::layout::Layout;
use crate::store::manifest::Manifest;
use crate::store::reader::Store;
use crate::store::{CHECKSUMS, LOCK, MANIFEST};

/// What is wrong with a file of a store.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Damage {
    /// The file, relative to the store.
    pub file: String,
    /// What is wrong with it.
    pub problem: String,
    /// The shard that labelling again would mend, if one would.
    pub shard: Option<u32>,
}

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct VerifyReport {
    /// Files checked.
    pub files: u64,
    /// Images whose records were checked.
    pub images: u64,
    /// Regions whose labels were checked.
    pub regions: u64,
    /// All damages; none in a sound store.
    pub damages: Vec<Damage>,
}

/// Checks every file's checksum and every record of the store in `folder`.
///
/// # Errors
/// Only where there is nothing to check: no folder, or no manifest that can be read. Everything else is
/// reported as a damage.
pub fn verify(folder: &Path) -> Result<VerifyReport> {
    let manifest = Manifest::read(folder)?;
    let mut report = VerifyReport { files: 0, images: 0, regions: 0, damages: Vec::new() };
    let layout = Layout::new(&manifest);
    let shard_of = |file: &str| (0..manifest.shards()).find(|&s| layout.files(s).iter().any(|f| f == file));
    let expected: BTreeSet<String> = std::iter::once(MANIFEST.to_owned())
        .chain((0..manifest.shards()).flat_map(|s| layout.files(s)))
        .collect();

    let sums = match checksums::read(folder) {
        Ok(Some(sums)) => sums,
        Ok(None) => {
            report.damage(CHECKSUMS, "it is missing", None);
            Default::default()
        }
        Err(error) => {
            report.damage(CHECKSUMS, error.to_string(), None);
            Default::default()
        }
    };
    let known = !sums.is_empty();
    let mut damaged_shards = BTreeSet::new();
    for file in &expected {
        report.files += 1;
        let path = folder.join(file);
        let problem = if !path.exists() {
            Some("it is missing".to_owned())
        } else {
            match checksums::sha256_of(&path) {
                Err(error) => Some(error.to_string()),
                Ok(sum) => match sums.get(file) {
                    Some(recorded) if *recorded == sum => None,
                    Some(_) => Some("its bytes are not those that were written".to_owned()),
                    None if known => Some("it is not listed in checksums.sha256".to_owned()),
                    None => None,
                },
            }
        };
        if let Some(problem) = problem {
            let shard = shard_of(file);
            damaged_shards.extend(shard);
            report.damage(file, problem, shard);
        }
    }
    for file in sums.keys().filter(|f| !expected.contains(*f)) {
        report.damage(file, "checksums.sha256 lists it, but the manifest does not", None);
    }
    for entry in std::fs::read_dir(folder).at(folder)? {
        let name = entry.at(folder)?.file_name().to_string_lossy().into_owned();
        if !expected.contains(&name) && name != CHECKSUMS && name != LOCK {
            report.damage(&name, "it does not belong to the store", None);
        }
    }
    // The records of files whose bytes are wrong would only repeat that.
    if let Ok(store) = Store::open(folder) {
        check_records(&store, &damaged_shards, &mut report);
    }
    Ok(report)
}

fn check_records(store: &Store, skip: &BTreeSet<u32>, report: &mut VerifyReport) {
    let manifest = store.manifest();
    let layout = Layout::new(manifest);
    let mut previous = String::new();
    for shard in (0..manifest.shards()).filter(|s| !skip.contains(s)) {
        let [labels, images] = [0, 1].map(|i| layout.files(shard)[i].clone());
        for image in manifest.shard_range(shard) {
            report.images += 1;
            match store.image(image) {
                Ok(entry) if entry.name <= previous && image > 0 => {
                    report.damage(&images, format!("image {image}: names do not ascend"), Some(shard));
                    break;
                }
                Ok(entry) if entry.class.is_some_and(|c| c as usize >= manifest.label.classes.len()) => {
                    report.damage(&images, format!("image {image}: its class is out of range"), Some(shard));
                    break;
                }
                Ok(entry) => previous = entry.name,
                Err(error) => {
                    report.damage(&images, error.to_string(), Some(shard));
                    break;
                }
            }
            let wrong = (0..manifest.regions.per_image).find_map(|region| {
                report.regions += 1;
                store.label(image, region).and_then(|_| store.region(image, region)).err()
            });
            if let Some(error) = wrong {
                report.damage(&labels, error.to_string(), Some(shard));
                break;
            }
        }
    }
}

impl VerifyReport {
    fn damage(&mut self, file: &str, problem: impl Into<String>, shard: Option<u32>) {
        self.damages.push(Damage { file: file.to_owned(), problem: problem.into(), shard });
    }

    /// The shards that labelling again would mend.
    pub fn shards(&self) -> BTreeSet<u32> {
        self.damages.iter().filter_map(|d| d.shard).collect()
    }
}

/// Removes the files of some shards, so that labelling redoes these alone.
pub fn forget_shards(folder: &Path, shards: &BTreeSet<u32>) -> Result<()> {
    let manifest = Manifest::read(folder)?;
    let layout = Layout::new(&manifest);
    let mut sums = checksums::read(folder)?.unwrap_or_default();
    for file in shards.iter().flat_map(|&s| layout.files(s)) {
        sums.remove(&file);
        let path = folder.join(&file);
        if path.exists() {
            std::fs::remove_file(&path).at(&path)?;
        }
    }
    checksums::write(folder, &sums)
}
