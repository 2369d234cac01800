//! Goes through every region's confidence, for mining: shard by shard, in constant memory.

use std::ops::Range;

use rayon::prelude::*;

use super::image_record::{self, ImageRecord};
use super::layout::{FileId, Table};
use super::reader::{Store, TARGET, place};
use ferkd_method::error::{Error, Result};
use ferkd_method::label::{Codec, SoftLabel, TopK};
use ferkd_method::mining::{Confidence, Counts, KindCounts, Resolved, RightCounts, Rule, Thresholds};

/// Bytes of labels that are looked at together.
const BLOCK: usize = 1 << 16;

/// Shards whose results wait for their turn; no number of threads and no size of a store makes them more.
const SHARDS_AT_ONCE: usize = 64;

impl Store {
    /// The ground truth of an image.
    ///
    /// # Errors
    /// No such image, an image without a class, or a damaged file.
    pub fn truth(&self, image: u64) -> Result<u32> {
        self.image_record(image)?.class.ok_or_else(|| self.unknown_class(image, "its label"))
    }

    /// The first image without a class; none where all have one.
    ///
    /// # Errors
    /// A damaged file.
    pub fn first_without_class(&self) -> Result<Option<u64>> {
        for shard in 0..self.layout.shards() {
            let classes = self.classes(shard, 0, self.layout.images_in(shard) as usize)?;
            self.release(FileId { table: Table::Images, shard });
            if let Some(row) = classes.iter().position(Option::is_none) {
                return Ok(Some(self.layout.image(shard, row as u32)));
            }
        }
        Ok(None)
    }

    /// The error for an image whose class is not known, and which `needs` cannot do without; it names the image.
    pub fn unknown_class(&self, image: u64, needs: &str) -> Error {
        let name = self.image(image).map_or_else(|_| String::new(), |entry| format!(", {}", entry.name));
        Error::unknown_class(needs).about(format!("image {image} of the store{name}"))
    }

    /// The class of an image, where it has one.
    ///
    /// # Errors
    /// No such image, or a damaged file.
    pub fn class(&self, image: u64) -> Result<Option<u32>> {
        Ok(self.image_record(image)?.class)
    }

    /// Calls `visit(image, class of the image, labels of its regions)` for some images, in order: a walk through a
    /// large store goes on by as many as there is time for.
    ///
    /// A shard is let go of behind its last image, so that a walk does not fill the memory.
    ///
    /// # Errors
    /// No such image, or a damaged file.
    pub fn walk(
        &self,
        images: Range<u64>,
        mut visit: impl FnMut(u64, Option<u32>, &[SoftLabel]),
    ) -> Result<()> {
        for image in images {
            let slice = self.layout.image_record(image)?;
            visit(image, self.class(image)?, &self.labels(image)?);
            let shard = slice.file.shard;
            if image + 1 == self.layout.image(shard, 0) + u64::from(self.layout.images_in(shard)) {
                Table::ALL.into_iter().for_each(|table| self.release(FileId { table, shard }));
            }
        }
        Ok(())
    }

    /// The thresholds of a rule, over all regions of the store: two passes for quantiles, one for what is found from the
    /// images' classes, none for absolute values.
    ///
    /// # Errors
    /// Those of [`Self::scan_confidences`] and of [`Rule::resolve`].
    pub fn thresholds(&self, rule: &Rule, which: Confidence) -> Result<Thresholds> {
        Ok(self.resolved(rule, which)?.thresholds)
    }

    /// The thresholds of a rule, and how many regions are of each kind: two passes for quantiles, one for absolute
    /// values.
    ///
    /// # Errors
    /// Those of [`Self::thresholds`].
    pub fn kinds(&self, rule: &Rule, which: Confidence) -> Result<(Thresholds, KindCounts)> {
        let Resolved { thresholds, kinds } = self.resolved(rule, which)?;
        if let Some(kinds) = kinds {
            return Ok((thresholds, kinds));
        }
        let count = |mut kinds: KindCounts, shard| {
            let mut wrong = None;
            self.scan_shard(shard, which, |_, _, _, c, _| match thresholds.kind(c) {
                Ok(kind) => kinds.add(kind),
                Err(error) => wrong = Some(error),
            })?;
            wrong.map_or(Ok(kinds), Err)
        };
        let sum = |mut a: KindCounts, b: KindCounts| {
            a.merge(&b);
            Ok(a)
        };
        let shards = (0..self.layout.shards()).into_par_iter();
        let kinds = shards.try_fold(KindCounts::default, count).try_reduce(KindCounts::default, sum)?;
        Ok((thresholds, kinds))
    }

    fn resolved(&self, rule: &Rule, which: Confidence) -> Result<Resolved> {
        self.check_minable()?;
        rule.resolve_counted(
            |pass| {
                let shards = (0..self.layout.shards()).into_par_iter();
                let count = |mut counts: Counts, shard| {
                    self.scan_shard(shard, which, |_, _, _, c, _| counts.add(c)).map(|()| counts)
                };
                shards
                    .try_fold(|| Counts::new(pass), count)
                    .try_reduce(|| Counts::new(pass), |a, b| Ok(a.merge(b)))
            },
            || self.right_counts(which),
        )
    }

