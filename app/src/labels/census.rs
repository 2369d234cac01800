//! Every confidence of a data set, counted a slice a frame.

use ferkd_data::census::{Census, CensusWalk};
use ferkd_method::mining::Confidence;
use ferkd_method::{Error, Result};
use web_time::Instant;

use super::walk::{SLICE, Walk};
use crate::dataset::DataSet;
use crate::experiment::Data;

/// Regions of a data set that is counted in one go: it is ready in the first frame that shows it.
const AT_ONCE: u64 = 1 << 16;

/// Which labels, and which number of them.
pub(crate) type CensusKey = (Data, Confidence, u64);

/// The counts that are looked at.
#[derive(Default)]
pub(crate) struct CensusStudy(Vec<Counted>);

struct Counted {
    key: CensusKey,
    walk: Walk,
    counting: Option<CensusWalk>,
    found: Option<Result<Census>>,
}

impl CensusStudy {
    /// Goes on counting for a slice of time, where it is not done. Counts of older labels are forgotten.
    pub fn advance(&mut self, key: CensusKey, set: &DataSet) {
        if !self.0.iter().any(|counted| counted.key == key) {
            self.0.retain(|counted| counted.key.2 == key.2);
            let counting = Some(CensusWalk::new(key.1));
            self.0.push(Counted { key, walk: Walk::over(set), counting, found: None });
        }
        if let Some(counted) = self.0.iter_mut().find(|counted| counted.key == key) {
            counted.advance(set);
        }
    }

    /// A census that is complete; an error where it cannot be counted.
    pub fn found(&self, key: CensusKey) -> Option<&Result<Census>> {
        self.0.iter().find(|counted| counted.key == key)?.found.as_ref()
    }

    /// How far a census is that is not complete.
    pub fn walk(&self, key: CensusKey) -> Option<&Walk> {
        self.0
            .iter()
            .find(|counted| counted.key == key && counted.found.is_none())
            .map(|counted| &counted.walk)
    }

    /// Whether there is something left to count.
    pub fn is_counting(&self) -> bool {
        self.0.iter().any(|counted| counted.found.is_none())
    }
}

impl Counted {
    fn advance(&mut self, set: &DataSet) {
        let Some(mut counting) = self.counting.take() else { return };
        let Some(store) = set.store() else {
            self.found = Some(set.census(self.key.1));
            return;
        };
        let is_small = store.len().saturating_mul(u64::from(store.per_image())) <= AT_ONCE;
        let begun = Instant::now();
        self.found = loop {
            let went_on = counting.advance(store);
            self.walk.at = counting.at();
            match went_on {
                Ok(true) if is_small || begun.elapsed() < SLICE => {}
                Ok(true) => break None,
                Ok(false) => {
                    break Some(std::mem::replace(&mut counting, CensusWalk::new(self.key.1)).close());
                }
                Err(error) if error.is_pending() => {
                    set.ask_ahead(counting.at());
                    break None;
                }
                Err(error) => break Some(Err(error)),
            }
        };
        if self.found.is_none() {
            self.counting = Some(counting);
        }
    }
}

/// What is said of thresholds while they are not known yet.
pub(crate) fn counting(walk: Option<&Walk>) -> Error {
    match walk {
        Some(walk) => Error::pending("confidences", format!("counting: {} of {} images", walk.at, walk.end)),
        None => Error::pending("labels", "they are still on their way"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_set_is_counted_in_its_first_frame() {
        let set = DataSet::scenes(include_bytes!("../../../assets/playground/scenes-store.tar")).unwrap();
        let (mut census, key) = (CensusStudy::default(), (Data::Scenes, Confidence::Max, 0));
        census.advance(key, &set);
        let whole = Census::of_store(set.store().unwrap(), Confidence::Max).unwrap();
        assert_eq!(census.found(key).unwrap().as_ref().unwrap(), &whole);
        assert!(census.walk(key).is_none());
        assert!(!census.is_counting());
    }
}
