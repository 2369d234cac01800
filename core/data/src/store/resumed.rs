//! Whether images are still those that a store was begun with, when it is gone on with: a store of labels of two
//! states of its images would be sound in every file, and wrong.

use std::path::Path;

use rayon::prelude::*;

use super::file_names::REDO;
use super::files::{read_checksums, read_manifest};
use super::image_record::{self, ImageRecord};
use super::layout::{FileId, Layout, Table};
use super::manifest_types::Manifest;
use super::same_image::changed;
use super::same_images::NameDifferences;
use super::writer::StoreWriter;
use crate::images::ImageList;
use ferkd_method::error::{Error, IoContext, Result};

/// Images that are compared between two looks at what is asked.
const GROUP: usize = 256;

/// Checks that the store that was begun in `folder`, if one was, has the same list of images: names those that its
/// shards say are missing, were added or renamed since. A manifest that cannot be read is left to the writer.
///
/// # Errors
/// Another list.
pub fn check_list(folder: &Path, images: &ImageList) -> Result<()> {
    let Ok(manifest) = read_manifest(folder) else { return Ok(()) };
    if manifest.image_list_sha256 == images.digest() {
        return Ok(());
    }
    let found = differences(folder, &manifest, images)?;
    let counts = format!("it was begun with {} images, and {} are there now", manifest.images, images.len());
    let problem = match found.is_empty() {
        // What differs is not labelled yet, and a store knows the names of what is.
        true => counts,
        false => format!("{counts}: of those that are labelled, {found}"),
    };
    Err(Error::mismatch(folder.display().to_string(), problem).remedy(format!(
        "bring the images in {} back as they were, with the settings of the first time (such as --skip-bad), or name \
         another folder",
        images.root()
    )))
}

/// How the names of the shards that are there differ from the list.
fn differences(folder: &Path, manifest: &Manifest, images: &ImageList) -> Result<NameDifferences> {
    let (layout, sums) = (Layout::new(manifest)?, read_checksums(folder)?);
    let (mut found, mut next) = (NameDifferences::default(), 0);
    for shard in 0..layout.shards() {
        let file = FileId { table: Table::Names, shard }.to_string();
        if sums.get(&file).is_none() {
            continue;
        }
        // A file that is damaged or gone is written again when labelling goes on.
        let Ok(text) = std::fs::read_to_string(folder.join(file)) else { continue };
        let names: Vec<&str> = text.split_terminator('\n').collect();
        let (Some(first), Some(last)) = (names.first(), names.last()) else { continue };
        found.missing.extend(
            names.iter().filter(|name| images.position(name).is_none()).map(|name| (*name).to_owned()),
        );
        // Both ascend, and so do the shards.
        while next < images.len() && images.name(next) < *first {
            next += 1;
        }
        while next < images.len() && images.name(next) <= *last {
            let name = images.name(next);
            if names.binary_search(&name).is_err() {
                found.added.push(name.to_owned());
            }
            next += 1;
        }
    }
    found.match_normal_forms();
    Ok(found)
}

impl StoreWriter {
    /// Compares the images of the shards that are there with what these were made from: sizes and bytes. `images` are
    /// the store's, in its order; their files are read, on many threads. `progress` is told how many are compared, of
    /// how many, and may end it.
    ///
    /// # Errors
    /// The first image that differs or cannot be read, by name; those of `progress`; a damaged shard.
    pub fn check_images(
        &self,
        images: &ImageList,
        progress: &mut dyn FnMut(u64, u64) -> Result<()>,
    ) -> Result<()> {
        let layout = self.layout();
        let shards = self.written_shards();
        let total = shards.iter().map(|&shard| u64::from(layout.images_in(shard))).sum();
        let mut done = 0;
        for shard in shards {
            let first = layout.image(shard, 0) as usize;
            for (at, group) in self.records(shard)?.chunks(GROUP).enumerate() {
                progress(done, total)?;
                let compare = |(row, record): (usize, &ImageRecord)| -> Result<()> {
                    self.check_image(images, first + at * GROUP + row, record)
                };
                let found: Vec<Result<()>> = group.par_iter().enumerate().map(compare).collect();
                // In the order of the list, whatever the threads did.
                found.into_iter().collect::<Result<()>>()?;
                done += group.len() as u64;
            }
        }
        if total > 0 { progress(done, total) } else { Ok(()) }
    }

    fn check_image(&self, images: &ImageList, image: usize, record: &ImageRecord) -> Result<()> {
        let label = images.label_of(image);
        match changed(record, &images.read(image)?, self.manifest().orientation, &label) {
            None => Ok(()),
            Some(problem) => Err(Error::mismatch(label, problem).remedy(format!(
                "{} has labels of it already: bring the image back as it was, or label into another folder",
                self.folder().display()
            ))),
        }
    }

    /// The records of a shard's images.
    fn records(&self, shard: u32) -> Result<Vec<ImageRecord>> {
        let (layout, file) = (self.layout(), FileId { table: Table::Images, shard });
        let path = self.folder().join(file.to_string());
        let bytes = std::fs::read(&path).at(&path)?;
        let records = bytes.get(layout.header(file).len()..).unwrap_or_default().chunks(image_record::LEN);
        let classes = self.manifest().label.classes;
        records
            .map(|record| ImageRecord::decode(record, classes))
            .collect::<Result<_>>()
            .map_err(|error| Error::damaged(&path, error.problem()).remedy(REDO))
    }
}
