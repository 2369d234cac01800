//! Where everything is: file names, headers and offsets. No I/O, so that a browser reads slices by it.

use crate::store::manifest::{BoxSource, Manifest};
use crate::store::record::{BOX_BYTES, BOX_NUMPY, IMAGE_BYTES, IMAGE_NUMPY, LabelCodec};

/// The layout of a store.
#[derive(Debug, Clone, Copy)]
pub struct Layout<'a> {
    manifest: &'a Manifest,
}

/// The file kinds of a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Labels,
    Images,
    Names,
    Boxes,
}

impl<'a> Layout<'a> {
    /// The layout that a manifest describes.
    pub fn new(manifest: &'a Manifest) -> Self {
        Self { manifest }
    }

    /// How labels are written.
    pub fn labels(&self) -> LabelCodec {
        let label = &self.manifest.label;
        LabelCodec { codec: label.codec, k: label.k as usize, classes: label.classes.len() }
    }

    /// The files of shard `shard`.
    pub fn files(&self, shard: u32) -> Vec<String> {
        self.parts().map(|part| self.file(part, shard)).collect()
    }

    /// Shard and position within it of image `image`.
    pub fn locate(&self, image: u64) -> (u32, u64) {
        let size = u64::from(self.manifest.shard_images);
        ((image / size) as u32, image % size)
    }

    /// File, offset and length of the label of a region.
    pub fn label(&self, image: u64, region: u32) -> (String, u64, usize) {
        let (shard, at) = self.locate(image);
        let bytes = self.labels().bytes();
        let record = at * u64::from(self.manifest.regions.per_image) + u64::from(region);
        (
            self.file(Part::Labels, shard),
            self.header(Part::Labels, shard).len() as u64 + record * bytes as u64,
            bytes,
        )
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = Part> + use<> {
        let explicit = self.manifest.regions.boxes == BoxSource::Explicit;
        [Part::Labels, Part::Images, Part::Names].into_iter().chain(explicit.then_some(Part::Boxes))
    }

    pub(super) fn file(&self, part: Part, shard: u32) -> String {
        match part {
            Part::Labels => format!("labels-{shard:05}.npy"),
            Part::Images => format!("images-{shard:05}.npy"),
            Part::Names => format!("names-{shard:05}.txt"),
            Part::Boxes => format!("boxes-{shard:05}.npy"),
        }
    }

    /// Bytes of a record; names have none.
    pub(super) fn record_bytes(&self, part: Part) -> usize {
        match part {
            Part::Labels => self.labels().bytes(),
            Part::Images => IMAGE_BYTES,
            Part::Names => 0,
            Part::Boxes => BOX_BYTES,
        }
    }

    /// The header of a file: NumPy's, the same bytes for the same manifest.
    pub(super) fn header(&self, part: Part, shard: u32) -> Vec<u8> {
        let range = self.manifest.shard_range(shard);
        let images = range.end - range.start;
        let regions = self.manifest.regions.per_image;
        match part {
            Part::Labels => numpy_header(&self.labels().numpy(), &format!("({images}, {regions})")),
            Part::Images => numpy_header(IMAGE_NUMPY, &format!("({images},)")),
            Part::Names => Vec::new(),
            Part::Boxes => numpy_header(BOX_NUMPY, &format!("({images}, {regions})")),
        }
    }

    /// Exact length of a file, except for names.
    pub(super) fn file_len(&self, part: Part, shard: u32) -> Option<u64> {
        let range = self.manifest.shard_range(shard);
        let images = range.end - range.start;
        let records = match part {
            Part::Labels | Part::Boxes => images * u64::from(self.manifest.regions.per_image),
            Part::Images => images,
            Part::Names => return None,
        };
        Some(self.header(part, shard).len() as u64 + records * self.record_bytes(part) as u64)
    }
}

/// A NumPy header of version 1.0, padded to a multiple of 64 bytes.
fn numpy_header(description: &str, shape: &str) -> Vec<u8> {
    let text = format!("{{'descr': {description}, 'fortran_order': False, 'shape': {shape}, }}");
    let padded = (10 + text.len() + 1).next_multiple_of(64) - 10;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend((padded as u16).to_le_bytes());
    header.extend(text.as_bytes());
    header.resize(10 + padded - 1, b' ');
    header.push(b'\n');
    header
}
