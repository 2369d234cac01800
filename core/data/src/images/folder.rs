//! Where images lie on a disk: a folder of class folders, one flat folder, or tar archives of either.

use std::fs::DirEntry;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::images::foreign::{FRONT, FileKind, is_foreign_folder, kind, looks_like_image};
use crate::images::names::Names;
use crate::images::notes::{Notes, Passed};
use crate::images::root::{Root, Tree, find_root, said};
use crate::images::split::{Split, SplitName, Splits};
use ferkd_method::error::{Error, ErrorKind, IoContext, Result};

/// Where the images of a split are to be looked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a folder's files.
    Folder(PathBuf),
    /// In tar archives, sorted by name.
    Archives(Vec<PathBuf>),
}

/// A [`Place`], and the split that names on the way there say it is; none where they tell no splits apart.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) place: Place,
    pub(super) split: Option<SplitName>,
}

/// What a listing found.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// The class folders, sorted; empty for images without classes.
    pub(super) folders: Vec<String>,
    /// Relative paths of the images, in ascending order of their bytes.
    pub(super) names: Names,
    /// The class of each image as an index into `folders`, where paths do not say it.
    pub(super) assigned: Option<Vec<u32>>,
}

/// Deepest folder that is looked into: a link that points to its own parent would never end.
const DEEPEST: usize = 32;

/// Whether a file of this name is a tar archive, or a compressed one, which its reader refuses by name.
fn is_archive(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2"].iter().any(|e| name.ends_with(e))
}

/// What the name of a path itself says of the images below it.
fn own_split(path: &Path) -> Option<SplitName> {
    let whole = || std::fs::canonicalize(path).ok()?.file_name().map(ToOwned::to_owned);
    let name = path.file_name().map(ToOwned::to_owned).or_else(whole)?;
    SplitName::of_folder(name.to_str()?)
}

/// Finds where the images of a split lie; none where splits are told apart, and this one is not there.
///
/// # Errors
/// What cannot be read, is no set of images, or could be meant in two ways.
pub(super) fn locate(path: &Path, split: Split, notes: &mut Notes) -> Result<Option<Located>> {
    let file_name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if path.is_file() {
        if is_archive(&file_name) {
            return Ok(Some(Located { place: Place::Archives(vec![path.to_owned()]), split: None }));
        }
        return Err(Error::damaged(path, "it is neither a folder of images nor a tar archive of one")
            .remedy("unpack it, and name the folder that it unpacks to"));
    }
    let own = own_split(path);
    let tree = Disk { root: path };
    let found = find_root(&tree, split, own, notes)?;
    if found.as_ref().is_none_or(|root| root.split.is_some()) {
        let told = found.as_ref().and_then(|root| root.split);
        if let Some(located) = archives_beside(path, split, told, notes)? {
            return Ok(Some(located));
        }
    }
    let Some(Root { path: below, split: told }) = found else { return Ok(None) };
    let root = if below.is_empty() { path.to_owned() } else { path.join(below) };
    let Children { folders, files, archives } = children(&root, &mut Notes::default())?;
    if archives.is_empty() {
        return Ok(Some(Located { place: Place::Folder(root), split: told }));
    }
    let with_images = |name: &&String| holds_images(&root.join(name), 0).unwrap_or(true);
    if let Some(other) = files.first().or_else(|| folders.iter().find(with_images)) {
        return Err(Error::damaged(root.join(other), "it lies beside tar archives")
            .remedy("keep archives in a folder of their own"));
    }
    let all = |split| Located {
        place: Place::Archives(archives.iter().map(|name| root.join(name)).collect()),
        split,
    };
    if told.is_some() || own.is_some() {
        return Ok(Some(all(told)));
    }
    Ok(match archives_of(&root, &archives, split, notes)? {
        ByName::Silent => Some(all(None)),
        ByName::Missing => None,
        ByName::Found(located) => Some(located),
    })
}

