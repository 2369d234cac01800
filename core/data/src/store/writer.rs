//! Writes a store shard by shard: whole files only, each recorded once it is there, resumed after any crash.

use std::fs;
use std::path::{Path, PathBuf};

use super::box_record::ExplicitBox;
use super::checksums::Checksums;
use super::file_names::{CHECKSUMS, HELD, LOCK, MANIFEST, SKIPPED, WRITING};
use super::files::{file_len, list_sha256, read_checksums, read_manifest, read_small};
use super::image_record::{self, ImageEntry, ImageRecord};
use super::label_record::ShardLabels;
use super::layout::{FileId, Layout, Table, belongs};
use super::manifest_types::{Boxes, Manifest, OLDEST_FORMAT};
use super::part::Part;
use super::skipped::Skipped;
use crate::atomic;
use crate::digest::sha256;
use crate::lock::FolderLock;
use ferkd_method::error::{Error, IoContext, Result};

/// Writes a store; there is at most one writer of a store at a time.
///
/// Dropping it at any moment keeps the shards that are written; the next writer goes on with the others.
#[derive(Debug)]
pub struct StoreWriter {
    folder: PathBuf,
    manifest: Manifest,
    layout: Layout,
    sums: Checksums,
    /// Checksum of the images that were passed over, where such were looked for.
    skipped: Option<String>,
    // Dropped last, with the writer.
    _lock: FolderLock,
}

impl StoreWriter {
    /// Creates the store in `folder`, or goes on with the one that is there.
    ///
    /// Leftovers of interrupted writes are removed. A manifest that was damaged is written again where the
    /// recorded checksum says that it was this one. A store that was begun in an older format goes on in it.
    ///
    /// # Errors
    /// Another writer ([`ErrorKind::Busy`](ferkd_method::ErrorKind::Busy)), a folder that holds something else, a manifest that differs (each
    /// field is named), a damaged list of checksums, or a system that refuses.
    pub fn open(folder: impl AsRef<Path>, manifest: Manifest) -> Result<Self> {
        Self::open_skipping(folder, manifest, None)
    }

