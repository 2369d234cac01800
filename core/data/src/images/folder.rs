//! Where images lie: a folder of class folders, one flat folder, or tar archives of either.

use std::path::{Path, PathBuf};

use crate::images::names::Names;
use crate::images::split::Split;
use ferkd_method::error::{Error, IoContext, Result};

/// Where the images of one half are to be looked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a folder's files.
    Folder(PathBuf),
    /// In tar archives, sorted by name.
    Archives(Vec<PathBuf>),
}

/// What a listing found.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The class folders, sorted; empty for a flat set.
    pub(super) folders: Vec<String>,
    /// Relative paths of the images, in ascending order of their bytes.
    pub(super) names: Names,
}

/// Files that live beside images and are none. WebDataset keeps class numbers in `cls`.
const NOT_IMAGES: [&str; 10] = ["txt", "json", "jsonl", "csv", "md", "xml", "toml", "yaml", "html", "cls"];

/// Whether a file of this name may be an image: it is told by content when it is read.
pub(super) fn may_be_image(name: &str) -> bool {
    let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, ending)| ending);
    !name.starts_with('.') && !ending.is_some_and(|e| NOT_IMAGES.contains(&e.to_ascii_lowercase().as_str()))
}

/// Whether a file of this name is a tar archive, or a compressed one, which its reader refuses by name.
fn is_archive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"].iter().any(|e| name.ends_with(e))
}

/// Finds where the images of a half lie, and whether `path` tells its halves apart.
pub(super) fn locate(path: &Path, split: Split) -> Result<(Place, bool)> {
    let file_name =
        |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if path.is_file() {
        if is_archive(&file_name(path)) {
            return Ok((Place::Archives(vec![path.to_owned()]), false));
        }
        return Err(Error::damaged(path, "it is neither a folder of images nor a tar archive of one")
            .remedy("unpack it, and name the folder that it unpacks to"));
    }
    let half = path.join(split.folder());
    let (root, told) = if half.is_dir() { (half, true) } else { (path.to_owned(), false) };
    let (folders, files) = children(&root)?;
    let mut archives: Vec<&String> = files.iter().filter(|name| is_archive(name)).collect();
    if archives.is_empty() {
        return Ok((Place::Folder(root), told));
    }
    let other = folders.first().or_else(|| files.iter().find(|name| !is_archive(name)));
    if let Some(other) = other {
        return Err(Error::damaged(root.join(other), "it lies beside tar archives")
            .remedy("keep archives in a folder of their own"));
    }
    let of_half: Vec<&String> =
        archives.iter().copied().filter(|name| !told && of_split(name, split)).collect();
    let told = told || !of_half.is_empty();
    if !of_half.is_empty() {
        archives = of_half;
    }
    Ok((Place::Archives(archives.into_iter().map(|name| root.join(name)).collect()), told))
}

/// Whether an archive's name says which half it holds: `train.tar`, `train-0001.tar`.
fn of_split(name: &str, split: Split) -> bool {
    name.strip_prefix(split.folder()).is_some_and(|rest| rest.starts_with(['.', '-', '_']))
}

/// Lists the images in a folder: `<class>/**`, or loose files alone.
pub(super) fn list(root: &Path) -> Result<Listing> {
    let (folders, loose) = children(root)?;
    let mut names = Names::default();
    if folders.is_empty() {
        loose.iter().try_for_each(|name| names.push(name))?;
    } else if let Some(name) = loose.first() {
        return Err(loose_beside_classes(root.join(name)));
    }
    in_order_of_paths(&folders, &[]).try_for_each(|(folder, _)| collect(root, folder, &mut names))?;
    names.shrink();
    Ok(Listing { folders, names })
}

/// What to say of an image that belongs to no class.
pub(super) fn loose_beside_classes(path: PathBuf) -> Error {
    Error::damaged(path, "a loose file beside class folders")
        .remedy("move it into a class folder, or out of the images")
}

/// Folders and files of one folder in the order of the whole paths below it: a folder's name counts with its `/`.
/// So a million paths come sorted without ever being sorted together.
fn in_order_of_paths<'a>(
    folders: &'a [String],
    files: &'a [String],
) -> impl Iterator<Item = (&'a String, bool)> + use<'a> {
    let all = folders.iter().map(|f| (f, true)).chain(files.iter().map(|f| (f, false)));
    let mut all: Vec<(&String, bool)> = all.collect();
    let key = |&(name, folder): &(&'a String, bool)| name.bytes().chain(folder.then_some(b'/'));
    all.sort_unstable_by(|a, b| key(a).cmp(key(b)));
    all.into_iter()
}

fn collect(root: &Path, relative: &str, names: &mut Names) -> Result<()> {
    // A link that points to its own parent would never end.
    if relative.split('/').count() > 32 {
        return Err(Error::damaged(root.join(relative), "folders are nested too deeply")
            .remedy("look for a link to itself"));
    }
    let (folders, files) = children(&root.join(relative))?;
    in_order_of_paths(&folders, &files).try_for_each(|(name, folder)| {
        let path = format!("{relative}/{name}");
        if folder { collect(root, &path, names) } else { names.push(&path) }
    })
}

/// Sorted names of the folders and of the files that may be images.
fn children(folder: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).at(folder)? {
        let entry = entry.at(folder)?;
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|n| n.to_str()) else {
            return Err(Error::damaged(&path, "its name is not Unicode").remedy("rename it"));
        };
        if name.starts_with('.') {
            continue;
        }
        if name.contains('\n') {
            return Err(Error::damaged(&path, "its name holds a line break").remedy("rename it"));
        }
        // Follows links, as loaders of image folders do; only links cost a look at what they point to.
        let kind = entry.file_type().at(&path)?;
        if kind.is_dir() || (kind.is_symlink() && path.is_dir()) {
            folders.push(name.to_owned());
        } else if may_be_image(name) {
            files.push(name.to_owned());
        }
    }
    folders.sort_unstable();
    files.sort_unstable();
    Ok((folders, files))
}
