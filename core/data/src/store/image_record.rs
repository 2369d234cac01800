//! One image's record, and its name in the heap beside the records.
//!
//! | field | type | at |
//! |---|---|---|
//! | `name_offset` | u64 | 0 |
//! | `name_len` | u32 | 8 |
//! | `width`, `height` | u32 | 12, 16 |
//! | `class` | u32, `0xFFFFFFFF` = none | 20 |
//! | `checksum` | u64 | 24 |
//! | `orientation` | u8 | 32 |
//! | `reserved` | 15 x u8, zero | 33 |

use super::npy::Field;
use crate::pixels::Decoded;
use ferkd_method::error::{Error, Result};

/// Bytes of a record.
pub(super) const LEN: usize = 48;
/// Longest name, in bytes; a reader allocates no more for one.
pub(super) const MAX_NAME: usize = 4096;

pub(super) const FIELDS: [Field; 8] = [
    ("name_offset", "<u8", None),
    ("name_len", "<u4", None),
    ("width", "<u4", None),
    ("height", "<u4", None),
    ("class", "<u4", None),
    ("checksum", "<u8", None),
    ("orientation", "|u1", None),
    ("reserved", "|u1", Some(15)),
];

const NO_CLASS: u32 = u32::MAX;

/// What a store knows of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageEntry {
    /// Path relative to the image folder, with `/` between folders.
    pub name: String,
    /// Width of the decoded image in pixels, after its orientation where the manifest's rule applies it.
    pub width: u32,
    /// Height, likewise.
    pub height: u32,
    /// Ground-truth class, an index into the manifest's class list.
    pub class: Option<u32>,
    /// XXH3 (64 bits) of the image file's bytes.
    pub checksum: u64,
    /// Orientation found in EXIF data, 1..=8; 1 where there is none.
    pub orientation: u8,
}

impl ImageEntry {
    /// What a store keeps of the image `name`, whose file's `bytes` were decoded to `decoded`.
    pub fn of(name: &str, bytes: &[u8], decoded: &Decoded, class: Option<u32>) -> Self {
        let (width, height) = decoded.image.dimensions();
        let checksum = xxhash_rust::xxh3::xxh3_64(bytes);
        Self { name: name.to_owned(), width, height, class, checksum, orientation: decoded.orientation }
    }

    /// Checks what a store can keep.
    ///
    /// # Errors
    /// A name that is not a relative path, a side of 0 pixels, a class outside of `0..classes`, an orientation
    /// outside of 1..=8.
    pub fn checked(&self, classes: u32) -> Result<()> {
        check_name(&self.name)?;
        let record = ImageRecord::new(self, 0);
        record.check(classes).map_err(|problem| Error::usage(self.name.clone(), problem))
    }
}

/// The fixed-width part of an image's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageRecord {
    /// Where the name begins in the shard's names.
    pub name_offset: u64,
    /// Its length in bytes, without the newline.
    pub name_len: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Ground-truth class.
    pub class: Option<u32>,
    /// XXH3 of the image file's bytes.
    pub checksum: u64,
    /// Orientation found in EXIF data.
    pub orientation: u8,
}

impl ImageRecord {
    /// The record of `entry`, whose name begins at `name_offset`.
    pub fn new(entry: &ImageEntry, name_offset: u64) -> Self {
        let ImageEntry { ref name, width, height, class, checksum, orientation } = *entry;
        Self { name_offset, name_len: name.len() as u32, width, height, class, checksum, orientation }
    }

    /// The entry, with its name.
    pub fn entry(&self, name: String) -> ImageEntry {
        let Self { width, height, class, checksum, orientation, .. } = *self;
        ImageEntry { name, width, height, class, checksum, orientation }
    }

