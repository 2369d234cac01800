//! Which class a folder's name means: exactly, or as people write the same name in other ways.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;

/// What a name was found to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// This class.
    One(u32),
    /// Any of these.
    Several(Vec<u32>),
    Nothing,
}

/// The names of classes, ready to be looked up.
pub(super) struct Lookup<'a> {
    ids: &'a [String],
    names: &'a [String],
    /// From what names come down to, to the classes that have them; in the order in which they are asked.
    maps: [HashMap<String, Vec<u32>>; 5],
}

/// A text in Unicode's composed form (NFC): macOS writes `é` as two characters, others as one.
pub(super) fn composed(text: &str) -> String {
    text.nfc().collect()
}

/// A name without what people and systems write differently: case, Unicode's normal forms, `_` and `-` for blanks,
/// leading zeros of a number.
fn normal(text: &str) -> String {
    // Composed last: lower case may decompose, as that of `İ` does.
    let lower = composed(&text.to_lowercase());
    let words: Vec<&str> = lower
        .split(|c: char| matches!(c, '_' | '-') || c.is_whitespace())
        .filter(|w| !w.is_empty())
        .collect();
    match number(text) {
        Some(number) => number.to_string(),
        None => words.join(" "),
    }
}

/// A plain number, which may have leading zeros.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// The WordNet id that a name begins with: `n01910747_jellyfish`.
fn wordnet_id(text: &str) -> Option<&str> {
    let id = text.get(..9)?;
    let rest = text[9..].chars().next();
    let digits = id.strip_prefix('n').is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    (digits && rest.is_none_or(|c| !c.is_alphanumeric())).then_some(id)
}

/// A line such as `n01440764 tench, Tinca tinca`, at its first blank.
pub(super) fn wordnet_line(line: &str) -> Option<(&str, &str)> {
    line.split_once(' ').filter(|(id, _)| id.len() == 9 && wordnet_id(id).is_some())
}

impl<'a> Lookup<'a> {
    pub(super) fn new(ids: &'a [String], names: &'a [String]) -> Self {
        let mut maps: [HashMap<String, Vec<u32>>; 5] = Default::default();
        let mut put = |map: usize, key: String, class: usize| {
            let classes = maps[map].entry(key).or_default();
            if classes.last() != Some(&(class as u32)) {
                classes.push(class as u32);
            }
        };
        for (class, id) in ids.iter().enumerate() {
            put(0, id.clone(), class);
            put(2, normal(id), class);
        }
        for (class, name) in names.iter().enumerate() {
            put(1, name.clone(), class);
            put(3, normal(name), class);
            // ImageNet's full names are lists: `tench, Tinca tinca`.
            name.split(',').for_each(|alias| put(4, normal(alias), class));
        }
        Self { ids, names, maps }
    }

    /// The class that a name means: by identifier, by name, by the WordNet id that it begins with, then by what it
    /// comes down to. What comes first in this order counts alone.
    pub(super) fn find(&self, folder: &str) -> Found {
        let asked = |map: usize, key: &str| self.maps[map].get(key);
        let found = asked(0, folder)
            .or_else(|| asked(1, folder))
            .or_else(|| asked(0, wordnet_id(folder)?))
            .or_else(|| (2..5).find_map(|map| asked(map, &normal(folder))));
        match found.map(Vec::as_slice) {
            None => Found::Nothing,
            Some(&[one]) => Found::One(one),
            Some(several) => Found::Several(several.to_vec()),
        }
    }

    /// The classes of folders that are called by all numbers from 0 to C - 1, which can only be the outputs' own.
    pub(super) fn by_number(&self, folders: &[String]) -> Option<Vec<u32>> {
        let numbers = folders.iter().map(|folder| number(folder)).collect::<Option<Vec<u32>>>()?;
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        let all = sorted.len() == self.ids.len() && sorted.iter().copied().eq(0..self.ids.len() as u32);
        all.then_some(numbers)
    }

    /// The name that was most probably meant.
    pub(super) fn nearest(&self, folder: &str) -> Option<&'a str> {
        let given = normal(folder);
        if wordnet_id(folder).is_some() || number(folder).is_some() {
            // Another number is no likelier than any other.
            return None;
        }
        let candidates = || self.names.iter().chain(self.ids.iter().filter(|id| wordnet_id(id).is_none()));
        let holds = |name: &&String| {
            let name = normal(name);
            given.split(' ').all(|word| name.split(' ').any(|own| own == word))
        };
        let extended = candidates().filter(holds).min_by_key(|name| name.len());
        let likeness = |name: &String| strsim::jaro_winkler(&given, &normal(name));
        let alike = || {
            let rated =
                candidates().map(|name| (likeness(name), name)).filter(|(likeness, _)| *likeness > 0.8);
            rated.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
        };
        extended.or_else(alike).map(String::as_str)
    }
}
