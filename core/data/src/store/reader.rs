//! Reads a store: any region of any image, nothing unpacked, each file opened when it is first asked for.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
#[cfg(not(target_family = "wasm"))]
use std::path::Path;
use std::sync::OnceLock;

use super::box_record::ExplicitBox;
use super::checksums::Checksums;
use super::file_names::{CHECKSUMS, MANIFEST, REDO, SKIPPED};
use super::image_record::{ImageEntry, ImageRecord, check_name};
use super::layout::{FileId, Layout, Slice, Table};
use super::manifest_types::{Boxes, Manifest};
#[cfg(not(target_family = "wasm"))]
use super::merge::holds_parts;
use super::skipped::Skipped;
use super::source::{Opened, ReadAt, Source};
use crate::digest::sha256;
use ferkd_method::error::{Error, Result};
use ferkd_method::label::{SoftLabel, TopK};
use ferkd_method::mining::Confidence;
use ferkd_method::region::Region;
use ferkd_method::rng::path_hash;

/// A complete label store, open for reading; shared freely between threads.
pub struct Store {
    pub(super) source: Source,
    pub(super) manifest: Manifest,
    pub(super) layout: Layout,
    /// Regions of each image that are looked at: the first so many.
    pub(super) per_image: u32,
    skipped: Option<Skipped>,
    digest: String,
    /// The files of each shard, in the order of [`Table::ALL`], once they have been asked for.
    shards: Vec<[OnceLock<Opened>; 4]>,
}

