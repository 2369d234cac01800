//! Crop, then resize with antialiasing, then mirror: as Pillow does on 8-bit pictures.

use std::cell::RefCell;

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use serde::{Deserialize, Serialize};

use ferkd_method::error::{Error, Result};
use ferkd_method::region::Region;

/// How a picture is resized; both filters widen with the scale, so that nothing aliases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// Triangle: the student's.
    Bilinear,
    /// Cubic with a = -0.5: the teacher's.
    Bicubic,
}

/// What is worth keeping from one region to the next: tables, and the pictures after each of the two passes.
#[derive(Default)]
struct Tools {
    resizer: Resizer,
    between: Vec<u8>,
    out: Vec<u8>,
}

thread_local! {
    static TOOLS: RefCell<Tools> = RefCell::default();
}

/// Cuts `region` out of `image`, resizes it to `side` x `side` and mirrors it if the region says so.
///
/// The filter sees nothing outside of the box. Returns RGB bytes of shape (side, side, 3).
///
/// # Errors
/// A box outside of the image, or a side of 0.
pub fn crop_resize(image: &RgbImage, region: &Region, side: u32, filter: Filter) -> Result<Vec<u8>> {
    let mut out = crop_resize_with(image, region, side, filter, <[u8]>::to_vec)?;
    if region.flip {
        for row in out.chunks_mut(3 * side as usize) {
            row.as_chunks_mut::<3>().0.reverse();
        }
    }
    Ok(out)
}

/// The same, **not** mirrored, without a copy: `then` gets the bytes.
pub(crate) fn crop_resize_with<T>(
    image: &RgbImage,
    region: &Region,
    side: u32,
    filter: Filter,
    then: impl FnOnce(&[u8]) -> T,
) -> Result<T> {
    resize(image, region, side, side, filter, then)
}

/// How many times longer than wide a picture may be for validation's view.
const LONGEST: u32 = 256;

/// Whether [`centre_resize`] takes a picture of so many pixels.
///
/// # Errors
/// One more than 256 times as long as it is wide.
pub fn check_centre(width: u32, height: u32) -> Result<()> {
    if width.max(height) / width.min(height).max(1) <= LONGEST {
        return Ok(());
    }
    let problem = format!("{width} x {height} pixels: too long for its width to be evaluated on");
    Err(Error::damaged("picture", problem).remedy("take it out of the images"))
}

/// Validation's view: the short side to `round(side * 256 / 224)`, then the centre `side` x `side`.
///
/// Returns RGB bytes of shape (side, side, 3). Rounding as in torchvision's `Resize` and `CenterCrop`.
///
/// # Errors
/// A picture more than 256 times as long as it is wide, which would be resized to gigabytes.
pub fn centre_resize(image: &RgbImage, side: u32, filter: Filter) -> Result<Vec<u8>> {
    let short = (f64::from(side) * 256.0 / 224.0).round_ties_even() as u32;
    centre_of(image, short, side, filter)
}

/// The same with the centre's share of the short side given, in (0, 1]: the short side goes to `floor(side / share)`,
/// as timm does it for its `crop_pct`.
///
/// # Errors
/// As [`centre_resize`].
pub fn centre_resize_share(image: &RgbImage, side: u32, share: f64, filter: Filter) -> Result<Vec<u8>> {
    let short = (f64::from(side) / share).floor() as u32;
    centre_of(image, short.max(side), side, filter)
}

/// The short side to `short`, then the centre `side` x `side`; `short` is at least `side`.
fn centre_of(image: &RgbImage, short: u32, side: u32, filter: Filter) -> Result<Vec<u8>> {
    let (width, height) = image.dimensions();
    check_centre(width, height)?;
    let (least, most) = (width.min(height).max(1), width.max(height));
    let long = (u64::from(short) * u64::from(most) / u64::from(least)) as u32;
    let (w, h) = if width <= height { (short, long) } else { (long, short) };
    let whole = resize(image, &Region::whole(width, height), w, h, filter, <[u8]>::to_vec)?;
    let offset = |size: u32| (f64::from(size - side) / 2.0).round_ties_even() as usize;
    let (top, left) = (offset(h), offset(w));
    let row = |y: usize| (y * w as usize + left) * 3..(y * w as usize + left + side as usize) * 3;
    Ok((top..top + side as usize).flat_map(|y| whole[row(y)].iter().copied()).collect())
}

/// The whole image at `side` x `side`, whatever its shape. Returns RGB bytes of shape (side, side, 3).
pub fn whole_resize(image: &RgbImage, side: u32, filter: Filter) -> Result<Vec<u8>> {
    crop_resize(image, &Region::whole(image.width(), image.height()), side, filter)
}

pub(super) fn resize<T>(
    image: &RgbImage,
    region: &Region,
    width: u32,
    height: u32,
    filter: Filter,
    then: impl FnOnce(&[u8]) -> T,
) -> Result<T> {
    let fail = |problem: String| Error::mismatch(format!("region {region:?}"), problem);
    if !region.fits(image.width(), image.height()) {
        return Err(fail(format!("outside of an image of {} x {} pixels", image.width(), image.height())));
    }
    // Taken out, so that whatever `then` does finds tools of its own.
    let mut tools = TOOLS.with_borrow_mut(std::mem::take);
    let done = tools.resize(image, region, width, height, filter).map(then);
    TOOLS.set(tools);
    done.map_err(fail)
}

