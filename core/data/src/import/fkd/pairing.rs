//! Which label file belongs to which image: `<class folder>/<image name up to the first dot>.tar`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::images::list::ImageList;
use ferkd_method::error::{Error, IoContext, Result};

/// The folder that holds the class folders: `DIR/train` where there is one, else DIR.
///
/// # Errors
/// No such folder.
pub(super) fn labels_root(dir: &Path) -> Result<PathBuf> {
    let train = dir.join("train");
    let root = if train.is_dir() { train } else { dir.to_owned() };
    if root.is_dir() {
        return Ok(root);
    }
    Err(Error::io(&root, std::io::ErrorKind::NotFound.into())
        .remedy("name the folder that FKD's label files lie in, as train/<class>/<image>.tar"))
}

/// Path of an image's label file, relative to the labels' root.
pub(super) fn label_name(image: &str) -> String {
    let (folder, name) = image.rsplit_once('/').map_or(("", image), |(folder, name)| (folder, name));
    let stem = name.split('.').next().unwrap_or(name);
    if folder.is_empty() { format!("{stem}.tar") } else { format!("{folder}/{stem}.tar") }
}

/// Checks that no two images share a label file.
///
/// # Errors
/// Two that do, by name.
pub(super) fn check_unique(images: &ImageList) -> Result<()> {
    // Paths ascend, so that those below a folder stand together, and only one folder's are kept at a time; those of no
    // folder may stand between others. A class says nothing of this: it may come from a list or from a text beside each
    // image, in any order.
    let (mut loose, mut below, mut folder) = (HashMap::new(), HashMap::new(), "");
    for image in 0..images.len() {
        let name = images.name(image);
        let top = top_folder(name);
        if !top.is_empty() && top != folder {
            folder = top;
            below.clear();
        }
        let seen = if top.is_empty() { &mut loose } else { &mut below };
        if let Some(first) = seen.insert(label_name(name), image) {
            let (first, label) = (images.name(first), label_name(name));
            let problem = format!("`{first}` and `{name}` both have the label file `{label}`");
            return Err(Error::mismatch(images.root(), problem)
                .remedy("FKD names label files by the image's name up to its first dot: rename or remove one of the two"));
        }
    }
    Ok(())
}

/// The first folder of a path; empty for one without folders.
fn top_folder(name: &str) -> &str {
    name.split_once('/').map_or("", |(folder, _)| folder)
}

/// Names each label file whose image is missing, in ascending order.
pub(super) fn without_image(labels: &Path, images: &ImageList, found: &mut dyn FnMut(String)) -> Result<()> {
    let mut ranges: BTreeMap<&str, Range<usize>> = BTreeMap::new();
    for image in 0..images.len() {
        ranges.entry(top_folder(images.name(image))).or_insert(image..image).end = image + 1;
    }
    let (folders, files) = children(labels)?;
    for folder in folders.iter().map(String::as_str).chain([""]) {
        let range = ranges.get(folder).cloned().unwrap_or_default();
        let expected: HashSet<String> = range.map(|image| label_name(images.name(image))).collect();
        let mut names = files.clone();
        if !folder.is_empty() {
            names.clear();
            collect(labels, folder, 0, &mut names)?;
        }
        names.into_iter().filter(|name| !expected.contains(name)).for_each(&mut *found);
    }
    Ok(())
}

/// Sorted names of the folders, and of the label files.
fn children(folder: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        // What has no name in Unicode can belong to no image of the list.
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        if path.is_dir() {
            folders.push(name);
        } else if name.ends_with(".tar") && !name.starts_with('.') {
            files.push(name);
        }
    }
    folders.sort_unstable();
    files.sort_unstable();
    Ok((folders, files))
}

fn collect(root: &Path, relative: &str, depth: usize, names: &mut Vec<String>) -> Result<()> {
    // As deep as images are looked for; a link to itself would never end.
    if depth > 32 {
        return Ok(());
    }
    let (folders, files) = children(&root.join(relative))?;
    names.extend(files.into_iter().map(|file| format!("{relative}/{file}")));
    folders.iter().try_for_each(|folder| collect(root, &format!("{relative}/{folder}"), depth + 1, names))
}
