//! The reader's own data, from bytes: images, a packed store, or the files of a store's folder.

use std::sync::Arc;

use ferkd::data::classes::ClassSpace;
use ferkd::pixels::{OrientationRule, decode};
use ferkd::region::RegionSampler;
use ferkd::rng::path_hash;
use ferkd::store::{MemoryFiles, Store};
use ferkd::{Error, Result};

use crate::dataset::{DataSet, LiveImage, Pictures, unpack};
use crate::experiment::Data;
use crate::state::State;

/// Regions of an image that is labelled while one looks on.
const REGIONS: u32 = 32;

/// What the shell around the inspector is asked to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// A dialog that opens files.
    Files,
    /// A dialog that opens a folder.
    Folder,
}

impl State {
    /// Takes up files that were dropped or picked together, and looks at them.
    pub fn take_files(&mut self, files: Vec<(String, Arc<[u8]>)>) {
        match self.try_take_files(files) {
            Ok(set) => {
                self.insert(Data::Yours, set);
                // Also where other data of the reader's was looked at before.
                self.experiment.data = Data::Photos;
                self.look_at(Data::Yours);
            }
            Err(error) => self.complain(error),
        }
    }

    fn try_take_files(&mut self, files: Vec<(String, Arc<[u8]>)>) -> Result<DataSet> {
        if files.iter().any(|(name, _)| name == "manifest.json") {
            let files: MemoryFiles = files.into_iter().collect();
            return Ok(DataSet::of_store("Store", Store::open_slices(Box::new(files))?, Pictures::None));
        }
        if let [(name, bytes)] = &*files
            && name.ends_with(".tar")
        {
            return Ok(DataSet::of_store(name.clone(), unpack(bytes, name)?, Pictures::None));
        }
        let mut images = Vec::new();
        for (name, bytes) in &files {
            match live_image(name, bytes) {
                Ok(image) => images.push(image),
                Err(error) => self.complain(error),
            }
        }
        if images.is_empty() {
            return Err(Error::usage("your files", "none of them is an image or a label store")
                .remedy("drop images, a store's tar archive, or all files of a store's folder"));
        }
        Ok(DataSet::live("Yours", ClassSpace::imagenet(), images))
    }
}

/// An image with its regions, not labelled yet.
fn live_image(name: &str, bytes: &[u8]) -> Result<LiveImage> {
    let picture = decode(bytes, name, OrientationRule::Apply)?.image;
    let (width, height) = picture.dimensions();
    let regions = RegionSampler::new(0).regions(path_hash(name), REGIONS, width, height);
    let labels = vec![None; regions.len()];
    Ok(LiveImage { name: name.into(), picture: Arc::new(picture), truth: None, regions, labels })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;

    fn bytes(path: &str) -> Arc<[u8]> {
        std::fs::read(format!("{}/../assets/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap().into()
    }

    #[test]
    fn images_become_regions_that_wait_for_labels() {
        let mut state = State::new(Experiment::default());
        let files = vec![
            ("cat.png".into(), bytes("photos/chelsea.png")),
            ("notes.txt".into(), Arc::from(*b"no image")),
        ];
        state.take_files(files);
        state.refresh();
        assert_eq!((state.experiment.data, state.set().unwrap().len()), (Data::Yours, 1));
        assert_eq!(state.shown().unwrap().regions.len(), REGIONS as usize);
        assert_eq!(state.notices.len(), 1, "{:?}", state.notices);
        assert!(state.notices[0].text.contains("notes.txt"));
    }

    #[test]
    fn a_packed_store_opens_and_other_files_are_refused() {
        let mut state = State::new(Experiment::default());
        state.take_files(vec![("mine.tar".into(), bytes("playground/scenes-store.tar"))]);
        state.refresh();
        assert!(state.shown().unwrap().labels[0].is_some());
        let before = state.set().unwrap().len();
        state.take_files(vec![("mine.tar".into(), Arc::from(*b"no archive"))]);
        assert_eq!(state.set().unwrap().len(), before);
        assert!(state.notices.last().unwrap().is_error);
    }
}
