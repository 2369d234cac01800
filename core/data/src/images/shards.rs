//! Images in tar archives: an index made from headers alone, and images read by their place.
//!
//! The archives together are taken as the folder that they would unpack to, so that the list of images, their
//! order and the keys of their regions are the folder's own.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::images::folder::{Listing, loose_beside_classes};
use crate::images::foreign::{self, FRONT, FileKind};
use crate::images::names::Names;
use crate::images::notes::{Notes, Passed};
use crate::images::root::{Root, Tree, find_root};
use crate::images::split::{Split, SplitName};
use crate::images::tar::{Entry, TarEntryKind, entries};
use crate::images::webdataset::{self, MAX_TEXT, Member, Role, Taken};
use ferkd_method::error::{Error, IoContext, Result};

/// Where the images of a list lie in tar archives.
#[derive(Debug, Clone)]
pub(super) struct Shards {
    archives: Vec<Archive>,
    places: Vec<Place>,
    /// What stands before an image's path in the archives.
    prefix: String,
}

#[derive(Debug, Clone)]
struct Archive {
    path: PathBuf,
    len: u64,
}

/// Where an image lies: 16 bytes, so that a million of them are 16 MB.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    /// A length beyond 32 bits is kept as the largest; no image comes near it.
    len: u32,
    archive: u32,
}

/// All archives, before it is known where in them the images lie.
#[derive(Default)]
struct Index {
    archives: Vec<Archive>,
    names: Names,
    places: Vec<Place>,
    /// The class of each image that a text beside it names, as an index into `texts`; empty where none does.
    classes: Vec<u32>,
    /// The classes that texts name.
    texts: Vec<String>,
    numbers: HashMap<String, u32>,
    /// Every folder of the first levels, and those of them that hold an image at any depth.
    folders: BTreeSet<String>,
    holding: BTreeSet<String>,
    foreign: BTreeSet<String>,
    notes: Notes,
}

/// Levels of folders that matter: a folder around it all, a split, a folder around the classes, a class.
const LEVELS: usize = 4;
/// The class of an image that no text names.
const NO_CLASS: u32 = u32::MAX;

impl Shards {
    /// Indexes `paths`, whose names say that they hold `own`. Comes with the split whose folder within them was taken;
    /// none where other splits are there, and this one is not.
    pub(super) fn open(
        paths: &[PathBuf],
        split: Split,
        own: Option<SplitName>,
        notes: &mut Notes,
    ) -> Result<Option<(Self, Listing, Option<SplitName>)>> {
        let mut index = Index::default();
        paths.iter().try_for_each(|path| index.add(path))?;
        let Some(Root { path, split }) = find_root(&index, split, own, notes)? else { return Ok(None) };
        notes.add(std::mem::take(&mut index.notes));
        let (shards, listing) = index.under(&path, notes)?;
        Ok(Some((shards, listing, split)))
    }

    /// What errors call an image.
    pub(super) fn label(&self, i: usize, name: &str) -> String {
        format!("{}: {}{name}", self.archive(i).path.display(), self.prefix)
    }

    /// The archive that stands for all of them in messages.
    pub(super) fn root(&self) -> String {
        let first = self.archives.first().map(|a| a.path.display().to_string()).unwrap_or_default();
        match self.archives.len() {
            0 | 1 => first,
            n => format!("{first} and {} more archives", n - 1),
        }
    }

    /// The folder that the first archive lies in.
    pub(super) fn folder(&self) -> PathBuf {
        let folder = self.archives.first().and_then(|archive| archive.path.parent());
        folder.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
    }

    /// Length of an image's file in bytes.
    pub(super) fn len(&self, i: usize) -> u64 {
        self.places[i].len.into()
    }

    /// The bytes of an image's file. Each call opens the archive: threads share no position in it, and a
    /// thousand archives do not use up what a process may hold open.
    pub(super) fn read(&self, i: usize) -> Result<Vec<u8>> {
        self.front(i, u64::MAX)
    }

