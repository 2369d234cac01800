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
        let (archive, place) = (self.archive(i), self.places[i]);
        let path = &archive.path;
        let mut file = File::open(path).at(path)?;
        if file.metadata().at(path)?.len() != archive.len {
            let problem = "it has changed since its headers were read";
            return Err(Error::mismatch(path.display().to_string(), problem)
                .remedy("run the same command again, and leave the archive alone meanwhile"));
        }
        let mut bytes = vec![0; place.len as usize];
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
mod tests {
    use super::*;
    use crate::images::list::ImageList;
    use crate::images::tar::tests::{archive, entry};

    fn write(folder: &Path, name: &str, entries: &[Vec<u8>]) -> PathBuf {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, archive(entries)).unwrap();
        path
    }

    fn image(name: &str) -> Vec<u8> {
        entry(name, b'0', name.as_bytes())
    }

    fn names(list: &ImageList) -> Vec<&str> {
        (0..list.len()).map(|i| list.name(i)).collect()
    }

    fn error(path: &Path) -> String {
        ImageList::open(path, Split::Train).unwrap_err().to_string()
    }

    /// Every way to lay the same six images out.
    #[test]
    fn archives_are_the_folder_that_they_unpack_to() {
        let at = tempfile::tempdir().unwrap();
        let train = ["a-b/5.png", "a/0.png", "a/x/1.png", "b/2.png"];
        let put = |prefix: &str, names: &[&str]| {
            names.iter().map(|n| image(&format!("{prefix}{n}"))).collect::<Vec<_>>()
        };
        let whole = [put("set/train/", &train), put("set/val/", &["a/9.png"])].concat();
        write(at.path(), "one/set.tar", &whole);
        write(at.path(), "halves/train.tar", &put("", &train));
        write(at.path(), "halves/val.tar", &put("./", &["a/9.png"]));
        write(at.path(), "many/train-0.tar", &put("train/", &[train[3], train[1]]));
        write(at.path(), "many/train-1.tar", &put("train/", &[train[2], train[0]]));
        write(at.path(), "many/val-0.tar", &put("val/", &["a/9.png"]));
        write(at.path(), "inner/train/0.tar", &put("", &train[..2]));
        write(at.path(), "inner/train/1.tar", &put("", &train[2..]));
        write(at.path(), "inner/val/0.tar", &put("", &["a/9.png"]));
        for name in train {
            let path = at.path().join("folder/train").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        std::fs::create_dir_all(at.path().join("folder/val/a")).unwrap();
        std::fs::write(at.path().join("folder/val/a/9.png"), "a/9.png").unwrap();

        for layout in ["folder", "one", "one/set.tar", "halves", "many", "inner"] {
            let path = at.path().join(layout);
            let list = ImageList::open(&path, Split::Train).unwrap();
            assert_eq!(names(&list), train, "{layout}");
            assert_eq!(list.folders(), ["a", "a-b", "b"], "{layout}");
            for (i, name) in train.iter().enumerate() {
                let folder = &list.folders()[list.folder(i).unwrap() as usize];
                assert!(name.starts_with(&format!("{folder}/")));
                assert!(list.read(i).unwrap().ends_with(name.as_bytes()), "{layout}: {name}");
            }
            let half = ImageList::open_half(&path, Split::Val).unwrap().unwrap();
            assert_eq!(names(&half), ["a/9.png"], "{layout}");
            let fewer = list.without(["a/0.png", "a/0.webp", "zzz"]).unwrap();
            assert_eq!(names(&fewer), [train[0], train[2], train[3]]);
            assert!(fewer.read(1).unwrap().ends_with(b"a/x/1.png"));
            assert_eq!(fewer.folders()[fewer.folder(1).unwrap() as usize], "a");
        }
        let half = ImageList::open_half(&at.path().join("halves/train.tar"), Split::Val).unwrap();
        assert!(half.is_none(), "the training images are no validation images");
    }

    #[test]
    fn what_lies_beside_images_is_passed_over() {
        let at = tempfile::tempdir().unwrap();
        let path = write(
            at.path(),
            "x.tar",
            &[
                image("a/1.jpg"),
                image("a/1.cls"),
                image("a/1.json"),
                image("a/._1.jpg"),
                image(".b/2.jpg"),
                image("README.md"),
                image("LICENSE"),
                image("__MACOSX/a/3.jpg"),
                image("b/2.jpg"),
                entry("c", b'5', b""),
                image("c/notes.txt"),
            ],
        );
        let list = ImageList::open(&path, Split::Train).unwrap();
        assert_eq!(
            (names(&list), list.folders()),
            (vec!["a/1.jpg", "b/2.jpg"], &["a".to_owned(), "b".to_owned()][..])
        );
        let said = list.notices().join(" ");
        for text in [
            "1 folder without images (`c`)",
            "`__MACOSX`",
            "2 files that are no images (`README.md`, `LICENSE`)",
        ] {
            assert!(said.contains(text), "{said}");
        }
    }

    #[test]
    fn per_class_archives_of_imagenet_are_class_folders() {
        let at = tempfile::tempdir().unwrap();
        write(at.path(), "train/n01440764.tar", &[image("n01440764_2.JPEG"), image("n01440764_1.JPEG")]);
        write(at.path(), "train/n01443537.tar", &[image("n01443537_1.JPEG")]);
        let list = ImageList::open(at.path(), Split::Train).unwrap();
        assert_eq!(names(&list)[..2], ["n01440764/n01440764_1.JPEG", "n01440764/n01440764_2.JPEG"]);
        assert_eq!(list.folders().len(), 2);
        let flat = write(at.path(), "flat/any.tar", &[image("2.png"), image("1.png")]);
        let list = ImageList::open(&flat, Split::Train).unwrap();
        assert_eq!((names(&list), list.folder(0)), (vec!["1.png", "2.png"], None));
    }

    #[test]
    fn what_cannot_be_read_by_its_place_names_archive_and_entry() {
        let at = tempfile::tempdir().unwrap();
        for (name, entries, said) in [
            ("link.tar", vec![entry("a/1.png", b'2', b"")], "dereference"),
            ("holes.tar", vec![entry("a/1.png", b'S', b"")], "--sparse"),
            ("twice.tar", vec![image("a/1.png"), image("a/2.png"), image("./a/1.png")], "stands in"),
            ("official.tar", vec![image("n01440764.tar")], "unpack it once"),
            ("loose.tar", vec![image("a/1.png"), image("1.png")], "loose"),
        ] {
            let path = write(at.path(), name, &entries);
            let text = error(&path);
            assert!(text.contains(name) && text.contains(said), "{text}");
        }
        assert!(error(&write(at.path(), "none.tar", &[image("README.md")])).contains("no image"));
        write(at.path(), "mixed/a.tar", &[image("a/1.png")]);
        std::fs::write(at.path().join("mixed/b.png"), b"x").unwrap();
        assert!(error(&at.path().join("mixed")).contains("b.png"));
    }

    #[test]
    fn a_folder_around_the_classes_is_looked_through() {
        let at = tempfile::tempdir().unwrap();
        let path =
            write(at.path(), "d.tar", &[entry("d", b'5', b""), image("d/a/1.png"), image("d/b/2.png")]);
        let list = ImageList::open(&path, Split::Train).unwrap();
        assert_eq!((names(&list), list.folders().len()), (vec!["a/1.png", "b/2.png"], 2));
        assert!(list.notices()[0].contains("d: its folders are the classes"), "{:?}", list.notices());
    }

    #[test]
    fn texts_beside_images_name_their_classes() {
        let at = tempfile::tempdir().unwrap();
        let text = |name: &str, text: &str| entry(name, b'0', text.as_bytes());
        let path = write(
            at.path(),
            "shard-0.tar",
            &[
                text("./2.x.cls", "10"),
                image("./2.x.jpg"),
                image("./3.jpg"),
                text("./3.json", "{\"label\": 2}"),
                image("./3.seg.png"),
            ],
        );
        let list = ImageList::open(&path, Split::Train).unwrap();
        assert_eq!(
            (names(&list), list.folders()),
            (vec!["2.x.jpg", "3.jpg"], &["10".to_owned(), "2".to_owned()][..])
        );
        assert_eq!((list.folder(0), list.folder(1)), (Some(0), Some(1)));
        assert!(list.read(1).unwrap().ends_with(b"3.jpg"));
        assert_eq!(list.without(["2.x.jpg"]).unwrap().folder(0), Some(1));
        assert!(list.notices().join(" ").contains("`3.seg.png`"), "{:?}", list.notices());
        let path = write(at.path(), "some.tar", &[text("1.cls", "1"), image("1.jpg"), image("2.jpg")]);
        assert!(error(&path).contains("\"2.jpg\""), "{}", error(&path));
        let path = write(at.path(), "pair.tar", &[text("1.cls", "1"), image("1.jpg"), image("1.png")]);
        assert!(error(&path).contains("1.jpg") && error(&path).contains("1.png"));
    }

    #[test]
    fn a_name_that_is_not_utf8_does_not_stop_everything() {
        let at = tempfile::tempdir().unwrap();
        // A name of Latin-1, whose header is made by hand.
        let mut strange = entry("a/_.png", b'0', b"x");
        strange[2] = 0xE9;
        strange[148..156].fill(b' ');
        let sum: u32 = strange[..512].iter().map(|&b| u32::from(b)).sum();
        strange[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let path = write(at.path(), "x.tar", &[strange, image("a/1.png"), image("b/2.png")]);
        let list = ImageList::open(&path, Split::Train).unwrap();
        assert_eq!(names(&list), ["a/1.png", "b/2.png"]);
        assert!(list.notices().join(" ").contains("not UTF-8"), "{:?}", list.notices());
    }

    #[test]
    fn an_archive_that_changes_is_noticed() {
        let at = tempfile::tempdir().unwrap();
        let path = write(at.path(), "x.tar", &[image("a/1.jpg")]);
        let list = ImageList::open(&path, Split::Train).unwrap();
        std::fs::write(&path, b"shorter").unwrap();
        assert!(list.read(0).unwrap_err().to_string().contains("changed"));
    }
}