/// The archives of a split that lie beside the folders of others, such as `val.tar` beside `train/`. `told` is the
/// split whose folder was found: what is there unpacked as well is passed over.
fn archives_beside(
    root: &Path,
    wanted: Split,
    told: Option<SplitName>,
    notes: &mut Notes,
) -> Result<Option<Located>> {
    let Children { mut archives, .. } = children(root, &mut Notes::default())?;
    let said = |name: &String| SplitName::of_archive(name).ok().flatten();
    // A validation split comes before a test split, packed or not.
    let comes_first = |name: &String| match told {
        None => said(name).is_some(),
        Some(SplitName::Test) => wanted == Split::Val && said(name) == Some(SplitName::Validation),
        Some(_) => false,
    };
    if !archives.iter().any(comes_first) {
        let same = archives.iter().filter(|name| told.is_some() && said(name) == told);
        same.for_each(|name| notes.pass(Passed::ArchiveBeside, name));
        return Ok(None);
    }
    // A development kit may lie there, too.
    archives.retain(comes_first);
    Ok(match archives_of(root, &archives, wanted, notes)? {
        ByName::Found(located) => Some(located),
        ByName::Silent | ByName::Missing => None,
    })
}

/// What the names of archives say.
enum ByName {
    /// No name says a split.
    Silent,
    /// They say other splits alone.
    Missing,
    Found(Located),
}

/// Picks the archives of a split by their names.
fn archives_of(root: &Path, archives: &[String], wanted: Split, notes: &mut Notes) -> Result<ByName> {
    let shown = root.display().to_string();
    let splits = Splits::of_archives(archives).map_err(|error| {
        let subject = root.join(error.subject()).display().to_string();
        error.about(subject)
    })?;
    if splits.is_empty() {
        return Ok(ByName::Silent);
    }
    let silent: Vec<&String> = archives.iter().filter(|name| !splits.holds(name)).collect();
    // Beside a training split and another one lies a development kit; beside one alone, what may be meant as well.
    let others = [SplitName::Validation, SplitName::Test];
    let are_told_apart = splits.has(SplitName::Train) && others.iter().any(|split| splits.has(*split));
    if let (Some(silent), false) = (silent.first(), are_told_apart) {
        let problem = format!("the names of {} say a split, that of `{silent}` does not", splits.shown());
        return Err(Error::mismatch(shown, problem)
            .remedy("put the archives of each split into a folder called train or val"));
    }
    let Some(choice) = splits.choose(wanted, &shown)? else { return Ok(ByName::Missing) };
    silent.iter().for_each(|name| notes.pass(Passed::Archive, name));
    let names = match &choice.names[..] {
        [first, .., last] => format!("`{first}` to `{last}` ({} archives)", choice.names.len()),
        names => format!("`{}`", names.concat()),
    };
    notes.say(said(&shown, &names, choice.split, wanted));
    let paths = choice.names.iter().map(|name| root.join(name)).collect();
    Ok(ByName::Found(Located { place: Place::Archives(paths), split: Some(choice.split) }))
}

/// Folders on a disk.
struct Disk<'a> {
    root: &'a Path,
}

impl Disk<'_> {
    fn at(&self, at: &str) -> PathBuf {
        if at.is_empty() { self.root.to_owned() } else { self.root.join(at) }
    }
}

impl Tree for Disk<'_> {
    fn folders(&self, at: &str) -> Result<Vec<String>> {
        Ok(children(&self.at(at), &mut Notes::default())?.folders)
    }

    fn holds_images(&self, at: &str) -> Result<bool> {
        holds_images(&self.at(at), 0)
    }

    fn has_loose_images(&self, at: &str) -> Result<bool> {
        let found = children(&self.at(at), &mut Notes::default())?;
        Ok(!found.files.is_empty() || !found.archives.is_empty())
    }

    fn shown(&self, at: &str) -> String {
        self.at(at).display().to_string()
    }
}

