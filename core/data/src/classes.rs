//! Label spaces: which class each output of a model stands for, and which of them a folder means.

mod lookup;

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::classes::lookup::{Found, Lookup};
use ferkd_method::error::{Error, IoContext, Result};

/// Longest list of classes that is read, in bytes.
const LONGEST_LIST: u64 = 1 << 24;

/// The classes of a model or a store, in output order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassSpace {
    /// Identifiers, unique: WordNet ids for ImageNet, else the folders' names.
    pub ids: Vec<String>,
    /// Names for people; they need not be unique.
    pub names: Vec<String>,
}

impl ClassSpace {
    /// The 1000 classes of ImageNet-1K, in the usual order.
    pub fn imagenet() -> Self {
        let ids = include_str!("../../../assets/imagenet/wnids.txt").lines().map(str::to_owned).collect();
        // The file is a part of the source and read by a test; an empty list here would fail there.
        let names =
            serde_json::from_str(include_str!("../../../assets/imagenet/names.json")).unwrap_or_default();
        Self { ids, names }
    }

    /// A folder's own classes.
    pub fn of_folders(folders: &[String]) -> Self {
        Self { ids: folders.to_vec(), names: folders.to_vec() }
    }

    /// Reads classes from a text file: an identifier a line, in output order; a name may follow behind a tab, or
    /// behind a WordNet id and a blank. A byte-order mark is no part of a name.
    ///
    /// # Errors
    /// A file that cannot be read, is not UTF-8 text, holds no class or more than 65,536, or one of them twice.
    pub fn read(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path).at(path)?.len();
        if size > LONGEST_LIST {
            return Err(bad_list(path, format!("{size} bytes are too many for a list of classes")));
        }
        Self::parse(&std::fs::read(path).at(path)?, path)
    }

    /// The same from a file's bytes; errors name `path`.
    ///
    /// # Errors
    /// Bytes that are not UTF-8 text, hold no class or more than 65,536, or one of them twice.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let bad = |problem: String| bad_list(path, problem);
        if bytes.len() as u64 > LONGEST_LIST {
            return Err(bad(format!("{} bytes are too many for a list of classes", bytes.len())));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| bad("invalid text: expected UTF-8".into()))?;
        let (mut classes, mut seen) = (Self { ids: Vec::new(), names: Vec::new() }, HashSet::new());
        let text = text.trim_start_matches('\u{FEFF}');
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let parts = line.split_once('\t').or_else(|| lookup::wordnet_line(line));
            let (id, name) = parts.map_or((line, line), |(id, name)| (id.trim(), name.trim()));
            if !seen.insert(lookup::composed(id)) {
                return Err(bad(format!("class `{id}` stands there twice")));
            }
            classes.ids.push(id.to_owned());
            classes.names.push(name.to_owned());
        }
        match classes.len() {
            1..=65_536 => Ok(classes),
            count => Err(bad(format!("invalid number of classes {count}: expected 1 to 65536"))),
        }
    }

    /// Number of classes C.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is no class.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The class that a folder's name means: by identifier, by a name that only one class has, by the WordNet id that
    /// it begins with (`n01910747_jellyfish`), or by either name in another case or Unicode form (NFC, NFD) and with
    /// `_` or `-` for blanks.
    ///
    /// # Errors
    /// A name that several classes share.
    pub fn find(&self, folder: &str) -> Result<Option<u32>> {
        self.class_of(&self.lookup(), folder)
    }

    fn lookup(&self) -> Lookup<'_> {
        Lookup::new(&self.ids, &self.names)
    }

    fn class_of(&self, lookup: &Lookup, folder: &str) -> Result<Option<u32>> {
        match lookup.find(folder) {
            Found::One(class) => Ok(Some(class)),
            Found::Nothing => Ok(None),
            Found::Several(classes) => {
                let ids: Vec<&str> = classes
                    .iter()
                    .filter_map(|&class| self.ids.get(class as usize))
                    .map(String::as_str)
                    .collect();
                Err(Error::mismatch(format!("class folder `{folder}`"), "several classes have this name")
                    .remedy(format!("rename the folder to one of {}", ids.join(", "))))
            }
        }
    }

    /// The class of each folder. Folders that are called by the numbers 0 to C - 1, all of them, are the classes in
    /// their order.
    ///
    /// # Errors
    /// A folder that is none of the classes; the message names both sides. `owner` says whose classes these are.
    pub fn map_folders(&self, folders: &[String], owner: &str) -> Result<Vec<u32>> {
        let lookup = self.lookup();
        let mut classes = Vec::with_capacity(folders.len());
        for folder in folders {
            match self.class_of(&lookup, folder)? {
                Some(class) => classes.push(class),
                None => {
                    return lookup.by_number(folders).ok_or_else(|| self.unknown(&lookup, folder, owner));
                }
            }
        }
        Ok(classes)
    }

    fn unknown(&self, lookup: &Lookup, folder: &str, owner: &str) -> Error {
        let shown: Vec<&str> = self.names.iter().take(4).map(String::as_str).collect();
        let more = if self.len() > shown.len() { ", ..." } else { "" };
        let problem =
            format!("it is none of the {} classes of {owner} ({}{more})", self.len(), shown.join(", "));
        let hint = match lookup.nearest(folder) {
            Some(name) => format!("did you mean `{name}`? "),
            None if folder.bytes().all(|b| b.is_ascii_digit()) => format!(
                "numbers are understood where all from 0 to {} are there; else give a --classes-file with lines such \
                 as `{folder}`, a tab and a name; ",
                self.len().saturating_sub(1)
            ),
            None => String::new(),
        };
        Error::mismatch(format!("class folder `{folder}`"), problem).remedy(format!(
            "{hint}name class folders by WordNet id or by a class name, or use a teacher of these classes"
        ))
    }

    /// Whether the identifiers are the same texts in the same order, in whatever Unicode form.
    pub fn same_ids(&self, other: &Self) -> bool {
        self.ids.iter().map(|id| lookup::composed(id)).eq(other.ids.iter().map(|id| lookup::composed(id)))
    }

    /// Checks that no two class folders are the same text in two Unicode forms, as copies by macOS and by others are.
    /// They look alike, and would be two classes.
    ///
    /// # Errors
    /// The first two that are; `root` is where they lie.
    pub fn check_forms(folders: &[String], root: &str) -> Result<()> {
        let mut seen = HashSet::new();
        // ASCII has one form.
        match folders.iter().filter(|name| !name.is_ascii()).find(|name| !seen.insert(lookup::composed(name)))
        {
            None => Ok(()),
            Some(twice) => Err(Error::mismatch(
                root,
                format!("two of its class folders are called `{twice}`, in two Unicode forms (NFC and NFD)"),
            )
            .remedy("move the images of one into the other")),
        }
    }

    /// The classes with the given indices, in that order.
    pub fn subset(&self, indices: &[u32]) -> Self {
        let pick = |list: &[String]| indices.iter().filter_map(|&i| list.get(i as usize).cloned()).collect();
        Self { ids: pick(&self.ids), names: pick(&self.names) }
    }
}

