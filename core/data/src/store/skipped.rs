//! `skipped.json`: images that were passed over because they cannot be decoded, and how far the search for them
//! has come. The list of a store's images is fixed before the first label, so that all are decoded once before.

use serde::{Deserialize, Serialize};

use super::file_names::SKIPPED;
use crate::digest::is_sha256;
use ferkd_method::error::{Error, Result};

/// The images that a store passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// SHA-256 of the list that was gone through, the skipped images included: see
    /// [`image_list_sha256`](super::image_list_sha256).
    pub listed_sha256: String,
    /// How many images of that list have been decoded, from its first on.
    pub checked: u64,
    /// Those that cannot be decoded, in the order of the list.
    pub images: Vec<SkippedImage>,
}

/// An image that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkippedImage {
    /// Path relative to the image folder.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Skipped {
    /// A search that has not begun.
    pub fn new(listed_sha256: String) -> Self {
        Self { listed_sha256, checked: 0, images: Vec::new() }
    }

    /// Names of the images, in ascending order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.images.iter().map(|image| image.name.as_str())
    }

    /// Reads the file's bytes; `file` is the name that errors give it.
    ///
    /// # Errors
    /// Anything but what [`Self::to_bytes`] gives.
    pub fn parse(bytes: &[u8], file: &str) -> Result<Self> {
        let bad = |problem: String| {
            Error::damaged(file, problem)
                .remedy("delete it, and run `ferkd label --skip-bad` again: it is made again")
        };
        let found: Self = serde_json::from_slice(bytes).map_err(|e| bad(e.to_string()))?;
        let ascend = found.images.windows(2).all(|pair| pair[0].name < pair[1].name);
        if !ascend || !is_sha256(&found.listed_sha256) || found.images.len() as u64 > found.checked {
            return Err(bad(format!("invalid {SKIPPED}: expected ascending names and a checksum")));
        }
        Ok(found)
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Plain data: serialising it cannot fail.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Skipped {
        let image = |name: &str| SkippedImage { name: name.into(), problem: "the file is empty".into() };
        Skipped {
            listed_sha256: "0123456789abcdef".repeat(4),
            checked: 9,
            images: vec![image("a/1.png"), image("b/0.png")],
        }
    }

    #[test]
    fn it_survives_the_way_through_its_file() {
        assert_eq!(Skipped::parse(&sample().to_bytes(), SKIPPED).unwrap(), sample());
        assert_eq!(sample().names().collect::<Vec<_>>(), ["a/1.png", "b/0.png"]);
    }

    #[test]
    fn anything_else_names_the_file_and_what_to_do() {
        let (mut twice, mut more, mut foreign) = (sample(), sample(), sample());
        twice.images[1].name = "a/1.png".into();
        more.checked = 1;
        foreign.listed_sha256 = "x".into();
        let mut cut = sample().to_bytes();
        cut.truncate(60);
        for bytes in [twice.to_bytes(), more.to_bytes(), foreign.to_bytes(), cut, b"[]".to_vec(), Vec::new()]
        {
            let error = Skipped::parse(&bytes, SKIPPED).unwrap_err().to_string();
            assert!(error.starts_with(SKIPPED) && error.contains("--skip-bad"), "{error}");
        }
    }
}
