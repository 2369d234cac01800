//! The reader's own data: images that are labelled here, or a label store.

use std::path::Path;
use std::sync::Arc;

use ferkd::data::classes::ClassSpace;
use ferkd::pixels::{OrientationRule, decode};
use ferkd::region::RegionSampler;
use ferkd::rng::path_hash;
use ferkd::store::{MANIFEST, MemoryFiles, Store};
use ferkd::{Error, Result};

use crate::dataset::{DataSet, LiveImage, Pictures, unpack};
use crate::experiment::Data;
use crate::state::State;

/// Regions that an image of the reader's gets.
const REGIONS: u32 = 16;

/// Longer side of a picture that is kept, in pixels: beyond it a page runs out of memory before the eye gains.
const LONGEST: u32 = 2048;

impl State {
    /// Takes up files that were dropped or picked: images, the files of a label store, or one packed with tar.
    pub fn take_files(&mut self, files: Vec<(String, Arc<[u8]>)>) {
        match self.read_files(files) {
            Ok(set) => {
                self.insert(Data::Yours, set);
                self.look_at(Data::Yours);
            }
            Err(error) => self.complain(error),
        }
    }

    fn read_files(&mut self, files: Vec<(String, Arc<[u8]>)>) -> Result<DataSet> {
        let base = |name: &str| name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        if files.iter().any(|(name, _)| base(name) == MANIFEST) {
            let files: MemoryFiles = files.into_iter().map(|(name, bytes)| (base(&name), bytes)).collect();
            let store = Store::open_slices(Box::new(files))?;
            return Ok(DataSet::of_store("Label store", store, Pictures::None));
        }
        if let [(name, bytes)] = &*files
            && name.ends_with(".tar")
        {
            return Ok(DataSet::of_store(base(name), unpack(bytes, name)?, Pictures::None));
        }
        let mut images = Vec::new();
        for (name, bytes) in &files {
            match live_image(&base(name), bytes) {
                Ok(image) => images.push(image),
                Err(error) => self.complain(error),
            }
        }
        if images.is_empty() {
            return Err(Error::damaged(
                Path::new("what was dropped"),
                "there is no image in it, and no label store",
            )
            .remedy("drop JPEG, PNG or WebP files, all files of a label store, or one packed with tar"));
        }
        Ok(DataSet::live("Yours", ClassSpace::imagenet(), images))
    }
}

/// An image with its regions, still to be labelled.
///
/// # Errors
/// A file that is no image.
pub fn live_image(name: &str, bytes: &[u8]) -> Result<LiveImage> {
    let picture = decode(bytes, name, OrientationRule::Apply)?.image;
    let longest = picture.width().max(picture.height());
    let picture = if longest > LONGEST {
        let scale = |side: u32| (u64::from(side) * u64::from(LONGEST) / u64::from(longest)).max(1) as u32;
        let (width, height) = (scale(picture.width()), scale(picture.height()));
        image::imageops::resize(&picture, width, height, image::imageops::FilterType::Triangle)
    } else {
        picture
    };
    let (width, height) = picture.dimensions();
    let regions = RegionSampler::new(0).regions(path_hash(name), REGIONS, width, height);
    let labels = vec![None; regions.len()];
    Ok(LiveImage { name: name.to_owned(), picture: Arc::new(picture), truth: None, regions, labels })
}

/// The class that the teacher's labels of an image speak for most: a proposal where none was given.
pub fn proposal(image: &LiveImage) -> Option<u32> {
    let mut votes: Vec<(u32, f32)> = Vec::new();
    for &(class, p) in image.labels.iter().flatten().flat_map(|label| label.top()) {
        match votes.iter_mut().find(|(c, _)| *c == class) {
            Some((_, sum)) => *sum += p,
            None => votes.push((class, p)),
        }
    }
    votes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    votes.first().map(|&(class, _)| class)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;

    fn photo() -> Arc<[u8]> {
        include_bytes!("../../assets/playground/photos/n02124075/chelsea.jpg").as_slice().into()
    }

    #[test]
    fn dropped_images_become_a_set_and_what_is_none_is_named() {
        let mut state = State::new(Experiment::default());
        let text: Arc<[u8]> = b"no image".as_slice().into();
        state.take_files(vec![("dir/cat.jpg".into(), photo()), ("notes.txt".into(), text)]);
        assert_eq!(state.experiment.data, Data::Yours);
        let set = state.set().unwrap();
        assert_eq!((set.len(), set.live_images().unwrap()[0].name.as_str()), (1, "cat.jpg"));
        assert!(state.notices.iter().any(|notice| notice.text.contains("notes.txt")), "{:?}", state.notices);
    }

    #[test]
    fn a_packed_store_opens_and_an_archive_without_one_is_refused() {
        let mut state = State::new(Experiment::default());
        let store: Arc<[u8]> = include_bytes!("../../assets/playground/scenes-store.tar").as_slice().into();
        state.take_files(vec![("scenes.tar".into(), store)]);
        assert_eq!(state.set().unwrap().len(), 1348);
        let count = state.notices.len();
        state.take_files(vec![("x.tar".into(), vec![0u8; 2048].into())]);
        assert_eq!(state.notices.len(), count + 1);
    }
}
