//! Images that no disk holds: `synthetic:1281167x1000` has ImageNet's number, classes, sizes and weight, so that a
//! whole epoch's machinery can be tried without it.
//!
//! A few JPEGs are made in memory and stand for all images by turns: decoding costs what it costs on photos, and
//! boxes, labels and order go by the names, which all differ. There is nothing in them to be learned.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use rayon::prelude::*;

use crate::classes::ClassSpace;
use crate::images::split::Split;
use ferkd_method::error::{Error, Result};
use ferkd_method::rng::{Purpose, Stream};

/// What a list of synthetic images is called by.
const PREFIX: &str = "synthetic:";

/// More would not fit the numbers of a list.
const MOST_IMAGES: usize = 1 << 27;

/// Width and height of ImageNet photos: 25 quantiles, by area, of 200 of them.
const SIZES: [(u32, u32); 25] = [
    (300, 160),
    (500, 207),
    (360, 360),
    (500, 323),
    (332, 500),
    (500, 333),
    (333, 500),
    (500, 333),
    (500, 333),
    (500, 333),
    (334, 500),
    (500, 337),
    (348, 500),
    (500, 375),
    (500, 375),
    (500, 375),
    (500, 375),
    (500, 375),
    (500, 375),
    (500, 375),
    (500, 375),
    (500, 383),
    (462, 465),
    (500, 499),
    (700, 525),
];

/// Photos that stand for all others: two of each size.
const POOL: usize = 2 * SIZES.len();

/// Whether a path names synthetic images.
pub fn is_synthetic(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.starts_with(PREFIX))
}

/// A synthetic image: its relative path, its class folder, and the bytes of its file.
pub type SyntheticImage = (String, String, Arc<[u8]>);

/// The images that a path such as `synthetic:1281167x1000` names: so many images in so many class folders. None if
/// it is a path like any other.
///
/// Up to 1000 classes are ImageNet's WordNet ids, so that its teachers know them. Training and validation images
/// have other names.
///
/// # Errors
/// An invalid number, no image, fewer images than classes, or too many.
pub fn synthetic(path: &Path, split: Split) -> Result<Option<Vec<SyntheticImage>>> {
    let Some(text) = path.to_str().and_then(|text| text.strip_prefix(PREFIX)) else { return Ok(None) };
    let wrong = |problem: String| {
        Err(Error::usage(path.display().to_string(), problem)
            .remedy("say how many images and classes: synthetic:1281167x1000"))
    };
    let numbers = text.split_once('x').map(|(a, b)| (a.parse::<usize>(), b.parse::<usize>()));
    let Some((Ok(images), Ok(classes))) = numbers else {
        return wrong("invalid numbers: expected IMAGESxCLASSES behind the colon".into());
    };
    if classes == 0 || images < classes || images > MOST_IMAGES || classes > 65_536 {
        return wrong(format!("{images} images in {classes} classes cannot be"));
    }
    let half = if split == Split::Train { "train" } else { "val" };
    let pool = pool(images.min(POOL))?;
    let names = folders(classes);
    let list = (0..images).map(|i| {
        // Of every class as many, and the pool's pictures by turns.
        let folder = &names[i % classes];
        (format!("{folder}/{half}_{i:08}.JPEG"), folder.clone(), pool[i % pool.len()].clone())
    });
    Ok(Some(list.collect()))
}

/// Names of class folders.
fn folders(classes: usize) -> Vec<String> {
    let imagenet = ClassSpace::imagenet().ids;
    if classes <= imagenet.len() {
        return imagenet.into_iter().take(classes).collect();
    }
    (0..classes).map(|class| format!("class_{class:05}")).collect()
}

/// The first `count` of the photos that stand for all others, at most [`POOL`]. Each is made once a process: it takes
/// longer than a small run, and lists may share it.
fn pool(count: usize) -> Result<Vec<Arc<[u8]>>> {
    static MADE: [OnceLock<Arc<[u8]>>; POOL] = [const { OnceLock::new() }; POOL];
    let made = |i: usize| -> Result<Arc<[u8]>> {
        if let Some(photo) = MADE[i].get() {
            return Ok(photo.clone());
        }
        let photo = photo(i as u32, SIZES[i % SIZES.len()])?;
        Ok(MADE[i].get_or_init(|| photo).clone())
    };
    (0..count).into_par_iter().map(made).collect()
}

