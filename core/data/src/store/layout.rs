//! Where each record lies: which file, which offset, how many bytes. Arithmetic only, no I/O.

use std::fmt;

use super::file_names::{MANIFEST, SKIPPED};
use super::label_record::LabelCodec;
use super::manifest_types::{Boxes, Manifest};
use super::npy::header;
use super::{box_record, image_record};
use ferkd_method::error::{Error, Result};

/// The files of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// One record an image: size, class, checksum, where its name lies.
    Images,
    /// The images' relative paths, a newline behind each.
    Names,
    /// One record a region: its box and flip. Only where boxes are explicit.
    Boxes,
    /// One record a region: its label.
    Labels,
}

impl Table {
    /// All tables, in the order in which a shard's files are written.
    pub const ALL: [Self; 4] = [Self::Images, Self::Names, Self::Boxes, Self::Labels];

    fn affixes(self) -> (&'static str, &'static str) {
        match self {
            Self::Images => ("images-", ".npy"),
            Self::Names => ("names-", ".txt"),
            Self::Boxes => ("boxes-", ".npy"),
            Self::Labels => ("labels-", ".npy"),
        }
    }
}

/// One file of one shard; [`Display`](fmt::Display) gives its name, such as `labels-00012.npy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId {
    /// Which table.
    pub table: Table,
    /// Which shard, from 0.
    pub shard: u32,
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after) = self.table.affixes();
        write!(f, "{before}{:05}{after}", self.shard)
    }
}

impl FileId {
    /// The file with the name `name`; `None` where no shard's file is called so.
    pub fn parse(name: &str) -> Option<Self> {
        Table::ALL.into_iter().find_map(|table| {
            let (before, after) = table.affixes();
            let shard = name.strip_prefix(before)?.strip_suffix(after)?.parse().ok()?;
            let file = Self { table, shard };
            // `+7`, `007` and the like are other people's files.
            (file.to_string() == name).then_some(file)
        })
    }
}

/// Whether a store's checksums may list a file of this name.
pub(super) fn belongs(name: &str) -> bool {
    name == MANIFEST || name == SKIPPED || FileId::parse(name).is_some()
}

/// Some bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// Which file.
    pub file: FileId,
    /// First byte.
    pub offset: u64,
    /// Number of bytes.
    pub len: usize,
}

/// Where each record of a store lies.
#[derive(Debug, Clone)]
pub struct Layout {
    images: u64,
    shard_images: u32,
    per_image: u32,
    explicit: bool,
    label: LabelCodec,
    /// Headers of images, boxes and labels: of a full shard, and of the last one.
    headers: [[Vec<u8>; 2]; 3],
}

impl Layout {
    /// The layout of the store that `manifest` describes.
    ///
    /// # Errors
    /// A manifest with a value out of range.
    pub fn new(manifest: &Manifest) -> Result<Self> {
        manifest.checked()?;
        let (images, shard_images) = (manifest.images, manifest.shard_images);
        let per_image = manifest.regions.per_image;
        let label = LabelCodec::of(manifest);
        let last = images - u64::from(manifest.shards() - 1) * u64::from(shard_images);
        let both = |fields: &[_], per_image: Option<u64>| {
            [u64::from(shard_images), last].map(|rows| match per_image {
                Some(columns) => header(fields, &[rows, columns]),
                None => header(fields, &[rows]),
            })
        };
        let columns = Some(u64::from(per_image));
        let headers = [
            both(&image_record::FIELDS, None),
            both(&box_record::FIELDS, columns),
            both(&label.fields(), columns),
        ];
        let explicit = manifest.regions.boxes == Boxes::Explicit;
        Ok(Self { images, shard_images, per_image, explicit, label, headers })
    }

    /// Number of shards.
    pub fn shards(&self) -> u32 {
        self.images.div_ceil(u64::from(self.shard_images)) as u32
    }

    /// Number of images in a shard; 0 beyond the last.
    pub fn images_in(&self, shard: u32) -> u32 {
        let before = u64::from(shard) * u64::from(self.shard_images);
        self.images.saturating_sub(before).min(u64::from(self.shard_images)) as u32
    }

    /// Number of an image from its shard and its place there.
    pub fn image(&self, shard: u32, row: u32) -> u64 {
        u64::from(shard) * u64::from(self.shard_images) + u64::from(row)
    }

    /// The tables that each shard has.
    pub fn tables(&self) -> impl Iterator<Item = Table> + use<> {
        let explicit = self.explicit;
        Table::ALL.into_iter().filter(move |&table| explicit || table != Table::Boxes)
    }

    /// The files of a shard, in the order in which they are written.
    pub fn files(&self, shard: u32) -> impl Iterator<Item = FileId> + use<> {
        self.tables().map(move |table| FileId { table, shard })
    }

    /// How labels are kept.
    pub fn label(&self) -> LabelCodec {
        self.label
    }

    /// Bytes of one record; 0 for names, which have none.
    pub fn record_len(&self, table: Table) -> usize {
        match table {
            Table::Images => image_record::LEN,
            Table::Names => 0,
            Table::Boxes => box_record::LEN,
            Table::Labels => self.label.record_len(),
        }
    }

