//! Reading a store: any region of any image at once, nothing unpacked.

use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::error::{Error, IoContext, Result};
use crate::label::{Codec, SoftLabel, TopK};
use crate::mining::{Confidence, Rule, Thresholds};
use crate::region::Region;
use crate::rng::path_hash;
use crate::store::layout::{Layout, Part};
use crate::store::manifest::{BoxSource, Manifest};
use crate::store::record::{BOX_BYTES, IMAGE_BYTES, ImageRecord, LabelCodec, NO_CLASS, decode_box};

/// What a store knows of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageEntry {
    /// Relative path, with `/` between folders.
    pub name: String,
    /// Width of the decoded image, in pixels.
    pub width: u32,
    /// Height of the decoded image, in pixels.
    pub height: u32,
    /// Ground truth, in the store's classes.
    pub class: Option<u32>,
    /// XXH3 of the image file's bytes.
    pub checksum: u64,
    /// EXIF orientation found in the file, 1 to 8.
    pub orientation: u8,
}

/// An open store. Shards are mapped when they are first asked for.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    manifest: Manifest,
    codec: LabelCodec,
    shards: Vec<OnceLock<Shard>>,
}

#[derive(Debug)]
struct Shard {
    labels: Table,
    images: Table,
    names: Bytes,
    boxes: Option<Table>,
}

/// The records of a file behind its header.
#[derive(Debug)]
struct Table {
    bytes: Bytes,
    start: usize,
}

impl Table {
    fn record(&self, index: usize, size: usize) -> &[u8] {
        &self.bytes[self.start + index * size..][..size]
    }
}

/// A file's bytes.
#[derive(Debug)]
enum Bytes {
    #[cfg(not(target_family = "wasm"))]
    Mapped(memmap2::Mmap),
    #[allow(dead_code, reason = "used where files cannot be mapped")]
    Owned(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            #[cfg(not(target_family = "wasm"))]
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}

#[cfg(not(target_family = "wasm"))]
fn open_bytes(path: &Path) -> Result<Bytes> {
    let file = File::open(path).at(path)?;
    // SAFETY: store files are replaced by renaming, never changed in place, so that a mapping stays what it was.
    let map = unsafe { memmap2::Mmap::map(&file) }.at(path)?;
    Ok(Bytes::Mapped(map))
}

#[cfg(target_family = "wasm")]
fn open_bytes(path: &Path) -> Result<Bytes> {
    use std::io::Read;
    let mut bytes = Vec::new();
    File::open(path).and_then(|mut f| f.read_to_end(&mut bytes)).at(path)?;
    Ok(Bytes::Owned(bytes))
}

impl Store {
    /// Opens the store in `folder`; touches the manifest and the list of files, nothing else.
    ///
    /// # Errors
    /// No store there, or one that is not finished.
    pub fn open(folder: &Path) -> Result<Self> {
        let manifest = Manifest::read(folder)?;
        let layout = Layout::new(&manifest);
        let shards = manifest.shards();
        let missing =
            (0..shards).filter(|&s| layout.files(s).iter().any(|f| !folder.join(f).exists())).count();
        if missing > 0 {
            return Err(Error::damaged(folder, format!("{missing} of its {shards} shards are missing"))
                .remedy("run the same `ferkd label` command again: it goes on where it stopped"));
        }
        let codec = layout.labels();
        let shards = (0..shards).map(|_| OnceLock::new()).collect();
        Ok(Self { folder: folder.to_owned(), codec, manifest, shards })
    }

    /// What the store is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The folder that holds it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Number of images.
    pub fn len(&self) -> u64 {
        self.manifest.images
    }

