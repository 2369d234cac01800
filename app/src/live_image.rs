//! A reader's own image: it gets its regions when it is opened, and its labels while you look on.

use std::sync::Arc;

use ferkd_data::pixels::{OrientationRule, decode};
use ferkd_method::Result;
use ferkd_method::label::SoftLabel;
use ferkd_method::region::{Region, RegionSampler};
use ferkd_method::rng::path_hash;
use image::RgbImage;

/// Regions that an image of the reader's gets.
const REGIONS: u32 = 16;

/// Longer side of a picture that is kept, in pixels: beyond it a page runs out of memory before the eye gains.
const LONGEST: u32 = 2048;

/// An image that is labelled while you look on.
#[derive(Debug, Clone)]
pub struct LiveImage {
    /// Its name.
    pub name: String,
    /// The picture.
    pub picture: Arc<RgbImage>,
    /// Its class, where one was given.
    pub truth: Option<u32>,
    /// Its regions.
    pub regions: Vec<Region>,
    /// The teacher's label of each region, once it is known.
    pub labels: Vec<Option<SoftLabel>>,
}

/// An image with its regions, still to be labelled.
///
/// # Errors
/// A file that is not an image.
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
    for &(class, p) in image.labels.iter().flatten().flat_map(SoftLabel::top) {
        match votes.iter_mut().find(|(c, _)| *c == class) {
            Some((_, sum)) => *sum += p,
            None => votes.push((class, p)),
        }
    }
    votes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    votes.first().map(|&(class, _)| class)
}
