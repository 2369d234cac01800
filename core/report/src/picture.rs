//! Pictures inside of the page, as data URIs.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::html::Html;
use ferkd_method::error::{Error, Result};

/// Pictures with a longer side are refused: no report needs them.
const MAX_SIDE: u32 = 8192;

/// Up to this side, in pixels, a picture is enlarged with its pixels showing.
const PIXELATED_SIDE: u32 = 96;

/// Quality of JPEG pictures, in percent.
const JPEG_QUALITY: u8 = 88;

/// An RGB picture that is a part of the page.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    uri: String,
    width: u32,
    height: u32,
}

impl Picture {
    /// A picture kept exactly, as PNG: `pixels` is RGB, 8 bits each, row by row: shape (height, width, 3).
    ///
    /// # Errors
    /// Another number of bytes than `3 * width * height`, or a side outside of 1..=8192.
    pub fn png(pixels: &[u8], width: u32, height: u32) -> Result<Self> {
        check(pixels, width, height)?;
        let mut bytes = Vec::new();
        PngEncoder::new_with_quality(Cursor::new(&mut bytes), CompressionType::Best, FilterType::Adaptive)
            .write_image(pixels, width, height, ExtendedColorType::Rgb8)
            .map_err(|e| Error::mismatch("picture", e.to_string()))?;
        Ok(Self::from_bytes("image/png", &bytes, width, height))
    }

    /// A photo, as JPEG, a tenth of the size: `pixels` as for [`png`](Self::png).
    ///
    /// # Errors
    /// As for [`png`](Self::png).
    pub fn photo(pixels: &[u8], width: u32, height: u32) -> Result<Self> {
        check(pixels, width, height)?;
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(Cursor::new(&mut bytes), JPEG_QUALITY)
            .write_image(pixels, width, height, ExtendedColorType::Rgb8)
            .map_err(|e| Error::mismatch("picture", e.to_string()))?;
        Ok(Self::from_bytes("image/jpeg", &bytes, width, height))
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    pub(super) fn write(&self, html: &mut Html, alt: &str) {
        let small = self.width.max(self.height) <= PIXELATED_SIDE;
        let class = if small { "pixels" } else { "photo" };
        html.void(
            "img",
            &[
                ("class", &class),
                ("src", &self.uri),
                ("width", &self.width),
                ("height", &self.height),
                ("alt", &alt),
            ],
        );
    }

    fn from_bytes(kind: &str, bytes: &[u8], width: u32, height: u32) -> Self {
        Self { uri: format!("data:{kind};base64,{}", STANDARD.encode(bytes)), width, height }
    }
}

fn check(pixels: &[u8], width: u32, height: u32) -> Result<()> {
    let problem = if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
        format!("invalid size {width} x {height}: expected sides of 1 to {MAX_SIDE} pixels")
    } else if pixels.len() as u64 != 3 * u64::from(width) * u64::from(height) {
        format!("{} bytes for {width} x {height} RGB pixels", pixels.len())
    } else {
        return Ok(());
    };
    Err(Error::mismatch("picture", problem)
        .remedy("give 3 bytes for each pixel, and scale large pictures down"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_comes_back_as_it_was() {
        let pixels: Vec<u8> = (0..5 * 4 * 3).map(|i| (i * 37 % 256) as u8).collect();
        let picture = Picture::png(&pixels, 5, 4).unwrap();
        let bytes = STANDARD.decode(picture.uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let image = image::load_from_memory(&bytes).unwrap();
        assert_eq!(image.to_rgb8().into_raw(), pixels);
        assert_eq!(picture, Picture::png(&pixels, 5, 4).unwrap());
    }

    #[test]
    fn wrong_sizes_are_refused() {
        for (bytes, width, height) in [(11, 2, 2), (0, 0, 0), (12, u32::MAX, u32::MAX), (0, 8193, 0)] {
            assert!(Picture::png(&vec![0; bytes], width, height).is_err());
            assert!(Picture::photo(&vec![0; bytes], width, height).is_err());
        }
    }
}
