//! Whether images are those that a store was made from: by their names, their sizes, their bytes.
//!
//! Regions are pixels and labels belong to regions, so that an image of another size is trained with other regions'
//! labels. Each picture's size is compared when it is decoded ([`Store::check_size`]), a sample before the first step
//! ([`Store::sample_images`]), names whenever a list and a store meet ([`Store::compare_names`]), and every byte on
//! demand ([`Store::compare_images`]).

use std::collections::BTreeMap;
use std::fmt;

use rayon::prelude::*;
use serde::Serialize;
use unicode_normalization::{UnicodeNormalization, is_nfc, is_nfd};
use xxhash_rust::xxh3::xxh3_64;

use super::reader::Store;
use super::same_image;
use crate::images::ImageList;
use ferkd_method::error::{Error, Result};

/// Images whose files are looked at before the first step, evenly spread over the list.
const SAMPLE: u64 = 64;
/// Differences that are listed one by one.
const LISTED: usize = 20;
/// Images that are compared between two looks at what was found.
const GROUP: u64 = 4096;

/// How many there are, and the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Few<T> {
    /// How many.
    pub count: u64,
    /// The first of them, in the order of the list: at most 20.
    pub first: Vec<T>,
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { count: 0, first: Vec::new() }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        let mut few = Self::default();
        all.into_iter().for_each(|one| few.push(one));
        few
    }
}

impl<T> Few<T> {
    fn push(&mut self, one: T) {
        self.count += 1;
        if self.first.len() < LISTED {
            self.first.push(one);
        }
    }
}

/// An image that is there under another name than in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Renamed {
    /// Its name in the store.
    pub store: String,
    /// Its name among the images.
    pub images: String,
    /// Whether they are the same text in two Unicode normal forms: macOS decomposes what others compose.
    pub same_text: bool,
}

impl fmt::Display for Renamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, images, same_text } = self;
        match same_text {
            true => write!(f, "{store:?}: {} in the store, {} among the images", form(store), form(images)),
            false => write!(f, "{store:?} is now {images:?}"),
        }
    }
}

/// The Unicode normal form of a name that is not plain ASCII.
fn form(name: &str) -> &'static str {
    match (is_nfc(name), is_nfd(name)) {
        (true, _) => "composed (NFC)",
        (_, true) => "decomposed (NFD)",
        _ => "of mixed normal forms",
    }
}

/// How the names of images differ from those in a store; each in ascending order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameDifferences {
    /// Images of the store that are not there.
    pub missing: Vec<String>,
    /// Images that are not in the store.
    pub added: Vec<String>,
    /// Images that are there under another name.
    pub renamed: Vec<Renamed>,
}

impl NameDifferences {
    /// Whether all names are the same.
    pub fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.added.is_empty() && self.renamed.is_empty()
    }

    /// The error for a list whose images these are not; `root` is where they lie.
    pub fn error(&self, root: &str) -> Error {
        let problem = format!("its images are not those in {root}: {self}");
        let error = Error::mismatch("the store", problem);
        match self.renamed.iter().any(|renamed| renamed.same_text) {
            true => error.remedy(format!(
                "bring the names back into the store's form, such as by `convmv -r -f utf8 -t utf8 --nfc --notest \
                 {root}`, or label these images"
            )),
            false => error.remedy("train on the images that were labelled, or label these"),
        }
    }

    /// Finds names that are the same text in two normal forms among those that are missing and those that were added.
    pub(super) fn match_normal_forms(&mut self) {
        let composed = |name: &str| name.nfc().collect::<String>();
        // ASCII has one form.
        let (plain, others): (Vec<String>, Vec<String>) =
            std::mem::take(&mut self.missing).into_iter().partition(|name| name.is_ascii());
        let mut missing: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for name in others {
            missing.entry(composed(&name)).or_default().push(name);
        }
        for images in std::mem::take(&mut self.added) {
            let candidates = if images.is_ascii() { None } else { missing.get_mut(&composed(&images)) };
            match candidates.and_then(Vec::pop) {
                Some(store) => self.renamed.push(Renamed { store, images, same_text: true }),
                None => self.added.push(images),
            }
        }
        self.missing = plain.into_iter().chain(missing.into_values().flatten()).collect();
        self.missing.sort_unstable();
        self.renamed.sort_unstable();
    }
}