impl Tools {
    /// The region at `width` x `height`, RGB. The region must lie within the image.
    fn resize(
        &mut self,
        image: &RgbImage,
        region: &Region,
        width: u32,
        height: u32,
        filter: Filter,
    ) -> Result<&[u8], String> {
        // By type: a program then holds the code for these pixels alone, which a page feels.
        let source = TypedImageRef::<U8x3>::from_buffer(image.width(), image.height(), image.as_raw());
        let source = source.map_err(|e| e.to_string())?;
        let source =
            TypedCroppedImage::from_ref(&source, region.left, region.top, region.width, region.height);
        let source = source.map_err(|e| e.to_string())?;
        let filter = match filter {
            Filter::Bilinear => FilterType::Bilinear,
            Filter::Bicubic => FilterType::CatmullRom,
        };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);
        // Two calls, each along one axis and rounded to bytes, as in Pillow: cubic overshoot is cut off in between.
        let columns_first = columns_first((region.width, region.height), (width, height));
        let (w, h) = if columns_first { (region.width, height) } else { (width, region.height) };
        let mut between = target(&mut self.between, w, h)?;
        self.resizer.resize_typed(&source, &mut between, &options).map_err(|e| e.to_string())?;
        let mut out = target(&mut self.out, width, height)?;
        self.resizer.resize_typed(&between, &mut out, &options).map_err(|e| e.to_string())?;
        Ok(&self.out[..3 * width as usize * height as usize])
    }
}

/// Whether columns are resized before rows, from and to (width, height) in pixels.
///
/// Each pass is rounded to bytes, so that the order shows at sharp edges (6 of 255). Rows come first; Pillow 13 takes
/// columns first where the height loses more than twice as many pixels as the width.
pub fn columns_first(from: (u32, u32), to: (u32, u32)) -> bool {
    let lost = |from: u32, to: u32| i64::from(from) - i64::from(to);
    let (rows_lost, columns_lost) = (lost(from.1, to.1), lost(from.0, to.0));
    rows_lost > 0 && rows_lost > 2 * columns_lost
}

/// A picture in a buffer that only ever grows.
fn target(buffer: &mut Vec<u8>, width: u32, height: u32) -> Result<TypedImage<'_, U8x3>, String> {
    let len = 3 * width as usize * height as usize;
    if buffer.len() < len {
        buffer.resize(len, 0);
    }
    TypedImage::from_buffer(width, height, &mut buffer[..len]).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_thread_of_pixels_is_refused_rather_than_made_gigabytes_of() {
        let thread = RgbImage::new(1, 60_000);
        let error = centre_resize(&thread, 224, Filter::Bilinear).unwrap_err().to_string();
        assert!(error.contains("1 x 60000"), "{error}");
        let panorama = RgbImage::new(200, 2);
        assert_eq!(centre_resize(&panorama, 8, Filter::Bilinear).unwrap().len(), 3 * 8 * 8);
    }

    fn noise(seed: u64, width: u32, height: u32) -> RgbImage {
        let mut draw = ferkd_method::rng::Stream::new(seed, ferkd_method::rng::Purpose::Scene, 0, 0);
        RgbImage::from_fn(width, height, |_, _| image::Rgb(std::array::from_fn(|_| draw.below(256) as u8)))
    }

    proptest! {
        #[test]
        fn the_filter_sees_nothing_outside_of_the_box(seed: u64, number in 0u32..50, side in 1u32..40) {
            let image = noise(seed, 50, 40);
            let region = ferkd_method::region::RegionSampler::new(seed).region(1, number, 50, 40);
            let mut other = noise(seed ^ 1, 50, 40);
            for y in region.top..region.top + region.height {
                for x in region.left..region.left + region.width {
                    other.put_pixel(x, y, *image.get_pixel(x, y));
                }
            }
            for filter in [Filter::Bilinear, Filter::Bicubic] {
                let a = crop_resize(&image, &region, side, filter).unwrap();
                prop_assert_eq!(&a, &crop_resize(&other, &region, side, filter).unwrap());
                let mirrored = Region { flip: !region.flip, ..region };
                let b = crop_resize(&image, &mirrored, side, filter).unwrap();
                let first_row: Vec<&[u8]> = a[..3 * side as usize].chunks(3).rev().collect();
                prop_assert!(b[..3 * side as usize].chunks(3).eq(first_row));
            }
        }
    }

    #[test]
    fn single_pixels_and_enlarging_work() {
        let image = noise(3, 5, 4);
        let region = Region { top: 3, left: 4, height: 1, width: 1, flip: true };
        let out = crop_resize(&image, &region, 8, Filter::Bicubic).unwrap();
        assert!(out.chunks(3).all(|p| p == image.get_pixel(4, 3).0));
    }

    #[test]
    fn the_centre_of_a_long_picture() {
        let image = noise(3, 100, 40);
        assert_eq!(centre_resize(&image, 35, Filter::Bilinear).unwrap().len(), 35 * 35 * 3);
        // 35 * 256 / 224 = 40: no scaling, so that the centre is a plain crop.
        let out = centre_resize(&image, 35, Filter::Bilinear).unwrap();
        assert_eq!(&out[..3], &image.get_pixel(32, 2).0);
    }

    #[test]
    fn boxes_outside_are_errors() {
        let image = noise(3, 5, 4);
        let region = Region { top: 0, left: 2, height: 1, width: 4, flip: false };
        assert!(crop_resize(&image, &region, 8, Filter::Bilinear).is_err());
    }
}