    /// The first `most` bytes of an image's file, or all of them.
    pub(super) fn front(&self, i: usize, most: u64) -> Result<Vec<u8>> {
        let (archive, place) = (self.archive(i), self.places[i]);
        let path = &archive.path;
        let mut file = File::open(path).at(path)?;
        if file.metadata().at(path)?.len() != archive.len {
            let problem = "it has changed since its headers were read";
            return Err(Error::mismatch(path.display().to_string(), problem)
                .remedy("run the same command again, and leave the archive alone meanwhile"));
        }
        let mut bytes = vec![0; u64::from(place.len).min(most) as usize];
        file.seek(SeekFrom::Start(place.offset)).and_then(|_| file.read_exact(&mut bytes)).at(path)?;
        Ok(bytes)
    }

    /// Keeps the images with the given numbers, which ascend.
    pub(super) fn keep(&self, numbers: &[u32]) -> Self {
        let places = numbers.iter().map(|&i| self.places[i as usize]).collect();
        Self { archives: self.archives.clone(), places, prefix: self.prefix.clone() }
    }

    fn archive(&self, i: usize) -> &Archive {
        &self.archives[self.places[i].archive as usize]
    }
}

/// What a file of a group is, before it is known whether it is taken.
struct Group {
    key: String,
    members: Vec<Member>,
    places: Vec<Place>,
}

impl Index {
    /// Reads an archive's headers, and the texts beside images.
    fn add(&mut self, path: &Path) -> Result<()> {
        let mut file = File::open(path).at(path)?;
        let len = file.metadata().at(path)?.len();
        let archive = self.archives.len() as u32;
        self.archives.push(Archive { path: path.to_owned(), len });
        // Contents are read through a second position, while the first one goes through the headers.
        let mut contents = File::open(path).at(path)?;
        let mut read = |offset: u64, len: u64| -> Result<Vec<u8>> {
            let mut bytes = vec![0; len as usize];
            contents.seek(SeekFrom::Start(offset)).and_then(|_| contents.read_exact(&mut bytes)).at(path)?;
            Ok(bytes)
        };
        // ImageNet's per-class archives hold loose files; their own names say the class.
        let class = path.file_stem().and_then(|s| s.to_str()).filter(|s| is_wordnet_id(s));
        let mut group = Group { key: String::new(), members: Vec::new(), places: Vec::new() };
        entries(&mut file, len, &path.display().to_string(), &mut |entry| {
            let Entry { mut name, kind, offset, len } = entry;
            if let Some(class) = class
                && !name.contains('/')
                && kind != TarEntryKind::Folder
            {
                name = format!("{class}/{name}");
            }
            if self.is_hidden(&name) {
                return Ok(());
            }
            if kind == TarEntryKind::Folder {
                note_folders(&mut self.folders, &name, true);
                return Ok(());
            }
            if kind == TarEntryKind::BadName {
                self.notes.pass(Passed::BadName, &name);
                return Ok(());
            }
            let last = name.rsplit('/').next().unwrap_or_default();
            let what = foreign::kind(last);
            let role = match what {
                FileKind::Other => None,
                FileKind::Unknown if kind == TarEntryKind::Link => {
                    self.notes.pass(Passed::ArchiveLink, &name);
                    return Ok(());
                }
                FileKind::Image | FileKind::Unknown => {
                    check(path, &name, kind)?;
                    let front = FRONT as u64;
                    let image =
                        what == FileKind::Image || foreign::looks_like_image(&read(offset, len.min(front))?);
                    image.then_some(Role::Image(0))
                }
                FileKind::Sidecar if kind == TarEntryKind::File && len <= MAX_TEXT => {
                    Some(webdataset::read_text(&name, &read(offset, len)?))
                }
                FileKind::Sidecar => Some(Role::Text),
            };
            let Some(role) = role else {
                self.notes.pass(Passed::NoImage, &name);
                return Ok(());
            };
            if webdataset::group(&name) != group.key {
                self.take(path, &mut group)?;
                group.key = webdataset::group(&name).to_owned();
            }
            let role = match role {
                Role::Image(_) => {
                    let len = u32::try_from(len).unwrap_or(u32::MAX);
                    group.places.push(Place { offset, len, archive });
                    Role::Image(group.places.len() - 1)
                }
                role => role,
            };
            group.members.push(Member { name, role });
            Ok(())
        })?;
        self.take(path, &mut group)
    }