impl Store {
    /// Opens the store in the folder `path`. Only the manifest and the list of checksums are read.
    ///
    /// # Errors
    /// No store, another version of the format, a damaged manifest or list, or shards that are still missing.
    #[cfg(not(target_family = "wasm"))]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.join(MANIFEST).exists() && holds_parts(path)? {
            return Err(Error::damaged(path, "it holds parts of a store that are not merged yet")
                .remedy(format!("merge and check them: `ferkd verify {}`", path.display())));
        }
        Self::from_source(Source::Folder(path.to_owned()))
    }

    /// Opens a store whose files are read by slices.
    ///
    /// # Errors
    /// Those of [`Self::open`], and those of `slices`.
    pub fn open_slices(slices: Box<dyn ReadAt>) -> Result<Self> {
        Self::from_source(Source::Slices(slices))
    }

    fn from_source(source: Source) -> Result<Self> {
        let bytes = source.small(MANIFEST)?;
        let manifest = Manifest::from_json(&bytes, &source.name(MANIFEST))?;
        let listed = source.small(CHECKSUMS)?;
        let digest = sha256(&listed);
        let sums = Checksums::parse(&listed, &source.name(CHECKSUMS))?;
        if sums.get(MANIFEST) != Some(&sha256(&bytes)) {
            let problem = format!("it does not have the checksum that {CHECKSUMS} records");
            return Err(Error::damaged(source.name(MANIFEST), problem).remedy(REDO));
        }
        let layout = Layout::new(&manifest)?;
        // Before room is made for all shards that the manifest lists: it may be hostile.
        let missing = u64::from(layout.shards()) - complete_shards(&layout, &sums);
        if missing > 0 {
            let problem = format!("{missing} of {} shards are missing", layout.shards());
            return Err(Error::damaged(source.name(CHECKSUMS), problem)
                .remedy("run `ferkd label` again with the same settings: it goes on where it stopped"));
        }
        let skipped = match sums.get(SKIPPED) {
            None => None,
            Some(recorded) => {
                let bytes = source.small(SKIPPED)?;
                if *recorded != sha256(&bytes) {
                    let problem = format!("it does not have the checksum that {CHECKSUMS} records");
                    return Err(Error::damaged(source.name(SKIPPED), problem).remedy(REDO));
                }
                Some(Skipped::parse(&bytes, &source.name(SKIPPED))?)
            }
        };
        let shards = (0..layout.shards()).map(|_| Default::default()).collect();
        let per_image = manifest.regions.per_image;
        Ok(Self { source, manifest, layout, per_image, skipped, digest, shards })
    }

    /// The images that were passed over because they cannot be decoded; `None` where such were not looked for.
    pub fn skipped(&self) -> Option<&Skipped> {
        self.skipped.as_ref()
    }

    /// SHA-256 of its list of checksums: equal where all files are.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// What the store holds and how it was made.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where each record lies.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Looks at the first `count` regions of each image alone, as if no more had been labelled: a region is the
    /// same whatever M is, so one store serves every smaller M.
    ///
    /// # Errors
    /// No region, or more than the store has.
    pub fn first_regions(mut self, count: u32) -> Result<Self> {
        let most = self.manifest.regions.per_image;
        if count == 0 || count > most {
            let problem = format!("{count} regions of each image; the store has {most}");
            return Err(Error::usage("store-regions", problem).remedy(format!("take 1 to {most}")));
        }
        self.per_image = count;
        Ok(self)
    }

    /// Regions of each image that are looked at: M, or fewer after [`first_regions`](Self::first_regions).
    pub fn per_image(&self) -> u32 {
        self.per_image
    }

    /// Number of images.
    pub fn len(&self) -> u64 {
        self.manifest.images
    }

    /// Whether there is no image; no store is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the store knows of an image.
    ///
    /// # Errors
    /// No such image, or a damaged file.
    pub fn image(&self, image: u64) -> Result<ImageEntry> {
        let record = self.image_record(image)?;
        let file = FileId { table: Table::Names, ..self.layout.image_record(image)?.file };
        let len = record.name_len as usize;
        let line = self.read(Slice { file, offset: record.name_offset, len: len + 1 })?;
        let bad = |problem: String| self.damaged(file, format!("name of image {image}"), problem);
        let name = match std::str::from_utf8(&line) {
            Ok(line) => line.strip_suffix('\n').ok_or_else(|| bad("no newline behind it".into()))?,
            Err(error) => return Err(bad(error.to_string())),
        };
        check_name(name).map_err(|e| bad(e.to_string()))?;
        Ok(record.entry(name.to_owned()))
    }

    /// One region of an image, in pixels of the decoded image.
    ///
    /// # Errors
    /// No such image or region, or a damaged file.
    pub fn region(&self, image: u64, region: u32) -> Result<Region> {
        let found = self.regions_between(image, region, 1)?.pop();
        found.ok_or_else(|| Error::usage("region", format!("no {}", place(image, region))))
    }

    /// All regions of an image, in pixels of the decoded image.
    ///
    /// # Errors
    /// No such image, or a damaged file.
    pub fn regions(&self, image: u64) -> Result<Vec<Region>> {
        self.regions_between(image, 0, self.per_image)
    }

    fn regions_between(&self, image: u64, first: u32, count: u32) -> Result<Vec<Region>> {
        let slice = self.layout.records(Table::Boxes, image, first, count)?;
        if let Boxes::Generated(sampler) = self.manifest.regions.boxes {
            let ImageEntry { name, width, height, .. } = self.image(image)?;
            let hash = path_hash(&name);
            return Ok((first..first + count).map(|r| sampler.region(hash, r, width, height)).collect());
        }
        let ImageRecord { width, height, .. } = self.image_record(image)?;
        let bytes = self.read(slice)?;
        let records = bytes.chunks_exact(self.layout.record_len(Table::Boxes));
        let region = |(record, number): (&[u8], u32)| match ExplicitBox::decode(record) {
            Ok(found) => Ok(found.region(width, height)),
            Err(error) => Err(self.damaged(slice.file, place(image, number), error)),
        };
        records.zip(first..).map(region).collect()
    }

    /// The box of a region as it was imported; `None` where boxes are generated.
    ///
    /// # Errors
    /// No such image or region, or a damaged file.
    pub fn explicit_box(&self, image: u64, region: u32) -> Result<Option<ExplicitBox>> {
        let slice = self.layout.box_record(image, region)?;
        if self.manifest.regions.boxes != Boxes::Explicit {
            return Ok(None);
        }
        let found = ExplicitBox::decode(&self.read(slice)?);
        found.map(Some).map_err(|e| self.damaged(slice.file, place(image, region), e))
    }

    /// The label of a region.
    ///
    /// # Errors
    /// No such image or region, or a damaged file.
    pub fn label(&self, image: u64, region: u32) -> Result<SoftLabel> {
        let slice = self.layout.label_record(image, region)?;
        let label = self.layout.label().decode(&self.read(slice)?);
        label.map_err(|e| self.damaged(slice.file, place(image, region), e))
    }

    /// The labels of all regions of an image.
    ///
    /// # Errors
    /// No such image, or a damaged file.
    pub fn labels(&self, image: u64) -> Result<Vec<SoftLabel>> {
        let slice = self.layout.records(Table::Labels, image, 0, self.per_image)?;
        let (bytes, codec) = (self.read(slice)?, self.layout.label());
        let label = |(record, number): (&[u8], u32)| {
            codec.decode(record).map_err(|e| self.damaged(slice.file, place(image, number), e))
        };
        bytes.chunks_exact(codec.record_len()).zip(0..).map(label).collect()
    }

    /// The pairs kept for a region, before they become a distribution.
    ///
    /// # Errors
    /// No such image or region, or a damaged file.
    pub fn top_k(&self, image: u64, region: u32) -> Result<TopK> {
        let slice = self.layout.label_record(image, region)?;
        let top = self.layout.label().top_k(&self.read(slice)?);
        top.map_err(|e| self.damaged(slice.file, place(image, region), e))
    }

    /// The confidence of a region: what [`Confidence::of`] finds in its label, mostly without decoding it.
    ///
    /// # Errors
    /// No such image or region, a damaged file, or [`Confidence::Target`] for an image without a class.
    pub fn confidence(&self, image: u64, region: u32, which: Confidence) -> Result<f32> {
        let slice = self.layout.label_record(image, region)?;
        let truth = match which {
            Confidence::Max => None,
            Confidence::Target => {
                Some(self.image_record(image)?.class.ok_or_else(|| self.unknown_class(image, TARGET))?)
            }
        };
        let found = self.layout.label().confidence(&self.read(slice)?, which, truth, &mut TopK::default());
        found.map_err(|e| self.damaged(slice.file, place(image, region), e))
    }

    pub(super) fn image_record(&self, image: u64) -> Result<ImageRecord> {
        let slice = self.layout.image_record(image)?;
        let record = ImageRecord::decode(&self.read(slice)?, self.manifest.label.classes);
        record.map_err(|e| self.damaged(slice.file, format!("image {image}"), e))
    }

    /// Some bytes of a file, which is opened first if need be.
    pub(super) fn read(&self, slice: Slice) -> Result<Cow<'_, [u8]>> {
        let file = slice.file;
        let Some(cell) = self.shards.get(file.shard as usize).map(|shard| &shard[file.table as usize]) else {
            return Err(Error::usage(self.source.name(file), "no such shard"));
        };
        let opened = match cell.get() {
            Some(opened) => opened,
            // Two threads may both open it: the same bytes, of which one view is dropped.
            None => {
                let opened = self.source.open(&self.layout, file)?;
                cell.get_or_init(|| opened)
            }
        };
        self.source.bytes(opened, slice)
    }

    /// Lets go of what has been read of a file: a walk through a whole store shall not fill the memory with it.
    pub(super) fn release(&self, file: FileId) {
        let cell = self.shards.get(file.shard as usize).map(|shard| &shard[file.table as usize]);
        if let Some(opened) = cell.and_then(OnceLock::get) {
            opened.release();
        }
    }

    pub(super) fn damaged(&self, file: FileId, place: String, problem: impl fmt::Display) -> Error {
        Error::damaged(self.source.name(file), format!("{place}: {problem}")).remedy(REDO)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("at", &self.source.name("")).finish_non_exhaustive()
    }
}

/// What needs the ground truth of an image to read a confidence.
pub(super) const TARGET: &str = "--confidence target";

pub(super) fn place(image: u64, region: u32) -> String {
    format!("region {region} of image {image}")
}

/// Number of shards of which every file is recorded.
fn complete_shards(layout: &Layout, sums: &Checksums) -> u64 {
    let mut files: BTreeMap<u32, usize> = BTreeMap::new();
    for file in sums.names().filter_map(FileId::parse) {
        if file.shard < layout.shards() && layout.tables().any(|table| table == file.table) {
            *files.entry(file.shard).or_default() += 1;
        }
    }
    files.values().filter(|&&count| count == layout.tables().count()).count() as u64
}
