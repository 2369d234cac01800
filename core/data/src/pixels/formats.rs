//! Which image formats are read: three everywhere, the others where the feature `formats` is on.

use image::{DynamicImage, ImageFormat};

/// The formats that are read, for messages.
pub(super) const READ: &str =
    if cfg!(feature = "formats") { "JPEG, PNG, WebP, BMP, PNM, TIFF or GIF" } else { "JPEG, PNG or WebP" };

/// Whether files of a format are read: of TIFF the first page, of GIF the first frame.
pub(super) fn is_read(format: ImageFormat) -> bool {
    let always = matches!(format, ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP);
    let others = matches!(format, ImageFormat::Bmp | ImageFormat::Pnm | ImageFormat::Tiff | ImageFormat::Gif);
    always || others && cfg!(feature = "formats")
}

/// Refuses pictures whose numbers do not say how bright they are; the error is the problem.
pub(super) fn check(picture: &DynamicImage) -> Result<(), String> {
    match picture {
        DynamicImage::ImageRgb32F(_) | DynamicImage::ImageRgba32F(_) => {
            Err("its pixels are fractions (32-bit floats), whose range is not known".into())
        }
        _ => Ok(()),
    }
}