impl fmt::Display for NameDifferences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if let Some(first) = self.renamed.first() {
            parts.push(format!("{} have another name, first {first}", self.renamed.len()));
        }
        if let Some(first) = self.missing.first() {
            parts.push(format!("{} of the store are missing, first {first:?}", self.missing.len()));
        }
        if let Some(first) = self.added.first() {
            parts.push(format!("{} are not in the store, first {first:?}", self.added.len()));
        }
        f.write_str(&parts.join("; "))
    }
}

/// An image that is not as it was labelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedImage {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What comparing every image with a store found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ImagesReport {
    /// Images of the same name, whose files were read.
    pub compared: u64,
    /// Images of the store that are not there.
    pub missing: Few<String>,
    /// Images that are not in the store.
    pub added: Few<String>,
    /// Images that are there under another name: the same text in another normal form, or the same bytes.
    pub renamed: Few<Renamed>,
    /// Images of the same name with another size or other bytes, or that cannot be read.
    pub changed: Few<ChangedImage>,
}

impl ImagesReport {
    /// Whether the images are those that were labelled, byte by byte.
    pub fn is_same(&self) -> bool {
        self.missing.count + self.added.count + self.renamed.count + self.changed.count == 0
    }
}

impl Store {
    /// The images that the store was made from: these, without those that it passed over.
    ///
    /// # Errors
    /// Images that have come, gone or been renamed since; the first of each is named.
    pub fn labelled(&self, images: ImageList) -> Result<ImageList> {
        let manifest = self.manifest();
        if manifest.image_list_sha256 == images.digest() {
            return Ok(images);
        }
        if let Some(skipped) = self.skipped().filter(|skipped| !skipped.images.is_empty()) {
            let kept = images.without(skipped.names())?;
            if manifest.image_list_sha256 == kept.digest() {
                return Ok(kept);
            }
        }
        Err(self.compare_names(&images)?.error(&images.root()))
    }

    /// Checks that a decoded picture is as large as the image that was labelled; `label` is what errors call it.
    ///
    /// # Errors
    /// Another size, no such image, or a damaged file.
    pub fn check_size(&self, image: u64, label: &str, size: (u32, u32)) -> Result<()> {
        let record = self.image_record(image)?;
        match same_image::other_size((record.width, record.height), size) {
            None => Ok(()),
            Some(problem) => Err(Error::mismatch(label, problem).remedy(
                "train on the images that were labelled, or label these; `ferkd verify STORE --images FOLDER` names \
                 every image that differs",
            )),
        }
    }

    /// Looks at the files of 64 images, evenly spread: what is worth a word about them. `images` are the store's, in
    /// its order. Images that cannot be read are left to those who decode them.
    ///
    /// # Errors
    /// An image of another size, or a damaged store.
    pub fn sample_images(&self, images: &ImageList) -> Result<Vec<String>> {
        let total = self.len().min(images.len() as u64);
        let count = total.min(SAMPLE);
        let look = |number: u64| -> Result<Option<String>> {
            let image = number * total / count.max(1);
            let Ok(bytes) = images.read(image as usize) else { return Ok(None) };
            let label = images.label_of(image as usize);
            let Some(size) = same_image::size_of(&bytes, self.manifest.orientation, &label) else {
                return Ok(None);
            };
            self.check_size(image, &label, size)?;
            let is_same = self.image_record(image)?.checksum == xxh3_64(&bytes);
            Ok((!is_same).then_some(label))
        };
        let found: Vec<Result<Option<String>>> = (0..count).into_par_iter().map(look).collect();
        let others = found.into_iter().filter_map(Result::transpose).collect::<Result<Vec<String>>>()?;
        let Some(first) = others.first() else { return Ok(Vec::new()) };
        Ok(vec![format!(
            "{} of {count} images that were looked at have the size of those that were labelled, but other bytes, first \
             {first}: `ferkd verify STORE --images FOLDER` names all that differ",
            others.len()
        )])
    }

    /// Compares the names of images with the store's, without those that it passed over.
    ///
    /// # Errors
    /// A damaged store.
    pub fn compare_names(&self, images: &ImageList) -> Result<NameDifferences> {
        let mut found = NameDifferences::default();
        self.meet(images, &mut |met| match met {
            Met::Both(..) => {}
            Met::Store(name) => found.missing.push(name),
            Met::Images(image) => found.added.push(images.name(image).to_owned()),
        })?;
        found.match_normal_forms();
        Ok(found)
    }