fn bad_list(path: &Path, problem: String) -> Error {
    Error::damaged(path, problem).remedy("write a class a line, in the order of the teacher's outputs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imagenet_is_whole() {
        let space = ClassSpace::imagenet();
        assert_eq!((space.ids.len(), space.names.len()), (1000, 1000));
        assert_eq!(space.find("n02124075").unwrap(), Some(285));
        assert_eq!(space.find(&space.names[285]).unwrap(), Some(285));
        assert_eq!(space.find("no such thing").unwrap(), None);
    }

    #[test]
    fn an_ambiguous_name_is_an_error_that_lists_the_ids() {
        let error = ClassSpace::imagenet().find("missile").unwrap_err().to_string();
        assert!(error.contains("n03773504") || error.contains("n04008634"), "{error}");
    }

    #[test]
    fn a_foreign_folder_names_both_sides() {
        let error = ClassSpace::imagenet().map_folders(&["zebrafish".into()], "the teacher").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("zebrafish") && text.contains("the teacher"), "{text}");
        let error = ClassSpace::imagenet().map_folders(&["tabby".into()], "the teacher").unwrap_err();
        assert!(error.to_string().contains("`tabby cat`"), "{error}");
    }

    fn found(folder: &str) -> Result<Option<u32>, String> {
        ClassSpace::imagenet().find(folder).map_err(|e| e.to_string())
    }

    #[test]
    fn a_folder_is_understood_as_people_write_its_class() {
        for (folder, class) in [
            ("n02124075", 285),
            ("n01910747_jellyfish", 107),
            ("n01910747-jellyfish", 107),
            ("n01910747", 107),
            ("jellyfish", 107),
            ("Jellyfish", 107),
            ("great white shark", 2),
            ("Great_White-Shark", 2),
            ("GREAT__WHITE_SHARK", 2),
            ("american_robin", 15),
        ] {
            assert_eq!(found(folder), Ok(Some(class)), "{folder}");
        }
        for folder in ["n019107470", "n01910747jellyfish", "n99999999", "", "jelly"] {
            assert_eq!(found(folder), Ok(None), "{folder}");
        }
        assert!(found("Missile").unwrap_err().contains("n04008634"));
        // Two of one's own classes that differ in their case only.
        let own = ClassSpace::of_folders(&["Cat".into(), "cat".into()]);
        assert_eq!((own.find("cat").unwrap(), own.find("Cat").unwrap()), (Some(1), Some(0)));
        assert!(own.find("CAT").is_err());
    }

    #[test]
    fn a_name_is_the_same_class_in_every_unicode_form() {
        let (composed, decomposed) = ("Caf\u{e9}", "Cafe\u{301}");
        let own = |folder: &str| ClassSpace::of_folders(&["Tea".into(), folder.into()]);
        for (class, folder) in [(composed, decomposed), (decomposed, composed), (decomposed, "caf\u{e9}")] {
            assert_eq!(own(class).find(folder).unwrap(), Some(1), "{class:?} {folder:?}");
            assert_eq!(own(class).map_folders(&[folder.into()], "the store").unwrap(), [1]);
        }
        assert!(own(composed).same_ids(&own(decomposed)));
        assert!(!own(composed).same_ids(&own("Cafe")));
        assert_eq!(own(composed).find("Cafe").unwrap(), None);
        let both = [composed.to_owned(), decomposed.to_owned()];
        let error = ClassSpace::check_forms(&both, "d").unwrap_err().to_string();
        assert!(error.starts_with("d: two of its class folders") && error.contains("NFD"), "{error}");
        ClassSpace::check_forms(&[composed.into(), "Cafe".into()], "d").unwrap();
        let at = tempfile::tempdir().unwrap();
        let path = at.path().join("classes.txt");
        std::fs::write(&path, both.join("\n")).unwrap();
        assert!(ClassSpace::read(&path).unwrap_err().to_string().contains("stands there twice"));
    }

    #[test]
    fn plain_numbers_are_classes_where_all_of_them_are_there() {
        let imagenet = ClassSpace::imagenet();
        // In the order of a folder's listing, as ImageNetV2 has them.
        let mut folders: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
        folders.sort_unstable();
        let classes = imagenet.map_folders(&folders, "ImageNet").unwrap();
        assert_eq!((folders[2].as_str(), classes[2]), ("10", 10));
        assert_eq!((folders[3].as_str(), classes[3]), ("100", 100));
        let error = imagenet.map_folders(&folders[..10], "ImageNet").unwrap_err().to_string();
        assert!(error.contains("--classes-file") && error.contains("0 to 999"), "{error}");
        let digits = ClassSpace::of_folders(&["0".into(), "1".into()]);
        assert_eq!(digits.map_folders(&["01".into()], "the student").unwrap(), [1]);
        let off_by_one: Vec<String> = (1..=1000).map(|n| n.to_string()).collect();
        assert!(imagenet.map_folders(&off_by_one, "ImageNet").is_err());
    }

    #[test]
    fn an_unknown_folder_is_told_which_class_it_is_nearest_to() {
        for (folder, meant) in [
            ("golden retreiver", Some("Golden Retriever")),
            ("Golden_Retreiver", Some("Golden Retriever")),
            ("robin", Some("American robin")),
            ("jellyfishes", Some("jellyfish")),
            ("n99999999", None),
            ("12345", None),
        ] {
            let error =
                ClassSpace::imagenet().map_folders(&[folder.into()], "ImageNet").unwrap_err().to_string();
            match meant {
                Some(name) => assert!(error.contains(&format!("did you mean `{name}`?")), "{error}"),
                None => assert!(!error.contains("did you mean"), "{error}"),
            }
        }
    }

    #[test]
    fn a_classes_file_may_begin_with_a_byte_order_mark() {
        let at = tempfile::tempdir().unwrap();
        let path = at.path().join("classes.txt");
        let text = "\u{FEFF}cat\r\nn02124075 Egyptian cat\r\n7\tgreat white shark\r\nice cream\r\n";
        std::fs::write(&path, text).unwrap();
        let classes = ClassSpace::read(&path).unwrap();
        assert_eq!(classes.ids, ["cat", "n02124075", "7", "ice cream"]);
        assert_eq!(classes.names, ["cat", "Egyptian cat", "great white shark", "ice cream"]);
        let folders = ["7".to_owned(), "Cat".into(), "ice_cream".into()];
        assert_eq!(classes.map_folders(&folders, "it").unwrap(), [2, 0, 3]);
    }
}