    /// Whether it holds no image; a valid store holds at least one.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Image `image` of 0..len.
    ///
    /// # Errors
    /// A damaged image table: a name outside of the heap, or a size of 0.
    pub fn image(&self, image: u64) -> Result<ImageEntry> {
        let (shard, at) = self.locate(image)?;
        let record = self.image_record(shard, at);
        let end = record.name_offset.checked_add(u64::from(record.name_len));
        let name = end.and_then(|end| shard.names.get(record.name_offset as usize..end as usize));
        let name = name.and_then(|bytes| std::str::from_utf8(bytes).ok());
        match name {
            Some(name) if record.width > 0 && record.height > 0 => Ok(ImageEntry {
                name: name.to_owned(),
                width: record.width,
                height: record.height,
                class: (record.class != NO_CLASS).then_some(record.class),
                checksum: record.checksum,
                orientation: record.orientation,
            }),
            _ => Err(self.damaged(Part::Images, image, "its record makes no sense")),
        }
    }

    /// Region `region` of image `image`, in pixels of the decoded image.
    pub fn region(&self, image: u64, region: u32) -> Result<Region> {
        self.check(image, region)?;
        let entry = self.image(image)?;
        match &self.manifest.regions.boxes {
            BoxSource::Generated(sampler) => {
                Ok(sampler.region(path_hash(&entry.name), region, entry.width, entry.height))
            }
            BoxSource::Explicit => {
                let (shard, at) = self.locate(image)?;
                let record = shard.boxes.as_ref().map(|b| b.record(self.index(at, region), BOX_BYTES));
                let record = record.and_then(|r| <&[u8; BOX_BYTES]>::try_from(r).ok());
                let (fractions, flip) = record
                    .map(decode_box)
                    .filter(|(f, _)| [f.top, f.left, f.height, f.width].iter().all(|v| v.is_finite()))
                    .ok_or_else(|| self.damaged(Part::Boxes, image, "a box is no number"))?;
                Ok(Region::from_fractions(fractions, flip, entry.width, entry.height))
            }
        }
    }

    /// All regions of image `image`.
    pub fn regions(&self, image: u64) -> Result<Vec<Region>> {
        (0..self.manifest.regions.per_image).map(|r| self.region(image, r)).collect()
    }

    /// The stored pairs of a region.
    pub fn top_k(&self, image: u64, region: u32) -> Result<TopK> {
        Ok(self.codec.decode(self.label_record(image, region)?))
    }

    /// The label of a region, uncalibrated.
    pub fn label(&self, image: u64, region: u32) -> Result<SoftLabel> {
        self.top_k(image, region)?
            .decode(self.codec.codec, self.codec.classes)
            .map_err(|e| self.damaged(Part::Labels, image, &e.to_string()))
    }

    /// The confidence of a region: that of its decoded label.
    ///
    /// # Errors
    /// `target` where the image has no class; a damaged label.
    pub fn confidence(&self, image: u64, region: u32, which: Confidence) -> Result<f32> {
        match (which, self.codec.codec) {
            // Decoding leaves the first probability as it is.
            (Confidence::Max, Codec::MarginalSmoothing | Codec::Smoothing) => {
                Ok(self.codec.first(self.label_record(image, region)?))
            }
            (Confidence::Max, _) => Ok(which.of(&self.label(image, region)?, 0)),
            (Confidence::Target, _) => Ok(which.of(&self.label(image, region)?, self.truth(image)?)),
        }
    }

    /// The ground truth of an image.
    ///
    /// # Errors
    /// It has none, or one that the store's classes do not hold.
    pub fn truth(&self, image: u64) -> Result<u32> {
        let (shard, at) = self.locate(image)?;
        match self.image_record(shard, at).class {
            NO_CLASS => Err(Error::mismatch(self.folder.display().to_string(), "its images have no classes")
                .remedy(
                    "label images in class folders, or use what needs no ground truth (fkd, confidence max)",
                )),
            class if (class as usize) < self.codec.classes => Ok(class),
            _ => Err(self.damaged(Part::Images, image, "its class is out of range")),
        }
    }

