//! Images: an ImageNet-style folder, a flat folder, tar archives of either, or pictures in memory.

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::classes::ClassSpace;
use crate::digest::image_list_sha256;
use crate::images::cache::{Budget, Cache};
use crate::images::flat_labels::{FlatLabels, HINT, find as find_labels, is_imagenet_validation};
use crate::images::folder::{Listing, Located, Place, list, locate};
use crate::images::names::Names;
use crate::images::notes::Notes;
use crate::images::shards::Shards;
pub use crate::images::split::Split;
use crate::images::split::SplitName;
use crate::images::synthetic::{is_synthetic, synthetic};
use crate::pixels::{Decoded, OrientationRule, decode};
use ferkd_method::error::{Error, IoContext, Result};

/// A list of images in a fixed order (by relative path), with the class folder of each.
///
/// In memory an image costs its relative path and 4 bytes, in tar archives 16 more.
#[derive(Debug, Clone)]
pub struct ImageList {
    source: Source,
    folders: Vec<String>,
    names: Names,
    /// Where the images of a class folder begin, and which one it is: images of a folder follow each other.
    spans: Vec<(u32, u32)>,
    cache: Option<Arc<Cache>>,
    /// What there is to know of how they were found.
    notices: Arc<[String]>,
    /// Why images that lie flat have no classes, and what to do about it.
    unlabelled: Option<Arc<str>>,
}

#[derive(Debug, Clone)]
enum Source {
    Folder(PathBuf),
    Shards(Shards),
    Memory(Vec<Arc<[u8]>>),
}

impl ImageList {
    /// Lists the images under `path`: `<class>/**` or one flat folder, tar archives of either, or [`synthetic`] ones.
    ///
    /// Where splits are told apart by folders or archives, the one that is meant is taken; [`notices`](Self::notices)
    /// says which. Files are told by content when they are read; hidden files, well-known others and files that do not
    /// begin like an image are passed over.
    ///
    /// # Errors
    /// A folder or an archive that cannot be read, holds no image, mixes loose images with class folders, holds other
    /// splits alone, or could be meant in two ways.
    pub fn open(path: &Path, split: Split) -> Result<Self> {
        let missing = || {
            let (missing, names) = match split {
                Split::Train => ("training", "train, training"),
                Split::Val => ("validation", "val, valid, validation, dev, eval, test"),
            };
            Error::mismatch(path.display().to_string(), format!("it holds splits, but no {missing} split"))
                .remedy(format!(
                    "name the folder or archive of the images that are meant, or call it {names}"
                ))
        };
        Self::find(path, split)?.map(|(list, _)| list).ok_or_else(missing)
    }