    /// The same for a list that images were left out of: a [`SkipSearch`](super::SkipSearch) found them.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn open_skipping(
        folder: impl AsRef<Path>,
        manifest: Manifest,
        skipped: Option<&Skipped>,
    ) -> Result<Self> {
        let folder = folder.as_ref().to_owned();
        manifest.checked()?;
        fs::create_dir_all(&folder).at(&folder)?;
        let lock = FolderLock::acquire(&folder, LOCK, WRITING)?;
        let sums = read_checksums(&folder)?;
        let manifest = as_begun(&folder, &sums, manifest)?;
        let (layout, bytes) = (Layout::new(&manifest)?, manifest.to_json()?);
        let found = skipped.map(Skipped::to_bytes);
        let skipped = found.as_deref().map(sha256);
        let mut writer = Self { folder, manifest, layout, sums, skipped, _lock: lock };
        let fits = writer.settle_manifest(&bytes)?;
        writer.remove_leftovers()?;
        if let Some(found) = found
            && read_small(&writer.folder, SKIPPED)?.as_deref() != Some(&found)
        {
            atomic::write(writer.folder.join(SKIPPED), &found)?;
        }
        if !fits {
            atomic::write(writer.folder.join(MANIFEST), &bytes)?;
        }
        writer.forget_broken_shards(&sha256(&bytes))?;
        Ok(writer)
    }

    /// What the store holds and how it is made.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where each record lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Numbers of the shards that are still to be written, in ascending order.
    pub fn missing_shards(&self) -> Vec<u32> {
        (0..self.layout.shards()).filter(|&shard| !self.is_recorded(shard)).collect()
    }

    /// Numbers of the shards that are there, in ascending order.
    pub fn written_shards(&self) -> Vec<u32> {
        (0..self.layout.shards()).filter(|&shard| self.is_recorded(shard)).collect()
    }

    /// The store's folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes one shard: its images in ascending order of their names, the labels of all their regions, and
    /// their boxes where the manifest says that these are explicit.
    ///
    /// # Errors
    /// A shard that is already there, numbers of images, labels or boxes that do not go together, entries that
    /// a store cannot keep, or a system that refuses.
    pub fn write_shard(
        &mut self,
        shard: u32,
        images: &[ImageEntry],
        labels: &ShardLabels,
        boxes: Option<&[ExplicitBox]>,
    ) -> Result<()> {
        self.check_shard(shard, images, labels, boxes)?;
        let (records, names) = image_bytes(images);
        let mut sums = self.sums.clone();
        for file in self.layout.files(shard) {
            let mut bytes = self.layout.header(file).to_vec();
            match file.table {
                Table::Images => bytes.extend(&records),
                Table::Names => bytes.extend(&names),
                Table::Boxes => {
                    for explicit in boxes.unwrap_or_default() {
                        bytes.extend(explicit.encode()?);
                    }
                }
                Table::Labels => bytes.extend(labels.bytes()),
            }
            atomic::write(self.folder.join(file.to_string()), &bytes)?;
            sums.insert(file.to_string(), sha256(&bytes));
        }
        self.save(sums)
    }

    /// Checks that the store is complete and that its images are those of the manifest's list.
    ///
    /// # Errors
    /// Shards are missing, or the images are others. The store can be resumed.
    pub fn finish(self) -> Result<()> {
        let missing = self.missing_shards().len();
        if missing > 0 {
            let problem = format!("{missing} of {} shards are missing", self.layout.shards());
            return Err(Error::damaged(&self.folder, problem).remedy("run `ferkd label` again: it goes on"));
        }
        if list_sha256(&self.folder, &self.layout)? != self.manifest.image_list_sha256 {
            let problem = "its images are not those of the list whose hash is `image_list_sha256`";
            return Err(Error::mismatch(self.folder.join(MANIFEST).display().to_string(), problem)
                .remedy("label into another folder; the images may have changed meanwhile"));
        }
        Ok(())
    }

    /// Whether the manifest in the folder is the given one, whose bytes are `bytes`; if not, it may be written.
    fn settle_manifest(&self, bytes: &[u8]) -> Result<bool> {
        let path = self.folder.join(MANIFEST);
        let recorded = self.sums.get(MANIFEST);
        let was_this = recorded == Some(&sha256(bytes));
        match read_small(&self.folder, MANIFEST)? {
            Some(found) if found == bytes => Ok(true),
            Some(_) if was_this => Ok(false),
            None if was_this => Ok(false),
            None if recorded.is_some() => {
                let problem = "it is missing, and the one recorded differs from what is asked for";
                Err(Error::mismatch(path.display().to_string(), problem).remedy(CHOOSE))
            }
            None => check_is_ours(&self.folder).map(|()| false),
            Some(_) => {
                let found = read_manifest(&self.folder)?;
                let differences = found.differences(&self.manifest);
                if differences.is_empty() {
                    return Ok(false);
                }
                let listed = differences.iter().map(|(field, old, new)| {
                    format!("`{field}` is {}, asked for is {}", short(old), short(new))
                });
                let problem = listed.collect::<Vec<_>>().join("; ");
                Err(Error::mismatch(path.display().to_string(), problem).remedy(CHOOSE))
            }
        }
    }

    fn remove_leftovers(&self) -> Result<()> {
        for name in names(&self.folder)? {
            if is_leftover(&name) {
                let path = self.folder.join(name);
                fs::remove_file(&path).at(&path)?;
            }
        }
        Ok(())
    }

    /// Drops the records of shards whose files are missing or of another length, before they are written again:
    /// a crash in between must not leave a record of other bytes.
    fn forget_broken_shards(&mut self, manifest_sha256: &str) -> Result<()> {
        let mut sums = Checksums::default();
        sums.insert(MANIFEST.to_owned(), manifest_sha256.to_owned());
        if let Some(skipped) = &self.skipped {
            sums.insert(SKIPPED.to_owned(), skipped.clone());
        }
        for shard in 0..self.layout.shards() {
            if self.is_recorded(shard) && self.has_right_lengths(shard)? {
                for name in self.layout.files(shard).map(|file| file.to_string()) {
                    if let Some(sha256) = self.sums.get(&name).map(str::to_owned) {
                        sums.insert(name, sha256);
                    }
                }
            }
        }
        if sums == self.sums { Ok(()) } else { self.save(sums) }
    }

    fn is_recorded(&self, shard: u32) -> bool {
        self.layout.files(shard).all(|file| self.sums.get(&file.to_string()).is_some())
    }

    fn has_right_lengths(&self, shard: u32) -> Result<bool> {
        for file in self.layout.files(shard) {
            let found = file_len(&self.folder.join(file.to_string()))?;
            let expected = match self.layout.file_len(file) {
                Some(len) => Some(len),
                None => self.names_len(shard)?,
            };
            if found.is_none() || found != expected {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Length of a shard's names, by its last image's record; `None` where that cannot be read.
    fn names_len(&self, shard: u32) -> Result<Option<u64>> {
        use std::io::{Read, Seek, SeekFrom};
        let path = self.folder.join(FileId { table: Table::Images, shard }.to_string());
        let mut last = [0; image_record::LEN];
        let mut file = fs::File::open(&path).at(&path)?;
        let read = file.seek(SeekFrom::End(-(last.len() as i64))).and_then(|_| file.read_exact(&mut last));
        if read.is_err() {
            return Ok(None);
        }
        let record = ImageRecord::decode(&last, self.manifest.label.classes).ok();
        Ok(record.and_then(|r| r.name_offset.checked_add(u64::from(r.name_len) + 1)))
    }

    fn check_shard(
        &self,
        shard: u32,
        images: &[ImageEntry],
        labels: &ShardLabels,
        boxes: Option<&[ExplicitBox]>,
    ) -> Result<()> {
        let subject = || format!("shard {shard}");
        if shard >= self.layout.shards() {
            return Err(Error::usage(subject(), format!("the store has {} shards", self.layout.shards())));
        }
        if self.is_recorded(shard) {
            return Err(Error::usage(subject(), "it is already there").remedy("forget it first"));
        }
        let expected = self.layout.images_in(shard) as usize;
        if images.len() != expected {
            return Err(Error::usage(subject(), format!("{} images instead of {expected}", images.len())));
        }
        let per_image = self.manifest.regions.per_image as usize;
        let regions = expected.saturating_mul(per_image);
        if labels.codec() != self.layout.label() || labels.len() != regions {
            let problem = format!("{} labels instead of {regions}, or of another codec", labels.len());
            return Err(Error::usage(subject(), problem));
        }
        let explicit = self.manifest.regions.boxes == Boxes::Explicit;
        if boxes.map(<[_]>::len) != explicit.then_some(regions) {
            let problem = format!("{:?} boxes, explicit boxes: {explicit}", boxes.map(<[_]>::len));
            return Err(Error::usage(subject(), problem));
        }
        for pair in images.windows(2) {
            if pair[0].name >= pair[1].name {
                let problem = format!("it comes after {:?}, but names must ascend", pair[0].name);
                return Err(Error::usage(pair[1].name.clone(), problem));
            }
        }
        images.iter().try_for_each(|image| image.checked(self.manifest.label.classes))
    }

    fn save(&mut self, sums: Checksums) -> Result<()> {
        atomic::write(self.folder.join(CHECKSUMS), &sums.to_bytes())?;
        self.sums = sums;
        Ok(())
    }
}

/// The manifest as the store that is there was begun: in its format, and with what it keeps of who said what the teacher
/// sees. What an older version of the program has written stays valid, and is not done again.
fn as_begun(folder: &Path, sums: &Checksums, manifest: Manifest) -> Result<Manifest> {
    let found = read_small(folder, MANIFEST)?;
    if let Some(found) = found.and_then(|bytes| Manifest::from_json(&bytes, MANIFEST).ok()) {
        let format = found.format.min(manifest.format);
        return Ok(Manifest { format, ..manifest.with_sources(found.teacher.sources) });
    }
    // It is gone or damaged: its checksum tells which one it was.
    for format in OLDEST_FORMAT..=manifest.format {
        for sources in [manifest.teacher.sources.clone(), None] {
            let older = Manifest { format, ..manifest.with_sources(sources) };
            if sums.get(MANIFEST) == Some(&sha256(&older.to_json()?)) {
                return Ok(older);
            }
        }
    }
    Ok(manifest)
}

/// Checks that a folder is one to write a store into: it has a manifest, or nothing but what comes before one.
pub(super) fn check_is_ours(folder: &Path) -> Result<()> {
    let names = names(folder)?;
    if names.iter().any(|name| name == MANIFEST) {
        return Ok(());
    }
    for name in names {
        if Part::of_folder(&name).is_some() {
            let error = Error::usage(folder.display().to_string(), "it holds parts of a store");
            return Err(error.remedy("merge them: `ferkd verify` on this folder; or label with --part"));
        }
        let ours = name.strip_suffix(atomic::TEMPORARY).unwrap_or(&name);
        if ![LOCK, HELD, MANIFEST, CHECKSUMS, SKIPPED].contains(&ours) {
            let problem = format!("it holds {name:?} but no {MANIFEST}, so it is not a store");
            let error = Error::usage(folder.display().to_string(), problem);
            return Err(error.remedy("name a new or an empty folder"));
        }
    }
    Ok(())
}

/// The records of a shard's images, and their names.
fn image_bytes(images: &[ImageEntry]) -> (Vec<u8>, Vec<u8>) {
    let (mut records, mut names) = (Vec::new(), Vec::new());
    for image in images {
        records.extend(ImageRecord::new(image, names.len() as u64).encode());
        names.extend(image.name.as_bytes());
        names.push(b'\n');
    }
    (records, names)
}

const CHOOSE: &str = "repeat the settings of the first time, or name another folder";

/// Removes the files and records of `shards`, so that labelling redoes these and no others.
///
/// A damaged list of checksums is written again from those of its lines that are sound; [`verify`](super::verify)
/// says which shards these do not cover.
///
/// # Errors
/// No store, another writer ([`ErrorKind::Busy`](ferkd_method::ErrorKind::Busy)), or a system that refuses.
pub fn forget_shards(folder: impl AsRef<Path>, shards: &[u32]) -> Result<()> {
    let folder = folder.as_ref();
    let Some(bytes) = read_small(folder, CHECKSUMS)? else {
        return Err(Error::io(folder.join(CHECKSUMS), std::io::ErrorKind::NotFound.into())
            .remedy("name a folder that `ferkd label` or `ferkd import` wrote"));
    };
    let _lock = FolderLock::acquire(folder, LOCK, WRITING)?;
    let mut sums = Checksums::salvage(&bytes);
    let files = || {
        shards
            .iter()
            .flat_map(|&shard| Table::ALL.into_iter().map(move |table| FileId { table, shard }.to_string()))
    };
    files().for_each(|name| {
        sums.remove(&name);
    });
    // The records first: without them the files do not count, whenever this is interrupted.
    atomic::write(folder.join(CHECKSUMS), &sums.to_bytes())?;
    for name in files() {
        let path = folder.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(&path, error));
            }
            _ => {}
        }
    }
    atomic::sync_folder(folder)
}

/// Names of everything in a folder, sorted; what is no UTF-8 appears with replacement characters.
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).at(folder)? {
        names.push(entry.at(folder)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Whether a file is what an interrupted write leaves behind.
pub(super) fn is_leftover(name: &str) -> bool {
    name.strip_suffix(atomic::TEMPORARY).is_some_and(|name| name == CHECKSUMS || belongs(name))
}

fn short(value: &str) -> String {
    match value.char_indices().nth(80) {
        Some((at, _)) => format!("{}...", &value[..at]),
        None => value.to_owned(),
    }
}