/// Made-up photo `number`: a JPEG of soft colours and grain, about as heavy, and as hard to decode, as a photo of its
/// width and height. The same everywhere.
///
/// # Errors
/// A size that no JPEG has.
pub fn photo(number: u32, (width, height): (u32, u32)) -> Result<Arc<[u8]>> {
    let mut draw = Stream::new(0, Purpose::Synthetic, 0, number);
    let waves: Vec<[f64; 5]> = (0..9)
        .map(|_| {
            let (x, y) = (draw.uniform(-9.0, 9.0), draw.uniform(-9.0, 9.0));
            [x, y, draw.uniform(0.0, 6.3), draw.uniform(10.0, 40.0), f64::from(draw.below(3))]
        })
        .collect();
    let along = |i: u32, length: u32| f64::from(i) / f64::from(length);
    let mut image = RgbImage::new(width, height);
    for (x, y, pixel) in image.enumerate_pixels_mut() {
        let mut colour = [128.0; 3];
        for &[fx, fy, phase, strength, channel] in &waves {
            let wave = libm::cos(fx * along(x, width) + fy * along(y, height) + phase);
            colour[channel as usize] += strength * wave;
        }
        let grain = draw.uniform(-GRAIN, GRAIN);
        *pixel = Rgb(colour.map(|c| (c + grain).clamp(0.0, 255.0) as u8));
    }
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95)
        .encode_image(&image)
        .map_err(|e| Error::mismatch("synthetic image", e.to_string()))?;
    Ok(bytes.into())
}

/// Half the width of the grain in steps of 255: it makes a picture as heavy as ImageNet's, 0.6 bytes a pixel.
const GRAIN: f64 = 22.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::list::ImageList;
    use crate::pixels::OrientationRule;

    fn open(text: &str, split: Split) -> Result<Option<ImageList>> {
        synthetic(Path::new(text), split)?.map(ImageList::in_memory).transpose()
    }

    #[test]
    fn numbers_and_classes_are_as_asked_for() {
        let list = open("synthetic:1001x40", Split::Train).unwrap().unwrap();
        assert_eq!((list.len(), list.folders().len()), (1001, 40));
        let of = |class| (0..list.len()).filter(|&i| list.folder(i) == Some(class)).count();
        assert!((0..40).all(|class| (25..=26).contains(&of(class))));
        assert!(ClassSpace::imagenet().map_folders(list.folders(), "ImageNet").is_ok());
        let again = open("synthetic:1001x40", Split::Train).unwrap().unwrap();
        assert_eq!((list.digest(), list.read(7).unwrap()), (again.digest(), again.read(7).unwrap()));
        assert_ne!(open("synthetic:1001x40", Split::Val).unwrap().unwrap().digest(), list.digest());
    }

    /// 200 photos of ImageNet: 180 557 pixels and 107 340 bytes on average.
    #[test]
    fn pictures_are_as_large_and_as_heavy_as_photos() {
        let list = open("synthetic:25x25", Split::Train).unwrap().unwrap();
        let (mut bytes, mut pixels) = (0.0, 0.0);
        for i in 0..list.len() {
            let image = list.decode(i, OrientationRule::Apply).unwrap().image;
            bytes += list.read(i).unwrap().len() as f64;
            pixels += f64::from(image.width() * image.height());
        }
        assert!((pixels / 25.0 / 180_557.0 - 1.0).abs() < 0.1, "{} pixels", pixels / 25.0);
        assert!((bytes / pixels / 0.594 - 1.0).abs() < 0.1, "{} bytes a pixel", bytes / pixels);
    }

    #[test]
    fn a_photo_of_the_most_frequent_size_weighs_what_photos_weigh() {
        let bytes = photo(0, (500, 375)).unwrap();
        assert!((60_000..160_000).contains(&bytes.len()), "{}", bytes.len());
        assert_eq!(photo(0, (500, 375)).unwrap(), bytes, "drawn again");
    }

    #[test]
    fn other_paths_and_wrong_numbers() {
        assert!(open("photos", Split::Train).unwrap().is_none());
        for text in ["synthetic:", "synthetic:10", "synthetic:0x0", "synthetic:3x4", "synthetic:9999999999x2"]
        {
            assert!(open(text, Split::Train).is_err(), "{text}");
        }
    }
}