    /// The regions whose image has the class that the teacher named first, by confidence.
    ///
    /// # Errors
    /// An image without a class, which the error names; those of [`Self::scan_confidences`].
    pub fn right_counts(&self, which: Confidence) -> Result<RightCounts> {
        self.check_minable()?;
        if let Some(image) = self.first_without_class()? {
            return Err(self.unknown_class(image, "where the teacher is right"));
        }
        let codec = self.layout.label();
        let count = |mut counts: RightCounts, shard| {
            self.scan_shard(shard, which, |_, _, class, c, record| {
                counts.add(c, class == Some(codec.prediction(record)));
            })?;
            Ok(counts)
        };
        let sum = |mut a: RightCounts, b: RightCounts| {
            a.merge(&b);
            Ok(a)
        };
        let shards = (0..self.layout.shards()).into_par_iter();
        shards.try_fold(RightCounts::default, count).try_reduce(RightCounts::default, sum)
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
        self.check_minable()?;
        let mut visit = |image, region, class, c, _: &[u8]| visit(image, region, class, c);
        (0..self.layout.shards()).try_for_each(|shard| self.scan_shard(shard, which, &mut visit))
    }

    /// Runs `work` on every shard, on many threads, and hands each result to `take` in the order of the shards.
    ///
    /// # Errors
    /// The first error of `work` or `take`.
    pub(crate) fn by_shard<T: Send>(
        &self,
        work: impl Fn(u32) -> Result<T> + Sync,
        mut take: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        self.check_minable()?;
        let shards = self.layout.shards();
        for first in (0..shards).step_by(SHARDS_AT_ONCE) {
            let some = first..shards.min(first.saturating_add(SHARDS_AT_ONCE as u32));
            let done: Vec<Result<T>> = some.into_par_iter().map(&work).collect();
            done.into_iter().try_for_each(|result| take(result?))?;
        }
        Ok(())
    }

    fn check_minable(&self) -> Result<()> {
        if self.manifest.label.codec == Codec::Hard {
            let problem = "the store holds hard labels, whose confidence is always 1";
            return Err(Error::mismatch("mining", problem).remedy("label again with another codec"));
        }
        Ok(())
    }

    /// Calls `visit` for every region of some images, in order: see [`Self::scan_confidences`].
    ///
    /// # Errors
    /// Those of [`Self::scan_confidences`], or no such image.
    pub(crate) fn scan_images(
        &self,
        images: Range<u64>,
        which: Confidence,
        visit: &mut dyn FnMut(u64, u32, Option<u32>, f32),
    ) -> Result<()> {
        self.check_minable()?;
        let mut next = images.start;
        while next < images.end {
            let shard = self.layout.image_record(next)?.file.shard;
            let before = self.layout.image(shard, 0);
            let end = images.end.min(before + u64::from(self.layout.images_in(shard)));
            let mut seen = |image, region, class, c, _: &[u8]| visit(image, region, class, c);
            self.scan_rows(shard, next - before..end - before, which, &mut seen)?;
            next = end;
        }
        Ok(())
    }

    /// Calls `visit` for every region of a shard, in order: see [`Self::scan_confidences`]. The last of what it is
    /// told is the label's record.
    pub(crate) fn scan_shard(
        &self,
        shard: u32,
        which: Confidence,
        visit: impl FnMut(u64, u32, Option<u32>, f32, &[u8]),
    ) -> Result<()> {
        self.scan_rows(shard, 0..u64::from(self.layout.images_in(shard)), which, visit)
    }

    /// Calls `visit` for every region of some images of a shard, which is let go of behind its last one.
    fn scan_rows(
        &self,
        shard: u32,
        images: Range<u64>,
        which: Confidence,
        mut visit: impl FnMut(u64, u32, Option<u32>, f32, &[u8]),
    ) -> Result<()> {
        let codec = self.layout.label();
        let per_image = u64::from(self.manifest.regions.per_image);
        let block = (BLOCK / codec.record_len()).max(1) as u64;
        let mut scratch = TopK::default();
        let file = FileId { table: Table::Labels, shard };
        let records = images.end * per_image;
        let mut first = images.start * per_image;
        while first < records {
            let count = block.min(records - first);
            let labels = self.read(self.layout.span(file, first, count as usize))?;
            let rows = first / per_image..(first + count - 1) / per_image + 1;
            let classes = self.classes(shard, rows.start, (rows.end - rows.start) as usize)?;
            let mut records = labels.chunks_exact(codec.record_len());
            let mut region = (first % per_image) as u32;
            for (row, class) in rows.zip(classes) {
                let image = self.layout.image(shard, row as u32);
                if which == Confidence::Target && class.is_none() {
                    return Err(self.unknown_class(image, TARGET));
                }
                let left = per_image as usize - region as usize;
                let shown = left.min(self.per_image.saturating_sub(region) as usize);
                // Told apart once for an image rather than once for a region.
                if codec.keeps_first(which) {
                    for record in records.by_ref().take(shown) {
                        visit(image, region, class, codec.first(record), record);
                        region += 1;
                    }
                } else {
                    for record in records.by_ref().take(shown) {
                        match codec.confidence(record, which, class, &mut scratch) {
                            Ok(confidence) => visit(image, region, class, confidence, record),
                            Err(e) => return Err(self.damaged(file, place(image, region), e)),
                        }
                        region += 1;
                    }
                }
                // Regions that are not looked at are passed over.
                if left > shown {
                    records.nth(left - shown - 1);
                }
                region = 0;
            }
            first += count;
        }
        if images.end == u64::from(self.layout.images_in(shard)) {
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
