//! What a listing has to say: which split was taken, and what was passed over, counted and said once.

use std::collections::BTreeMap;

/// Why something was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Passed {
    /// A folder without an image, which is no class.
    EmptyFolder,
    /// A folder of the system's or of another program's.
    ForeignFolder,
    /// A file that is no image.
    NoImage,
    /// A link to something that is not there.
    DanglingLink,
    /// A pipe, a socket or a device.
    SpecialFile,
    /// A name that is not UTF-8, or holds a line break.
    BadName,
    /// Another image of a WebDataset key.
    SecondImage,
    /// A WebDataset text that names no class.
    Caption,
    /// An archive whose name says no split, beside archives whose names do.
    Archive,
    /// An archive beside the splits' folders.
    ArchiveBeside,
    /// A link in an archive.
    ArchiveLink,
}

impl Passed {
    fn text(self, one: bool) -> &'static str {
        match (self, one) {
            (Self::EmptyFolder, true) => "folder without images",
            (Self::EmptyFolder, false) => "folders without images",
            (Self::ForeignFolder, true) => "folder of the system",
            (Self::ForeignFolder, false) => "folders of the system",
            (Self::NoImage, true) => "file that is not an image",
            (Self::NoImage, false) => "files that are not images",
            (Self::DanglingLink, true) => "link to a file that is not there",
            (Self::DanglingLink, false) => "links to files that are not there",
            (Self::SpecialFile, true) => "pipe, socket or device",
            (Self::SpecialFile, false) => "pipes, sockets or devices",
            (Self::BadName, true) => "name that is not UTF-8 or has a line break",
            (Self::BadName, false) => "names that are not UTF-8 or have a line break",
            (Self::SecondImage, true) => "second image of a key",
            (Self::SecondImage, false) => "second images of their keys",
            (Self::Caption, true) => "text that names no class",
            (Self::Caption, false) => "texts that name no class",
            (Self::Archive, true) => "archive whose name says no split",
            (Self::Archive, false) => "archives whose names say no split",
            (Self::ArchiveBeside, true) => "archive beside the splits' folders",
            (Self::ArchiveBeside, false) => "archives beside the splits' folders",
            (Self::ArchiveLink, true) => "link that is not an image",
            (Self::ArchiveLink, false) => "links that are not images",
        }
    }
}

/// Names that stand for all that were passed over for the same reason.
const SHOWN: usize = 3;

/// What there is to say.
#[derive(Debug, Default)]
pub(super) struct Notes {
    said: Vec<String>,
    passed: BTreeMap<Passed, (u64, Vec<String>)>,
}

impl Notes {
    /// A sentence of its own.
    pub(super) fn say(&mut self, text: String) {
        self.said.push(text);
    }

    /// Counts what was passed over, and keeps the first names in their order: a system lists them in any.
    pub(super) fn pass(&mut self, why: Passed, name: &str) {
        let (count, names) = self.passed.entry(why).or_default();
        *count += 1;
        let at = names.partition_point(|other| other.as_str() < name);
        if at < SHOWN {
            names.insert(at, name.to_owned());
            names.truncate(SHOWN);
        }
    }

    /// The same, where what was passed over lies in a folder.
    pub(super) fn within(mut self, folder: &str) -> Self {
        let names = self.passed.values_mut().flat_map(|(_, names)| names);
        names.for_each(|name| *name = format!("{folder}/{name}"));
        self
    }

    /// Counts what was passed over by another listing of the same images.
    pub(super) fn add(&mut self, other: Self) {
        self.said.extend(other.said);
        for (why, (count, names)) in other.passed {
            let (all, shown) = self.passed.entry(why).or_default();
            *all += count;
            shown.extend(names);
            shown.sort_unstable();
            shown.truncate(SHOWN);
        }
    }

    /// Everything, as sentences; `root` is where the images lie.
    pub(super) fn sentences(&self, root: &str) -> Vec<String> {
        let mut all = self.said.clone();
        let mut parts = Vec::new();
        for (why, (count, names)) in &self.passed {
            let names: Vec<String> = names.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
            let more = if *count as usize > names.len() { ", ..." } else { "" };
            parts.push(format!("{count} {} ({}{more})", why.text(*count == 1), names.join(", ")));
        }
        if !parts.is_empty() {
            all.push(format!("{root}: passed over {}", parts.join("; ")));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_passed_over_is_counted_and_said_once() {
        let mut notes = Notes::default();
        for i in (0..5).rev() {
            notes.pass(Passed::NoImage, &format!("a/{i}"));
        }
        notes.pass(Passed::EmptyFolder, "lost");
        assert_eq!(
            notes.sentences("d"),
            [
                "d: passed over 1 folder without images (`lost`); 5 files that are not images (`a/0`, `a/1`, `a/2`, ...)"
            ]
        );
    }
}
