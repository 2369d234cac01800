//! Before a store is gone on with: the images of its shards are compared with what these were made from.

use std::time::Instant;

use ferkd_data::events::{Event, Listener};
use ferkd_data::images::ImageList;
use ferkd_data::store::StoreWriter;
use ferkd_method::error::Result;

/// Compares the images that have labels already with what was labelled, and tells how far it has come.
///
/// # Errors
/// Those of [`StoreWriter::check_images`] and of `check_stop`.
pub(super) fn compare(
    writer: &StoreWriter,
    images: &ImageList,
    check_stop: &mut dyn FnMut() -> Result<()>,
    listen: Listener,
) -> Result<()> {
    if writer.written_shards().is_empty() {
        return Ok(());
    }
    let (begun, job) = (Instant::now(), "comparing images with their labels".to_owned());
    let mut is_told = false;
    writer.check_images(images, &mut |done, total| {
        check_stop()?;
        if !is_told {
            listen(&Event::Started { job: job.clone(), total, unit: "images".into(), done: 0 });
            is_told = true;
        }
        let units_per_s = done as f64 / begun.elapsed().as_secs_f64().max(1e-9);
        let eta_s = if done > 0 { (total - done) as f64 / units_per_s } else { 0.0 };
        listen(&Event::Progress { done, total, units_per_s, eta_s });
        Ok(())
    })?;
    listen(&Event::Done { job, time_s: begun.elapsed().as_secs_f64() });
    Ok(())
}