    /// Calls `visit` with image, region and confidence of every region, in order and in constant memory.
    pub fn scan(&self, which: Confidence, visit: &mut dyn FnMut(u64, u32, f32)) -> Result<()> {
        for image in 0..self.len() {
            for region in 0..self.manifest.regions.per_image {
                visit(image, region, self.confidence(image, region, which)?);
            }
        }
        Ok(())
    }

    /// The thresholds of a rule, over all regions of the store.
    ///
    /// # Errors
    /// A store of hard labels, whose confidence is always 1; see also [`Rule::resolve`].
    pub fn thresholds(&self, rule: &Rule, which: Confidence) -> Result<Thresholds> {
        if self.codec.codec == Codec::Hard {
            return Err(Error::mismatch(
                self.folder.display().to_string(),
                "hard labels cannot be mined: c is always 1",
            )
            .remedy("label with soft labels"));
        }
        rule.resolve(|visit| self.scan(which, &mut |_, _, c| visit(c)))
    }

    fn label_record(&self, image: u64, region: u32) -> Result<&[u8]> {
        self.check(image, region)?;
        let (shard, at) = self.locate(image)?;
        Ok(shard.labels.record(self.index(at, region), self.codec.bytes()))
    }

    fn image_record(&self, shard: &Shard, at: usize) -> ImageRecord {
        let mut record = [0; IMAGE_BYTES];
        record.copy_from_slice(shard.images.record(at, IMAGE_BYTES));
        ImageRecord::decode(&record)
    }

    fn index(&self, at: usize, region: u32) -> usize {
        at * self.manifest.regions.per_image as usize + region as usize
    }

    fn check(&self, image: u64, region: u32) -> Result<()> {
        let regions = self.manifest.regions.per_image;
        if image < self.len() && region < regions {
            return Ok(());
        }
        let problem =
            format!("no region {region} of image {image}: it has {} images of {regions} regions", self.len());
        Err(Error::usage(self.folder.display().to_string(), problem))
    }

    fn locate(&self, image: u64) -> Result<(&Shard, usize)> {
        let (shard, at) = Layout::new(&self.manifest).locate(image);
        let Some(cell) = self.shards.get(shard as usize).filter(|_| image < self.len()) else {
            let problem = format!("no image {image}: it has {}", self.len());
            return Err(Error::usage(self.folder.display().to_string(), problem));
        };
        if let Some(shard) = cell.get() {
            return Ok((shard, at as usize));
        }
        let opened = self.open_shard(shard)?;
        Ok((cell.get_or_init(|| opened), at as usize))
    }

    fn open_shard(&self, shard: u32) -> Result<Shard> {
        let layout = Layout::new(&self.manifest);
        let open = |part: Part| -> Result<Table> {
            let path = self.folder.join(layout.file(part, shard));
            let bytes = open_bytes(&path)?;
            let header = layout.header(part, shard);
            let damaged = |problem: String| {
                Error::damaged(&path, problem)
                    .remedy("run `ferkd verify` on the store to see what must be redone")
            };
            match layout.file_len(part, shard) {
                Some(wanted) if bytes.len() as u64 != wanted => {
                    Err(damaged(format!("{} bytes long where {wanted} are needed", bytes.len())))
                }
                _ if !bytes.starts_with(&header) => Err(damaged("its header is not this store's".into())),
                _ => Ok(Table { start: header.len(), bytes }),
            }
        };
        let explicit = self.manifest.regions.boxes == BoxSource::Explicit;
        Ok(Shard {
            labels: open(Part::Labels)?,
            images: open(Part::Images)?,
            names: open(Part::Names)?.bytes,
            boxes: if explicit { Some(open(Part::Boxes)?) } else { None },
        })
    }

    fn damaged(&self, part: Part, image: u64, problem: &str) -> Error {
        let layout = Layout::new(&self.manifest);
        let file = layout.file(part, layout.locate(image).0);
        Error::damaged(self.folder.join(file), format!("image {image}: {problem}"))
            .remedy("run `ferkd verify` on the store to see what must be redone")
    }
}
