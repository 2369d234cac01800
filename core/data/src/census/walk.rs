//! A census that is counted a slice at a time: a window counts a store of a million images while it is drawn.

use super::count::{Census, Counter};
use crate::store::Store;
use ferkd_method::error::Result;
use ferkd_method::mining::Confidence;

/// Regions that are counted together: far below a millisecond.
const REGIONS_AT_ONCE: u64 = 4096;

/// A census under way.
#[derive(Debug)]
pub struct CensusWalk {
    which: Confidence,
    counter: Counter,
    at: u64,
    /// Regions that one call counts at the most, if an image has no more.
    at_once: u64,
}

impl CensusWalk {
    /// A census of which nothing is counted yet.
    pub fn new(which: Confidence) -> Self {
        Self { which, counter: Counter::default(), at: 0, at_once: REGIONS_AT_ONCE }
    }

    /// Images that are counted.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Counts some of the next images, a few thousand regions; whether any is left.
    ///
    /// What a call does not come to the end of counts for nothing, so that it can be made again where bytes are
    /// on their way.
    ///
    /// # Errors
    /// Those of [`Store::scan_confidences`].
    pub fn advance(&mut self, store: &Store) -> Result<bool> {
        let images = (self.at_once / u64::from(store.per_image()).max(1)).max(1);
        let end = store.len().min(self.at.saturating_add(images));
        let mut found = Vec::new();
        store.scan_images(self.at..end, self.which, &mut |_, _, class, c| found.push((class, c)))?;
        found.into_iter().for_each(|(class, c)| self.counter.add(class, c));
        self.at = end;
        Ok(end < store.len())
    }

    /// The census of what is counted.
    ///
    /// # Errors
    /// A confidence that is not a number.
    pub fn close(self) -> Result<Census> {
        self.counter.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{CLASSES, manifest, stored};
    use ferkd_method::label::Codec;

    #[test]
    fn slices_count_what_the_whole_counts() {
        for (codec, k) in [(Codec::MarginalSmoothing, 5), (Codec::Full, CLASSES)] {
            let folder = stored(&manifest(97, codec, k));
            for count in [None, Some(1)] {
                let mut store = Store::open(folder.path()).unwrap();
                if let Some(count) = count {
                    store = store.first_regions(count).unwrap();
                }
                for which in [Confidence::Max, Confidence::Target] {
                    let whole = Census::of_store(&store, which);
                    let mut walk = CensusWalk { at_once: 20, ..CensusWalk::new(which) };
                    let mut steps = 1;
                    let walked = loop {
                        match walk.advance(&store) {
                            Ok(true) => steps += 1,
                            Ok(false) => break walk.close(),
                            Err(error) => break Err(error),
                        }
                    };
                    match (whole, walked) {
                        (Ok(whole), Ok(walked)) => {
                            assert_eq!(whole, walked, "{codec:?} {which:?}");
                            assert!(steps > 3, "only {steps} slices: nothing was cut");
                        }
                        (Err(whole), Err(walked)) => assert_eq!(whole.to_string(), walked.to_string()),
                        (whole, walked) => panic!("{whole:?}, {walked:?}"),
                    }
                }
            }
        }
    }

    #[test]
    fn pieces_of_any_length_see_every_region_once() {
        let folder = stored(&manifest(97, Codec::MarginalSmoothing, 5));
        let store = Store::open(folder.path()).unwrap();
        let mut all = Vec::new();
        store.scan_confidences(Confidence::Max, &mut |i, r, _, c| all.push((i, r, c))).unwrap();
        for length in [1, 2, 7, 31, 97] {
            let mut seen = Vec::new();
            for first in (0..store.len()).step_by(length) {
                let end = store.len().min(first + length as u64);
                let visit = &mut |i, r, _, c| seen.push((i, r, c));
                store.scan_images(first..end, Confidence::Max, visit).unwrap();
            }
            assert_eq!(seen, all, "{length}");
        }
    }
}
