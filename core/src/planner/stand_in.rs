//! Pictures to measure with where none are at hand.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, RgbImage, imageops};

use crate::demo::scenes::SceneMaker;
use crate::error::{Error, Result};

fn failed(error: image::ImageError) -> Error {
    Error::damaged("a stand-in picture", error.to_string())
}

/// A small scene of the demo, as PNG.
pub(super) fn scene() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    picture()?.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).map_err(failed)?;
    Ok(bytes)
}

/// A JPEG of 500 x 375 pixels, ImageNet's most frequent size, with as much detail as photos have: about 100 kB.
pub(super) fn photo() -> Result<Vec<u8>> {
    let scene = picture()?;
    let (side, _) = scene.dimensions();
    let smooth = imageops::resize(&scene, 500, 375, imageops::FilterType::Triangle);
    let detailed = RgbImage::from_fn(500, 375, |x, y| {
        let (base, fine) = (smooth.get_pixel(x, y), scene.get_pixel(x % side, y % side));
        image::Rgb([0, 1, 2].map(|c| ((u16::from(base[c]) + 2 * u16::from(fine[c])) / 3) as u8))
    });
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95).encode_image(&detailed).map_err(failed)?;
    Ok(bytes)
}

fn picture() -> Result<RgbImage> {
    let maker = SceneMaker::new(0)?;
    Ok(maker.scene(0, 0).picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stand_in_weighs_what_photos_weigh() {
        let bytes = photo().unwrap();
        assert!((60_000..160_000).contains(&bytes.len()), "{}", bytes.len());
    }
}
