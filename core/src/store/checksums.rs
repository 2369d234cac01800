//! `checksums.sha256`: what `sha256sum --check` reads, closed by a line about itself.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, IoContext, Result};
use crate::store::CHECKSUMS;

/// SHA-256 of each file, by name.
pub(super) type Checksums = BTreeMap<String, String>;

/// The opening of the line about the lines above it.
const CLOSING: &str = "# sha256 of the lines above: ";

/// SHA-256 of bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).as_slice())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// SHA-256 of a file, in constant memory.
pub(super) fn sha256_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).at(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).at(path)? {
            0 => return Ok(hex(hash.finalize().as_slice())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// Replaces the file in `folder`.
pub(super) fn write(folder: &Path, checksums: &Checksums) -> Result<()> {
    let mut text = String::new();
    for (name, sum) in checksums {
        text.push_str(&format!("{sum}  {name}\n"));
    }
    let closing = format!("{CLOSING}{}\n", sha256(text.as_bytes()));
    crate::atomic::write(&folder.join(CHECKSUMS), (text + &closing).as_bytes())
}

/// Reads the file in `folder`; `None` where there is none.
///
/// # Errors
/// A file that does not close with the right line about itself.
pub(super) fn read(folder: &Path) -> Result<Option<Checksums>> {
    let path = folder.join(CHECKSUMS);
    if !path.exists() {
        return Ok(None);
    }
    let damaged = |problem: &str| {
        Error::damaged(&path, problem)
            .remedy("copy the store anew; or delete this one file and run the same `ferkd label` again")
    };
    let text = std::fs::read_to_string(&path).at(&path)?;
    let (lines, closing) =
        text.rfind(CLOSING).map(|at| text.split_at(at)).ok_or_else(|| damaged("it is cut off"))?;
    if closing != format!("{CLOSING}{}\n", sha256(lines.as_bytes())) {
        return Err(damaged("it does not match the checksum of itself"));
    }
    let entries =
        lines.lines().map(|line| line.split_once("  ").map(|(sum, name)| (name.to_owned(), sum.to_owned())));
    entries.collect::<Option<_>>().map(Some).ok_or_else(|| damaged("a line is no checksum"))
}
