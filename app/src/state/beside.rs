//! The store that was open before, beside the one that is: which data set stands on the right of a comparison.

use ferkd::{Error, Result};

use super::State;
use crate::dataset::DataSet;
use crate::experiment::Data;

impl State {
    /// The data set on the right side of a comparison: the one that is looked at, unless another one is wanted.
    pub fn right_data(&self) -> Data {
        let data = self.experiment.data;
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
}
