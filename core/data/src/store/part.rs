//! One of several parts of a store that are labelled apart, on several machines, and merged afterwards.

use std::fmt;
#[cfg(not(target_family = "wasm"))]
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::number_of::number_of;
use ferkd_method::error::Error;
#[cfg(not(target_family = "wasm"))]
use ferkd_method::error::{IoContext, Result};

/// Part `number` of `of`: every `of`-th shard, so that parts are equally long whatever the order of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Part {
    of: u32,
    number: u32,
}

/// Most parts of a store.
const MOST: u32 = 1 << 16;

impl Part {
    /// Whether a shard belongs to this part.
    pub fn owns(self, shard: u32) -> bool {
        shard % self.of == self.number - 1
    }

    /// How many of the first `shards` shards belong to it.
    pub fn count(self, shards: u32) -> u32 {
        shards.saturating_sub(self.number - 1).div_ceil(self.of)
    }

    /// Its number, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// Number of parts in all.
    pub fn of(self) -> u32 {
        self.of
    }

    /// Name of the folder, within the store's, that it is written into.
    pub fn folder(self) -> String {
        format!("part-{}-of-{}", self.number, self.of)
    }

    /// The part whose folder is called so.
    pub fn of_folder(name: &str) -> Option<Self> {
        let (number, of) = name.strip_prefix("part-")?.split_once("-of-")?;
        let part: Self = format!("{number}/{of}").parse().ok()?;
        (part.folder() == name).then_some(part)
    }
}

impl FromStr for Part {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (number, of) = number_of(text, 1..=MOST).ok_or_else(|| {
            let problem = format!("invalid part {text:?}: expected a number of a count, up to {MOST}");
            Error::usage("part", problem).remedy("write 2/4 for the second of four")
        })?;
        Ok(Self { of, number })
    }
}

impl TryFrom<String> for Part {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Part> for String {
    fn from(part: Part) -> Self {
        part.to_string()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// The parts that lie in a folder, sorted; none where there is no such folder.
#[cfg(not(target_family = "wasm"))]
pub(super) fn parts_in(folder: &Path) -> Result<Vec<(Part, PathBuf)>> {
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for entry in std::fs::read_dir(folder).at(folder)? {
        let path = entry.at(folder)?.path();
        let part = path.file_name().and_then(|n| n.to_str()).and_then(Part::of_folder);
        found.extend(part.filter(|_| path.is_dir()).map(|part| (part, path)));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shard_has_one_part() {
        let parts: Vec<Part> = (1..=3).map(|i| format!("{i}/3").parse().unwrap()).collect();
        for shard in 0..20 {
            assert_eq!(parts.iter().filter(|part| part.owns(shard)).count(), 1);
            for part in &parts {
                assert_eq!(part.count(shard), (0..shard).filter(|&s| part.owns(s)).count() as u32);
            }
        }
        assert!(parts[1].owns(1) && parts[1].owns(4));
    }

    #[test]
    fn names_and_folders_go_together() {
        let part: Part = "2/14".parse().unwrap();
        assert_eq!((part.to_string(), part.folder()), ("2/14".into(), "part-2-of-14".into()));
        assert_eq!(Part::of_folder("part-2-of-14"), Some(part));
        for wrong in ["0/2", "3/2", "2", "/", "a/b", "1/65537", "-1/2", "1/0", "1/2/3"] {
            assert!(wrong.parse::<Part>().is_err(), "{wrong}");
        }
        for wrong in ["part-02-of-14", "part-2-of-1", "part-+2-of-14", "part-2", "parts"] {
            assert_eq!(Part::of_folder(wrong), None, "{wrong}");
        }
    }
}
