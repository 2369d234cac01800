//! Images: an ImageNet-style folder, a flat folder, or pictures in memory.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::data::synthetic::synthetic;
use crate::error::{Error, IoContext, Result};
use crate::pixels::{Decoded, OrientationRule, decode};

/// Which half of an image folder is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// `IMAGES/train` where there is one, else IMAGES.
    Train,
    /// `IMAGES/val` where there is one, else IMAGES.
    Val,
}

/// A list of images in a fixed order (by relative path), with the class folder of each.
#[derive(Debug, Clone)]
pub struct ImageList {
    source: Source,
    folders: Vec<String>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
enum Source {
    Folder(PathBuf),
    Memory(Vec<Arc<[u8]>>),
}

#[derive(Debug, Clone)]
struct Entry {
    name: String,
    folder: Option<u32>,
}

/// Files that live beside images and are none.
const NOT_IMAGES: [&str; 9] = ["txt", "json", "jsonl", "csv", "md", "xml", "toml", "yaml", "html"];

impl ImageList {
    /// Lists the images under `path`: `<class>/**` or one flat folder, or [`synthetic`] ones.
    ///
    /// Files are told by content when they are read; only hidden files and well-known texts are passed over.
    ///
    /// # Errors
    /// A folder that cannot be read, holds no image, or mixes loose images with class folders.
    pub fn open(path: &Path, split: Split) -> Result<Self> {
        if let Some(list) = synthetic(path, split)? {
            return Ok(list);
        }
        let root = root_of(path, split)?;
        let (folders, loose) = children(&root)?;
        let mut entries = Vec::new();
        if folders.is_empty() {
            entries.extend(loose.into_iter().map(|name| Entry { name, folder: None }));
        } else if let Some(name) = loose.first() {
            return Err(Error::damaged(root.join(name), "a loose file beside class folders")
                .remedy("move it into a class folder, or out of the images"));
        }
        for (index, folder) in folders.iter().enumerate() {
            collect(&root, folder, index as u32, &mut entries)?;
        }
        if entries.is_empty() {
            return Err(Error::damaged(&root, "it holds no image")
                .remedy("name a folder with <class>/<image> files, or one flat folder of images"));
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { source: Source::Folder(root), folders, entries })
    }

    /// Images in memory: relative path, class folder, and the file's bytes. Sorted by path.
    pub fn in_memory<B: Into<Arc<[u8]>>>(mut images: Vec<(String, String, B)>) -> Self {
        images.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let mut folders: Vec<String> = images.iter().map(|(_, folder, _)| folder.clone()).collect();
        folders.sort_unstable();
        folders.dedup();
        let mut entries = Vec::with_capacity(images.len());
        let mut files = Vec::with_capacity(images.len());
        for (name, folder, bytes) in images {
            let folder = folders.binary_search(&folder).ok().map(|i| i as u32);
            entries.push(Entry { name, folder });
            files.push(bytes.into());
        }
        Self { source: Source::Memory(files), folders, entries }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The class folders, sorted; empty for a flat folder.
    pub fn folders(&self) -> &[String] {
        &self.folders
    }

    /// Relative path of image `i`, with `/` between folders.
    pub fn name(&self, i: usize) -> &str {
        &self.entries[i].name
    }

    /// Index into [`folders`](Self::folders) of image `i`; none in a flat folder.
    pub fn folder(&self, i: usize) -> Option<u32> {
        self.entries[i].folder
    }

    /// Where the images come from, for messages.
    pub fn root(&self) -> Cow<'_, str> {
        match &self.source {
            Source::Folder(root) => root.to_string_lossy(),
            Source::Memory(_) => "images in memory".into(),
        }
    }

    /// What errors call image `i`: its full path.
    pub fn label_of(&self, i: usize) -> String {
        match &self.source {
            Source::Folder(root) => root.join(self.name(i)).display().to_string(),
            Source::Memory(_) => self.name(i).to_owned(),
        }
    }

    /// The bytes of image `i`'s file.
    pub fn read(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        match &self.source {
            Source::Folder(root) => {
                let path = root.join(self.name(i));
                let size = std::fs::metadata(&path).at(&path)?.len();
                if size > MAX_FILE_BYTES {
                    return Err(Error::damaged(&path, format!("{size} bytes are too many for one image"))
                        .remedy("take it out of the folder"));
                }
                Ok(Cow::Owned(std::fs::read(&path).at(&path)?))
            }
            Source::Memory(files) => Ok(Cow::Borrowed(&files[i])),
        }
    }

    /// Image `i`, decoded.
    pub fn decode(&self, i: usize, orientation: OrientationRule) -> Result<Decoded> {
        decode(&self.read(i)?, &self.label_of(i), orientation)
    }

    /// SHA-256 over the sorted list of relative paths, each with a newline: what a store remembers of the list.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for entry in &self.entries {
            hash.update(entry.name.as_bytes());
            hash.update(b"\n");
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// No photo is larger; a larger file is a mistake.
const MAX_FILE_BYTES: u64 = 1 << 30;

fn root_of(path: &Path, split: Split) -> Result<PathBuf> {
    if path.is_file() {
        return Err(Error::damaged(path, "it is a file, not a folder of images")
            .remedy("unpack it, and name the folder that it unpacks to"));
    }
    let half = path.join(if split == Split::Train { "train" } else { "val" });
    Ok(if half.is_dir() { half } else { path.to_owned() })
}

/// Sorted names of the folders and of the files that may be images.
fn children(folder: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
            return Err(Error::damaged(&path, "its name is not Unicode").remedy("rename it"));
        };
        if name.starts_with('.') {
            continue;
        }
        if name.contains('\n') {
            return Err(Error::damaged(&path, "its name holds a line break").remedy("rename it"));
        }
        // Follows links, as loaders of image folders do.
        if path.is_dir() {
            folders.push(name.to_owned());
        } else if !path
            .extension()
            .and_then(|e| e.to_str())
            .is_some_and(|e| NOT_IMAGES.contains(&e.to_ascii_lowercase().as_str()))
        {
            files.push(name.to_owned());
        }
    }
    folders.sort_unstable();
    files.sort_unstable();
    Ok((folders, files))
}

fn collect(root: &Path, relative: &str, class: u32, entries: &mut Vec<Entry>) -> Result<()> {
    // A link that points to its own parent would never end.
    if relative.split('/').count() > 32 {
        return Err(Error::damaged(root.join(relative), "folders are nested too deeply")
            .remedy("look for a link to itself"));
    }
    let (folders, files) = children(&root.join(relative))?;
    entries.extend(files.into_iter().map(|f| Entry { name: format!("{relative}/{f}"), folder: Some(class) }));
    folders.iter().try_for_each(|f| collect(root, &format!("{relative}/{f}"), class, entries))
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
        // The same images are the same list, whether their parent was named or the folder itself.
        let inner = ImageList::open(&dir.path().join("train"), Split::Train).unwrap();
        assert_eq!(list.digest(), inner.digest());
        assert_eq!(ImageList::open(dir.path(), Split::Val).unwrap().name(0), "a/9.png");
    }

    #[test]
    fn a_flat_folder_has_no_classes() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), "1.png");
        let list = ImageList::open(dir.path(), Split::Train).unwrap();
        assert_eq!((list.len(), list.folder(0), list.folders().len()), (1, None, 0));
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
