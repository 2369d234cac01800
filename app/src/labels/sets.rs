//! The data sets that are loaded, the image that is shown, and the thresholds that settings come to on their labels.

use std::cell::RefCell;
use std::collections::BTreeMap;

use ferkd_data::census::Census;
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::{Confidence, KindCounts, RegionKind, Thresholds};
use ferkd_method::{Error, Result};

use super::census::{CensusStudy, counting};
use super::walk::{LabelsKey, Walk};
use crate::dataset::{DataSet, Shown};
use crate::experiment::{Data, Settings};

/// Quantiles of the confidence of some labels.
type Quantiles = (Data, u64, Confidence, Thresholds);

/// Thresholds that are remembered: those of both sides of a comparison, and where they were before.
const RESOLVED: usize = 4;

/// The data sets that are loaded, and what follows from their labels.
#[derive(Default)]
pub struct Labels {
    sets: BTreeMap<Data, DataSet>,
    /// The image that is looked at; an error where it cannot be shown.
    shown: Option<(Data, u64, Result<Shown>)>,
    /// Quantiles that were asked for last, and the thresholds that they fall on: every region asks for them.
    resolved: RefCell<Vec<(Quantiles, Thresholds)>>,
    census: CensusStudy,
    /// Raised when labels of a set change.
    generation: u64,
    /// How often a data set was taken up.
    loaded: u64,
    /// Whether the right side of a comparison is the store that was open before.
    pub with_before: bool,
}

impl Labels {
    /// Takes up a data set; a store of the reader's stays at hand beside the next one.
    pub fn insert(&mut self, data: Data, set: DataSet) {
        let identity = set.identity().to_owned();
        let before = self.sets.insert(data, set);
        if data == Data::Yours
            && let Some(before) = before
            && before.store().is_some()
            && before.identity() != identity
        {
            self.sets.insert(Data::Before, before);
        }
        self.loaded += 1;
        self.changed(data);
    }

    /// Gives a data set away, in whose place another one is to be taken up.
    pub fn take(&mut self, data: Data) -> Option<DataSet> {
        self.changed(data);
        self.sets.remove(&data)
    }

    /// Forgets what was derived from a data set's labels.
    pub fn changed(&mut self, data: Data) {
        self.generation += 1;
        if self.shown.as_ref().is_some_and(|(of, ..)| *of == data) {
            self.shown = None;
        }
    }

    /// How often a data set was taken up.
    pub fn loaded(&self) -> u64 {
        self.loaded
    }

    /// Which labels those of a data set are: what was found in them holds while this stays.
    pub(crate) fn key(&self, data: Data) -> LabelsKey {
        LabelsKey { data, generation: self.generation }
    }

    /// Whether a data set is loaded.
    pub fn has(&self, data: Data) -> bool {
        self.sets.contains_key(&data)
    }

    /// One of the data sets, once it is loaded.
    pub fn set_of(&self, data: Data) -> Option<&DataSet> {
        self.sets.get(&data)
    }

    /// The same, whose labels may change: say so by [`changed`](Self::changed).
    pub fn set_mut(&mut self, data: Data) -> Option<&mut DataSet> {
        self.sets.get_mut(&data)
    }

    /// A data set; the photos while it is not loaded.
    pub fn set_or_photos(&self, data: Data) -> Option<&DataSet> {
        self.sets.get(&data).or_else(|| self.sets.get(&Data::Photos))
    }

    /// The image that is looked at.
    pub fn shown(&self) -> Option<&Shown> {
        self.shown.as_ref().and_then(|(.., shown)| shown.as_ref().ok())
    }

    /// Why the image that is looked at cannot be shown, or not yet.
    pub fn shown_error(&self) -> Option<&Error> {
        self.shown.as_ref().and_then(|(.., shown)| shown.as_ref().err())
    }

    /// Shows an image, where it is not shown yet; its number, which is the last one's where there is none so high.
    pub fn show(&mut self, data: Data, image: u64) -> u64 {
        let is_current = self.shown.as_ref().is_some_and(|(of, asked, shown)| {
            *of == data && *asked == image && !shown.as_ref().is_err_and(Error::is_pending)
        });
        if is_current {
            return image;
        }
        let Some(set) = self.sets.get(&data) else { return image };
        let image = image.min(set.len().saturating_sub(1));
        self.shown = Some((data, image, set.show(image)));
        image
    }

    /// Goes on counting the confidences of a data set, for a slice of time.
    pub fn count(&mut self, data: Data, confidence: Confidence) {
        if let Some(set) = self.sets.get(&data) {
            self.census.advance((data, confidence, self.generation), set);
        }
    }

    /// Whether confidences are left to count.
    pub fn is_counting(&self) -> bool {
        self.census.is_counting()
    }

    /// Every confidence of a data set, as some settings take it; none while it is not counted.
    pub fn census(&self, data: Data, settings: &Settings) -> Option<&Result<Census>> {
        self.census.found((data, settings.confidence, self.generation))
    }

    /// How far the confidences of a data set are counted, while they are not all.
    pub(crate) fn counting(&self, data: Data, settings: &Settings) -> Option<&Walk> {
        self.census.walk((data, settings.confidence, self.generation))
    }