/// Whether an image or an archive lies in a folder, at any depth.
fn holds_images(folder: &Path, depth: usize) -> Result<bool> {
    let found = children(folder, &mut Notes::default())?;
    if !found.files.is_empty() || !found.archives.is_empty() {
        return Ok(true);
    }
    for name in found.folders.iter().filter(|_| depth < DEEPEST) {
        if holds_images(&folder.join(name), depth + 1)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Lists the images in a folder: `<class>/**`, or loose files alone. A class is a folder with images.
pub(super) fn list(root: &Path, notes: &mut Notes) -> Result<Listing> {
    let Children { folders, files: loose, .. } = children(root, notes)?;
    let mut names = Names::default();
    let mut classes = Vec::new();
    for (folder, _) in in_order_of_paths(&folders, &[]) {
        let before = names.len();
        collect(root, folder, &mut names, notes)?;
        if names.len() == before {
            notes.pass(Passed::EmptyFolder, folder);
            continue;
        }
        if let Some(name) = loose.first() {
            return Err(loose_beside_classes(root.join(name)));
        }
        classes.push(folder.clone());
    }
    if classes.is_empty() {
        loose.iter().try_for_each(|name| names.push(name))?;
    }
    classes.sort_unstable();
    names.shrink();
    Ok(Listing { folders: classes, names, assigned: None })
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

fn collect(root: &Path, relative: &str, names: &mut Names, notes: &mut Notes) -> Result<()> {
    if relative.split('/').count() > DEEPEST {
        return Err(Error::damaged(root.join(relative), "folders are nested too deeply")
            .remedy("look for a link to itself"));
    }
    let mut here = Notes::default();
    let Children { folders, mut files, archives } = children(&root.join(relative), &mut here)?;
    notes.add(here.within(relative));
    // An archive among images is looked at as one of them, and refused by its name.
    files.extend(archives);
    in_order_of_paths(&folders, &files).try_for_each(|(name, folder)| {
        let path = format!("{relative}/{name}");
        if folder { collect(root, &path, names, notes) } else { names.push(&path) }
    })
}

/// What lies in a folder, each sorted.
#[derive(Debug, Default)]
struct Children {
    folders: Vec<String>,
    /// Files that may be images.
    files: Vec<String>,
    archives: Vec<String>,
}

fn children(folder: &Path, notes: &mut Notes) -> Result<Children> {
    let mut found = Children::default();
    for entry in std::fs::read_dir(folder).at(folder)? {
        let entry = entry.at(folder)?;
        let path = entry.path();
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.contains('\n')) else {
            if !name.as_encoded_bytes().starts_with(b".") {
                notes.pass(Passed::BadName, &name.to_string_lossy());
            }
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        match what(&entry, &path)? {
            What::Folder if is_foreign_folder(name) => notes.pass(Passed::ForeignFolder, name),
            What::Folder => found.folders.push(name.to_owned()),
            What::Nothing => notes.pass(Passed::DanglingLink, name),
            What::Special => notes.pass(Passed::SpecialFile, name),
            What::File if is_archive(name) => found.archives.push(name.to_owned()),
            What::File => match kind(name) {
                FileKind::Image => found.files.push(name.to_owned()),
                FileKind::Sidecar => {}
                FileKind::Unknown if begins_like_image(&path)? => found.files.push(name.to_owned()),
                FileKind::Other | FileKind::Unknown => notes.pass(Passed::NoImage, name),
            },
        }
    }
    found.folders.sort_unstable();
    found.files.sort_unstable();
    found.archives.sort_unstable();
    Ok(found)
}

enum What {
    File,
    Folder,
    /// A pipe, a socket or a device, or a link to one: reading it could take for ever.
    Special,
    /// A link to something that is not there.
    Nothing,
}

/// Follows links, as loaders of image folders do; only links cost a look at what they point to.
fn what(entry: &DirEntry, path: &Path) -> Result<What> {
    let kind = entry.file_type().at(path)?;
    if kind.is_dir() {
        return Ok(What::Folder);
    }
    if kind.is_symlink() {
        return match std::fs::metadata(path) {
            Ok(target) if target.is_dir() => Ok(What::Folder),
            Ok(target) if target.is_file() => Ok(What::File),
            Ok(_) => Ok(What::Special),
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(Error::io(path, error)),
            Err(_) => Ok(What::Nothing),
        };
    }
    Ok(if kind.is_file() { What::File } else { What::Special })
}

/// Whether a file whose name says nothing begins like an image. One that cannot be read is taken for one, so that
/// what is wrong with it is said where it is needed.
fn begins_like_image(path: &Path) -> Result<bool> {
    let Ok(file) = std::fs::File::open(path) else { return Ok(true) };
    let mut front = Vec::new();
    match file.take(FRONT as u64).read_to_end(&mut front) {
        Ok(_) => Ok(looks_like_image(&front)),
        Err(error) => Err(Error::new(ErrorKind::Io, path.display().to_string(), error.to_string())),
    }
}