    /// Takes up the images of a group of files that follow each other.
    fn take(&mut self, path: &Path, group: &mut Group) -> Result<()> {
        let (members, places) = (std::mem::take(&mut group.members), std::mem::take(&mut group.places));
        let name = |image: usize| {
            let found = members.iter().find(|member| member.role == Role::Image(image));
            found.map_or("", |member| member.name.as_str())
        };
        let samples = webdataset::samples(&members).map_err(|[one, other]| {
            let problem =
                format!("either of its entries {one:?} and {other:?} could be the image of their key");
            Error::damaged(path, problem)
                .remedy("pack the image alone, or call the others by what they are: `7.jpg`, `7.mask.png`")
        })?;
        samples.second.iter().for_each(|name| self.notes.pass(Passed::SecondImage, name));
        samples.captions.iter().for_each(|name| self.notes.pass(Passed::Caption, name));
        for Taken { image, class } in samples.taken {
            let name = name(image);
            note_folders(&mut self.holding, name, false);
            self.names.push(name)?;
            self.places.push(places[image]);
            if let Some(class) = class {
                self.classes.resize(self.places.len() - 1, NO_CLASS);
                let next = self.texts.len() as u32;
                let number = *self.numbers.entry(class).or_insert_with_key(|class| {
                    self.texts.push(class.clone());
                    next
                });
                self.classes.push(number);
            }
        }
        Ok(())
    }

    /// Whether an entry is hidden, or lies in a folder that is hidden or the system's.
    fn is_hidden(&mut self, name: &str) -> bool {
        let mut end = 0;
        for part in name.split('/') {
            end += part.len() + usize::from(end > 0);
            if part.starts_with('.') {
                return true;
            }
            if foreign::is_foreign_folder(part) {
                if self.foreign.insert(name[..end].to_owned()) {
                    self.notes.pass(Passed::ForeignFolder, &name[..end]);
                }
                return true;
            }
        }
        false
    }

    /// The images under `root`, sorted.
    fn under(self, root: &str, notes: &mut Notes) -> Result<(Shards, Listing)> {
        let prefix = if root.is_empty() { String::new() } else { format!("{root}/") };
        let Self { archives, names, places, mut classes, texts, folders, holding, .. } = self;
        let right_below = |folder: &&str| !folder.is_empty() && !folder.contains('/');
        for empty in folders.iter().filter(|folder| !holding.contains(*folder)) {
            if let Some(folder) = empty.strip_prefix(&prefix).filter(right_below) {
                notes.pass(Passed::EmptyFolder, folder);
            }
        }
        let mut folders: Vec<String> = holding
            .iter()
            .filter_map(|f| f.strip_prefix(&prefix))
            .filter(right_below)
            .map(str::to_owned)
            .collect();
        folders.sort_unstable();
        let name = |i: u32| names.get(i as usize);
        let mut order: Vec<u32> = (0..names.len() as u32).filter(|&i| name(i).starts_with(&prefix)).collect();
        order.sort_unstable_by(|&a, &b| name(a).cmp(name(b)));
        let archive = |i: u32| &archives[places[i as usize].archive as usize].path;
        if let Some(pair) = order.windows(2).find(|pair| name(pair[0]) == name(pair[1])) {
            let problem =
                format!("its entry {:?} stands in {} as well", name(pair[1]), archive(pair[0]).display());
            return Err(
                Error::damaged(archive(pair[1]), problem).remedy("keep one of them: which one is meant?")
            );
        }
        let relative = |i: u32| &name(i)[prefix.len()..];
        if !folders.is_empty()
            && let Some(&loose) = order.iter().find(|&&i| !relative(i).contains('/'))
        {
            return Err(loose_beside_classes(archive(loose).join(name(loose))));
        }
        // Class folders come first. A single one, or none, says nothing that a text beside each image does not.
        classes.resize(places.len(), NO_CLASS);
        let class = |i: u32| Some(classes[i as usize]).filter(|&class| class != NO_CLASS);
        let mut assigned = None;
        if folders.len() < 2 && order.iter().any(|&i| class(i).is_some()) {
            if let Some(&without) = order.iter().find(|&&i| class(i).is_none()) {
                let problem = format!("no text beside its image {:?} names the class", name(without));
                return Err(Error::damaged(archive(without), problem)
                    .remedy("pack a .cls beside each image, right before or behind it"));
            }
            let mut sorted: Vec<u32> = order.iter().filter_map(|&i| class(i)).collect();
            sorted.sort_unstable();
            sorted.dedup();
            sorted.sort_unstable_by(|&a, &b| texts[a as usize].cmp(&texts[b as usize]));
            let mut number = vec![NO_CLASS; texts.len()];
            sorted.iter().zip(0..).for_each(|(&text, new)| number[text as usize] = new);
            assigned =
                Some(order.iter().filter_map(|&i| class(i)).map(|text| number[text as usize]).collect());
            folders = sorted.into_iter().map(|text| texts[text as usize].clone()).collect();
        }
        let mut sorted = Names::default();
        order.iter().try_for_each(|&i| sorted.push(relative(i)))?;
        // A million names are not kept twice for longer than need be.
        drop(names);
        sorted.shrink();
        let places = order.iter().map(|&i| places[i as usize]).collect();
        Ok((Shards { archives, places, prefix }, Listing { folders, names: sorted, assigned }))
    }
}

