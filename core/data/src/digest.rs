//! SHA-256 as every file of this project writes it, and the digest of a list of images.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ferkd_method::error::{IoContext, Result};
use sha2::{Digest, Sha256};

/// SHA-256 of `bytes` in lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

/// SHA-256 of what lies in several files, one behind the other, in lower-case hexadecimal.
///
/// # Errors
/// A file that cannot be read.
pub fn sha256_of_files<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<String> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    for path in paths {
        let mut file = File::open(path).at(path)?;
        loop {
            match file.read(&mut buffer).at(path)? {
                0 => break,
                count => hash.update(&buffer[..count]),
            }
        }
    }
    Ok(hex(hash))
}

/// A finished hash in lower-case hexadecimal.
pub fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether `text` is a SHA-256 as [`hex`] writes it.
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The digest of an image list: SHA-256 over each relative path and a newline, in ascending order of the paths' bytes.
///
/// A store's manifest carries it; a names file of a store holds the very lines.
#[derive(Debug, Clone, Default)]
pub struct ListDigest(Sha256);

impl ListDigest {
    /// Adds the next path.
    pub fn name(&mut self, name: &str) {
        self.0.update(name.as_bytes());
        self.0.update(b"\n");
    }

    /// Adds bytes of a file that holds the next paths, a newline behind each.
    pub fn lines(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest in lower-case hexadecimal.
    pub fn finish(self) -> String {
        hex(self.0)
    }
}

/// The digest of a list of paths in ascending order of their bytes, in lower-case hexadecimal: see [`ListDigest`].
pub fn image_list_sha256<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = ListDigest::default();
    names.into_iter().for_each(|name| digest.name(name));
    digest.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_has_the_known_hash() {
        let known = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256(b""), known);
        assert!(is_sha256(known) && !is_sha256(&known.to_uppercase()) && !is_sha256(&known[1..]));
    }

    #[test]
    fn files_are_hashed_as_what_they_hold() {
        let at = tempfile::tempdir().unwrap();
        let paths = ["a", "b"].map(|name| at.path().join(name));
        std::fs::write(&paths[0], vec![7; (1 << 20) + 3]).unwrap();
        std::fs::write(&paths[1], b"behind").unwrap();
        let whole = [&vec![7; (1 << 20) + 3][..], b"behind"].concat();
        assert_eq!(sha256_of_files(paths.iter().map(|path| &**path)).unwrap(), sha256(&whole));
    }

    #[test]
    fn names_and_the_lines_of_a_file_have_one_digest() {
        let mut lines = ListDigest::default();
        lines.lines(b"a/1.p");
        lines.lines(b"ng\nb/2.png\n");
        assert_eq!(lines.finish(), image_list_sha256(["a/1.png", "b/2.png"]));
        assert_eq!(image_list_sha256(["a/1.png", "b/2.png"]), sha256(b"a/1.png\nb/2.png\n"));
    }
}