    /// The same, if `path` tells splits apart and holds this one: `val/` beside `train/`, or `val.tar`, or `val/` in
    /// archives. A test split stands in for a validation split where its images have classes; where they have none,
    /// [`Half::PassedOver`] says so.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn open_half(path: &Path, split: Split) -> Result<Half> {
        if is_synthetic(path) {
            return Ok(Half::Missing);
        }
        // Where splits are told apart by names, images need not be listed to see that there is no such split.
        let located = locate(path, split, &mut Notes::default())?;
        if located.is_none_or(|found| matches!((found.place, found.split), (Place::Folder(_), None))) {
            return Ok(Half::Missing);
        }
        Ok(match Self::find(path, split)? {
            Some((list, Some(SplitName::Test))) if list.folders.is_empty() => {
                let (root, count) = (list.root().into_owned(), list.len());
                Half::PassedOver(format!(
                    "{root}: a test split whose {count} images have no classes is passed over"
                ))
            }
            Some((list, Some(_))) => Half::Found(Box::new(list)),
            Some((_, None)) | None => Half::Missing,
        })
    }

    /// The images, and the split that names say they are.
    fn find(path: &Path, split: Split) -> Result<Option<(Self, Option<SplitName>)>> {
        if let Some(images) = synthetic(path, split)? {
            let own = if split == Split::Train { SplitName::Train } else { SplitName::Validation };
            return Ok(Some((Self::in_memory(images)?, Some(own))));
        }
        let mut notes = Notes::default();
        let Some(Located { place, split: told }) = locate(path, split, &mut notes)? else { return Ok(None) };
        let (source, mut listing, told) = match place {
            Place::Folder(root) => {
                let listing = list(&root, &mut notes)?;
                (Source::Folder(root), listing, told)
            }
            Place::Archives(paths) => match Shards::open(&paths, split, told, &mut notes)? {
                Some((shards, listing, inside)) => (Source::Shards(shards), listing, told.or(inside)),
                None => return Ok(None),
            },
        };
        if listing.names.len() == 0 {
            let mut problem = "it holds no image".to_owned();
            notes.sentences(&path.display().to_string()).iter().for_each(|text| {
                problem += "; ";
                problem += text;
            });
            return Err(Error::damaged(path, problem)
                .remedy("name a folder with <class>/<image> files, one flat folder of images, or tar archives of either"));
        }
        ClassSpace::check_forms(&listing.folders, &path.display().to_string())?;
        let unlabelled = look_for_labels(&source, &mut listing, &mut notes)?;
        let Listing { folders, names, assigned } = listing;
        let spans = match assigned {
            Some(classes) => spans_of(&classes),
            None => spans(&folders, &names),
        };
        let notices = Arc::default();
        let mut list = Self { spans, source, folders, names, cache: None, notices, unlabelled };
        list.notices = notes.sentences(&list.root()).into();
        Ok(Some((list, told)))
    }

    /// Images in memory: relative path, class folder, and the file's bytes. Sorted by path.
    ///
    /// # Errors
    /// Paths of more than 4 GiB together.
    pub fn in_memory<B: Into<Arc<[u8]>>>(mut images: Vec<(String, String, B)>) -> Result<Self> {
        images.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut folders: Vec<String> = images.iter().map(|(_, folder, _)| folder.clone()).collect();
        folders.sort_unstable();
        folders.dedup();
        let mut names = Names::default();
        let (mut spans, mut files) = (Vec::new(), Vec::with_capacity(images.len()));
        for (name, folder, bytes) in images {
            names.push(&name)?;
            let folder = folders.binary_search(&folder).map_or(NO_FOLDER, |i| i as u32);
            if spans.last().is_none_or(|&(_, last)| last != folder) {
                spans.push((files.len() as u32, folder));
            }
            files.push(bytes.into());
        }
        let source = Source::Memory(files);
        Ok(Self { source, folders, names, spans, cache: None, notices: Arc::default(), unlabelled: None })
    }

    /// The list without some images, whose names come in ascending order; names that it does not hold are of no
    /// concern.
    ///
    /// # Errors
    /// None that [`Self::open`] would not have met.
    pub fn without<'a>(&self, left_out: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut left_out = left_out.into_iter().peekable();
        let stays = |&i: &usize| {
            let name = self.name(i);
            while left_out.next_if(|out| *out < name).is_some() {}
            left_out.next_if_eq(&name).is_none()
        };
        self.keep((0..self.len()).filter(stays).map(|i| i as u32).collect())
    }

    /// The first `count` images of each class, by name; all of them where `count` is none.
    ///
    /// # Errors
    /// No image of each class, or images without classes.
    pub fn first_per_class(self, count: Option<usize>) -> Result<Self> {
        let Some(count) = count else { return Ok(self) };
        if count == 0 || self.folders.is_empty() {
            let problem = if count == 0 { "0 images are none" } else { "the images have no class folders" };
            return Err(Error::usage("images-per-class", problem).remedy("leave it out to take all images"));
        }
        let mut taken = vec![0; self.folders.len()];
        let stays = |&i: &usize| {
            let Some(taken) = self.folder(i).and_then(|f| taken.get_mut(f as usize)) else { return false };
            *taken += 1;
            *taken <= count
        };
        self.keep((0..self.len()).filter(stays).map(|i| i as u32).collect())
    }

    /// The images with these numbers, which ascend.
    fn keep(&self, numbers: Vec<u32>) -> Result<Self> {
        if numbers.len() == self.len() {
            return Ok(self.clone());
        }
        let mut names = Names::default();
        // In memory, an image's folder need not be a part of its name.
        let mut spans: Vec<(u32, u32)> = Vec::new();
        for (new, &old) in numbers.iter().enumerate() {
            names.push(self.name(old as usize))?;
            let folder = self.folder(old as usize).unwrap_or(NO_FOLDER);
            if spans.last().is_none_or(|&(_, last)| last != folder) {
                spans.push((new as u32, folder));
            }
        }
        let source = match &self.source {
            Source::Folder(root) => Source::Folder(root.clone()),
            Source::Shards(shards) => Source::Shards(shards.keep(&numbers)),
            Source::Memory(files) => {
                Source::Memory(numbers.iter().map(|&i| files[i as usize].clone()).collect())
            }
        };
        let cache = self.cache.as_ref().map(|cache| Arc::new(cache.emptied()));
        let (folders, notices) = (self.folders.clone(), self.notices.clone());
        Ok(Self { source, folders, names, spans, cache, notices, unlabelled: self.unlabelled.clone() })
    }

    /// The same list, of which decoded images stay in memory as long as `budget` has room.
    pub fn cached(mut self, budget: &Budget) -> Self {
        self.cache = Some(Arc::new(Cache::new(budget)));
        self
    }

    /// What there is to know of how the images were found, in sentences: which split they are, and what was passed
    /// over.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// The same list with one more [notice](Self::notices).
    #[must_use]
    pub fn with_notice(mut self, text: String) -> Self {
        self.notices = self.notices.iter().cloned().chain([text]).collect();
        self
    }

    /// Checks that the images have classes, as an evaluation needs them.
    ///
    /// # Errors
    /// Images without classes; the remedy knows ImageNet's flat `val/`.
    pub fn check_classes(&self) -> Result<()> {
        if !self.folders.is_empty() {
            return Ok(());
        }
        let remedy = self.unlabelled.as_deref().unwrap_or("put them into class folders");
        Err(Error::mismatch(self.root(), "its images have no classes").remedy(remedy))
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of the image with this relative path. Names ascend.
    pub fn position(&self, name: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.name(middle).cmp(name) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The class folders, sorted; empty for a flat folder.
    pub fn folders(&self) -> &[String] {
        &self.folders
    }

    /// Relative path of image `i`, with `/` between folders.
    pub fn name(&self, i: usize) -> &str {
        self.names.get(i)
    }

    /// Index into [`folders`](Self::folders) of image `i`; none in a flat folder.
    pub fn folder(&self, i: usize) -> Option<u32> {
        let at = self.spans.partition_point(|&(first, _)| first as usize <= i);
        at.checked_sub(1).map(|at| self.spans[at].1).filter(|&folder| folder != NO_FOLDER)
    }

    /// The class of image `i`, where `classes` are those of the [`folders`](Self::folders); none in a flat folder.
    pub fn class(&self, i: usize, classes: &[u32]) -> Option<u32> {
        self.folder(i).and_then(|folder| classes.get(folder as usize).copied())
    }

    /// The first image that lies in no class folder; none where all do.
    pub fn first_without_folder(&self) -> Option<usize> {
        match self.spans.first() {
            Some(&(0, _)) => {
                let loose = self.spans.iter().find(|&&(_, folder)| folder == NO_FOLDER);
                loose.map(|&(first, _)| first as usize)
            }
            // What comes before the first span lies in no folder.
            _ => (!self.is_empty()).then_some(0),
        }
    }

    /// Where the images come from, for messages.
    pub fn root(&self) -> Cow<'_, str> {
        match &self.source {
            Source::Folder(root) => root.to_string_lossy(),
            Source::Shards(shards) => shards.root().into(),
            Source::Memory(_) => "images in memory".into(),
        }
    }

    /// What errors call image `i`: its full path, or its archive and its path there.
    pub fn label_of(&self, i: usize) -> String {
        match &self.source {
            Source::Folder(root) => root.join(self.name(i)).display().to_string(),
            Source::Shards(shards) => shards.label(i, self.name(i)),
            Source::Memory(_) => self.name(i).to_owned(),
        }
    }

    /// The bytes of image `i`'s file.
    pub fn read(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        match &self.source {
            Source::Folder(root) => {
                let path = root.join(self.name(i));
                self.check_size(i, std::fs::metadata(&path).at(&path)?.len())?;
                Ok(Cow::Owned(std::fs::read(&path).at(&path)?))
            }
            Source::Shards(shards) => {
                self.check_size(i, shards.len(i))?;
                Ok(Cow::Owned(shards.read(i)?))
            }
            Source::Memory(files) => Ok(Cow::Borrowed(&files[i])),
        }
    }

    /// The first `most` bytes of image `i`'s file, or all of them where there are fewer.
    pub fn front(&self, i: usize, most: u64) -> Result<Cow<'_, [u8]>> {
        match &self.source {
            Source::Folder(root) => {
                let path = root.join(self.name(i));
                let (file, mut bytes) = (std::fs::File::open(&path).at(&path)?, Vec::new());
                file.take(most).read_to_end(&mut bytes).at(&path)?;
                Ok(Cow::Owned(bytes))
            }
            Source::Shards(shards) => Ok(Cow::Owned(shards.front(i, most)?)),
            Source::Memory(files) => Ok(Cow::Borrowed(&files[i][..files[i].len().min(most as usize)])),
        }
    }

    fn check_size(&self, i: usize, size: u64) -> Result<()> {
        if size <= MAX_FILE_BYTES {
            return Ok(());
        }
        Err(Error::damaged(self.label_of(i), format!("{size} bytes are too many for one image"))
            .remedy("take it out of the images"))
    }

    /// Image `i`, decoded.
    pub fn decode(&self, i: usize, orientation: OrientationRule) -> Result<Decoded> {
        let decode = || decode(&self.read(i)?, &self.label_of(i), orientation);
        match &self.cache {
            Some(cache) => cache.get(i, orientation, decode),
            None => decode(),
        }
    }

    /// SHA-256 over the sorted list of relative paths, each with a newline: what a store remembers of the list.
    pub fn digest(&self) -> String {
        image_list_sha256(self.names.iter())
    }
}

