//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::{Error, IoContext, Result};

/// Ending of a file that is being written.
pub const TEMPORARY: &str = ".part";

/// Writes `bytes` to `path` through a temporary file in the same folder: written, synced, renamed.
///
/// Whoever looks sees the old file or the new one. Missing folders are made.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let Some(folder) = path.parent() else {
        return Err(Error::usage(path.display().to_string(), "it is no file"));
    };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    fs::create_dir_all(folder).at(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(TEMPORARY);
    let temporary = folder.join(name);
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()
    })();
    if let Err(error) = written {
        // What was written of it is of no use; a failure to remove it changes nothing.
        let _ = fs::remove_file(&temporary);
        return Err(Error::io(path, error));
    }
    fs::rename(&temporary, path).at(path)?;
    sync_folder(folder)
}

/// Makes a rename or removal in `folder` last through a power cut.
pub fn sync_folder(folder: &Path) -> Result<()> {
    if cfg!(unix) { File::open(folder).and_then(|f| f.sync_all()).at(folder) } else { Ok(()) }
}