    /// The record as bytes.
    pub fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[0..8].copy_from_slice(&self.name_offset.to_le_bytes());
        let words = [self.name_len, self.width, self.height, self.class.unwrap_or(NO_CLASS)];
        for (place, word) in bytes[8..24].as_chunks_mut().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        bytes[24..32].copy_from_slice(&self.checksum.to_le_bytes());
        bytes[32] = self.orientation;
        bytes
    }

    /// Reads a record and checks it.
    ///
    /// # Errors
    /// Another length, a name longer than 4096 bytes, or what [`ImageEntry::checked`] refuses.
    pub fn decode(bytes: &[u8], classes: u32) -> Result<Self> {
        let bad = |problem: String| Error::mismatch("image record", problem);
        let Ok(bytes) = <&[u8; LEN]>::try_from(bytes) else {
            return Err(bad(format!("{} bytes where a record has {LEN}", bytes.len())));
        };
        let word = |at| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let long = |at| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let class = word(20);
        let record = Self {
            name_offset: long(0),
            name_len: word(8),
            width: word(12),
            height: word(16),
            class: (class != NO_CLASS).then_some(class),
            checksum: long(24),
            orientation: bytes[32],
        };
        if bytes[33..].iter().any(|&b| b != 0) {
            return Err(bad("its reserved bytes are not 0".into()));
        }
        record.check(classes).map_err(bad)?;
        Ok(record)
    }

    fn check(&self, classes: u32) -> Result<(), String> {
        let Self { name_len, width, height, class, orientation, .. } = *self;
        if name_len == 0 || name_len as usize > MAX_NAME {
            return Err(format!("a name of {name_len} bytes; it must have 1..={MAX_NAME}"));
        }
        if width == 0 || height == 0 {
            return Err(format!("{width} x {height} pixels"));
        }
        match class {
            Some(class) if class >= classes => Err(format!("class {class} is outside of 0..{classes}")),
            _ if !(1..=8).contains(&orientation) => Err(format!("orientation {orientation}, not 1..=8")),
            _ => Ok(()),
        }
    }
}

/// Checks that `name` can be joined to a folder without leaving it, and kept in a list of lines.
pub(super) fn check_name(name: &str) -> Result<()> {
    let problem = if name.len() > MAX_NAME {
        format!("its path is longer than {MAX_NAME} bytes")
    } else if name.contains(['\n', '\0']) {
        "its path holds a newline or a NUL, which a list of paths cannot hold".into()
    } else if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        "invalid path: expected a relative one with single `/` between folders".into()
    } else {
        return Ok(());
    };
    let shown: String = name.chars().take(200).collect();
    Err(Error::usage(shown.escape_debug().to_string(), problem).remedy("rename the image"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_record_survives(offset: u64, len in 1u32..=4096, size in (1u32.., 1u32..), class in proptest::option::of(0u32..9), checksum: u64, orientation in 1u8..=8) {
            let record = ImageRecord { name_offset: offset, name_len: len, width: size.0, height: size.1, class, checksum, orientation };
            prop_assert_eq!(ImageRecord::decode(&record.encode(), 9).unwrap(), record);
        }

        #[test]
        fn any_bytes_give_a_record_or_an_error(bytes: Vec<u8>, full: [u8; 32]) {
            let _ = ImageRecord::decode(&bytes, 9);
            let mut whole = [0; LEN];
            whole[..32].copy_from_slice(&full);
            whole[32] = bytes.len() as u8;
            let _ = ImageRecord::decode(&whole, 9);
        }
    }

    #[test]
    fn names_that_leave_the_folder_are_refused() {
        for name in
            ["", "/etc/passwd", "a//b", "../x", "a/../../x", "a/.", "a/", "a\nb", "a\0b", &"x".repeat(4097)]
        {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        for name in ["a.jpg", "n01/é b..jpg", "n01/...", &"x".repeat(4096)] {
            assert!(check_name(name).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn fields_out_of_range_are_refused() {
        let good =
            ImageEntry { name: "a".into(), width: 2, height: 3, class: Some(4), checksum: 5, orientation: 6 };
        assert!(good.checked(5).is_ok());
        assert!(good.checked(4).is_err());
        assert!(ImageEntry { width: 0, ..good.clone() }.checked(5).is_err());
        assert!(ImageEntry { orientation: 0, ..good.clone() }.checked(5).is_err());
        let mut bytes = ImageRecord::new(&good, 0).encode();
        bytes[40] = 1;
        assert!(ImageRecord::decode(&bytes, 5).is_err());
    }
}
