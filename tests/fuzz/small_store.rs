//! A small store as a target: in one file, corrupted, it is opened and all of it is read.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ferkd_data::digest::sha256;
use ferkd_data::store::checksums::Checksums;
use ferkd_data::store::{CHECKSUMS, ReadAt, Store};
use ferkd_method::mining::{Confidence, Rule, Thresholds};
use ferkd_method::{Error, ErrorKind, Result};
use ferkd_tests::files;
use ferkd_train::labelling::{LabelConfig, label};

use crate::packed::unpack;
use crate::seeds::{pictures, put};

/// Two images of two classes, in `scratch/images`.
///
/// # Errors
/// They cannot be written.
pub fn images(scratch: &Path) -> Result<()> {
    for (class, picture) in ["3", "7"].into_iter().zip(pictures()) {
        let folder = scratch.join("images").join(class);
        fs::create_dir_all(&folder).map_err(|e| Error::io(&folder, e))?;
        put(&folder.join("picture"), &picture)?;
    }
    Ok(())
}

/// The files of a store of these images, labelled by the demo's teacher.
///
/// # Errors
/// They cannot be written.
pub fn small_store(scratch: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    images(scratch)?;
    let out = scratch.join("store");
    let config = LabelConfig { regions: 3, shard_images: 1, device: "flex".into(), ..LabelConfig::default() };
    label(&scratch.join("images"), "digits", &out, &config, &AtomicBool::new(false), &mut |_| ())?;
    Ok(files(&out))
}

#[derive(Debug)]
struct Slices(Arc<BTreeMap<String, Vec<u8>>>);

impl ReadAt for Slices {
    fn size(&self, file: &str) -> Result<u64> {
        let missing =
            || Error::new(ErrorKind::Io, file, "there is no such file").remedy("copy the store again");
        self.0.get(file).map(|bytes| bytes.len() as u64).ok_or_else(missing)
    }

    fn read_at(&self, file: &str, offset: u64, len: usize) -> Result<Vec<u8>> {
        let bytes = self.0.get(file).map_or(&[][..], Vec::as_slice);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let ends = || Error::damaged(file, "it ends too early").remedy("copy the store again");
        let slice = start.checked_add(len).and_then(|end| bytes.get(start..end));
        slice.map(<[u8]>::to_vec).ok_or_else(ends)
    }
}

/// Opens a corrupted store and reads all of it. The checksums are made again for every other one, so that what is
/// corrupted reaches the readers behind them.
///
/// # Errors
/// What the readers say.
pub fn read_packed(bytes: &[u8]) -> Result<()> {
    let mut whole: BTreeMap<String, Vec<u8>> = unpack(bytes).into_iter().collect();
    if bytes.len().is_multiple_of(2) {
        let mut sums = Checksums::default();
        for (name, content) in whole.iter().filter(|(name, _)| *name != CHECKSUMS) {
            sums.insert(name.clone(), sha256(content));
        }
        whole.insert(CHECKSUMS.to_owned(), sums.to_bytes());
    }
    read_store(Box::new(Slices(Arc::new(whole))))
}

/// Opens a store and reads all of it.
///
/// # Errors
/// What the readers say.
pub fn read_store(files: Box<dyn ReadAt>) -> Result<()> {
    let store = Store::open_slices(files)?;
    for image in 0..store.len().min(4) {
        store.image(image)?;
        store.regions(image)?;
        store.labels(image)?;
    }
    let rule = Rule::Absolute(Thresholds { low: 0.2, mid: 0.4, high: 0.9 });
    if store.len() < 8 {
        ferkd_data::mine::mine(&store, &rule, Confidence::Target)?;
    }
    Ok(())
}