/// One split of images that tell splits apart.
#[derive(Debug)]
pub enum Half {
    /// It is there.
    Found(Box<ImageList>),
    /// It is not.
    Missing,
    /// What could stand in for it is of no use: why, in a sentence.
    PassedOver(String),
}

impl Half {
    /// The images, if they are there.
    pub fn found(self) -> Option<ImageList> {
        match self {
            Self::Found(list) => Some(*list),
            Self::Missing | Self::PassedOver(_) => None,
        }
    }
}

/// No photo is larger; a larger file is a mistake.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// The folder of an image in memory that has none.
const NO_FOLDER: u32 = u32::MAX;

/// Looks for the label file of images whose folders say no class; why none is used comes back.
fn look_for_labels(source: &Source, listing: &mut Listing, notes: &mut Notes) -> Result<Option<Arc<str>>> {
    // A single folder may be no class either: Tiny ImageNet's val/images.
    if listing.folders.len() > 1 || listing.assigned.is_some() {
        return Ok(None);
    }
    let beside = match source {
        Source::Folder(root) => root.clone(),
        Source::Shards(shards) => shards.folder(),
        Source::Memory(_) => return Ok(None),
    };
    let above = beside.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
    let folders: Vec<&Path> = [Some(&*beside), above.as_deref()].into_iter().flatten().collect();
    match find_labels(&listing.names, &folders)? {
        FlatLabels::Known { classes, file } => {
            notes.say(format!("{}: it says the classes of {} images", file.display(), classes.len()));
            listing.folders = classes.clone();
            listing.folders.sort_unstable();
            listing.folders.dedup();
            let number = |class: &String| listing.folders.binary_search(class).unwrap_or_default() as u32;
            listing.assigned = Some(classes.iter().map(number).collect());
            Ok(None)
        }
        FlatLabels::Unusable(why) => Ok(Some(why.into())),
        FlatLabels::None if is_imagenet_validation(&listing.names) => Ok(Some(HINT.into())),
        FlatLabels::None => Ok(None),
    }
}

/// Where images of another class folder begin, if each has a class of its own.
fn spans_of(classes: &[u32]) -> Vec<(u32, u32)> {
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for (i, &class) in classes.iter().enumerate() {
        if spans.last().is_none_or(|&(_, last)| last != class) {
            spans.push((i as u32, class));
        }
    }
    spans
}

/// Where each class folder's images begin in a sorted list.
fn spans(folders: &[String], names: &Names) -> Vec<(u32, u32)> {
    let mut spans: Vec<(u32, u32)> = Vec::new();
    let mut last = None;
    for (i, name) in names.iter().enumerate() {
        let Some((folder, _)) = name.split_once('/') else { continue };
        if last != Some(folder) {
            last = Some(folder);
            let number = folders.binary_search_by(|f| f.as_str().cmp(folder)).map_or(NO_FOLDER, |n| n as u32);
            spans.push((i as u32, number));
        }
    }
    spans
}

#[cfg(test)]
mod tests;
