//! Label spaces: which class each output of a model stands for, and which of them a folder means.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use ferkd_method::error::{Error, IoContext, Result};

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

    /// Reads classes from a text file: an identifier a line, in output order; a name may follow behind a tab.
    ///
    /// # Errors
    /// A file that cannot be read, is not UTF-8 text, holds no class or more than 65,536, or one of them twice.
    pub fn read(path: &Path) -> Result<Self> {
        let bad = |problem: String| {
            Error::damaged(path, problem)
                .remedy("write a class a line, in the order of the teacher's outputs")
        };
        let size = std::fs::metadata(path).at(path)?.len();
        if size > 1 << 24 {
            return Err(bad(format!("{size} bytes are too many for a list of classes")));
        }
        let text = String::from_utf8(std::fs::read(path).at(path)?)
            .map_err(|_| bad("it is not valid text: expected UTF-8".into()))?;
        let (mut classes, mut seen) = (Self { ids: Vec::new(), names: Vec::new() }, HashSet::new());
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (id, name) =
                line.split_once('\t').map_or((line, line), |(id, name)| (id.trim(), name.trim()));
            if !seen.insert(id) {
                return Err(bad(format!("class `{id}` stands there twice")));
            }
            classes.ids.push(id.to_owned());
            classes.names.push(name.to_owned());
        }
        match classes.len() {
            1..=65_536 => Ok(classes),
            count => Err(bad(format!("{count} classes; 1 to 65536 are possible"))),
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

    /// The class that a folder's name means: by identifier, else by a name that only one class has.
    ///
    /// # Errors
    /// A name that several classes share.
    pub fn find(&self, folder: &str) -> Result<Option<u32>> {
        if let Some(i) = self.ids.iter().position(|id| id == folder) {
            return Ok(Some(i as u32));
        }
        let mut named = self.names.iter().enumerate().filter(|(_, name)| *name == folder).map(|(i, _)| i);
        match (named.next(), named.next()) {
            (Some(_), Some(_)) => {
                let ids: Vec<&str> = self
                    .names
                    .iter()
                    .zip(&self.ids)
                    .filter(|(n, _)| *n == folder)
                    .map(|(_, id)| id.as_str())
                    .collect();
                Err(Error::mismatch(format!("class folder `{folder}`"), "several classes have this name")
                    .remedy(format!("rename the folder to one of {}", ids.join(", "))))
            }
            (first, _) => Ok(first.map(|i| i as u32)),
        }
    }

    /// The class of each folder.
    ///
    /// # Errors
    /// A folder that is none of the classes; the message names both sides. `owner` says whose classes these are.
    pub fn map_folders(&self, folders: &[String], owner: &str) -> Result<Vec<u32>> {
        folders
            .iter()
            .map(|folder| {
                self.find(folder)?.ok_or_else(|| {
                    let shown: Vec<&str> = self.names.iter().take(4).map(String::as_str).collect();
                    let problem = format!(
                        "it is none of the {} classes of {owner} ({}, ...)",
                        self.len(),
                        shown.join(", ")
                    );
                    let names = self.names.iter().map(String::as_str);
                    let nearest = crate::config::nearest(folder, names.filter(|n| n.contains(folder.as_str())));
                    let hint = nearest.map(|name| format!("did you mean `{name}`? ")).unwrap_or_default();
                    Error::mismatch(format!("class folder `{folder}`"), problem).remedy(format!(
                        "{hint}name class folders by WordNet id or by a class name, or use a teacher of these classes"
                    ))
                })
            })
            .collect()
    }

    /// The classes with the given indices, in that order.
    pub fn subset(&self, indices: &[u32]) -> Self {
        let pick = |list: &[String]| indices.iter().filter_map(|&i| list.get(i as usize).cloned()).collect();
        Self { ids: pick(&self.ids), names: pick(&self.names) }
    }
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
}