    /// Compares every image with the store: names, sizes and bytes. Reads all of their files, on many threads; what it
    /// finds does not depend on their number. `progress` is told how many are compared, of how many.
    ///
    /// # Errors
    /// A damaged store.
    pub fn compare_images(
        &self,
        images: &ImageList,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<ImagesReport> {
        let (mut both, mut names) = (Vec::new(), NameDifferences::default());
        self.meet(images, &mut |met| match met {
            Met::Both(image, number) => both.push((image, number)),
            Met::Store(name) => names.missing.push(name),
            Met::Images(image) => names.added.push(images.name(image).to_owned()),
        })?;
        names.match_normal_forms();
        self.match_bytes(images, &mut names)?;
        let mut report = ImagesReport {
            compared: both.len() as u64,
            missing: names.missing.into_iter().collect(),
            added: names.added.into_iter().collect(),
            renamed: names.renamed.into_iter().collect(),
            changed: Few::default(),
        };
        let total = both.len() as u64;
        for (at, group) in both.chunks(GROUP as usize).enumerate() {
            let compare = |&(image, number): &(u64, usize)| self.changed(images, image, number);
            let found: Vec<Result<Option<ChangedImage>>> = group.par_iter().map(compare).collect();
            for changed in found {
                changed?.into_iter().for_each(|changed| report.changed.push(changed));
            }
            progress(at as u64 * GROUP + group.len() as u64, total);
        }
        Ok(report)
    }

    /// How an image differs from the one of the same name that was labelled, if it does.
    fn changed(&self, images: &ImageList, image: u64, number: usize) -> Result<Option<ChangedImage>> {
        let changed =
            |problem: String| Ok(Some(ChangedImage { name: images.name(number).to_owned(), problem }));
        let record = self.image_record(image)?;
        let bytes = match images.read(number) {
            Ok(bytes) => bytes,
            Err(error) => return changed(error.problem().to_owned()),
        };
        same_image::changed(&record, &bytes, self.manifest.orientation, images.name(number))
            .map_or(Ok(None), changed)
    }

    /// Finds images that were added with the bytes of one that is missing.
    fn match_bytes(&self, images: &ImageList, names: &mut NameDifferences) -> Result<()> {
        if names.missing.is_empty() || names.added.is_empty() {
            return Ok(());
        }
        let mut missing: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        let mut wanted = std::mem::take(&mut names.missing).into_iter().peekable();
        // Both ascend.
        for image in 0..self.len() {
            let Some(next) = wanted.peek() else { break };
            let entry = self.image(image)?;
            if entry.name == *next {
                missing.entry(entry.checksum).or_default().extend(wanted.next());
            }
        }
        let checksum = |name: &String| {
            images.position(name).and_then(|number| Some(xxh3_64(&images.read(number).ok()?)))
        };
        let added = std::mem::take(&mut names.added);
        let checksums: Vec<Option<u64>> = added.par_iter().map(checksum).collect();
        for (name, checksum) in added.into_iter().zip(checksums) {
            let candidates = checksum.and_then(|checksum| missing.get_mut(&checksum));
            match candidates.and_then(Vec::pop) {
                Some(store) => names.renamed.push(Renamed { store, images: name, same_text: false }),
                None => names.added.push(name),
            }
        }
        names.missing = missing.into_values().flatten().collect();
        names.missing.sort_unstable();
        names.renamed.sort_unstable();
        Ok(())
    }

    /// Goes through the store's names and those of a list side by side: both ascend. Images of the list that the store
    /// passed over are left out.
    fn meet(&self, images: &ImageList, visit: &mut dyn FnMut(Met)) -> Result<()> {
        let mut skipped = self.skipped().into_iter().flat_map(super::skipped::Skipped::names).peekable();
        let mut own = 0;
        let name_of = |image: u64| {
            (image < self.len())
                .then(|| self.image(image))
                .transpose()
                .map(|found| found.map(|entry| entry.name))
        };
        let mut name = name_of(own)?;
        for number in 0..images.len() {
            let other = images.name(number);
            while let Some(before) = name.take_if(|name| name.as_str() < other) {
                visit(Met::Store(before));
                own += 1;
                name = name_of(own)?;
            }
            if name.as_deref() == Some(other) {
                visit(Met::Both(own, number));
                own += 1;
                name = name_of(own)?;
                continue;
            }
            while skipped.next_if(|skipped| *skipped < other).is_some() {}
            if skipped.next_if_eq(&other).is_none() {
                visit(Met::Images(number));
            }
        }
        while let Some(rest) = name.take() {
            visit(Met::Store(rest));
            own += 1;
            name = name_of(own)?;
        }
        Ok(())
    }
}

/// Where a name stands.
enum Met {
    /// In both: its number in the store and in the list.
    Both(u64, usize),
    /// In the store alone.
    Store(String),
    /// In the list alone: its number there.
    Images(usize),
}
