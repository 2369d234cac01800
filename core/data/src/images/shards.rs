//! Images in tar archives: an index made from headers alone, and images read by their place.
//!
//! The archives together are taken as the folder that they would unpack to, so that the list of images, their
//! order and the keys of their regions are the folder's own.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::images::folder::{Listing, loose_beside_classes, may_be_image};
use crate::images::names::Names;
use crate::images::split::Split;
use crate::images::tar::{Entry, TarEntryKind, entries};
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
    /// Every folder of the first three levels, whether it holds an image or not.
    folders: BTreeSet<String>,
}

impl Shards {
    /// Indexes `paths`; whether the images of `split` were told apart by a folder of its name, comes with it.
    pub(super) fn open(paths: &[PathBuf], split: Split) -> Result<(Self, Listing, bool)> {
        let mut index = Index::default();
        paths.iter().try_for_each(|path| index.add(path))?;
        let (prefix, told) = index.root(split);
        let (shards, listing) = index.under(prefix)?;
        Ok((shards, listing, told))
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

impl Index {
    /// Reads an archive's headers.
    fn add(&mut self, path: &Path) -> Result<()> {
        let mut file = File::open(path).at(path)?;
        let len = file.metadata().at(path)?.len();
        let archive = self.archives.len() as u32;
        self.archives.push(Archive { path: path.to_owned(), len });
        // ImageNet's per-class archives hold loose files; their own names say the class.
        let class = path.file_stem().and_then(|s| s.to_str()).filter(|s| is_wordnet_id(s));
        entries(&mut file, len, &path.display().to_string(), &mut |entry| {
            let Entry { mut name, kind, offset, len } = entry;
            if let Some(class) = class
                && !name.contains('/')
                && kind != TarEntryKind::Folder
            {
                name = format!("{class}/{name}");
            }
            self.note_folders(&name, kind == TarEntryKind::Folder);
            let last = name.rsplit('/').next().unwrap_or_default();
            if kind == TarEntryKind::Folder
                || name.split('/').any(|part| part.starts_with('.'))
                || !may_be_image(last)
            {
                return Ok(());
            }
            check(path, &name, kind)?;
            self.names.push(&name)?;
            self.places.push(Place { offset, len: u32::try_from(len).unwrap_or(u32::MAX), archive });
            Ok(())
        })
    }

    fn note_folders(&mut self, name: &str, whole: bool) {
        let ends = name
            .match_indices('/')
            .map(|(at, _)| at)
            .chain((whole && !name.is_empty()).then_some(name.len()));
        for end in ends.take(3) {
            if !self.folders.contains(&name[..end]) {
                self.folders.insert(name[..end].to_owned());
            }
        }
    }

    /// Where the images of a half begin, with a `/` behind it, and whether that folder is the half's own:
    /// `train/`, or the same within the only folder at the top, as an archive of a whole data set has it.
    fn root(&self, split: Split) -> (String, bool) {
        let half = split.folder();
        if self.folders.contains(half) {
            return (format!("{half}/"), true);
        }
        let mut tops = self.folders.iter().filter(|f| !f.contains('/') && !f.starts_with('.'));
        let (top, second) = (tops.next(), tops.next());
        let loose = self.names.iter().any(|name| !name.contains('/'));
        if let (Some(top), None, false) = (top, second, loose) {
            let inner = |half: &str| self.folders.contains(&format!("{top}/{half}"));
            if inner(half) {
                return (format!("{top}/{half}/"), true);
            }
            if inner(Split::Train.folder()) || inner(Split::Val.folder()) {
                return (format!("{top}/"), false);
            }
        }
        (String::new(), false)
    }

    /// The images under `prefix`, sorted.
    fn under(self, prefix: String) -> Result<(Shards, Listing)> {
        let Self { archives, names, places, folders } = self;
        let mut folders: Vec<String> = folders
            .iter()
            .filter_map(|f| f.strip_prefix(&prefix))
            .filter(|f| !f.is_empty() && !f.contains('/') && !f.starts_with('.'))
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
        let mut sorted = Names::default();
        order.iter().try_for_each(|&i| sorted.push(relative(i)))?;
        // A million names are not kept twice for longer than need be.
        drop(names);
        sorted.shrink();
        let places = order.iter().map(|&i| places[i as usize]).collect();
        Ok((Shards { archives, places, prefix }, Listing { folders, names: sorted }))
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
                image("c/notes.txt"),
            ],
        );
        let list = ImageList::open(&path, Split::Train).unwrap();
        assert_eq!((names(&list), list.folders()), (vec!["a/1.jpg"], &["a".to_owned(), "c".to_owned()][..]));
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
    fn an_archive_that_changes_is_noticed() {
        let at = tempfile::tempdir().unwrap();
        let path = write(at.path(), "x.tar", &[image("a/1.jpg")]);
        let list = ImageList::open(&path, Split::Train).unwrap();
        std::fs::write(&path, b"shorter").unwrap();
        assert!(list.read(0).unwrap_err().to_string().contains("changed"));
    }
}