    /// The thresholds of some settings, as confidences in a data set.
    ///
    /// # Errors
    /// Thresholds that do not ascend, or a data set without labels.
    pub fn thresholds(&self, data: Data, settings: &Settings) -> Result<Thresholds> {
        if !settings.by_quantile {
            return settings.thresholds.checked();
        }
        let census = match self.census(data, settings) {
            Some(Ok(census)) => census,
            Some(Err(error)) => return Err(Error::usage("labels", error.to_string())),
            None => return Err(counting(self.counting(data, settings))),
        };
        let key = (data, self.generation, settings.confidence, settings.quantiles);
        let mut resolved = self.resolved.borrow_mut();
        if let Some((_, found)) = resolved.iter().find(|(of, _)| *of == key) {
            return Ok(*found);
        }
        let found = census.thresholds(&settings.rule())?;
        if resolved.len() == RESOLVED {
            resolved.remove(0);
        }
        resolved.push((key, found));
        Ok(found)
    }

    /// The regions of each kind in a data set.
    pub fn kinds(&self, data: Data, settings: &Settings) -> Option<KindCounts> {
        let thresholds = self.thresholds(data, settings).ok()?;
        self.census(data, settings)?.as_ref().ok().map(|census| census.kinds(&thresholds))
    }

    /// Confidence and kind of a label of a data set under some settings.
    pub fn judge(
        &self,
        data: Data,
        settings: &Settings,
        label: &SoftLabel,
        truth: Option<u32>,
    ) -> Option<(f32, RegionKind)> {
        let c = settings.confidence.of(label, truth).ok()?;
        let kind = self.thresholds(data, settings).ok()?.kind(c).ok()?;
        Some((c, kind))
    }

    /// The data set on the right side of a comparison: the one that is looked at, unless another one is wanted.
    pub fn right_of(&self, data: Data) -> Data {
        let is_other = self.with_before && data == Data::Yours && self.before_fits().is_ok();
        if is_other { Data::Before } else { data }
    }

    /// Whether the regions of the store that was open before are those of the reader's.
    ///
    /// # Errors
    /// Why they are not.
    pub fn before_fits(&self) -> Result<()> {
        let stores = [Data::Yours, Data::Before].map(|data| self.set_of(data).and_then(DataSet::store));
        let [Some(now), Some(before)] = stores else {
            return Err(Error::usage("stores", "two are needed").remedy("open one, then the other"));
        };
        let [now, before] = [now, before].map(|store| store.manifest());
        let other = |what: &str| Error::mismatch("the two stores", what);
        if now.image_list_sha256 != before.image_list_sha256 {
            return Err(other("they are of different images").remedy("open two stores of the same images"));
        }
        if now.regions.boxes != before.regions.boxes {
            return Err(
                other("their boxes are drawn differently").remedy("label both with the same boxes and seed")
            );
        }
        Ok(())
    }

    /// Gives an image that is labelled while you look on a class.
    pub fn classify(&mut self, data: Data, image: u64, class: u32) {
        let images = self.set_mut(data).and_then(DataSet::live_images_mut);
        if let Some(found) = images.and_then(|images| images.get_mut(image as usize)) {
            found.truth = Some(class);
            self.changed(data);
        }
    }

    /// Regions of a data set that have labels, and all of them; none if nothing is being labelled.
    pub fn labelling(&self, data: Data) -> Option<(usize, usize)> {
        let images = self.set_of(data)?.live_images()?;
        let all: usize = images.iter().map(|image| image.labels.len()).sum();
        let done = images.iter().flat_map(|image| &image.labels).flatten().count();
        (done < all).then_some((done, all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assets::{Asset, PHOTOS};

    fn photos() -> DataSet {
        DataSet::photos(Asset::PhotoLabels.embedded().unwrap()).unwrap()
    }

    #[test]
    fn remembered_thresholds_are_those_of_the_census() {
        let mut labels = Labels::default();
        labels.insert(Data::Photos, photos());
        labels.count(Data::Photos, Confidence::Max);
        for round in 0..2 {
            for step in 0..8u8 {
                let low = 0.02 + f32::from(step) / 100.0;
                let quantiles = Thresholds { low, mid: 0.3, high: 0.9 };
                let settings = Settings { quantiles, ..Settings::default() };
                let census = labels.census(Data::Photos, &settings).unwrap().as_ref().unwrap();
                let expected = census.thresholds(&settings.rule()).unwrap();
                let found = labels.thresholds(Data::Photos, &settings).unwrap();
                assert_eq!(found, expected, "{round} {step}");
            }
        }
        // Other labels, other thresholds.
        let scenes = include_bytes!("../../../assets/playground/scenes-store.tar");
        labels.insert(Data::Scenes, DataSet::scenes(scenes).unwrap());
        labels.count(Data::Photos, Confidence::Max);
        labels.count(Data::Scenes, Confidence::Max);
        let settings = Settings::default();
        let [photos, scenes] =
            [Data::Photos, Data::Scenes].map(|data| labels.thresholds(data, &settings).unwrap());
        assert_ne!(photos, scenes);
    }

    #[test]
    fn an_image_behind_the_last_one_is_the_last_one() {
        let mut labels = Labels::default();
        assert_eq!(labels.show(Data::Photos, 77), 77, "nothing is loaded yet");
        labels.insert(Data::Photos, photos());
        let last = PHOTOS.len() as u64 - 1;
        assert_eq!(labels.show(Data::Photos, 77), last);
        assert_eq!(labels.shown().unwrap().image, last);
        labels.changed(Data::Photos);
        assert!(labels.shown().is_none(), "its labels are others now");
    }
}