    /// Records of one image in a table; 0 for names.
    pub fn records_per_image(&self, table: Table) -> u32 {
        match table {
            Table::Images => 1,
            Table::Names => 0,
            Table::Boxes | Table::Labels => self.per_image,
        }
    }

    /// The bytes that `file` begins with; none for names.
    pub fn header(&self, file: FileId) -> &[u8] {
        let last = usize::from(file.shard + 1 == self.shards());
        match file.table {
            Table::Images => &self.headers[0][last],
            Table::Names => &[],
            Table::Boxes => &self.headers[1][last],
            Table::Labels => &self.headers[2][last],
        }
    }

    /// Exact length of `file` in bytes; `None` for names, whose length the last image's record tells.
    pub fn file_len(&self, file: FileId) -> Option<u64> {
        let records = u64::from(self.images_in(file.shard)) * u64::from(self.records_per_image(file.table));
        let len = self.header(file).len() as u64 + records * self.record_len(file.table) as u64;
        (file.table != Table::Names).then_some(len)
    }

    /// The record of an image.
    ///
    /// # Errors
    /// No such image.
    pub fn image_record(&self, image: u64) -> Result<Slice> {
        self.records(Table::Images, image, 0, 1)
    }

    /// The label of one region.
    ///
    /// # Errors
    /// No such image or region.
    pub fn label_record(&self, image: u64, region: u32) -> Result<Slice> {
        self.records(Table::Labels, image, region, 1)
    }

    /// The box of one region.
    ///
    /// # Errors
    /// No such image or region.
    pub fn box_record(&self, image: u64, region: u32) -> Result<Slice> {
        self.records(Table::Boxes, image, region, 1)
    }

    /// `count` records of an image, from number `first` on.
    ///
    /// # Errors
    /// No such image, or not as many records.
    pub fn records(&self, table: Table, image: u64, first: u32, count: u32) -> Result<Slice> {
        if image >= self.images {
            let problem = format!("number {image}, but the store holds {} images", self.images);
            return Err(Error::usage("image", problem));
        }
        let per_image = self.records_per_image(table);
        if first.checked_add(count).is_none_or(|end| end > per_image) {
            let problem = format!("number {first}, but an image of this store has {per_image} regions");
            return Err(Error::usage("region", problem));
        }
        let shard = (image / u64::from(self.shard_images)) as u32;
        let row = image % u64::from(self.shard_images);
        let number = row * u64::from(per_image) + u64::from(first);
        Ok(self.span(FileId { table, shard }, number, count as usize))
    }

    /// `count` records of a file from number `first` on, which are taken to be there.
    pub(super) fn span(&self, file: FileId, first: u64, count: usize) -> Slice {
        let record = self.record_len(file.table);
        let offset = self.header(file).len() as u64 + first * record as u64;
        // Saturated only where 32 bits cannot address it: no file is that long, so that reading it is an error.
        Slice { file, offset, len: record.saturating_mul(count) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::manifest;
    use ferkd_method::label::Codec;

    #[test]
    fn names_and_files_go_together() {
        for (table, shard, name) in [
            (Table::Labels, 12, "labels-00012.npy"),
            (Table::Names, 0, "names-00000.txt"),
            (Table::Boxes, 123_456, "boxes-123456.npy"),
        ] {
            let file = FileId { table, shard };
            assert_eq!(file.to_string(), name);
            assert_eq!(FileId::parse(name), Some(file));
        }
        for foreign in
            ["labels-12.npy", "labels-+0012.npy", "labels-000012.npy", "labels-.npy", "names-00000.npy"]
        {
            assert_eq!(FileId::parse(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn records_follow_each_other_without_a_gap() {
        let layout = Layout::new(&manifest(5, Codec::MarginalSmoothing, 5)).unwrap();
        assert_eq!(
            (layout.shards(), layout.images_in(0), layout.images_in(2), layout.images_in(3)),
            (3, 2, 1, 0)
        );
        let mut expected = (0, 0);
        for image in 0..5 {
            for region in 0..4 {
                let slice = layout.label_record(image, region).unwrap();
                let header = layout.header(slice.file).len() as u64;
                if slice.file.shard != expected.0 {
                    expected = (slice.file.shard, 0);
                }
                assert_eq!((slice.offset, slice.len), (header + expected.1, 16));
                expected.1 += 16;
            }
        }
        let file = FileId { table: Table::Labels, shard: 2 };
        assert_eq!(layout.file_len(file), Some(layout.header(file).len() as u64 + 64));
        assert!(layout.label_record(5, 0).is_err());
        assert!(layout.label_record(0, 4).is_err());
        assert!(layout.records(Table::Labels, 0, u32::MAX, 2).is_err());
        assert!(layout.records(Table::Names, 0, 0, 1).is_err());
    }

    #[test]
    fn five_pairs_take_sixteen_bytes() {
        for (codec, k, len) in [
            (Codec::MarginalSmoothing, 1, 4),
            (Codec::MarginalRenorm, 5, 16),
            (Codec::MarginalSmoothing, 10, 31),
            (Codec::Smoothing, 1, 4),
            (Codec::Hard, 1, 2),
            (Codec::Full, 12, 48),
        ] {
            assert_eq!(Layout::new(&manifest(5, codec, k)).unwrap().record_len(Table::Labels), len);
        }
    }
}
