//! Writing a store shard by shard; interrupted at any byte, it goes on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::atomic;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::store::checksums::{self, Checksums};
use crate::store::layout::{Layout, Part};
use crate::store::manifest::Manifest;
use crate::store::reader::ImageEntry;
use crate::store::record::ImageRecord;
use crate::store::{LOCK, MANIFEST};

/// A store that is being written. Only one writer is let in at a time.
#[derive(Debug)]
pub struct StoreWriter {
    folder: PathBuf,
    manifest: Manifest,
    checksums: Checksums,
    /// Keeps others out for as long as it is open.
    _lock: File,
}

/// What a shard holds.
#[derive(Debug, Clone, Default)]
pub struct ShardData {
    /// Its images, in order.
    pub images: Vec<ImageEntry>,
    /// Label records of all their regions, image by image; see [`LabelCodec`](crate::store::LabelCodec).
    pub labels: Vec<u8>,
    /// Box records, where boxes are explicit; else empty.
    pub boxes: Vec<u8>,
}

impl StoreWriter {
    /// Creates a store in `folder`, or goes on with the one that is there.
    ///
    /// # Errors
    /// Another writer is at work, or the store there is a different one: each field that differs is named.
    pub fn open(folder: &Path, manifest: Manifest) -> Result<Self> {
        fs::create_dir_all(folder).at(folder)?;
        let lock = lock(folder)?;
        let path = folder.join(MANIFEST);
        let mut checksums = checksums::read(folder)?.unwrap_or_default();
        if path.exists() {
            let there = Manifest::read(folder)?;
            let differences = there.differences(&manifest);
            if !differences.is_empty() {
                return Err(Error::mismatch(
                    folder.display().to_string(),
                    format!("another store is there already; {}", differences.join("; ")),
                )
                .remedy("repeat the settings it was begun with, or choose another folder with --out"));
            }
        } else {
            refuse_foreign(folder)?;
            atomic::write(&path, &manifest.to_bytes())?;
        }
        remove_leftovers(folder)?;
        let sum = checksums::sha256(&manifest.to_bytes());
        if checksums.get(MANIFEST) != Some(&sum) {
            checksums.insert(MANIFEST.into(), sum);
            checksums::write(folder, &checksums)?;
        }
        Ok(Self { folder: folder.to_owned(), manifest, checksums, _lock: lock })
    }

    /// What the store is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The shards that are not there yet, or not with their full length.
    pub fn missing_shards(&self) -> Vec<u32> {
        let layout = Layout::new(&self.manifest);
        let whole = |part: Part, shard: u32| {
            let name = layout.file(part, shard);
            let length = fs::metadata(self.folder.join(&name)).map(|m| m.len());
            let right = length.is_ok_and(|n| layout.file_len(part, shard).is_none_or(|wanted| n == wanted));
            right && self.checksums.contains_key(&name)
        };
        (0..self.manifest.shards()).filter(|&s| !layout.parts().all(|part| whole(part, s))).collect()
    }

    /// Writes a shard: its files, then their checksums. It counts once the checksums do.
    ///
    /// # Errors
    /// Data that are not a shard's, or a failure to write; what was written before stays valid.
    pub fn write_shard(&mut self, shard: u32, data: &ShardData) -> Result<()> {
        let layout = Layout::new(&self.manifest);
        let range = self.manifest.shard_range(shard);
        let images = (range.end - range.start) as usize;
        let regions = images * self.manifest.regions.per_image as usize;
        let fits = |part: Part, bytes: &[u8], records| {
            !layout.parts().any(|p| p == part) || bytes.len() == records * layout.record_bytes(part)
        };
        if data.images.len() != images
            || !fits(Part::Labels, &data.labels, regions)
            || !fits(Part::Boxes, &data.boxes, regions)
        {
            return Err(Error::mismatch(
                format!("shard {shard}"),
                format!("not the data of {images} images"),
            ));
        }
        let (mut table, mut names) = (Vec::new(), Vec::new());
        for entry in &data.images {
            ImageRecord::of(entry, names.len() as u64).encode(&mut table);
            names.extend(entry.name.as_bytes());
            names.push(b'\n');
        }
        for part in layout.parts() {
            let body = match part {
                Part::Labels => &data.labels,
                Part::Images => &table,
                Part::Names => &names,
                Part::Boxes => &data.boxes,
            };
            let mut bytes = layout.header(part, shard);
            bytes.extend(body);
            let name = layout.file(part, shard);
            atomic::write(&self.folder.join(&name), &bytes)?;
            self.checksums.insert(name, checksums::sha256(&bytes));
        }
        checksums::write(&self.folder, &self.checksums)
    }

    /// Ends the writing; the store must be whole.
    pub fn finish(self) -> Result<()> {
        let missing = self.missing_shards().len();
        if missing > 0 {
            return Err(Error::damaged(&self.folder, format!("{missing} shards are missing")));
        }
        // Only a file without content: the lock itself goes with its handle.
        fs::remove_file(self.folder.join(LOCK)).at(self.folder.join(LOCK))
    }
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let file = File::create(&path).at(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::new(
            ErrorKind::Busy,
            folder.display().to_string(),
            "another program is writing this store",
        )
        .remedy("wait for it, or choose another folder with --out")),
        Err(fs::TryLockError::Error(error)) => Err(Error::io(&path, error)),
    }
}

fn refuse_foreign(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).at(folder)? {
        let name = entry.at(folder)?.file_name();
        if name != LOCK && !name.to_string_lossy().ends_with(atomic::TEMPORARY) {
            let problem = format!("it is no label store, but holds `{}`", name.to_string_lossy());
            return Err(Error::damaged(folder, problem).remedy("choose a new or empty folder with --out"));
        }
    }
    Ok(())
}

fn remove_leftovers(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        if path.to_string_lossy().ends_with(atomic::TEMPORARY) {
            fs::remove_file(&path).at(&path)?;
        }
    }
    Ok(())
}