/// What archives unpack to.
impl Tree for Index {
    fn folders(&self, at: &str) -> Result<Vec<String>> {
        let prefix = if at.is_empty() { String::new() } else { format!("{at}/") };
        let below = |folders: &BTreeSet<String>| -> Vec<String> {
            let below = folders.range(prefix.clone()..).map_while(|f| f.strip_prefix(&prefix));
            below.filter(|f| !f.is_empty() && !f.contains('/')).map(str::to_owned).collect()
        };
        let mut all = [below(&self.folders), below(&self.holding)].concat();
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    fn holds_images(&self, at: &str) -> Result<bool> {
        Ok(self.holding.contains(at))
    }

    fn has_loose_images(&self, at: &str) -> Result<bool> {
        let prefix = if at.is_empty() { String::new() } else { format!("{at}/") };
        let loose = |name: &str| name.strip_prefix(&prefix).is_some_and(|rest| !rest.contains('/'));
        Ok(self.names.iter().any(loose))
    }

    fn shown(&self, at: &str) -> String {
        let archive = self.archives.first().map(|a| a.path.display().to_string()).unwrap_or_default();
        if at.is_empty() { archive } else { format!("{archive}: {at}") }
    }
}

/// Takes note of the folders that an entry lies in, and of the entry itself where it is a `whole` folder.
fn note_folders(folders: &mut BTreeSet<String>, name: &str, whole: bool) {
    let ends =
        name.match_indices('/').map(|(at, _)| at).chain((whole && !name.is_empty()).then_some(name.len()));
    for end in ends.take(LEVELS) {
        if !folders.contains(&name[..end]) {
            folders.insert(name[..end].to_owned());
        }
    }
}

/// Refuses what cannot be read by its place.
fn check(path: &Path, name: &str, kind: TarEntryKind) -> Result<()> {
    let refuse = |problem: &str, remedy: &str| {
        Err(Error::damaged(path, format!("its entry {name:?} {problem}")).remedy(remedy))
    };
    match kind {
        TarEntryKind::Link => {
            refuse("is a link", "pack the files themselves: `tar --dereference --hard-dereference -cf ...`")
        }
        TarEntryKind::Sparse => refuse("is packed with holes", "pack it without `--sparse`"),
        _ if name.to_ascii_lowercase().ends_with(".tar") => refuse(
            "is an archive itself",
            "if this is ImageNet's train archive, unpack it once (`tar -xf train.tar -C train`): the archives of its classes can stay packed",
        ),
        _ => Ok(()),
    }
}

fn is_wordnet_id(stem: &str) -> bool {
    stem.len() == 9 && stem.starts_with('n') && stem[1..].bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests;
