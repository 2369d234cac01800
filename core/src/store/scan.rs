//! Streams every region's confidence, for mining: shard by shard, in constant memory.

use super::image_record::{self, ImageRecord};
use super::layout::{FileId, Table};
use super::reader::{Store, no_class, place};
use crate::error::{Error, Result};
use crate::label::{Codec, TopK};
use crate::mining::{Confidence, Rule, Thresholds};

/// Bytes of labels that are looked at together.
const BLOCK: usize = 1 << 16;

impl Store {
    /// The ground truth of an image.
    ///
    /// # Errors
    /// No such image, an image without a class, or a damaged file.
    pub fn truth(&self, image: u64) -> Result<u32> {
        self.image_record(image)?.class.ok_or_else(|| {
            Error::mismatch(format!("image {image} of the store"), "it has no class").remedy(
                "label images in class folders, or use what needs no ground truth: fkd, --confidence max",
            )
        })
    }

    /// The thresholds of a rule, over all regions of the store.
    ///
    /// # Errors
    /// Those of [`Self::scan_confidences`] and of [`Rule::resolve`].
    pub fn thresholds(&self, rule: &Rule, which: Confidence) -> Result<Thresholds> {
        rule.resolve(|visit| self.scan_confidences(which, &mut |_, _, _, c| visit(c)))
    }

    /// Calls `visit(image, region, class of the image, confidence)` for every region, in order.
    ///
    /// The confidence is [`Self::confidence`]'s. Nothing is kept between regions.
    ///
    /// # Errors
    /// A store of hard labels, whose confidence is always 1; a damaged file; [`Confidence::Target`] where an
    /// image has no class.
    pub fn scan_confidences(
        &self,
        which: Confidence,
        visit: &mut dyn FnMut(u64, u32, Option<u32>, f32),
    ) -> Result<()> {
        if self.manifest.label.codec == Codec::Hard {
            let problem = "the store holds hard labels, whose confidence is always 1";
            return Err(Error::mismatch("mining", problem).remedy("label again with another codec"));
        }
        let codec = self.layout.label();
        let per_image = u64::from(self.manifest.regions.per_image);
        let block = (BLOCK / codec.record_len()).max(1) as u64;
        let mut scratch = TopK::default();
        for shard in 0..self.layout.shards() {
            let file = FileId { table: Table::Labels, shard };
            let records = u64::from(self.layout.images_in(shard)) * per_image;
            let mut first = 0;
            while first < records {
                let count = block.min(records - first);
                let labels = self.read(self.layout.span(file, first, count as usize))?;
                let rows = first / per_image..(first + count - 1) / per_image + 1;
                let classes = self.classes(shard, rows.start, (rows.end - rows.start) as usize)?;
                for (record, number) in labels.chunks_exact(codec.record_len()).zip(first..) {
                    let (row, region) = (number / per_image, (number % per_image) as u32);
                    if region >= self.per_image {
                        continue;
                    }
                    let (image, class) =
                        (self.layout.image(shard, row as u32), classes[(row - rows.start) as usize]);
                    if which == Confidence::Target && class.is_none() {
                        return Err(no_class(image));
                    }
                    match codec.confidence(record, which, class, &mut scratch) {
                        Ok(confidence) => visit(image, region, class, confidence),
                        Err(e) => return Err(self.damaged(file, place(image, region), e)),
                    }
                }
                first += count;
            }
            self.release(file);
            self.release(FileId { table: Table::Images, shard });
        }
        Ok(())
    }

    /// The classes of `count` images of a shard, from its image `first` on.
    fn classes(&self, shard: u32, first: u64, count: usize) -> Result<Vec<Option<u32>>> {
        let file = FileId { table: Table::Images, shard };
        let bytes = self.read(self.layout.span(file, first, count))?;
        let class = |record: &[u8]| match ImageRecord::decode(record, self.manifest.label.classes) {
            Ok(record) => Ok(record.class),
            Err(e) => Err(self.damaged(file, "an image".into(), e)),
        };
        bytes.chunks_exact(image_record::LEN).map(class).collect()
    }
}
