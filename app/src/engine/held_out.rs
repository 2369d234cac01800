//! What students are evaluated on: the held-out scenes, and sample regions of the training scenes beside them.

use ferkd_data::images::ImageList;
use ferkd_data::pixels::OrientationRule;
use ferkd_data::store::Store;
use ferkd_method::{Error, Result};
use ferkd_train::EvalSet;
use ferkd_train::trainer::Trainer;

/// The held-out images `validation`, then regions of the training images `images` by their numbers in `store`, as the
/// student of `trainer` sees them; all are cut now, since students are evaluated often.
///
/// # Errors
/// An image that cannot be decoded, classes that the student does not have, a region that is not there.
pub fn eval_set(
    validation: &ImageList,
    images: &ImageList,
    store: &Store,
    samples: &[(u64, u32)],
    trainer: &Trainer,
) -> Result<EvalSet> {
    let view = trainer.batcher().student;
    let folders = trainer.card().classes.map_folders(validation.folders(), "the student")?;
    let mut regions = vec![0.0; samples.len() * view.size()];
    for (&(image, region), pixels) in samples.iter().zip(regions.chunks_mut(view.size())) {
        let entry = store.image(image)?;
        let region = *store
            .regions(image)?
            .get(region as usize)
            .ok_or_else(|| Error::usage("samples", format!("{}: there is no region {region}", entry.name)))?;
        let at = images
            .position(&entry.name)
            .ok_or_else(|| Error::mismatch(&*entry.name, "the image is not among the scenes"))?;
        let picture = images.decode(at, OrientationRule::Apply)?.image;
        view.cut(&picture, &region, pixels)?;
    }
    EvalSet::new(view, validation.clone(), folders).with_extra(regions).cut_before()
}
