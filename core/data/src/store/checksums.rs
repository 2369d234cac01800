//! `checksums.sha256`: the SHA-256 of every other file, as `sha256sum -c` reads it.
//!
//! Lines are sorted by name; the last one is a comment with the SHA-256 of those above it, so that damage to
//! this file is found as well.

use std::collections::BTreeMap;

use super::layout::belongs;
use crate::digest::{is_sha256, sha256};
use ferkd_method::error::{Error, Result};

/// SHA-256 in lower-case hexadecimal of each recorded file, by its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checksums(BTreeMap<String, String>);

impl Checksums {
    /// Reads the file's bytes; `file` is the name that errors give it.
    ///
    /// # Errors
    /// Anything but what [`Self::to_bytes`] gives.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self> {
        let found = Self::salvage(bytes);
        if found.to_bytes() == bytes {
            return Ok(found);
        }
        let problem = "its lines do not have the checksum that stands in the last one";
        let remedy = "run `ferkd verify --forget` on the store, then `ferkd label` again";
        Err(Error::damaged(file, problem).remedy(remedy))
    }

    /// Reads whatever lines are well-formed.
    pub fn salvage(bytes: &[u8]) -> Self {
        let line = |line: &[u8]| {
            let (sha256, name) = std::str::from_utf8(line).ok()?.split_once("  ")?;
            (is_sha256(sha256) && belongs(name)).then(|| (name.to_owned(), sha256.to_owned()))
        };
        Self(bytes.split(|&b| b == b'\n').filter_map(line).collect())
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text: String = self.0.iter().map(|(name, sha256)| format!("{sha256}  {name}\n")).collect();
        let own = sha256(text.as_bytes());
        text.push_str(&format!("# sha256 of the lines above: {own}\n"));
        text.into_bytes()
    }

    /// The checksum recorded for a file.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Records a file.
    pub fn insert(&mut self, name: String, sha256: String) {
        self.0.insert(name, sha256);
    }

    /// Forgets a file; whether it was recorded.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// Names of the recorded files, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::CHECKSUMS;

    fn sample() -> Checksums {
        let mut sums = Checksums::default();
        sums.insert("names-00000.txt".into(), sha256(b"a"));
        sums.insert("manifest.json".into(), sha256(b"b"));
        sums
    }

    #[test]
    fn they_survive_the_way_through_their_file() {
        assert_eq!(Checksums::parse(&sample().to_bytes(), CHECKSUMS).unwrap(), sample());
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn any_flipped_byte_is_found() {
        let bytes = sample().to_bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                assert!(Checksums::parse(&bytes, CHECKSUMS).is_err());
            }
            assert!(Checksums::parse(&bytes[..at], CHECKSUMS).is_err());
        }
    }

    #[test]
    fn the_good_lines_of_a_damaged_file_are_kept() {
        let mut bytes = sample().to_bytes();
        bytes[0] = b'!';
        let kept = Checksums::salvage(&bytes);
        assert_eq!(kept.names().collect::<Vec<_>>(), ["names-00000.txt"]);
    }
}
