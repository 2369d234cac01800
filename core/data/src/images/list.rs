//! Images: an ImageNet-style folder, a flat folder, tar archives of either, or pictures in memory.

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::digest::image_list_sha256;
use crate::images::cache::{Budget, Cache};
use crate::images::folder::{Listing, Place, list, locate};
use crate::images::names::Names;
use crate::images::shards::Shards;
pub use crate::images::split::Split;
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
    /// Files are told by content when they are read; only hidden files and well-known texts are passed over.
    ///
    /// # Errors
    /// A folder or an archive that cannot be read, holds no image, or mixes loose images with class folders.
    pub fn open(path: &Path, split: Split) -> Result<Self> {
        Self::find(path, split).map(|(list, _)| list)
    }

    /// The same, if `path` holds a half of that name: `val/` beside `train/`, or `val.tar`, or `val/` in archives.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn open_half(path: &Path, split: Split) -> Result<Option<Self>> {
        if is_synthetic(path) {
            return Ok(None);
        }
        // Where halves are told apart by names, archives need not be read to see that there is no such half.
        if matches!(locate(path, split)?, (Place::Folder(_), false)) {
            return Ok(None);
        }
        let (list, told) = Self::find(path, split)?;
        Ok(told.then_some(list))
    }

    fn find(path: &Path, split: Split) -> Result<(Self, bool)> {
        if let Some(images) = synthetic(path, split)? {
            return Ok((Self::in_memory(images)?, true));
        }
        let (place, told) = locate(path, split)?;
        let (source, listing, told) = match place {
            Place::Folder(root) => {
                let listing = list(&root)?;
                (Source::Folder(root), listing, told)
            }
            Place::Archives(paths) => {
                let (shards, listing, inside) = Shards::open(&paths, split)?;
                (Source::Shards(shards), listing, told || inside)
            }
        };
        let Listing { folders, names } = listing;
        let list = Self { spans: spans(&folders, &names), source, folders, names, cache: None };
        if list.is_empty() {
            return Err(Error::damaged(path, "it holds no image")
                .remedy("name a folder with <class>/<image> files, one flat folder of images, or tar archives of either"));
        }
        Ok((list, told))
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
        Ok(Self { source: Source::Memory(files), folders, names, spans, cache: None })
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
        Ok(Self { source, folders: self.folders.clone(), names, spans, cache })
    }

    /// The same list, of which decoded images stay in memory as long as `budget` has room.
    pub fn cached(mut self, budget: &Budget) -> Self {
        self.cache = Some(Arc::new(Cache::new(budget)));
        self
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

/// No photo is larger; a larger file is a mistake.
const MAX_FILE_BYTES: u64 = 1 << 30;
/// The folder of an image in memory that has none.
const NO_FOLDER: u32 = u32::MAX;

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
mod tests {
    use super::*;

    fn touch(root: &Path, name: &str) {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"x").unwrap();
    }

    #[test]
    fn class_folders_are_listed_in_a_fixed_order() {
        let dir = tempfile::tempdir().unwrap();
        for name in
            ["train/b/2.png", "train/a/x/1.JPEG", "train/a/0.webp", "train/a/notes.txt", "val/a/9.png"]
        {
            touch(dir.path(), name);
        }
        let list = ImageList::open(dir.path(), Split::Train).unwrap();
        assert_eq!(list.folders(), ["a", "b"]);
        let names: Vec<&str> = (0..list.len()).map(|i| list.name(i)).collect();
        assert_eq!(names, ["a/0.webp", "a/x/1.JPEG", "b/2.png"]);
        assert_eq!(list.folder(2), Some(1));
        assert_eq!(list.first_without_folder(), None);
        assert_eq!([0, 1, 2].map(|i| list.class(i, &[7])), [Some(7), Some(7), None]);
        // The same images are the same list, whether their parent was named or the folder itself.
        let inner = ImageList::open(&dir.path().join("train"), Split::Train).unwrap();
        assert_eq!(list.digest(), inner.digest());
        assert_eq!(ImageList::open(dir.path(), Split::Val).unwrap().name(0), "a/9.png");
    }

    #[test]
    fn the_first_of_each_class_are_taken_by_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a/2.png", "a/1.png", "a/10.png", "b/1.png"] {
            touch(dir.path(), name);
        }
        let open = |count| ImageList::open(dir.path(), Split::Train).unwrap().first_per_class(count);
        let names = |list: &ImageList| (0..list.len()).map(|i| list.name(i).to_owned()).collect::<Vec<_>>();
        let two = open(Some(2)).unwrap();
        assert_eq!(names(&two), ["a/1.png", "a/10.png", "b/1.png"]);
        assert_eq!(two.folders(), ["a", "b"]);
        assert_ne!(two.digest(), open(None).unwrap().digest());
        assert!(open(Some(0)).is_err());
    }

    #[test]
    fn a_flat_folder_has_no_classes() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), "1.png");
        let list = ImageList::open(dir.path(), Split::Train).unwrap();
        assert_eq!((list.len(), list.folder(0), list.folders().len()), (1, None, 0));
        assert_eq!(list.first_without_folder(), Some(0));
    }

    #[test]
    fn empty_missing_and_mixed_folders_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        assert!(ImageList::open(dir.path(), Split::Train).is_err());
        assert!(ImageList::open(&dir.path().join("none"), Split::Train).is_err());
        touch(dir.path(), "a/1.png");
        touch(dir.path(), "2.png");
        let error = ImageList::open(dir.path(), Split::Train).unwrap_err().to_string();
        assert!(error.contains("2.png"), "{error}");
    }
}
